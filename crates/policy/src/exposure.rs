//! Exposure: which roles can read a relation, by every path, from what the catalogs say.
//!
//! A [`snapshot::Snapshot`] comes in, a [`report::Report`] goes out; in between there is nothing but values. What a role can
//! become is in `states`, what yields a relation's rows in `nodes` and `functions`, and the points where the two meet in
//! `points`, `server` and `latent`.

mod acl;
mod borrowed;
mod calls;
mod condition;
mod facts;
mod far;
mod foreign;
mod functions;
mod invoked;
mod jobs;
pub mod kinds;
mod latent;
mod links;
mod login;
mod nodes;
mod points;
mod question;
pub mod reading;
pub mod report;
mod rights;
mod row_security;
mod rules;
pub mod scan;
mod server;
pub mod snapshot;
mod source;
mod states;
mod summary;
mod telling;
mod values;
mod views;
mod world;

pub use kinds::Kind;
pub use report::{Attempt, Class, Finding, Looked, Report, Step};
pub use scan::{Question, scan};
pub use snapshot::Snapshot;
