//! What the shares take for granted of the custodian's own relations.

use std::collections::BTreeSet;

use super::{Draft, Shares};
use crate::catalog::{Catalog, Class, Column, Grantee, KEYS_SCHEMA, OWNER_ROLE, Relation};
use crate::desired::{BaseColumn, DesiredView};
use crate::estate::ColumnType;
use crate::harden::{Finding, Reach, Severity};
use crate::sql::ident;

pub(super) fn check(draft: &mut Draft<'_>, shares: &Shares<'_>) {
    let catalog = draft.catalog;
    for view in shares.desired.roles.iter().flat_map(|role| &role.views) {
        let (schema, name) = (view.base_schema.as_str(), view.base_relation.as_str());
        match catalog.relation(schema, name) {
            None => draft.blocks(
                format!(
                    "data set `{}` is relation `{schema}.{name}`, which is not in the database",
                    view.dataset
                ),
                super::SHARE_CANNOT_BE_MADE,
                Vec::new(),
            ),
            Some(relation) => relation_of(draft, view, relation),
        }
        if view.key.is_some() && catalog.server.encoding != "UTF8" {
            draft.blocks(
                format!(
                    "data set `{}` is shared with pseudonyms, and the database's encoding is {}, not UTF8",
                    view.dataset, catalog.server.encoding
                ),
                "a text that cannot be written in UTF-8 would raise an error that shows it",
                Vec::new(),
            );
        }
    }
    for spared in &shares.desired.spared {
        let relation = catalog.relation(spared.schema.as_str(), spared.relation.as_str());
        if relation.is_some_and(|it| it.columns.iter().any(|column| column.name == spared.column)) {
            draft.blocks(
                format!(
                    "relation `{}.{}` has column `{}`, which guardrail `{}` asks for, and the file of data set `{}` leaves it out",
                    spared.schema.as_str(),
                    spared.relation.as_str(),
                    spared.column,
                    spared.guardrail,
                    spared.dataset
                ),
                "the guardrail spares rows that it is about; given the column, the file shares nothing of it, and `estop check` \
                 holds the guardrail against all agreements",
                Vec::new(),
            );
        }
    }
    // What stands in share schemas, those of agreements that are gone included, is planned with them.
    let in_share = |schema: &str| shares.schemas().any(|share| share == schema);
    for relation in catalog
        .relations
        .iter()
        .filter(|r| r.owner == OWNER_ROLE && r.schema != KEYS_SCHEMA && !in_share(&r.schema))
    {
        let name = format!("{}.{}", ident(&relation.schema), ident(&relation.name));
        draft.blocks(
            format!(
                "`{}.{}` is owned by the views' owner",
                relation.schema, relation.name
            ),
            "every share can then read all of it; the owner of shared views owns no data",
            vec![format!("ALTER TABLE {name} OWNER TO CURRENT_USER")],
        );
    }
}

fn relation_of(draft: &mut Draft<'_>, view: &DesiredView, relation: &Relation) {
    for (name, wanted) in &view.base_columns {
        let place = format!("`{}.{}.{name}`", relation.schema, relation.name);
        let Some(column) = relation
            .columns
            .iter()
            .find(|column| column.name == name.as_str())
        else {
            draft.blocks(
                format!(
                    "data set `{}` has column {place}, which is not in the database",
                    view.dataset
                ),
                super::SHARE_CANNOT_BE_MADE,
                Vec::new(),
            );
            continue;
        };
        column_of(draft, view, relation, column, wanted);
    }
    for (schema, name) in with_parts(draft.catalog, relation) {
        everybodys(draft, schema, name);
    }
    if relation.row_security {
        draft.findings.push(Finding {
            reach: Reach::Both,
            severity: Severity::Note,
            what: format!("`{}.{}` has row-level security", relation.schema, relation.name),
            opens: format!("shares show only rows that its policies give to `{OWNER_ROLE}`"),
            close: Vec::new(),
        });
    }
}

/// A relation, and the tables whose rows are read with it.
fn with_parts<'a>(catalog: &'a Catalog, relation: &'a Relation) -> BTreeSet<(&'a str, &'a str)> {
    let mut found = BTreeSet::from([(relation.schema.as_str(), relation.name.as_str())]);
    let mut open: Vec<String> = vec![format!("{}.{}", relation.schema, relation.name)];
    while let Some(parent) = open.pop() {
        let parts = &catalog.surroundings.partitions;
        for part in parts.iter().filter(|part| part.parent == parent) {
            if found.insert((&part.schema, &part.name)) {
                open.push(format!("{}.{}", part.schema, part.name));
            }
        }
    }
    found
}

/// Notes what PUBLIC holds on a relation and cannot use yet.
fn everybodys(draft: &mut Draft<'_>, schema: &str, name: &str) {
    let everybody = draft.catalog.grants_of(&Grantee::Public).any(|grant| {
        matches!(grant.object.class, Class::Relation | Class::Column)
            && grant.object.schema.as_deref() == Some(schema)
            && grant.object.name == name
    });
    if everybody && !draft.catalog.public_uses_schema(schema) {
        draft.findings.push(Finding {
            reach: Reach::InPlace,
            severity: Severity::Note,
            what: format!(
                "PUBLIC holds rights on relation `{schema}.{name}`, in a schema that it may not use"
            ),
            opens: "whoever is given USAGE on the schema can use them, under no agreement".to_owned(),
            close: vec![format!(
                "REVOKE ALL ON TABLE {}.{} FROM PUBLIC",
                ident(schema),
                ident(name)
            )],
        });
    }
}

fn column_of(
    draft: &mut Draft<'_>,
    view: &DesiredView,
    relation: &Relation,
    column: &Column,
    wanted: &BaseColumn,
) {
    let place = format!("`{}.{}.{}`", relation.schema, relation.name, column.name);
    if !ColumnType::parse(&wanted.type_name).is_ok_and(|kind| kind.fits(column.comes_down_to())) {
        draft.blocks(
            format!(
                "data set `{}` says that {place} is {}, the database says {}",
                view.dataset,
                wanted.type_name,
                column.comes_down_to()
            ),
            "conditions and masks would not mean what they say",
            Vec::new(),
        );
    }
    if wanted.not_null && !column.not_null {
        let table = format!("{}.{}", ident(&relation.schema), ident(&relation.name));
        draft.blocks(
            format!(
                "data set `{}` counts on {place} being NOT NULL, and it is not",
                view.dataset
            ),
            "a condition over it would not mean what it says; or mark the column `optional = true`",
            vec![format!(
                "ALTER TABLE {table} ALTER COLUMN {} SET NOT NULL",
                ident(&column.name)
            )],
        );
    }
    if wanted.compared && column.folds {
        draft.blocks(
            format!("{place} has a collation that is not deterministic"),
            "a condition that compares it would take different texts for equal",
            Vec::new(),
        );
    }
}
