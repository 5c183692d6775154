//! What the program `estop` is made of: command line, configuration, wiring. `main.rs` is the table of contents.

pub mod accounting;
pub mod admin;
pub mod airlock;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod custodian;
pub mod demo;
pub mod estate;
pub mod failure;
pub mod files;
pub mod output;
pub mod postgres;
pub mod serve;
pub mod signals;
pub mod solvers;
pub mod ssh;
pub mod tls;
pub mod unix;
pub mod witnessing;
