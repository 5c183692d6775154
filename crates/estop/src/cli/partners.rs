//! What can be typed of what partners are sent: notices of corrections, receipts.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use evidence::id::{CorrectionNumber, PartnerId};

/// `estop correct`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Each partner that was given the record gets a notice of its own, signed with the custodian's key and recorded before it is \
                  written: NUMBER.correction. An officer of the partner answers by `ssh-keygen -Y sign -f KEY -n correction@CUSTODIAN \
                  NUMBER.correction`. Exits with 0 where it could be looked up, also where nobody was given the record."
)]
pub struct Correct {
    /// Something else than making notices
    #[command(subcommand)]
    pub command: Option<CorrectCommand>,
    /// The data set
    #[arg(long, value_name = "ID", required = true)]
    pub dataset: Option<String>,
    /// The subject key's value in the person's row
    #[arg(long, value_name = "KEY", allow_hyphen_values = true, required = true)]
    pub subject: Option<String>,
    /// What was wrong and what is right, in one line
    #[arg(long, value_name = "TEXT", required = true)]
    pub note: Option<String>,
    /// Where to write the notices; made if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
}

/// `estop correct ...`.
#[derive(Debug, Subcommand)]
pub enum CorrectCommand {
    /// List the notices that nobody has answered, and how old they are
    List {
        /// Also those that were answered
        #[arg(long)]
        all: bool,
    },
    /// Write a notice that was made before to a file once more
    Show {
        /// Its number
        number: CorrectionNumber,
        /// The file, which must not be there yet; left out, NUMBER.correction
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Record a partner's answer to a notice
    Acknowledge {
        /// The notice's number
        number: CorrectionNumber,
        /// The signature of one of the partner's officers over the notice, as `ssh-keygen -Y sign` wrote it
        #[arg(
            long,
            value_name = "FILE",
            required_unless_present = "word",
            conflicts_with = "word"
        )]
        signature: Option<PathBuf>,
        /// It was answered in another way, which this says: on your word alone
        #[arg(long, value_name = "TEXT")]
        word: Option<String>,
    },
    /// Check a notice, as a partner would: needs no ledger, no network, no estate
    Check {
        /// The notice
        file: PathBuf,
        /// The custodian's public key (`name+hash+base64`), or a file that holds it
        #[arg(long, value_name = "KEY")]
        key: String,
    },
}

/// `estop receipts`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "A receipt is signed with the custodian's key and names leaves of the partner's log as it is published. Reads the state folder; \
                  `serve` may be running."
)]
pub struct Receipts {
    /// Something else than writing receipts
    #[command(subcommand)]
    pub command: Option<ReceiptsCommand>,
    /// For which partner
    #[arg(long, value_name = "PARTNER", required = true)]
    pub partner: Option<PartnerId>,
    /// From this leaf of the partner's log on
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub from: u64,
    /// Where to write them, as PARTNER-INDEX.receipt; made if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
}

/// `estop receipts ...`.
#[derive(Debug, Subcommand)]
pub enum ReceiptsCommand {
    /// Hold a receipt against the partner's log as it is published: needs no estate, no network
    #[command(
        after_help = "Exits with 1 where a leaf is missing, or is not under the log's checkpoint yet. FOLDER holds a copy of what is published of that \
                      log: `checkpoint` and `tile`."
    )]
    Check {
        /// The receipt
        file: PathBuf,
        /// The custodian's public key (`name+hash+base64`), or a file that holds it
        #[arg(long, value_name = "KEY")]
        key: String,
        /// The partner's log
        #[arg(long, value_name = "FOLDER")]
        log: PathBuf,
        /// Witnesses (C2SP tlog-policy) by whose time a log that ends too early is missing a leaf
        #[arg(long, value_name = "POLICY")]
        witnesses: Option<PathBuf>,
        /// Where a leaf is missing, write what proves it to this folder, which must not be there yet
        #[arg(long, value_name = "DIR")]
        evidence: Option<PathBuf>,
    },
}
