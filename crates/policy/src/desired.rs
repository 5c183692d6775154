//! What ought to stand in one upstream database: roles, schemas, views and rights, computed from the estate and from what
//! directives have ended.

use std::collections::{BTreeMap, BTreeSet};

use evidence::id::{AgreementId, DatasetId, DirectiveNumber, PartnerId, PurposeId};
use serde::{Deserialize, Serialize};

use crate::catalog::{Grantee, Object};
use crate::estate::{Agreement, Dataset, Estate, Isolation, Share, SqlName, role_name};
use crate::in_force::EndedScope;
use crate::mask::KeyId;
use crate::shared_view::SharedView;

/// Most that one session of a partner may put into temporary files. A superuser's setting: the role cannot undo it.
const TEMP_FILE_LIMIT: &str = "256MB";

/// How long a session of a partner may sit in an open transaction. The role can undo it; the gateway counts as well, and its
/// limit is shorter, so that a client is told in its words.
const IDLE_IN_TRANSACTION: &str = "90s";

/// How long a partner waits for the custodian's locks.
const LOCK_TIMEOUT: &str = "10s";

/// What ought to stand in one upstream database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The upstream's name in the estate.
    pub upstream: String,
    /// What keeps partners apart from it.
    pub isolation: Isolation,
    /// One for each purpose of each agreement with shares in this upstream, ended ones too, by name.
    pub roles: Vec<DesiredRole>,
    /// Roles of the estate in other upstreams. They may stand on the same server and are none of this plan's business.
    pub elsewhere: BTreeSet<String>,
    /// Those of them whose upstreams are known to be on another server: on this one they are nobody's.
    #[serde(default)]
    pub apart: BTreeSet<String>,
    /// Roles whose password the gateways do not hold, so that they need a new one.
    #[serde(default)]
    pub renew: BTreeSet<String>,
    /// Columns that guardrails ask for and that data sets shared here have not: their relations must not have them, either.
    #[serde(default)]
    pub spared: BTreeSet<SparedColumn>,
}

/// A column that a relation must not have, since its data set has none of that name and a guardrail asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SparedColumn {
    /// The relation's schema.
    pub schema: SqlName,
    /// The relation.
    pub relation: SqlName,
    /// The data set.
    pub dataset: DatasetId,
    /// The column.
    pub column: String,
    /// The guardrail's id.
    pub guardrail: String,
}

/// Whether a role may log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// A directive ended it: the role stays, with no login, no password and no rights.
    Ended(DirectiveNumber),
    /// Its agreement is in the estate and nothing has ended it.
    InForce,
}

/// The role of one purpose of one agreement, with the schema of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredRole {
    /// Name of the role and of its schema.
    pub name: SqlName,
    /// Whose it is.
    pub partner: PartnerId,
    /// Under which agreement.
    pub agreement: AgreementId,
    /// For which purpose.
    pub purpose: PurposeId,
    /// Whether it may log in.
    pub standing: Standing,
    /// CONNECTION LIMIT.
    pub connection_limit: i32,
    /// `ALTER ROLE ... SET`, for all databases: all that there are.
    pub settings: BTreeMap<String, String>,
    /// The views in its schema: all that there are.
    pub views: Vec<DesiredView>,
}

/// A security-barrier view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredView {
    /// Its name.
    pub name: SqlName,
    /// The data set it shows.
    pub dataset: DatasetId,
    /// Its SELECT. Everything in it is qualified but operators; it is to be read with `search_path = pg_catalog`.
    pub definition: String,
    /// The schema of the relation it reads.
    pub base_schema: SqlName,
    /// That relation.
    pub base_relation: SqlName,
    /// The columns of it that it reads, by what must be true of each.
    pub base_columns: BTreeMap<SqlName, BaseColumn>,
    /// Names of the columns it shows.
    pub columns: Vec<SqlName>,
    /// The key of its pseudonyms, if it shows any.
    #[serde(default)]
    pub key: Option<KeyId>,
}

/// What a view takes for granted of a column it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseColumn {
    /// Its type as PostgreSQL prints it: with precision and scale if they matter, else without any length.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The view's condition counts on NOT NULL.
    pub not_null: bool,
    /// The view's condition compares it, so that its collation must tell different texts apart.
    pub compared: bool,
}

impl Desired {
    /// What ought to stand in this upstream's database.
    #[must_use]
    pub fn new(estate: &Estate, upstream: &str, ended: &[EndedScope]) -> Self {
        let mut roles = Vec::new();
        let mut elsewhere = BTreeSet::new();
        for agreement in estate.agreements().values() {
            for purpose in &agreement.purposes {
                let role = desired_role(estate, agreement, purpose, ended);
                let here = agreement
                    .shares_for(purpose)
                    .any(|share| lies_in(estate, share, upstream));
                if here {
                    roles.push(role);
                } else {
                    elsewhere.insert(role.name.as_str().to_owned());
                }
            }
        }
        roles.sort_by(|a, b| a.name.cmp(&b.name));
        let isolation = estate
            .upstreams()
            .get(upstream)
            .map_or(Isolation::InPlace, |upstream| upstream.isolation);
        Self {
            upstream: upstream.to_owned(),
            isolation,
            spared: spared(estate, &roles),
            roles,
            elsewhere,
            apart: BTreeSet::new(),
            renew: BTreeSet::new(),
        }
    }

    /// The same, once it is known which of the estate's upstreams are on other servers than this one's.
    #[must_use]
    pub fn apart_from(mut self, estate: &Estate, upstreams: &BTreeSet<String>) -> Self {
        for agreement in estate.agreements().values() {
            for purpose in &agreement.purposes {
                let mut shares = agreement.shares_for(purpose);
                let name = role_name(&agreement.id, purpose).as_str().to_owned();
                let apart = shares.any(|share| {
                    let upstream = estate.dataset_of(share).map(|dataset| &dataset.upstream);
                    upstream.is_some_and(|upstream| upstreams.contains(upstream))
                });
                if apart && self.elsewhere.contains(&name) {
                    self.apart.insert(name);
                }
            }
        }
        self
    }

    /// The keys of pseudonyms that must stand in this database, each with whose it is: of agreements that are in force here,
    /// for one purpose at least.
    #[must_use]
    pub fn keys(&self) -> BTreeMap<KeyId, AgreementId> {
        let roles = self.roles.iter().filter(|role| role.is_in_force());
        roles
            .flat_map(|role| {
                let keys = role.views.iter().filter_map(|view| view.key.clone());
                keys.map(|key| (key, role.agreement.clone()))
            })
            .collect()
    }

    /// The rights that the views' owner needs: on no more than the columns that are read.
    #[must_use]
    pub fn owner_rights(&self) -> BTreeSet<(Object, &'static str)> {
        let mut rights = BTreeSet::new();
        for view in self.roles.iter().flat_map(|role| &role.views) {
            let (schema, relation) = (view.base_schema.as_str(), view.base_relation.as_str());
            rights.insert((Object::schema(schema), "USAGE"));
            for column in view.base_columns.keys() {
                rights.insert((Object::column(schema, relation, column.as_str()), "SELECT"));
            }
        }
        rights
    }
}

fn spared(estate: &Estate, roles: &[DesiredRole]) -> BTreeSet<SparedColumn> {
    let mut found = BTreeSet::new();
    for view in roles.iter().flat_map(|role| &role.views) {
        let asked = estate.statute().spared().iter();
        found.extend(
            asked
                .filter(|one| one.dataset == view.dataset)
                .map(|one| SparedColumn {
                    schema: view.base_schema.clone(),
                    relation: view.base_relation.clone(),
                    dataset: one.dataset.clone(),
                    column: one.column.clone(),
                    guardrail: one.guardrail.clone(),
                }),
        );
    }
    found
}

impl DesiredRole {
    /// Whether it may log in and read.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.standing == Standing::InForce
    }

    /// The role as a grantee.
    #[must_use]
    pub fn grantee(&self) -> Grantee {
        Grantee::Role(self.name.as_str().to_owned())
    }

    /// Every right it holds, in this database.
    #[must_use]
    pub fn rights(&self, database: &str) -> BTreeSet<(Object, &'static str)> {
        if !self.is_in_force() {
            return BTreeSet::new();
        }
        let schema = self.name.as_str();
        let views = self
            .views
            .iter()
            .map(|view| (Object::relation(schema, view.name.as_str()), "SELECT"));
        let own = [
            (Object::database(database), "CONNECT"),
            (Object::schema(schema), "USAGE"),
        ];
        own.into_iter().chain(views).collect()
    }

    /// Whose access it is, in words.
    #[must_use]
    pub fn words(&self) -> String {
        format!(
            "`{}` under `{}` for `{}`",
            self.partner, self.agreement, self.purpose
        )
    }
}

impl DesiredView {
    /// The statement that makes it in this schema. To be run as its owner, with `search_path = pg_catalog`.
    #[must_use]
    pub fn create_sql(&self, schema: &SqlName) -> String {
        let name = format!("{}.{}", schema.quoted(), self.name.quoted());
        format!(
            "CREATE VIEW {name} WITH (security_barrier = true) AS {}",
            self.definition
        )
    }
}

fn lies_in(estate: &Estate, share: &Share, upstream: &str) -> bool {
    estate
        .dataset_of(share)
        .is_some_and(|dataset| dataset.upstream == upstream)
}

fn desired_role(
    estate: &Estate,
    agreement: &Agreement,
    purpose: &PurposeId,
    ended: &[EndedScope],
) -> DesiredRole {
    let name = role_name(&agreement.id, purpose);
    let end = EndedScope::telling(ended, &agreement.partner, &agreement.id, purpose);
    let standing = end.map_or(Standing::InForce, |scope| {
        Standing::Ended(scope.directive.clone())
    });
    let views = estate
        .views(&agreement.id, purpose)
        .iter()
        .filter_map(|view| Some(desired_view(estate.datasets().get(view.dataset())?, view)));
    let connections = if standing == Standing::InForce {
        agreement.limits.sessions
    } else {
        0
    };
    DesiredRole {
        views: views.collect(),
        partner: agreement.partner.clone(),
        agreement: agreement.id.clone(),
        purpose: purpose.clone(),
        standing,
        connection_limit: i32::try_from(connections).unwrap_or(i32::MAX),
        settings: settings(agreement, &name),
        name,
    }
}

/// Settings of a role. Only those a superuser alone may set (`temp_file_limit`) bind a partner who can change his role;
/// the others are the defaults of an honest session, and changing them shows as drift.
fn settings(agreement: &Agreement, schema: &SqlName) -> BTreeMap<String, String> {
    let seconds = format!("{}s", agreement.limits.statement_seconds);
    let settings = [
        ("client_encoding", "UTF8"),
        ("default_transaction_read_only", "on"),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION),
        ("lock_timeout", LOCK_TIMEOUT),
        ("search_path", schema.as_str()),
        ("standard_conforming_strings", "on"),
        ("statement_timeout", &seconds),
        ("temp_file_limit", TEMP_FILE_LIMIT),
    ];
    settings
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn desired_view(dataset: &Dataset, view: &SharedView) -> DesiredView {
    let read = view.base_columns().into_iter().filter_map(|name| {
        let column = dataset.column(name.as_str())?;
        let compared = view.asked().contains(&name);
        Some((
            name,
            BaseColumn {
                type_name: column.kind.sql().into_owned(),
                not_null: compared && !column.nullable,
                compared,
            },
        ))
    });
    DesiredView {
        name: dataset.view_name(),
        dataset: dataset.id.clone(),
        definition: view.definition(&dataset.relation),
        base_schema: dataset.relation.schema.clone(),
        base_relation: dataset.relation.name.clone(),
        base_columns: read.collect(),
        columns: view.columns().cloned().collect(),
        key: view.key().cloned(),
    }
}

#[cfg(test)]
mod tests;
