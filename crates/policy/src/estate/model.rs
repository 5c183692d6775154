//! What an estate is made of.
//!
//! The fields are public because these are plain values; what makes them right is that they stand in an
//! [`Estate`](super::Estate), which only checking makes.

use std::collections::BTreeSet;
use std::fmt;

use evidence::id::{AgreementId, Custodian, DatasetId, OfficerId, PartnerId, PurposeId};
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};

use super::case_form::CaseForm;
use super::column_type::ColumnType;
use super::document::Document;
use super::hours::Hours;
use super::log_in::{CertificateName, LogIn, Tokens};
use super::names::{SqlName, view_name};
use super::retention::Retention;
use super::shape::{Aggregate, ShareKind, Timing};
use super::verifier::ScramVerifierText;
use crate::condition::Condition;
use crate::mask::Mask;
use evidence::overseers::Seal;

/// `[custodian]` of `estop.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustodianSection {
    /// DNS-like name; begins every origin and names the key.
    pub name: Custodian,
    /// What people call the custodian.
    pub title: String,
    /// Where the days of agreements begin and end; UTC if nothing is said.
    pub time_zone: TimeZone,
}

/// `[upstream.NAME]` of `estop.toml`: a database that is shared from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The name data sets call it by.
    pub name: String,
    /// How control reaches it.
    pub url: UpstreamUrl,
    /// How partners are kept apart from it.
    pub isolation: Isolation,
}

/// A PostgreSQL connection URL. It may hold a password: `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamUrl(pub(super) String);

impl UpstreamUrl {
    /// The URL, with whatever secret is in it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamUrl(..)")
    }
}

/// Where the roles and views live (DESIGN.md, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// In a cluster of Estop's own for each partner, whose views read the custodian's.
    Airlock,
    /// In the custodian's own database.
    InPlace,
}

impl Isolation {
    /// What holds where an upstream says nothing (decision 0014).
    pub const DEFAULT: Self = Self::Airlock;
}

/// `[gateway]` of `estop.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Address and port to listen on.
    pub listen: std::net::SocketAddr,
    /// Path of the PEM file with the certificate chain, relative to the estate.
    pub tls_certificate: String,
    /// Path of the PEM file with its key, relative to the estate.
    pub tls_key: String,
    /// The host name partners connect to.
    pub public_name: String,
    /// Path of the PEM file with the authorities of client certificates, relative to the estate.
    pub client_authorities: Option<String>,
    /// Path of the PEM file with their revocation lists, relative to the estate.
    pub client_revocations: Option<String>,
    /// Whose tokens are taken.
    pub tokens: Option<Tokens>,
}

/// `[airlock]` of `estop.toml`: what one partner's cluster may take of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AirlockLimits {
    /// Memory of all of its sessions together, in MiB.
    pub memory_mib: u32,
}

impl AirlockLimits {
    /// Least that may be written: an idle cluster takes 13 MiB, and a session that sorts or joins some tens.
    pub const MIN_MEMORY_MIB: u32 = 256;
    /// Most: 16 TiB.
    pub const MAX_MEMORY_MIB: u32 = 16 << 20;
}

impl Default for AirlockLimits {
    /// Twice what one session may map.
    fn default() -> Self {
        Self { memory_mib: 2048 }
    }
}

/// `[state]` of `estop.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Folder of ledger and register, relative to the estate.
    pub dir: String,
    /// How long private records are kept where no agreement says otherwise. `None`: for ever.
    pub retention: Option<Retention>,
    /// Whether `serve` erases what is kept no longer.
    pub erases: bool,
}

/// `[watch]` of `estop.toml`: how control watches for changes behind its back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// Seconds between two looks at a database.
    pub every_seconds: u32,
    /// What is done about a change.
    pub on_drift: OnDrift,
}

/// What is done when a database is not as it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDrift {
    /// It is recorded and said.
    Alarm,
    /// The partners to whom it opens something are held, too, until the estate is applied again.
    Cut,
}

impl Watch {
    /// Fewest seconds between two looks: each reads a whole catalog.
    pub const LEAST_SECONDS: u32 = 5;
    /// Most: what nobody looks at for an hour is not watched.
    pub const MOST_SECONDS: u32 = 3600;
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            every_seconds: 30,
            on_drift: OnDrift::Alarm,
        }
    }
}

/// A relation in a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    /// Its schema.
    pub schema: SqlName,
    /// Its name.
    pub name: SqlName,
}

impl Relation {
    /// `"schema"."name"`, as written in SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("{}.{}", self.schema.quoted(), self.name.quoted())
    }
}

impl fmt::Display for Relation {
    /// As an estate's file writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema.written(), self.name.written())
    }
}

/// A file of `datasets/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Its id.
    pub id: DatasetId,
    /// What people call it; the id if nothing is said.
    pub title: String,
    /// The upstream it is in: a key of [`Estate::upstreams`](super::Estate::upstreams).
    pub upstream: String,
    /// The table or view it is.
    pub relation: Relation,
    /// The column that says whom a row is about; one of [`Dataset::columns`], never nullable.
    pub subject_key: Option<SqlName>,
    /// Tags of the whole.
    pub tags: BTreeSet<String>,
    /// All columns Estop may know of, in the order of the file. Columns of the relation that are not here cannot be
    /// shared, nor used in a condition.
    pub columns: Vec<Column>,
}

impl Dataset {
    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.as_str() == name)
    }

    /// The name of its view in every agreement's schema.
    #[must_use]
    pub fn view_name(&self) -> SqlName {
        view_name(&self.id)
    }
}

/// A column of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: SqlName,
    /// Its type, which must be exactly the catalog's.
    pub kind: ColumnType,
    /// Whether it may be NULL (`optional = true`). If not, the catalog must say NOT NULL: conditions count on it.
    pub nullable: bool,
    /// Its tags.
    pub tags: BTreeSet<String>,
}

impl Column {
    /// The SQL expression of its value, reading the base row under this alias: of the type [`ColumnType::shown`].
    #[must_use]
    pub fn sql(&self, alias: &str) -> String {
        let value = format!("{}.{}", crate::sql::ident(alias), self.name.quoted());
        match self.kind {
            ColumnType::Enum => format!("{value}::pg_catalog.text"),
            _ => value,
        }
    }
}

/// A file of `partners/`: an organisation that receives data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Its id.
    pub id: PartnerId,
    /// What people call it.
    pub title: String,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// How its officers log in: each of these ways will do.
    pub log_in: BTreeSet<LogIn>,
    /// Its users.
    pub officers: Vec<Officer>,
}

/// A partner's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Officer {
    /// The user name.
    pub id: OfficerId,
    /// The person's name.
    pub name: String,
    /// What the password is checked against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scram: Option<ScramVerifierText>,
    /// A name of the certificate that is the officer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateName>,
    /// Whom tokens name that are the officer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What answers to notices of corrections are checked with: an OpenSSH public key, without its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_key: Option<String>,
}

/// A file of `agreements/`: what is shared with one partner, for what, until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Its id; the database name partners connect to.
    pub id: AgreementId,
    /// With whom.
    pub partner: PartnerId,
    /// Why it may be, as a lawyer would cite it.
    pub legal_basis: String,
    /// The signed document.
    pub document: Option<Document>,
    /// When it is in force.
    pub valid: Validity,
    /// What for: at least one, none twice. Each is a role and a schema of its own.
    pub purposes: Vec<PurposeId>,
    /// What a case reference must look like. `None`: none is asked for.
    pub case_reference: Option<CaseForm>,
    /// What it says about sharing onward. `None`: nothing, so that it is not permitted.
    pub onward: Option<Onward>,
    /// How long private records under it are kept. `None`: as the custodian says for all.
    pub retention: Option<Retention>,
    /// Why nothing under it may be erased now.
    pub hold: Option<String>,
    /// To whom private records under it are sealed.
    pub sealed: Option<Seal>,
    /// Whether its clients are sent a signed receipt after each statement.
    pub receipts: bool,
    /// What is shared: at least one.
    pub shares: Vec<Share>,
    /// How much.
    pub limits: Limits,
}

impl Agreement {
    /// What is shared for one purpose.
    pub fn shares_for<'a>(&'a self, purpose: &'a PurposeId) -> impl Iterator<Item = &'a Share> {
        self.shares
            .iter()
            .filter(move |share| share.purposes.contains(purpose))
    }
}

/// What an agreement says about sharing onward. It binds the partner; nothing in a database enforces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Onward {
    /// Whether it is permitted at all.
    pub permitted: bool,
    /// With whom. Empty: with whom the clause says, or with nobody where it is not permitted.
    pub to: BTreeSet<PartnerId>,
    /// The clause that says so; always there where it is permitted.
    pub clause: Option<String>,
}

/// When an agreement is in force: from the first moment of one day to the last of another, in the custodian's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// First day.
    pub from: civil::Date,
    /// Last day.
    pub until: civil::Date,
    /// The moment the first day begins.
    pub begins: Timestamp,
    /// The moment the last day is over: no longer in force from here on.
    pub ends: Timestamp,
}

impl Validity {
    /// The days `from` to `until`, both included, in this time zone. `None` if a day is beyond the calendar's end.
    #[must_use]
    pub fn new(from: civil::Date, until: civil::Date, zone: &TimeZone) -> Option<Self> {
        let begins = from.to_zoned(zone.clone()).ok()?.timestamp();
        let ends = until.tomorrow().ok()?.to_zoned(zone.clone()).ok()?.timestamp();
        Some(Self {
            from,
            until,
            begins,
            ends,
        })
    }

    /// Whether the agreement is in force at this moment.
    #[must_use]
    pub fn covers(&self, now: Timestamp) -> bool {
        self.begins <= now && now < self.ends
    }
}

/// One `[[share]]` of an agreement: rows and columns of one data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Of which data set.
    pub dataset: DatasetId,
    /// For which of the agreement's purposes; all of them if the file does not say.
    pub purposes: BTreeSet<PurposeId>,
    /// Whether it shows rows or counts.
    pub kind: ShareKind,
    /// Which columns, in the order the partner sees them: at least one. Of an aggregate: what it groups by.
    pub columns: Vec<SharedColumn>,
    /// Which rows; all of them if `None`.
    pub condition: Option<Condition>,
    /// Whether the partner's conditions reach the base relation.
    pub timing: Timing,
    /// Whether a result drawn from it must hold the subject key as it is.
    pub subject_required: bool,
}

impl Share {
    /// How it counts, if it does.
    #[must_use]
    pub fn aggregate(&self) -> Option<&Aggregate> {
        match &self.kind {
            ShareKind::Rows => None,
            ShareKind::Aggregate(aggregate) => Some(aggregate),
        }
    }

    /// The columns of the base relation that the view reads, and that its owner therefore needs `SELECT` on: those
    /// shown (unless masked to something that needs no value), and those of the condition.
    #[must_use]
    pub fn base_columns(&self) -> BTreeSet<SqlName> {
        let shown = self
            .columns
            .iter()
            .filter(|shared| shared.reads_base())
            .map(|shared| &shared.column.name);
        let asked = self.condition.iter().flat_map(Condition::columns);
        shown.chain(asked).cloned().collect()
    }
}

/// A column as one share shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedColumn {
    /// The data set's column.
    pub column: Column,
    /// What is shown in its stead.
    pub mask: Option<Mask>,
}

impl SharedColumn {
    /// The SQL expression of the column in the view, reading the base row under this alias.
    #[must_use]
    pub fn sql(&self, alias: &str) -> String {
        match &self.mask {
            Some(mask) => mask.sql(&self.column, alias),
            None => self.column.sql(alias),
        }
    }

    /// The type of that expression.
    #[must_use]
    pub fn shown_type(&self) -> ColumnType {
        let kind = self.column.kind;
        self.mask
            .as_ref()
            .map_or(kind.shown(), |mask| mask.shown_type(kind))
    }

    fn reads_base(&self) -> bool {
        self.mask.as_ref().is_none_or(Mask::reads_base)
    }
}

/// `[limits]` of an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Sessions at the same time, over all purposes and gateways.
    pub sessions: u32,
    /// Longest statement, in seconds.
    pub statement_seconds: u32,
    /// Rows in a day of the custodian's time zone; no limit if `None`.
    pub rows_per_day: Option<u64>,
    /// Bytes of rows in such a day, as the protocol carries them; no limit if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_day: Option<u64>,
    /// When sessions may be; always if `None`.
    pub hours: Option<Hours>,
}

impl Limits {
    /// Sessions if nothing is said: enough for an office, too few to fill a server.
    pub const DEFAULT_SESSIONS: u32 = 20;
    /// Most sessions that may be written: PostgreSQL servers take a few hundred connections, rarely thousands.
    pub const MAX_SESSIONS: u32 = 10_000;
    /// Seconds for a statement if nothing is said.
    pub const DEFAULT_STATEMENT_SECONDS: u32 = 60;
    /// Most seconds for a statement that may be written: a day.
    pub const MAX_STATEMENT_SECONDS: u32 = 86_400;
    /// Most rows in a day that may be written.
    pub const MAX_ROWS_PER_DAY: u64 = 1_000_000_000_000;
    /// Most bytes in a day that may be written: a petabyte.
    pub const MAX_BYTES_PER_DAY: u64 = 1_000_000_000_000_000;
}
