//! What is proved, tried with both real solvers and with fake ones.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is tests, also what is not marked as one"
)]

mod agree;
mod change;
mod evidence;
mod example;
mod faults;
mod stated;
mod statutes;
mod support;
