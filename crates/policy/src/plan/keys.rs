//! Steps for the keys of pseudonyms: a table that only the views' owner reads, with a row for each agreement in force whose views
//! show pseudonyms. The keys themselves are in no plan: a step names whose key is to be planted.

use super::{Draft, Effect, Phase, Shares, Step};
use crate::catalog::{Catalog, KEYS_SCHEMA, KEYS_TABLE, KeyState, OWNER_ROLE, Relation, RelationKind};
use crate::sql::{ident, literal};

/// The columns of the table, as the catalog prints them: all of them NOT NULL.
const COLUMNS: [(&str, &str); 3] = [("id", "text"), ("inner_pad", "bytea"), ("outer_pad", "bytea")];

/// Plants a key: `$1` and `$2` are its two padded forms, which are handed over beside the statement and stand in none.
fn plant(id: &str) -> String {
    format!(
        "INSERT INTO {} AS k (id, inner_pad, outer_pad) VALUES ({}, $1, $2) ON CONFLICT (id) DO UPDATE SET inner_pad = \
         EXCLUDED.inner_pad, outer_pad = EXCLUDED.outer_pad",
        table(),
        literal(id)
    )
}

/// Deletes the keys of agreements that have ended.
#[must_use]
pub fn forget(ids: &[String]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| literal(id)).collect();
    as_owner(&format!(
        "DELETE FROM {} WHERE id IN ({})",
        table(),
        ids.join(", ")
    ))
}

/// Reads the rows: id, inner pad, outer pad. Only the views' owner and superusers may.
#[must_use]
pub fn read() -> String {
    format!("SELECT id, inner_pad, outer_pad FROM {}", table())
}

/// Whether the table stands there as it is made: only then is it read.
#[must_use]
pub fn is_readable(catalog: &Catalog) -> bool {
    catalog.relation(KEYS_SCHEMA, KEYS_TABLE).is_some_and(is_as_made)
}

fn table() -> String {
    format!("{}.{}", ident(KEYS_SCHEMA), ident(KEYS_TABLE))
}

/// From here on the transaction works as the views' owner.
#[must_use]
pub fn become_owner() -> String {
    format!("SET LOCAL ROLE {}", ident(OWNER_ROLE))
}

fn as_owner(sql: &str) -> String {
    format!("{}; {sql}; RESET ROLE", become_owner())
}

pub(super) fn plan(draft: &mut Draft<'_>, shares: &Shares<'_>) {
    let wanted = shares.desired.keys();
    let catalog = draft.catalog;
    if wanted.is_empty() && catalog.schema(KEYS_SCHEMA).is_none() {
        return;
    }
    schema(draft);
    strangers(draft);
    for id in catalog
        .mask_keys
        .keys()
        .filter(|id| !wanted.keys().any(|key| key.as_str() == *id))
    {
        draft.step(
            Phase::Close,
            forget(std::slice::from_ref(id)),
            format!("the key `{id}`, of no agreement in force that shows pseudonyms, is deleted"),
        );
    }
    for (id, agreement) in &wanted {
        let state = catalog.mask_keys.get(id.as_str());
        let words = match state {
            Some(KeyState::Ours | KeyState::Unkept) => continue,
            Some(KeyState::Foreign) => format!(
                "the key of the pseudonyms under `{agreement}` is not the one that was planted: it is put right, and whoever \
                 changed it knows what it was"
            ),
            None if catalog.relation(KEYS_SCHEMA, KEYS_TABLE).is_some() => format!(
                "the pseudonyms under `{agreement}` have no key and are all NULL: the key is planted (the same as before, if \
                 there was one)"
            ),
            None => format!("plants the key of the pseudonyms under `{agreement}`"),
        };
        let mut step = Step::new(Phase::Prepare, plant(id.as_str()), words);
        step.key_for = Some(agreement.clone());
        let theirs = shares
            .desired
            .roles
            .iter()
            .filter(|role| role.agreement == *agreement);
        step.undoes.roles = theirs.map(|role| role.name.as_str().to_owned()).collect();
        if state == Some(&KeyState::Foreign) {
            step.undoes.effect = Effect::Opens;
            step.undoes.words = format!(
                "the key of the pseudonyms under `{agreement}` is not the one that was planted: whoever changed it can name everybody"
            );
        }
        draft.steps.push(step);
    }
}

fn schema(draft: &mut Draft<'_>) {
    let owner = ident(OWNER_ROLE);
    let catalog = draft.catalog;
    match catalog.schema(KEYS_SCHEMA) {
        None => draft.step(
            Phase::Prepare,
            format!("CREATE SCHEMA {} AUTHORIZATION {owner}", ident(KEYS_SCHEMA)),
            "makes the schema of the keys of pseudonyms; only the views' owner looks into it",
        ),
        Some(schema) if schema.owner != OWNER_ROLE => draft.step(
            Phase::Close,
            format!("ALTER SCHEMA {} OWNER TO {owner}", ident(KEYS_SCHEMA)),
            format!("schema `{KEYS_SCHEMA}` is no longer owned by `{}`", schema.owner),
        ),
        Some(_) => {}
    }
    match catalog.relation(KEYS_SCHEMA, KEYS_TABLE) {
        None => {
            // No statistics: they would be copies of the keys.
            let sql = format!(
                "CREATE TABLE {0} (id pg_catalog.text PRIMARY KEY, inner_pad pg_catalog.bytea NOT NULL, outer_pad \
                 pg_catalog.bytea NOT NULL); ALTER TABLE {0} ALTER COLUMN inner_pad SET STATISTICS 0, ALTER COLUMN outer_pad \
                 SET STATISTICS 0",
                table()
            );
            draft.step(
                Phase::Prepare,
                as_owner(&sql),
                "makes the table of the keys of pseudonyms; only the views' owner reads it",
            );
        }
        Some(relation) if !is_as_made(relation) => draft.blocks(
            format!("`{KEYS_SCHEMA}.{KEYS_TABLE}` is not the table that was made"),
            "the keys of pseudonyms could be read or replaced through it; dropped, it is made again with the same keys",
            vec![format!("DROP {} {} CASCADE", drop_kind(relation), table())],
        ),
        Some(relation) if catalog.surroundings.keys_sampled => draft.blocks(
            format!("statistics of `{KEYS_SCHEMA}.{KEYS_TABLE}` are gathered"),
            "they are copies of the keys of pseudonyms, which stay when an agreement ends; dropped, the table is made again \
             with the same keys",
            vec![format!("DROP {} {} CASCADE", drop_kind(relation), table())],
        ),
        Some(relation) if relation.owner != OWNER_ROLE => draft.step(
            Phase::Close,
            format!("ALTER TABLE {} OWNER TO {owner}", table()),
            format!(
                "the keys of pseudonyms are no longer owned by `{}`, who could read them",
                relation.owner
            ),
        ),
        Some(_) => {}
    }
}

fn is_as_made(relation: &Relation) -> bool {
    let columns = relation
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.type_name.as_str()));
    relation.kind == RelationKind::Table
        && columns.eq(COLUMNS)
        && relation
            .columns
            .iter()
            .all(|column| column.not_null && !column.folds)
        && relation.rules_and_triggers == 0
        && !relation.row_security
}

fn drop_kind(relation: &Relation) -> &'static str {
    match relation.kind {
        RelationKind::Foreign => "FOREIGN TABLE",
        RelationKind::Materialised => "MATERIALIZED VIEW",
        RelationKind::Sequence => "SEQUENCE",
        RelationKind::View => "VIEW",
        RelationKind::Partitioned | RelationKind::Table => "TABLE",
    }
}

/// What else stands in the schema.
fn strangers(draft: &mut Draft<'_>) {
    let catalog = draft.catalog;
    let others = catalog
        .relations
        .iter()
        .filter(|relation| relation.schema == KEYS_SCHEMA && relation.name != KEYS_TABLE);
    for relation in others {
        let name = format!("{}.{}", ident(KEYS_SCHEMA), ident(&relation.name));
        draft.blocks(
            format!(
                "`{KEYS_SCHEMA}.{}` stands in the schema of the keys of pseudonyms",
                relation.name
            ),
            "it can be a copy of the keys, or a way to them",
            vec![format!("DROP {} {name}", drop_kind(relation))],
        );
    }
}
