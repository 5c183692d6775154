//! Steps of hardening: what PUBLIC loses, and what the custodian's own roles keep.

use super::roles::group_role;
use super::{Draft, Phase};
use crate::catalog::{Catalog, Grant, Grantee, KEPT_ROLE, PREFIX};
use crate::harden::{Measure, Reach, measures};
use crate::sql::ident;

/// First `server_version_num` on which a membership says by itself that its rights are inherited.
const INHERIT_IN_GRANT_SINCE: i32 = 160_000;

pub(super) fn plan(draft: &mut Draft<'_>) {
    let catalog = draft.catalog;
    let measures = measures(catalog);
    group_role(
        draft,
        KEPT_ROLE,
        "the role through which the custodian's own roles keep what PUBLIC loses",
    );
    if !catalog.server.superuser {
        return findings(draft, &measures);
    }
    if catalog.role(KEPT_ROLE).is_none() {
        members(draft);
    }
    for measure in &measures {
        let sql: Vec<String> = statements(measure);
        let words = format!(
            "everybody loses {}: {}; the custodian's own roles keep it through `{KEPT_ROLE}`",
            measure.what, measure.opens
        );
        draft.step(Phase::Harden, sql.join("; "), words);
    }
}

/// The roles that stand before the first hardening were working with PUBLIC's rights and keep them. Which of those made
/// later get them is for the custodian to say, by granting the kept role.
fn members(draft: &mut Draft<'_>) {
    let catalog = draft.catalog;
    let own = own_roles(catalog);
    if own.is_empty() {
        return;
    }
    let list: Vec<String> = own.iter().map(|name| ident(name)).collect();
    let inherit = if catalog.server.version >= INHERIT_IN_GRANT_SINCE {
        " WITH INHERIT TRUE"
    } else {
        ""
    };
    let sql = format!("GRANT {} TO {}{inherit}", ident(KEPT_ROLE), list.join(", "));
    let words = format!(
        "the custodian's own roles ({}) keep what everybody loses below",
        own.join(", ")
    );
    draft.step(Phase::Harden, sql, words);
}

/// The custodian's roles that were working with PUBLIC's rights.
pub(crate) fn own_roles(catalog: &Catalog) -> Vec<&str> {
    let own = catalog
        .roles
        .iter()
        .filter(|role| role.login && !role.superuser && !role.name.starts_with(PREFIX));
    own.map(|role| role.name.as_str()).collect()
}

/// All statements of hardening that are left to be run.
pub(crate) fn hardening(catalog: &Catalog) -> Vec<String> {
    measures(catalog).iter().flat_map(statements).collect()
}

fn statements(measure: &Measure<'_>) -> Vec<String> {
    let kept = Grantee::Role(KEPT_ROLE.to_owned());
    let keep = measure
        .grants
        .iter()
        .map(|grant| grant.object.grant_sql(&grant.privilege, &kept));
    let revoke = measure.grants.iter().map(|grant| Grant::revoke_sql(grant));
    keep.chain(revoke).collect()
}

/// Rights on system objects are a superuser's to take. Who plans without being one gets them as something to be done.
fn findings(draft: &mut Draft<'_>, measures: &[Measure<'_>]) {
    let catalog = draft.catalog;
    if !catalog.surroundings.sees_passwords {
        draft.blocks(
            format!(
                "`{}` cannot see whether somebody has set another password for an agreement's role",
                catalog.server.user
            ),
            "he could log in with it past the gateway, unseen; `estop check --database --admin-role` prints what a superuser must \
             run once",
            Vec::new(),
        );
    }
    for measure in measures {
        draft.blocks_in(
            Reach::InPlace,
            format!(
                "everybody holds rights on {}, and only a superuser can take them",
                measure.what
            ),
            measure.opens,
            statements(measure),
        );
    }
}
