//! Steps for share schemas and the views in them.

use std::collections::BTreeSet;

use super::difference::view_differs;
use super::{Draft, Effect, Phase, Shares};
use crate::catalog::{Catalog, KEYS_SCHEMA, OWNER_ROLE, Object, Relation, RelationKind, printed_key};
use crate::desired::{DesiredRole, DesiredView};
use crate::sql::ident;

/// The only storage parameter a share's view has.
const OPTIONS: [&str; 1] = ["security_barrier=true"];

/// Plans schemas and views; returns the views that are dropped or made anew, with whose rights nothing
/// is to be done.
pub(super) fn plan(draft: &mut Draft<'_>, shares: &Shares<'_>) -> BTreeSet<Object> {
    let mut gone = BTreeSet::new();
    for role in &shares.desired.roles {
        schema(draft, role.name.as_str(), Some(role));
        for view in &role.views {
            one_view(draft, role, view, &mut gone);
        }
    }
    for name in shares.strays.iter().chain(&shares.moved) {
        schema(draft, name, None);
    }
    for name in shares.schemas() {
        surplus(draft, name, shares.role(name), &mut gone);
    }
    functions(draft, shares);
    gone
}

fn schema(draft: &mut Draft<'_>, name: &str, role: Option<&DesiredRole>) {
    let owner = ident(OWNER_ROLE);
    match (draft.catalog.schema(name), role) {
        (None, Some(role)) => {
            let sql = format!("CREATE SCHEMA {} AUTHORIZATION {owner}", ident(name));
            draft.step(
                Phase::Prepare,
                sql,
                format!("makes the schema of {}; empty", role.words()),
            );
        }
        (Some(schema), _) if schema.owner != OWNER_ROLE => {
            let sql = format!("ALTER SCHEMA {} OWNER TO {owner}", ident(name));
            draft.step_undoing(
                Phase::Close,
                sql,
                format!("schema `{name}` is no longer owned by `{}`", schema.owner),
                Effect::Opens,
                format!(
                    "role `{}` owns schema `{name}`, and can replace every view in it",
                    schema.owner
                ),
            );
        }
        _ => {}
    }
}

fn one_view(draft: &mut Draft<'_>, role: &DesiredRole, view: &DesiredView, gone: &mut BTreeSet<Object>) {
    let (schema, name) = (role.name.as_str(), view.name.as_str());
    let who = role.words();
    let found = draft.catalog.relation(schema, name);
    if let Some(relation) = found.filter(|relation| relation.kind != RelationKind::View) {
        not_a_view(draft, relation);
        return;
    }
    if let Some(relation) = found.filter(|relation| is_as_desired(draft.catalog, relation, view)) {
        owner(draft, relation);
        return;
    }
    gone.insert(Object::relation(schema, name));
    let qualified = format!("{}.{}", ident(schema), ident(name));
    let columns: Vec<&str> = view.columns.iter().map(AsRef::as_ref).collect();
    let (effect, drifted) = match found {
        Some(relation) => view_differs(draft.catalog, relation, view, &who),
        None => (
            Effect::Closes,
            format!(
                "{who} sees nothing of data set `{}`: its view is not there",
                view.dataset
            ),
        ),
    };
    let words = if found.is_some() {
        draft.step_undoing(
            Phase::Close,
            format!("DROP VIEW {qualified}"),
            format!("view `{schema}.{name}` of {who} is not as the estate says and goes"),
            effect,
            drifted.clone(),
        );
        format!(
            "{who} sees data set `{}` again as the estate says: {}",
            view.dataset,
            columns.join(", ")
        )
    } else {
        format!(
            "{who} is to see of data set `{}`: {}",
            view.dataset,
            columns.join(", ")
        )
    };
    // Made in its owner's name: what an administrator's default privileges would add is not added.
    let sql = format!(
        "SET LOCAL ROLE {}; {}; RESET ROLE",
        ident(OWNER_ROLE),
        view.create_sql(&role.name)
    );
    draft.step_undoing(Phase::Share, sql, words, effect, drifted);
}

fn is_as_desired(catalog: &Catalog, relation: &Relation, view: &DesiredView) -> bool {
    let print = catalog
        .printed
        .get(&printed_key(&relation.schema, view.name.as_str()));
    print.is_some()
        && relation.definition.as_ref() == print
        && relation.options == OPTIONS
        && relation.rules_and_triggers == 0
}

fn owner(draft: &mut Draft<'_>, relation: &Relation) {
    if relation.owner != OWNER_ROLE {
        let view = format!("{}.{}", ident(&relation.schema), ident(&relation.name));
        let sql = format!("ALTER VIEW {view} OWNER TO {}", ident(OWNER_ROLE));
        let words = format!(
            "view `{}.{}` reads with the rights of the views' owner again, not with those of `{}`",
            relation.schema, relation.name, relation.owner
        );
        let drifted = format!(
            "view `{}.{}` reads with the rights of role `{}`, which may be more than the agreement's",
            relation.schema, relation.name, relation.owner
        );
        draft.step_undoing(Phase::Close, sql, words, Effect::Opens, drifted);
    }
}

fn not_a_view(draft: &mut Draft<'_>, relation: &Relation) {
    let name = format!("{}.{}", ident(&relation.schema), ident(&relation.name));
    draft.blocks(
        format!(
            "`{}.{}` stands in a share schema and is not a view",
            relation.schema, relation.name
        ),
        "what it holds is under no agreement; Estop drops no data",
        vec![format!("ALTER TABLE {name} SET SCHEMA public")],
    );
}

/// What stands in a share schema and is no share's.
fn surplus(draft: &mut Draft<'_>, schema: &str, role: Option<&DesiredRole>, gone: &mut BTreeSet<Object>) {
    let catalog = draft.catalog;
    for relation in catalog
        .relations
        .iter()
        .filter(|relation| relation.schema == schema)
    {
        let wanted =
            role.is_some_and(|role| role.views.iter().any(|view| view.name.as_str() == relation.name));
        if wanted {
            continue;
        }
        if relation.kind == RelationKind::View {
            let sql = format!("DROP VIEW {}.{}", ident(schema), ident(&relation.name));
            let words = format!(
                "view `{schema}.{}` is of no agreement of the estate and goes",
                relation.name
            );
            let drifted = format!(
                "view `{schema}.{}` stands in an agreement's schema, and shows what no agreement gives",
                relation.name
            );
            draft.step_undoing(Phase::Close, sql, words, Effect::Opens, drifted);
            gone.insert(Object::relation(schema, &relation.name));
        } else {
            not_a_view(draft, relation);
        }
    }
}

fn functions(draft: &mut Draft<'_>, shares: &Shares<'_>) {
    let catalog = draft.catalog;
    for function in &catalog.functions {
        if function.schema == KEYS_SCHEMA || shares.schemas().any(|schema| schema == function.schema) {
            let object = Object::function(&function.schema, &function.name, &function.arguments);
            draft.blocks(
                format!("{} stands in a share schema", object.words()),
                "a partner can call it, and it is of no agreement",
                vec![format!("DROP {}", object.sql())],
            );
        }
    }
}
