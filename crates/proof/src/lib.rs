//! What is proved of an estate by solvers: queries, scripts, verdicts, the evidence folder and its re-check.
//!
//! Runs two solver programs and writes files. No database, no ledger, no session; the clock is handed in.

mod alike;
pub mod case;
mod computes;
mod deep;
pub mod examine;
pub mod finding;
pub mod folder;
pub mod hold;
pub mod offence;
pub mod properties;
pub mod recheck;
pub mod run;
mod said;
pub mod script;
mod slice;
pub mod solver;
mod stated;
pub mod symbolic;
