//! What can be typed of overseers: their keys, and the opening of what is under seal.

use std::path::PathBuf;

use clap::Subcommand;
use evidence::id::{HolderId, OverseersId};

use super::IndexRange;

/// `estop overseers ...`.
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Overseers' private key is made once, split, and forgotten: there are only its shares, and any THRESHOLD of them open. The custodian \
                  asks (`request`), overseers meet and answer (`open`), on a machine of theirs, and the custodian hands the answer in (`submit`), \
                  which records it. Nothing but the entries asked for is opened by it."
)]
pub enum Overseers {
    /// Make a key, split it among overseers, and print the lines for estop.toml; best on a machine that is not the custodian's
    New {
        /// What the overseers are called in the estate
        id: OverseersId,
        /// The custodian whose records are to be sealed: its name
        #[arg(long, value_name = "NAME")]
        custodian: evidence::id::Custodian,
        /// Who gets a share, with commas between; 2 to 32
        #[arg(long, value_name = "ID,...", value_delimiter = ',', required = true)]
        holders: Vec<HolderId>,
        /// How many of them open together; 2 at least
        #[arg(long, value_name = "K")]
        threshold: u8,
        /// Where to write the shares, as OVERSEERS-HOLDER.share; made if it is not there
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
    /// Write what overseers need to open entries to a file
    #[command(
        after_help = "Reads the state folder; `serve` may be running. At most 10,000 entries, all sealed to the same overseers."
    )]
    Request {
        /// Which entries: indexes, or ranges such as 17-19, of which those under seal are taken
        #[arg(
            value_name = "INDEX",
            required_unless_present_any = ["subject", "due"],
            conflicts_with_all = ["subject", "due"]
        )]
        entries: Vec<IndexRange>,
        /// The disclosures of a person's record: of which data set
        #[arg(long, value_name = "ID", requires = "subject")]
        dataset: Option<String>,
        /// The subject key's value in the person's row
        #[arg(long, value_name = "KEY", allow_hyphen_values = true, requires = "dataset")]
        subject: Option<String>,
        /// Those whose time has come
        #[arg(long, conflicts_with = "subject")]
        due: bool,
        /// Sealed to whom; needed where there are several
        #[arg(long, value_name = "ID")]
        overseers: Option<OverseersId>,
        /// The file, which must not be there yet
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Open what a custodian asks for, with the shares of as many overseers as it takes: needs no estate, no network
    #[command(
        after_help = "Shows each entry as it is published. Entries whose time has not come are opened on an order only, which is recorded. What \
                      is written opens these entries to whoever has it and the custodian's ledger."
    )]
    Open {
        /// What `estop overseers request` wrote
        request: PathBuf,
        /// A share; as often as it takes
        #[arg(long = "share", value_name = "FILE", required = true)]
        shares: Vec<PathBuf>,
        /// The order on which entries are opened before their time
        #[arg(long, value_name = "TEXT")]
        order: Option<String>,
        /// The answer's file, which must not be there yet
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Hand in what overseers opened: it is checked against the entries, recorded in the ledger, and can be read from then on
    Submit {
        /// What `estop overseers open` wrote
        answer: PathBuf,
    },
}
