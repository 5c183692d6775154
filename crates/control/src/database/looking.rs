//! Looking at an upstream again and again: one snapshot each time, and nothing written as long as nothing has changed.

use std::collections::{BTreeMap, BTreeSet};

use policy::airlock::{Likeness, ShownColumn};
use policy::catalog::{Catalog, KEYS_SCHEMA};
use policy::desired::Desired;
use policy::plan::{Plan, plan};
use sha2::{Digest, Sha256};

use super::Admin;
use super::reading::Credentials;
use crate::error::ControlError;
use crate::pseudonyms::MaskKeys;

/// What PostgreSQL said of the desired definitions, and of what it said so. To ask it, temporary views are made; as long as
/// the relations that they read are the same, so is the answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Printed {
    of: Option<[u8; 32]>,
    prints: BTreeMap<String, String>,
    shown: Option<BTreeMap<String, Vec<ShownColumn>>>,
}

/// What was seen of an upstream.
pub(crate) struct Seen {
    /// What would put it right.
    pub(crate) plan: Plan,
    /// What its airlocks must be like, if it has any.
    pub(crate) likeness: Option<Likeness>,
}

impl Admin {
    /// Reads the catalog in one transaction and compares. `printed` is kept from one look to the next.
    pub(crate) async fn look(
        &self,
        desired: &Desired,
        credentials: &Credentials,
        keys: &MaskKeys,
        airlocked: bool,
        printed: &mut Printed,
    ) -> Result<Seen, ControlError> {
        let connection = self.connect().await?;
        connection
            .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")
            .await?;
        let mut catalog = connection.read_rights().await?;
        connection.judge_passwords(&mut catalog, credentials).await?;
        connection.judge_admin(&mut catalog, desired).await?;
        connection.read_marks(&mut catalog, desired).await?;
        let of = depends_on(desired, &catalog)?;
        if printed.of != Some(of) {
            *printed = Printed {
                of: Some(of),
                prints: connection.print(desired).await?,
                shown: None,
            };
        }
        catalog.printed = printed.prints.clone();
        connection.judge_keys(&mut catalog, desired, keys).await?;
        connection.run("ROLLBACK").await?;
        drop(connection);
        let likeness = if airlocked {
            let likeness = self.likeness(desired, printed.shown.as_ref()).await?;
            printed.shown = Some(likeness.shown.clone());
            Some(likeness)
        } else {
            None
        };
        let plan = plan(desired, &catalog);
        Ok(Seen { plan, likeness })
    }
}

/// SHA-256 of all that decides how the definitions are printed: them, the relations that they read, the server's version.
fn depends_on(desired: &Desired, catalog: &Catalog) -> Result<[u8; 32], ControlError> {
    let mut hash = Sha256::new();
    hash.update(catalog.server.version.to_be_bytes());
    let mut bases = BTreeSet::new();
    for view in desired.roles.iter().flat_map(|role| &role.views) {
        hash.update(view.definition.as_bytes());
        hash.update([0]);
        bases.insert((view.base_schema.as_str(), view.base_relation.as_str()));
    }
    let read = catalog.relations.iter().filter(|relation| {
        relation.schema == KEYS_SCHEMA || bases.contains(&(relation.schema.as_str(), relation.name.as_str()))
    });
    for relation in read {
        let written = serde_json::to_vec(relation).map_err(|source| ControlError::Answer {
            doing: "reading relations",
            source: Box::new(source),
        })?;
        hash.update(written);
    }
    Ok(hash.finalize().into())
}
