//! Steps for rights: each role of ours holds exactly what it needs, and nobody else anything in a share schema.

use std::collections::BTreeSet;

use super::difference::seen_as;
use super::{Draft, Effect, Phase, Shares, holder, is_of_other_database};
use crate::admin_role::pass_on;
use crate::catalog::Catalog;
use crate::catalog::{Class, Grant, Grantee, KEYS_SCHEMA, OWNER_ROLE, Object};

pub(super) fn plan(draft: &mut Draft<'_>, shares: &Shares<'_>, gone: &BTreeSet<Object>) {
    let catalog = draft.catalog;
    let database = &catalog.server.database;
    let owner = Grantee::Role(OWNER_ROLE.to_owned());
    let mut wanted: Vec<(Grantee, BTreeSet<(Object, &'static str)>)> =
        vec![(owner, shares.desired.owner_rights())];
    wanted.extend(
        shares
            .desired
            .roles
            .iter()
            .map(|role| (role.grantee(), role.rights(database))),
    );
    wanted.extend(
        shares
            .strays
            .iter()
            .map(|name| (Grantee::Role(name.clone()), BTreeSet::new())),
    );
    for name in &shares.moved {
        let grantee = Grantee::Role(name.clone());
        // Rights on the databases that its shares lie in are the business of those plans.
        let elsewhere = catalog
            .grants_of(&grantee)
            .filter(|grant| is_of_other_database(catalog, grant));
        let connect = elsewhere.filter(|grant| grant.privilege == "CONNECT");
        let kept = connect.map(|grant| (grant.object.clone(), "CONNECT")).collect();
        wanted.push((grantee.clone(), kept));
    }
    for (grantee, rights) in &wanted {
        exact(draft, shares, grantee, rights, gone);
    }
    let known = wanted.into_iter().map(|(grantee, _)| grantee).collect();
    strangers(draft, shares, &known, gone);
}

/// Takes what is too much and gives what is missing.
fn exact(
    draft: &mut Draft<'_>,
    shares: &Shares<'_>,
    grantee: &Grantee,
    rights: &BTreeSet<(Object, &'static str)>,
    gone: &BTreeSet<Object>,
) {
    let catalog = draft.catalog;
    // Views are made in their owner's name, who must reach what they read by then.
    let phase = if *grantee == Grantee::Role(OWNER_ROLE.to_owned()) {
        Phase::Prepare
    } else {
        Phase::Grant
    };
    let held: Vec<&Grant> = catalog
        .grants_of(grantee)
        .filter(|grant| !is_gone(&grant.object, gone))
        .collect();
    for grant in held
        .iter()
        .filter(|grant| !is_fine(catalog, grant, grantee, rights))
    {
        let words = format!(
            "{} loses {} on {}",
            holder(shares, grantee),
            grant.privilege,
            grant.object.words()
        );
        let drifted = surplus(shares, grant);
        draft.step_undoing(Phase::Close, grant.revoke_sql(), words, Effect::Opens, drifted);
    }
    // Taking a right on a relation takes it on each of its columns, too (PostgreSQL documentation, REVOKE).
    let falls_with = |object: &Object, privilege: &str| {
        held.iter().any(|g| {
            g.object.class == Class::Relation
                && object.class == Class::Column
                && (&g.object.schema, &g.object.name) == (&object.schema, &object.name)
                && g.privilege == privilege
                && !is_fine(catalog, g, grantee, rights)
        })
    };
    for (object, privilege) in rights {
        let same = |g: &&&Grant| g.object == *object && g.privilege == *privilege;
        let stands = held
            .iter()
            .filter(same)
            .any(|g| is_fine(catalog, g, grantee, rights));
        if !stands || falls_with(object, privilege) {
            let words = format!(
                "{} gains {privilege} on {}",
                holder(shares, grantee),
                object.words()
            );
            let drifted = format!(
                "{} no longer holds {privilege} on {}",
                holder(shares, grantee),
                object.words()
            );
            if catalog.surroundings.not_passed_on.contains(object) {
                draft.blocks(
                    format!(
                        "`{}` may not let others use {}",
                        catalog.server.user,
                        object.words()
                    ),
                    super::SHARE_CANNOT_BE_MADE,
                    vec![pass_on(object, privilege, &catalog.server.user)],
                );
                continue;
            }
            let sql = object.grant_sql(privilege, grantee);
            draft.step_undoing(phase, sql, words, Effect::Closes, drifted);
        }
    }
}

/// Rights are the owner's to give; an admin who is no superuser passes on what he was given for that.
fn is_ours(catalog: &Catalog, grant: &Grant) -> bool {
    let server = &catalog.server;
    grant.grantor == grant.owner || (!server.superuser && grant.grantor == server.user)
}

fn is_fine(
    catalog: &Catalog,
    grant: &Grant,
    grantee: &Grantee,
    rights: &BTreeSet<(Object, &'static str)>,
) -> bool {
    // An owner's rights on what it owns are its own; who owns what is planned elsewhere.
    let own = matches!(grantee, Grantee::Role(name) if *name == grant.owner);
    let wanted = rights
        .iter()
        .any(|(object, privilege)| *object == grant.object && *privilege == grant.privilege);
    own || (wanted && !grant.grantable && is_ours(catalog, grant))
}

/// Rights in share schemas, and on the keys of pseudonyms, of anybody that has no business there. Functions there are a finding of their own.
fn strangers(draft: &mut Draft<'_>, shares: &Shares<'_>, known: &BTreeSet<Grantee>, gone: &BTreeSet<Object>) {
    let catalog = draft.catalog;
    for grant in catalog
        .grants
        .iter()
        .filter(|grant| grant.object.class != Class::Function)
    {
        let own = grant.grantee == Grantee::Role(grant.owner.clone());
        let share = share_schema(&grant.object)
            .is_some_and(|name| name == KEYS_SCHEMA || shares.schemas().any(|share| share == name));
        if known.contains(&grant.grantee) || own || !share || is_gone(&grant.object, gone) {
            continue;
        }
        let words = format!(
            "{} loses {} on {}",
            holder(shares, &grant.grantee),
            grant.privilege,
            grant.object.words()
        );
        let drifted = surplus(shares, grant);
        draft.step_undoing(Phase::Close, grant.revoke_sql(), words, Effect::Opens, drifted);
    }
}

/// What somebody can do with a right that no agreement gives, in words.
fn surplus(shares: &Shares<'_>, grant: &Grant) -> String {
    let who = holder(shares, &grant.grantee);
    let object = &grant.object;
    let passing_on = if grant.grantable { ", and pass that on" } else { "" };
    let seen = seen_as(shares.desired, object.schema.as_deref(), &object.name);
    let reads = grant.privilege == "SELECT";
    match (object.class, seen) {
        (Class::Relation, Some(seen)) if reads => format!("{who} can now read {seen}{passing_on}"),
        (Class::Column, Some(seen)) if reads => format!(
            "{who} can now read column `{}` of {seen}{passing_on}",
            object.part.as_deref().unwrap_or_default()
        ),
        (Class::Relation | Class::Column, None) if reads => format!(
            "{who} can now read {} itself, past every condition and mask{passing_on}",
            object.words()
        ),
        _ => format!(
            "{who} now holds {} on {}{passing_on}",
            grant.privilege,
            object.words()
        ),
    }
}

/// The schema that an object is, or lies in.
fn share_schema(object: &Object) -> Option<&str> {
    if object.class == Class::Schema {
        Some(&object.name)
    } else {
        object.schema.as_deref()
    }
}

/// Whether the object, or the view whose column it is, is dropped by an earlier step.
fn is_gone(object: &Object, gone: &BTreeSet<Object>) -> bool {
    let whole = match (&object.class, &object.schema) {
        (Class::Column, Some(schema)) => &Object::relation(schema, &object.name),
        _ => object,
    };
    gone.contains(whole)
}
