//! Exposure: which roles can read a relation, by every path, from what the catalogs say.
//!
//! A [`snapshot::Snapshot`] comes in, a [`report::Report`] goes out; in between there is nothing but values. What a role can
//! become is in `states`, what yields a relation's rows in `nodes` and `functions`, and the points where the two meet in
//! `points`, `server` and `latent`.

mod abroad;
mod acl;
mod asleep;
mod blobs;
mod borrowed;
mod calls;
mod condition;
mod counting;
mod domains;
mod events;
mod extensions;
mod facts;
mod far;
mod files;
mod foreign;
mod foreign_text;
mod functions;
mod groups;
mod helpers;
mod holders;
mod index;
mod invoked;
mod jobs;
mod kept;
pub mod kinds;
mod latent;
mod links;
mod login;
mod maintaining;
mod nodes;
mod openings;
mod oracles;
mod own_code;
mod owning;
mod parting;
mod paths;
mod planting;
mod points;
mod question;
pub mod reading;
mod remote_text;
pub mod report;
mod rights;
mod row_security;
mod rules;
pub mod scan;
mod server;
mod sinks;
pub mod snapshot;
mod sorting;
mod source;
mod states;
mod telling;
mod touched;
mod tree;
mod trying;
mod values;
mod views;
mod walks;
mod world;
mod writing;

pub use kinds::Kind;
pub use report::{Alike, Attempt, Class, Finding, Looked, Reach, Report, Step};
pub use scan::{Question, scan};
pub use snapshot::Snapshot;
