//! Conditions mean the same to Cedar and to PostgreSQL: random policy sets on random rows, NULLs included, asked of
//! Cedar's own authorizer and, translated, of a real server. And the comparison notices a translator that is wrong.

#[cfg(test)]
mod agree;
#[cfg(test)]
mod conditions;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod policy_sets;
#[cfg(test)]
mod random;
#[cfg(test)]
mod rows;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod views;
