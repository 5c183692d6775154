//! What is proved of an estate by solvers: queries, scripts, verdicts, the evidence folder and its re-check.
//!
//! Runs two solver programs and writes files. No database, no ledger, no session; the clock is handed in.

pub mod case;
mod deep;
pub mod examine;
pub mod finding;
pub mod folder;
pub mod offence;
pub mod properties;
pub mod recheck;
pub mod run;
pub mod script;
pub mod solver;
pub mod symbolic;
