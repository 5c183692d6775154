//! What can be typed: the command line as types. Nothing is done here.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use evidence::id::{AgreementId, Custodian, DatasetId, DirectiveNumber, Origin, PartnerId, PurposeId};
use policy::estate::schema::FileKind;

mod directives;
mod erase;
mod overseers;
mod partners;
mod public;

pub use directives::{Approve, Directive, New, Reinstate, ScopeWanted, Suspend, Terminate, Words};
pub use erase::{Erase, IndexRange};
pub use overseers::Overseers;
pub use partners::{Correct, CorrectCommand, Receipts, ReceiptsCommand};
pub use public::Publish;

/// Share live PostgreSQL databases under written agreements; cut anyone off at once; prove it.
#[derive(Debug, Parser)]
#[command(
    name = "estop",
    version,
    propagate_version = true,
    disable_help_subcommand = true
)]
#[command(
    after_help = "Exit codes: 0 yes, done, holds. 1 no: a finding, refused, does not verify. \
                        2 the call or a file is wrong. 3 something needed is not there."
)]
pub struct Cli {
    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// The folder with the estate
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub estate: PathBuf,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show everything on this machine: a database, four partners, a termination in mid-result, its certificate
    Demo(Demo),
    /// Read a database and write a first estate that describes it and shares nothing
    Init(Init),
    /// Print the JSON Schema of a kind of file, for editors
    Schema(SchemaOf),
    /// Check the estate's files against themselves, its agreements against its guardrails, and on request its databases
    Check(Check),
    /// Prove what an estate permits and does not, with two solvers, and write the evidence
    Prove(Prove),
    /// Show what `apply` would change in the database
    Plan,
    /// Make the database as the estate says, and put its policy in force: takes an approval that two people have signed
    Apply,
    /// Tell whether the databases are still as the estate was applied, and what each difference opens
    #[command(
        after_help = "Exits with 1 where there is any difference. `serve` looks by itself, too: see `[watch]` in estop.toml."
    )]
    Drift,
    /// Run gateway and control
    Serve,
    /// Tell how everything stands: the policy in force, partners, the watch over the databases
    #[command(
        after_help = "Exits with 1 where a database is not as it was applied or could not be looked at, or a partner is held."
    )]
    Status,
    /// List who is connected
    Sessions,
    /// Show who is connected and what flows: on a terminal again and again, else once
    Top(Top),
    /// Draw up, sign and submit directives
    #[command(subcommand)]
    Directive(Directive),
    /// Issue and check certificates
    #[command(subcommand)]
    Certificate(Certificate),
    /// Check, read and prove the ledger
    #[command(subcommand)]
    Ledger(Ledger),
    /// Tell who could read what at a moment, by the ledger alone
    AsOf(AsOf),
    /// Tell who was given a person's record, when, what for, and on what basis, as a letter
    Accounting(Accounting),
    /// Tell everyone who was given a record that it was corrected, and keep account of the answers
    Correct(Correct),
    /// Write receipts for a partner: with them it can prove that something is missing from its log
    Receipts(Receipts),
    /// Split a key among overseers, and open with them what is sealed to them
    #[command(subcommand)]
    Overseers(Overseers),
    /// Write the public site: who has access to what, what ended when, and the log to check it by
    Publish(Publish),
    /// Help with partners' officers
    #[command(subcommand)]
    Officer(Officer),
    /// Cosign the checkpoints of other custodians' ledgers, as one of their witnesses (C2SP tlog-witness)
    Witness(Witness),
    /// Tell which roles can read what in any PostgreSQL server, and by which paths; needs no estate
    Exposure(Exposure),
}

/// `estop top`.
#[derive(Debug, Args)]
#[command(
    after_help = "Those at work come first, the longest-running of them at the top; on a terminal Ctrl-C ends it. In a pipe, or with \
                  --json, it is said once. Statements are shown to whom the admin socket lets in, the operator, and not at all \
                  where an agreement's records are under seal."
)]
pub struct Top {
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,
}

/// `estop as-of`.
#[derive(Debug, Args)]
#[command(
    after_help = "TIME is `now`, a moment (2026-11-23T17:00:00Z), a time of the custodian's clock (2026-11-23T17:00), or a day, which means \
                  its end. The answer is how things stood at the end of that second. What was permitted is not what was done: for \
                  that see `estop ledger show`."
)]
pub struct AsOf {
    /// When
    #[arg(value_name = "TIME")]
    pub time: String,
    /// Only this partner
    #[arg(long, value_name = "PARTNER")]
    pub partner: Option<PartnerId>,
    /// Only this data set
    #[arg(long, value_name = "DATASET")]
    pub dataset: Option<DatasetId>,
}

/// `estop exposure`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exits with 1 where --fail-on or --diff find something, with 3 where the server cannot be read. \
                        Kinds of paths, and least rights for the scan: docs/exposure.md."
)]
pub struct Exposure {
    /// The server, as `postgresql://ROLE@HOST/DATABASE`; left out with --snapshot
    #[arg(
        value_name = "URL",
        required_unless_present = "snapshot",
        conflicts_with = "snapshot"
    )]
    pub url: Option<String>,
    /// Only this relation, or column of it; in double quotes where a name has other signs than letters and digits
    #[arg(long, value_name = "SCHEMA.TABLE[.COLUMN]")]
    pub relation: Option<String>,
    /// Only this role
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Every path, not the shortest of each kind
    #[arg(long)]
    pub all: bool,
    /// Try each path as its role, in read-only transactions; needs a superuser
    #[arg(long, conflicts_with = "snapshot")]
    pub verify: bool,
    /// Scan a snapshot instead of a server
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// Keep what was read as a snapshot
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Compare with an earlier snapshot: exit 1 where there are new paths
    #[arg(long, value_name = "FILE")]
    pub diff: Option<PathBuf>,
    /// Exit 1 where there is a finding of this class or a worse one
    #[arg(long, value_name = "CLASS", value_enum)]
    pub fail_on: Option<FailOn>,
    /// Write the paths as a graph in Graphviz' language
    #[arg(long, value_name = "FILE")]
    pub dot: Option<PathBuf>,
    /// Draw the paths; needs Graphviz' `dot`
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write a report that opens in a browser, with nothing from elsewhere in it
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// What makes `estop exposure` fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FailOn {
    /// Rows can be read
    Rows,
    /// Or facts about them be had
    Facts,
    /// Or it would open by one act
    Latent,
}

/// `estop accounting`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exits with 0 where it could be looked up, also where there is no disclosure. Reads the state folder; \
                        `serve` may be running."
)]
pub struct Accounting {
    /// The data set
    #[arg(long, value_name = "ID")]
    pub dataset: String,
    /// The subject key's value in the person's row
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub subject: String,
    /// Also write the letter as a page that opens in a browser
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// `estop demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Keep the demo's files in this folder, which must be empty or not there yet
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// End after the last step instead of serving until Ctrl-C
    #[arg(long)]
    pub once: bool,
    /// How the partners are kept apart from the demo's database; the default is that of `estop.toml`
    #[arg(long, value_name = "WAY", value_parser = ["airlock", "in-place"])]
    pub isolation: Option<String>,
}

/// `estop check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Also look at each upstream's database, read-only: what the custodian must still change, and with which statements
    #[arg(long)]
    pub database: bool,
    /// Look at the database by this URL instead of the estate's
    #[arg(long, value_name = "URL", requires = "database")]
    pub url: Option<String>,
    /// Also print the script that makes this role, as which Estop then works there without being a superuser
    #[arg(long, value_name = "NAME", requires = "database")]
    pub admin_role: Option<String>,
    /// Do without solvers: guardrails are read, and held against no agreement
    #[arg(long)]
    pub no_solver: bool,
    /// Seconds that a solver may take for one question
    #[arg(long, value_name = "SECONDS", default_value_t = crate::solvers::SECONDS, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
}

/// `estop prove`.
#[derive(Debug, Args)]
#[command(
    after_help = "Always proved: no agreement permits what a guardrail forbids; no policy can err; no agreement outlives its \
                  end. cvc5 and z3 must both say so: `unknown`, a time-out, an error or a contradiction is never \"holds\"."
)]
pub struct Prove {
    /// Write the evidence (texts, SMT-LIB scripts, manifest) to this folder, which must be empty or not there yet
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Also: after this directive all in its scope is denied, and nothing else changes
    #[arg(long, value_name = "FILE", conflicts_with = "terminate")]
    pub directive: Option<PathBuf>,
    /// The same for the termination of a partner that is not drawn up yet
    #[arg(long, value_name = "PARTNER")]
    pub terminate: Option<PartnerId>,
    /// Only of this agreement
    #[arg(long, value_name = "ID", requires = "terminate")]
    pub agreement: Option<AgreementId>,
    /// Only of this purpose
    #[arg(long, value_name = "ID", requires = "terminate")]
    pub purpose: Option<PurposeId>,
    /// Also: this column, or every column of this tag, leaves under no agreement (may be repeated)
    #[arg(long, value_name = "DATASET.COLUMN|TAG")]
    pub never: Vec<String>,
    /// With --never: not to this partner, whatever others are given
    #[arg(long, value_name = "PARTNER", requires = "never")]
    pub to: Option<PartnerId>,
    /// With --never: not without a mask
    #[arg(long, requires = "never")]
    pub unmasked: bool,
    /// Also: nothing is permitted that the estate in this folder does not permit; or what is, by agreement and column
    #[arg(long, value_name = "DIR")]
    pub against: Option<PathBuf>,
    /// Instead: check an evidence folder again, without the estate
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "directive", "terminate", "never", "against"])]
    pub recheck: Option<PathBuf>,
    /// Seconds that a solver may take for one question
    #[arg(long, value_name = "SECONDS", default_value_t = crate::solvers::SECONDS, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
}

/// `estop init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The folder to write, which must be empty or not there yet
    pub dir: PathBuf,
    /// The database to read; any role that can connect will do, and nothing but the catalog is read
    #[arg(long, value_name = "URL")]
    pub upstream: String,
    /// Only this schema; may be given several times
    #[arg(long = "schema", value_name = "NAME")]
    pub schemas: Vec<String>,
    /// The custodian's name, a lower-case DNS name
    #[arg(long, value_name = "NAME", default_value = policy::propose::PLACEHOLDER)]
    pub custodian: Custodian,
}

/// `estop schema`.
#[derive(Debug, Args)]
pub struct SchemaOf {
    /// `estop`, `dataset`, `partner` or `agreement`; left out, what there is
    pub kind: Option<FileKind>,
}

/// `estop certificate ...`.
#[derive(Debug, Subcommand)]
pub enum Certificate {
    /// Certify what a directive ended
    Issue {
        /// The directive's number, such as D-2026-0001
        number: DirectiveNumber,
        /// Renew it: show that the partner's log is still closed, and nothing came since, up to this time, or `now`
        #[arg(long, value_name = "TIME", value_parser = until)]
        until: Option<control::api::Until>,
        /// Where to write it; left out, NUMBER.certificate in this folder
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check a certificate: needs no network, no database, no estate
    Verify {
        /// The certificate
        file: PathBuf,
        /// The custodian's public key (`name+hash+base64`), or a file that holds it
        #[arg(long, value_name = "KEY")]
        key: String,
        /// Also ask that witnesses have cosigned it, as this policy says (C2SP tlog-policy): yours, not the custodian's
        #[arg(long, value_name = "POLICY")]
        witnesses: Option<PathBuf>,
        /// Also write it as a page for a court's file, with what was checked, if it holds
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
}

fn until(typed: &str) -> Result<control::api::Until, String> {
    match typed {
        "now" => Ok(control::api::Until::Now),
        time => time
            .parse()
            .map(control::api::Until::Time)
            .map_err(|_| "write `now`, or a time such as 2026-12-01T15:00:00Z".to_owned()),
    }
}

/// `estop ledger ...`.
#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Recompute every hash, tile and checkpoint of the ledger
    Verify,
    /// Show entries with their private records
    Show {
        /// Only this entry; left out, the newest ones
        index: Option<u64>,
        /// How many of the newest
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        last: u64,
    },
    /// Print the proof (C2SP tlog-proof) that an entry is in the log
    Prove {
        /// Which entry
        index: u64,
    },
    /// Write the disclosures to a file as Parquet, one row for each entry about them
    #[command(
        after_help = "Without --records, what the public log shows. Columns: docs/formats.md. Reads the state folder; `serve` may be running."
    )]
    Export {
        /// The file, which must not be there yet
        file: PathBuf,
        /// From this entry on
        #[arg(long, value_name = "INDEX", default_value_t = 0)]
        from: u64,
        /// Also what private records say: officer, case, rows, whom they were about by tag, statements by their hash
        #[arg(long)]
        records: bool,
        /// Also statements and their parameters
        #[arg(long, requires = "records")]
        statements: bool,
    },
    /// Open one entry: write its private record to a file with which anybody can check that this is what was recorded
    #[command(
        after_help = "Whoever has the file can read the record, and show others that it is the true one. No other entry is opened by it."
    )]
    Open {
        /// Which entry
        index: u64,
        /// The file, which must not be there yet; left out, `entry-INDEX.opening`
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Erase private records for good, by destroying their keys: the log says which, and all its proofs stand
    Erase(Erase),
    /// Check an entry that somebody opened: needs no ledger, no network, no estate
    CheckOpening {
        /// The opening
        file: PathBuf,
        /// The custodian's public key (`name+hash+base64`), or a file that holds it
        #[arg(long, value_name = "KEY")]
        key: String,
    },
}

/// `estop witness`.
#[derive(Debug, Args)]
#[command(
    after_help = "The first run makes the witness's key in DIR and prints its public half, which those who trust it put into \
                  their policies. A witness must never be started from a copy of DIR: its word is that it forgets nothing."
)]
pub struct Witness {
    /// Folder of its key and of what it has cosigned; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// What it is called: a name like a URL without its scheme, such as `witness.example.org/w1`; left out, that of its key
    #[arg(long, value_name = "NAME")]
    pub name: Option<Origin>,
    /// Where it listens, for HTTP; put TLS before it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7080")]
    pub listen: SocketAddr,
    /// A new key is one of ML-DSA-44 (FIPS 204), whose cosignatures a quantum computer cannot forge: 3.3 kB each. Who checks needs a program
    /// that knows them
    #[arg(long)]
    pub ml_dsa: bool,
    /// Cosign all logs of the custodian with this public key (`name+hash+base64`, or a file that holds it); may be repeated
    #[arg(long, value_name = "KEY")]
    pub custodian: Vec<String>,
    /// Cosign one log with this public key, whose name is the log's origin; may be repeated
    #[arg(long, value_name = "KEY")]
    pub log: Vec<String>,
}

/// `estop officer ...`.
#[derive(Debug, Subcommand)]
pub enum Officer {
    /// Turn a password, read from standard input, into the line that a partner's file holds
    Password,
    /// Print the names of a client certificate as a partner's file has them
    Certificate {
        /// The certificate, in PEM
        file: PathBuf,
    },
}
