//! Control against a real PostgreSQL that each test starts for itself.

#[cfg(test)]
mod admin_role;
#[cfg(test)]
mod api;
#[cfg(test)]
mod apply;
#[cfg(test)]
mod approving;
#[cfg(test)]
mod as_of;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod bloat;
#[cfg(test)]
mod channels;
#[cfg(test)]
mod directive;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod exposure;
#[cfg(test)]
mod exposure_decoys;
#[cfg(test)]
mod exposure_docs;
#[cfg(test)]
mod exposure_hidden;
#[cfg(test)]
mod exposure_hidden_ways;
#[cfg(test)]
mod exposure_jobs;
#[cfg(test)]
mod exposure_jobs_ways;
#[cfg(test)]
mod exposure_more_ways;
#[cfg(test)]
mod exposure_nasty;
#[cfg(test)]
mod exposure_nasty_ways;
#[cfg(test)]
mod exposure_newer_ways;
#[cfg(test)]
mod exposure_random;
mod exposure_random_catalog;
#[cfg(test)]
mod exposure_texts_ways;
mod exposure_ways;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod preview;
#[cfg(test)]
mod proved;
#[cfg(test)]
mod pseudonyms;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod server;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod suspension;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod two_servers;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod world;
