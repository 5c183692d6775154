//! `estop directive ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use evidence::id::{AgreementId, DirectiveNumber, PartnerId, PurposeId};
use jiff::Timestamp;

/// `estop directive ...`.
#[derive(Debug, Subcommand)]
pub enum Directive {
    /// Draw up a directive for two authorities to sign
    #[command(subcommand)]
    New(New),
    /// Read a directive out
    Show {
        /// The directive
        file: PathBuf,
    },
    /// Sign a directive with `ssh-keygen`
    Sign {
        /// The directive
        file: PathBuf,
        /// The private key, or the public one of a key in an agent or a security key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Hand in a directive with its signatures: it takes effect at once
    Submit {
        /// The directive
        file: PathBuf,
        /// The signatures; left out, all files beside it named FILE.*.sig and FILE.sig
        #[arg(value_name = "SIGNATURE")]
        signatures: Vec<PathBuf>,
        /// It does something else by now than its preview said, and I have read this preview: the SHA-256 that the refusal
        /// names
        #[arg(long, value_name = "SHA256")]
        despite: Option<String>,
    },
    /// List the directives that were handed in
    List,
}

/// `estop directive new ...`.
#[derive(Debug, Subcommand)]
pub enum New {
    /// Put the estate in force, exactly as it stands in its folder now
    Approve(Approve),
    /// End what is shared with a partner, for good
    Terminate(Terminate),
    /// End what is shared with a partner until a time; it comes back by itself then, or earlier by `reinstate`
    Suspend(Suspend),
    /// Give back what a termination or a suspension has ended; passwords between gateway and database are drawn anew
    Reinstate(Reinstate),
}

/// `estop directive new approve ...`.
#[derive(Debug, Args)]
pub struct Approve {
    /// On what legal basis, in one line; it is part of what is signed
    #[arg(long, value_name = "TEXT", default_value = "not stated")]
    pub basis: String,
    /// Hours from now within which it must be handed in and applied
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=720))]
    pub within: u32,
    /// Where to write it; left out, NUMBER.directive in this folder. What it changes goes into a file beside it, with
    /// `.summary` at its end
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Whose access.
#[derive(Debug, Args)]
pub struct ScopeWanted {
    /// The partner to cut off
    pub partner: PartnerId,
    /// Only this agreement
    #[arg(long, value_name = "ID")]
    pub agreement: Option<AgreementId>,
    /// Only this purpose
    #[arg(long, value_name = "ID")]
    pub purpose: Option<PurposeId>,
}

/// What every order about a partner says.
#[derive(Debug, Default, Args)]
pub struct Words {
    /// On what legal basis, in one line; this and what follows is part of what is signed
    #[arg(long, value_name = "TEXT", default_value = "not stated")]
    pub basis: String,
    /// The services that end, in words
    #[arg(long, value_name = "TEXT")]
    pub services: Option<String>,
    /// What is alleged
    #[arg(long, value_name = "TEXT")]
    pub grounds: Option<String>,
    /// When the partner is heard, such as 2026-12-01T15:00:00Z
    #[arg(long, value_name = "TIME")]
    pub hearing: Option<Timestamp>,
    /// Whom to ask, and how to reach them
    #[arg(long, value_name = "TEXT")]
    pub contact: Option<String>,
    /// The text of the notice to the partner, in one line
    #[arg(long, value_name = "TEXT")]
    pub notice: Option<String>,
    /// Hours from now within which it must be carried out
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=720))]
    pub within: u32,
    /// Where to write it; left out, NUMBER.directive in this folder
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `estop directive new terminate ...`.
#[derive(Debug, Args)]
pub struct Terminate {
    /// Whose access.
    #[command(flatten)]
    pub scope: ScopeWanted,
    /// What it says.
    #[command(flatten)]
    pub words: Words,
}

/// `estop directive new suspend ...`.
#[derive(Debug, Args)]
pub struct Suspend {
    /// Whose access.
    #[command(flatten)]
    pub scope: ScopeWanted,
    /// When it lapses by itself, in whole seconds, such as 2026-12-23T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub until: Timestamp,
    /// What it says.
    #[command(flatten)]
    pub words: Words,
}

/// `estop directive new reinstate ...`.
#[derive(Debug, Args)]
pub struct Reinstate {
    /// The directive whose effect is lifted, such as D-2026-0001
    pub lifts: DirectiveNumber,
    /// What it says.
    #[command(flatten)]
    pub words: Words,
}
