//! The files of an estate as they are written: shapes only, every text with its place. [`super::check`] makes sense of them.
//!
//! The comments of fields are what editors show: [`super::schema`] takes them into the JSON Schemas.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::schema;

pub(super) type Text = Spanned<String>;
/// A table in which the order of the file is found again by the places of its keys.
pub(super) type Table<T> = BTreeMap<Text, T>;

/// An estate's main file: the custodian, the databases that are shared from, the gateway, where state is kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "estop.toml")]
pub(super) struct EstopFile {
    pub(super) custodian: CustodianTable,
    /// The databases that are shared from, by the names that data sets call them by.
    #[schemars(schema_with = "schema::named::<UpstreamTable>")]
    pub(super) upstream: Table<UpstreamTable>,
    pub(super) gateway: GatewayTable,
    #[serde(default)]
    pub(super) airlock: AirlockTable,
    pub(super) state: StateTable,
    /// How control watches for changes behind its back. Left out: every 30 seconds, and it raises an alarm.
    #[serde(default)]
    pub(super) watch: Option<WatchTable>,
    /// People to whom agreements may have their records sealed, by the names that agreements call them by.
    #[schemars(with = "BTreeMap<String, OverseersTable>")]
    #[serde(default)]
    pub(super) overseers: Table<OverseersTable>,
}

/// Who shares.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CustodianTable {
    /// A lower-case DNS name of the custodian's. It begins every log's origin and names the key: it cannot be changed
    /// later without a new log.
    #[schemars(schema_with = "schema::custodian")]
    pub(super) name: Text,
    /// What people call the custodian.
    #[schemars(schema_with = "schema::line")]
    pub(super) title: Text,
    /// Where the days of agreements begin and end: a name of the IANA time zone database. UTC if it is left out.
    #[schemars(schema_with = "schema::time_zone")]
    #[serde(default)]
    pub(super) time_zone: Option<Text>,
}

/// A database that is shared from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamTable {
    /// How control reaches it.
    #[schemars(schema_with = "schema::url")]
    pub(super) url: Text,
    /// What keeps partners apart from it: a PostgreSQL cluster of Estop's own for each, or roles and views in it alone.
    #[serde(default)]
    #[schemars(schema_with = "schema::isolation")]
    pub(super) isolation: Option<Text>,
}

/// The road that partners come by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GatewayTable {
    /// Address and port to listen on.
    #[schemars(schema_with = "schema::listen")]
    pub(super) listen: Text,
    /// The PEM file with the certificate chain; relative to the estate's folder.
    #[schemars(schema_with = "schema::path")]
    pub(super) tls_certificate: Text,
    /// The PEM file with its private key; relative to the estate's folder.
    #[schemars(schema_with = "schema::path")]
    pub(super) tls_key: Text,
    /// The host name that partners connect to.
    #[schemars(schema_with = "schema::line")]
    pub(super) public_name: Text,
    /// The PEM file with the authorities that sign certificates of partners' officers; relative to the estate's folder.
    #[schemars(schema_with = "schema::path")]
    #[serde(default)]
    pub(super) client_authorities: Option<Text>,
    /// The PEM file with the revocation lists of these authorities, all of them; relative to the estate's folder.
    #[schemars(schema_with = "schema::path")]
    #[serde(default)]
    pub(super) client_revocations: Option<Text>,
    /// Whose tokens are taken.
    #[serde(default)]
    pub(super) tokens: Option<TokensTable>,
}

/// The issuer of tokens by which officers log in (OAuth).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokensTable {
    /// The issuer's URL, to the letter as its tokens have it in `iss`.
    #[schemars(schema_with = "schema::line")]
    pub(super) issuer: Text,
    /// What tokens must have in `aud`.
    #[schemars(schema_with = "schema::line")]
    pub(super) audience: Text,
    /// The file with the issuer's keys (a JWK set); relative to the estate's folder.
    #[schemars(schema_with = "schema::path")]
    pub(super) keys: Text,
    /// A scope that tokens must have; none if it is left out.
    #[schemars(schema_with = "schema::line")]
    #[serde(default)]
    pub(super) scope: Option<Text>,
    /// The claim that says who comes, as `token` of an officer has it; `sub` if it is left out.
    #[schemars(schema_with = "schema::line")]
    #[serde(default)]
    pub(super) claim: Option<Text>,
}

/// What each partner's cluster may take of the machine, where an upstream's isolation is `airlock`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AirlockTable {
    /// Memory of all sessions of one partner together, in MiB. 2048 if it is left out.
    #[serde(default)]
    #[schemars(schema_with = "schema::memory_mib")]
    pub(super) memory_mib: Option<Spanned<i64>>,
}

/// What Estop keeps.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StateTable {
    /// Folder of the ledger, the register and the keys; relative to the estate's folder. Not for git.
    #[schemars(schema_with = "schema::path")]
    pub(super) dir: Text,
    /// How long private records of sessions, refusals and disclosures are kept where no agreement says otherwise: older ones are
    /// erased. Left out: for ever.
    #[schemars(schema_with = "schema::retention")]
    #[serde(default)]
    pub(super) retention: Option<Text>,
    /// `daily`: `estop serve` erases once a day what is kept no longer. `by-hand`: `estop ledger erase --due` does. `daily` if it is left
    /// out.
    #[schemars(schema_with = "schema::erase")]
    #[serde(default)]
    pub(super) erase: Option<Text>,
}

/// The watch that `estop serve` keeps over the databases.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchTable {
    /// Seconds between two looks at a database; 30 if it is left out.
    #[schemars(schema_with = "schema::every_seconds")]
    #[serde(default)]
    pub(super) every_seconds: Option<Spanned<i64>>,
    /// What is done when a database is not as it was applied: `alarm` records it and says so; `cut` also holds the partners
    /// to whom it opens something, until the estate is applied again. `alarm` if it is left out.
    #[schemars(schema_with = "schema::on_drift")]
    #[serde(default)]
    pub(super) on_drift: Option<Text>,
}

/// Overseers: people of whom some number together can open what is sealed to them, and nobody else.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OverseersTable {
    /// Their public key, as `estop overseers new` prints it.
    #[schemars(schema_with = "schema::line")]
    pub(super) key: Text,
    /// How many of them open together: 2 at least.
    #[schemars(schema_with = "schema::threshold")]
    pub(super) threshold: Spanned<i64>,
    /// Who has a share of their private key.
    #[schemars(schema_with = "schema::holders")]
    pub(super) holders: Spanned<Vec<Text>>,
}

/// A data set: a relation, whom its rows are about, and the columns that may ever be shared.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "datasets/*.toml")]
pub(super) struct DatasetFile {
    pub(super) dataset: DatasetTable,
    /// The columns that may be shared or asked for in conditions. One that is not here is not there for anybody.
    #[schemars(schema_with = "schema::named::<ColumnTable>")]
    pub(super) columns: Spanned<Table<ColumnTable>>,
}

/// The relation as a whole.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DatasetTable {
    /// The data set's id, which is also the file's name.
    #[schemars(schema_with = "schema::id")]
    pub(super) id: Text,
    /// What people call it; the id if it is left out.
    #[schemars(schema_with = "schema::line")]
    #[serde(default)]
    pub(super) title: Option<Text>,
    /// The database it is in: one of `estop.toml`'s upstreams.
    #[schemars(schema_with = "schema::id")]
    pub(super) upstream: Text,
    /// The table or view it is, as `schema.name`, each as the catalog has it. A name with a dot or a double quote goes into
    /// double quotes: `"My Schema"."a.b"`.
    #[schemars(schema_with = "schema::relation")]
    pub(super) relation: Text,
    /// The column that says whom a row is about. Disclosures are accounted for by it.
    #[schemars(schema_with = "schema::column")]
    #[serde(default)]
    pub(super) subject_key: Option<Text>,
    /// Tags of the whole, for guardrails and directives to speak of.
    #[schemars(schema_with = "schema::tags")]
    #[serde(default)]
    pub(super) tags: Vec<Text>,
}

/// A column.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnTable {
    /// Its type, as the database has it; a domain's base type; `enum` for an enumerated type.
    #[serde(rename = "type")]
    #[schemars(schema_with = "schema::column_type")]
    pub(super) kind: Text,
    /// Whether it may be NULL. Conditions then have to ask `resource has COLUMN` first.
    #[serde(default)]
    pub(super) optional: bool,
    /// Tags of the column, for guardrails to speak of.
    #[schemars(schema_with = "schema::tags")]
    #[serde(default)]
    pub(super) tags: Vec<Text>,
}

/// A partner: an organisation that receives data, and its officers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "partners/*.toml")]
pub(super) struct PartnerFile {
    pub(super) partner: PartnerTable,
    /// The partner's users.
    #[serde(default)]
    pub(super) officer: Vec<OfficerTable>,
}

/// The organisation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PartnerTable {
    /// The partner's id, which is also the file's name.
    #[schemars(schema_with = "schema::id")]
    pub(super) id: Text,
    /// What people call it.
    #[schemars(schema_with = "schema::line")]
    pub(super) title: Text,
    /// Tags of the partner, for guardrails to speak of.
    #[schemars(schema_with = "schema::tags")]
    #[serde(default)]
    pub(super) tags: Vec<Text>,
    /// How its officers log in: each of these ways will do. `password` if it is left out.
    #[schemars(schema_with = "schema::log_in")]
    #[serde(default)]
    pub(super) log_in: Vec<Text>,
}

/// A partner's user.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfficerTable {
    /// The user name.
    #[schemars(schema_with = "schema::officer")]
    pub(super) id: Text,
    /// The person's name.
    #[schemars(schema_with = "schema::line")]
    pub(super) name: Text,
    /// What the password is checked against: the line that `estop officer password` makes of it. Never the password.
    #[schemars(schema_with = "schema::scram")]
    #[serde(default)]
    pub(super) scram: Option<Text>,
    /// A name of the person's certificate, as `estop officer certificate` prints it.
    #[schemars(schema_with = "schema::certificate")]
    #[serde(default)]
    pub(super) certificate: Option<Text>,
    /// Whom the issuer's tokens name that are this person's.
    #[schemars(schema_with = "schema::line")]
    #[serde(default)]
    pub(super) token: Option<Text>,
    /// The person's OpenSSH public key, as it stands in the `.pub` file: for answers to notices of corrections. Nobody logs in
    /// with it.
    #[schemars(schema_with = "schema::ssh_key")]
    #[serde(default)]
    pub(super) ssh_key: Option<Text>,
}

/// An agreement: what is shared with one partner, for what, until when.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "agreements/*.toml")]
pub(super) struct AgreementFile {
    pub(super) agreement: AgreementTable,
    /// What is shared: at least one.
    #[schemars(schema_with = "schema::some::<ShareTable>")]
    pub(super) share: Spanned<Vec<ShareTable>>,
    #[serde(default)]
    pub(super) limits: LimitsTable,
}

/// With whom, on what basis, for what, until when.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AgreementTable {
    /// The agreement's id, which is also the file's name, and the database name that the partner connects to.
    #[schemars(schema_with = "schema::id")]
    pub(super) id: Text,
    /// With whom: a partner's id.
    #[schemars(schema_with = "schema::id")]
    pub(super) partner: Text,
    /// Why it may be, as a lawyer would cite it.
    #[schemars(schema_with = "schema::line")]
    pub(super) legal_basis: Text,
    /// The signed document, a file in the estate's folder `documents`. Its SHA-256 is recorded.
    #[schemars(schema_with = "schema::document")]
    #[serde(default)]
    pub(super) document: Option<Text>,
    pub(super) valid: ValidTable,
    /// What for: at least one. Each is a role and a schema of its own, and lies in one database.
    #[schemars(schema_with = "schema::ids")]
    pub(super) purposes: Spanned<Vec<Text>>,
    /// A regular expression that case references have to match as a whole. None is asked for if it is left out.
    #[schemars(schema_with = "schema::case_reference")]
    #[serde(default)]
    pub(super) case_reference: Option<Text>,
    /// What the agreement says about sharing onward. Left out: nothing, and so it is not permitted.
    #[schemars(with = "Option<OnwardTable>")]
    #[serde(default)]
    pub(super) onward: Option<Spanned<OnwardTable>>,
    /// How long private records under the agreement are kept: `estop ledger erase --due` erases older ones. Left out: as `[state]` says.
    #[schemars(schema_with = "schema::retention")]
    #[serde(default)]
    pub(super) retention: Option<Text>,
    /// Why nothing under the agreement may be erased now, such as a court's order to preserve. Left out: nothing keeps it.
    #[schemars(schema_with = "schema::line")]
    #[serde(default)]
    pub(super) hold: Option<Text>,
    /// To whom the private records of sessions and disclosures under it are sealed, so that the custodian alone cannot read them.
    /// Left out: to nobody.
    #[serde(default)]
    pub(super) sealed: Option<SealedTable>,
    /// `notice`: after each statement the client is sent a signed receipt, as a NOTICE. Left out: receipts are made by `estop receipts`
    /// only.
    #[schemars(schema_with = "schema::receipts")]
    #[serde(default)]
    pub(super) receipts: Option<Text>,
}

/// To whom records are sealed, and until when.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SealedTable {
    /// One of `estop.toml`'s overseers.
    #[schemars(schema_with = "schema::id")]
    pub(super) to: Text,
    /// The day from which on the overseers open them without an order; nothing is sealed any more from then on. Left out: they open
    /// them on an order only.
    #[schemars(schema_with = "schema::day")]
    #[serde(default)]
    pub(super) until: Option<Text>,
}

/// The first day and the last, by the custodian's clock; both are within it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ValidTable {
    /// The first day.
    #[schemars(schema_with = "schema::day")]
    pub(super) from: Text,
    /// The last day.
    #[schemars(schema_with = "schema::day")]
    pub(super) until: Text,
}

/// Whether the partner may share onward, with whom, and where it says so. A promise of the partner's: Estop records it and
/// cannot enforce it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OnwardTable {
    /// Whether it may at all.
    pub(super) permitted: bool,
    /// With whom: ids of partners. Left out: with whom the clause says.
    #[schemars(schema_with = "schema::ids")]
    #[serde(default)]
    pub(super) to: Option<Spanned<Vec<Text>>>,
    /// The clause of the agreement that says so. Wanted where it is permitted.
    #[schemars(schema_with = "schema::line")]
    #[serde(default)]
    pub(super) clause: Option<Text>,
}

/// Rows and columns of one data set, or counts of its rows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareTable {
    /// Which data set.
    #[schemars(schema_with = "schema::id")]
    pub(super) dataset: Text,
    /// `rows`, one for each of the relation's (what it is if it is left out), or `aggregate`: counts of groups.
    #[schemars(schema_with = "schema::share_kind")]
    #[serde(default)]
    pub(super) kind: Option<Text>,
    /// For which of the agreement's purposes; all of them if it is left out.
    #[schemars(schema_with = "schema::ids")]
    #[serde(default)]
    pub(super) purposes: Option<Spanned<Vec<Text>>>,
    /// Which columns, in the order the partner sees them. Not for aggregates.
    #[schemars(schema_with = "schema::columns")]
    #[serde(default)]
    pub(super) columns: Option<Spanned<Vec<Text>>>,
    /// The columns that an aggregate groups by, and shows.
    #[schemars(schema_with = "schema::columns")]
    #[serde(default)]
    pub(super) group_by: Option<Spanned<Vec<Text>>>,
    /// The name of an aggregate's column with the count; `count` if it is left out.
    #[schemars(schema_with = "schema::column")]
    #[serde(default)]
    pub(super) count: Option<Text>,
    /// The fewest (subjects, or rows where there is no subject key) that a group of an aggregate must hold for its count to
    /// be told; 10 if it is left out.
    #[schemars(schema_with = "schema::min_group")]
    #[serde(default)]
    pub(super) min_group: Option<Spanned<i64>>,
    /// What becomes of an aggregate's smaller groups: `null` withholds their count (so if it is left out), `absent` leaves
    /// them out.
    #[schemars(schema_with = "schema::small_groups")]
    #[serde(default)]
    pub(super) small_groups: Option<Text>,
    /// `open` (so if it is left out): indexes help the partner's queries, whose time can tell of rows that are not shared.
    /// `opaque`: the shared rows are worked out first. Not for aggregates, which are worked out whole.
    #[schemars(schema_with = "schema::timing")]
    #[serde(default)]
    pub(super) timing: Option<Text>,
    /// `required`: a result drawn from this share is given only if the subject key stands in it as it is, so that each row is
    /// accounted for by person. Left out: what has no key is given, and counted. Not for aggregates.
    #[schemars(schema_with = "schema::subject_key_use")]
    #[serde(default)]
    pub(super) subject_key: Option<Text>,
    /// What is shown in a column's stead, by column.
    #[schemars(schema_with = "schema::masks")]
    #[serde(default)]
    pub(super) mask: Table<Text>,
    /// Which rows: a Cedar condition over `resource`, the row. All rows if it is left out.
    #[schemars(schema_with = "schema::condition")]
    #[serde(default)]
    pub(super) when: Option<Text>,
}

/// How much, and when.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsTable {
    /// Sessions at the same time, over all purposes; 20 if it is left out.
    #[schemars(schema_with = "schema::sessions")]
    #[serde(default)]
    pub(super) sessions: Option<Spanned<i64>>,
    /// Rows in a day of the custodian's time zone; no limit if it is left out.
    #[schemars(schema_with = "schema::rows_per_day")]
    #[serde(default)]
    pub(super) rows_per_day: Option<Spanned<i64>>,
    /// Bytes of rows in such a day, as the protocol carries them; no limit if it is left out.
    #[schemars(schema_with = "schema::bytes_per_day")]
    #[serde(default)]
    pub(super) bytes_per_day: Option<Spanned<i64>>,
    /// The longest that a statement may run, in seconds; 60 if it is left out.
    #[schemars(schema_with = "schema::statement_seconds")]
    #[serde(default)]
    pub(super) statement_seconds: Option<Spanned<i64>>,
    /// When sessions may be: days, times and a time zone. Always if it is left out.
    #[schemars(schema_with = "schema::hours")]
    #[serde(default)]
    pub(super) hours: Option<Text>,
}
