//! What the program `estop` is made of: command line, configuration, wiring. `main.rs` is the table of contents.

pub mod accounting;
pub mod activation;
pub mod admin;
pub mod airlock;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod corrections;
pub mod custodian;
pub mod demo;
pub mod estate;
pub mod export;
pub mod failure;
pub mod files;
mod html;
pub mod output;
pub mod postgres;
pub mod publish;
pub mod receipts;
pub mod serve;
pub mod signals;
pub mod solvers;
pub mod ssh;
pub mod tls;
pub mod unix;
mod urls;
pub mod witnessing;
