//! `estop ledger erase`, as it is typed.

use clap::Args;
use evidence::id::{AgreementId, PartnerId};

/// `estop ledger erase`.
#[derive(Debug, Args)]
#[command(
    after_help = "Erased can be records of sessions, refusals and disclosures; a disclosure goes with all later parts of its \
                  statement. Records that the ledger answers from (directives, policies, cuts) are kept. Copies made before open \
                  nothing any more, unless they have a copy of STATE/ledger/root with them: see the guide."
)]
pub struct Erase {
    /// Which entries: indexes, or ranges such as 17-19
    #[arg(
        value_name = "INDEX",
        required_unless_present_any = ["before", "due"],
        conflicts_with_all = ["before", "due"]
    )]
    pub entries: Vec<IndexRange>,
    /// All that can be erased of before this time, as `estop as-of` reads it, but that a day means its beginning
    #[arg(long, value_name = "TIME")]
    pub before: Option<String>,
    /// All that the estate says is kept no longer, now: `retention` of its agreements, and of `[state]` for all else; `serve` does it
    /// once a day, unless `[state]` says `erase = "by-hand"`
    #[arg(long, conflicts_with = "before")]
    pub due: bool,
    /// With --before: only what concerns this partner
    #[arg(long, value_name = "PARTNER", requires = "before")]
    pub partner: Option<PartnerId>,
    /// With --before: only what concerns this agreement
    #[arg(long, value_name = "ID", requires = "before")]
    pub agreement: Option<AgreementId>,
    /// On what basis: recorded, and as private as any record; with --due, where it is left out, that it was due
    #[arg(long, value_name = "TEXT", required_unless_present = "due")]
    pub reason: Option<String>,
}

/// Indexes of entries, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRange {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl std::str::FromStr for IndexRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "an index such as 17, or a range such as 17-19";
        let number = |text: &str| text.parse::<u64>().map_err(|_| WRONG);
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(text)?, number(text)?),
        };
        let range = Self { first, last };
        if first <= last { Ok(range) } else { Err(WRONG) }
    }
}
