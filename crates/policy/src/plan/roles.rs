//! Steps for roles: their making, attributes, passwords, settings and memberships.

use std::collections::BTreeMap;

use super::{Draft, Effect, PASSWORD_PLACEHOLDER, Phase, Shares, alter_role, may_login};
use crate::catalog::{KEPT_ROLE, Membership, OWNER_ROLE, Password, Role};
use crate::desired::DesiredRole;
use crate::sql::{ident, literal};

/// First `server_version_num` on which a membership is known by its grantor, too.
const MEMBERSHIP_BY_GRANTOR_SINCE: i32 = 160_000;

/// Attributes that no role of ours has, as they are made.
const NOTHING_SPECIAL: &str =
    "NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";

pub(super) fn plan(draft: &mut Draft<'_>, shares: &Shares<'_>) {
    group_role(
        draft,
        OWNER_ROLE,
        "the role that owns shared views; nobody can log in as it",
    );
    for role in &shares.desired.roles {
        share_role(draft, shares, role);
    }
    let catalog = draft.catalog;
    for name in shares.strays.iter().chain(&shares.parted) {
        if let Some(role) = catalog.role(name) {
            existing(draft, shares, role, 0);
            settings(draft, shares, name, &BTreeMap::new());
        }
    }
    memberships(draft, shares);
}

/// A role that only holds things.
pub(super) fn group_role(draft: &mut Draft<'_>, name: &str, words: &str) {
    let Some(role) = draft.catalog.role(name) else {
        draft.step(
            Phase::Prepare,
            format!("CREATE ROLE {} {NOTHING_SPECIAL}", ident(name)),
            format!("makes {words}"),
        );
        return;
    };
    let mut wrong = powers(role);
    if role.login {
        wrong.push("NOLOGIN");
    }
    if !wrong.is_empty() {
        let sql = alter_role(name, &wrong.join(" "));
        draft.step(
            Phase::Close,
            sql,
            format!("role `{name}` loses powers it was given since"),
        );
    }
}

fn share_role(draft: &mut Draft<'_>, shares: &Shares<'_>, wanted: &DesiredRole) {
    let name = wanted.name.as_str();
    match draft.catalog.role(name) {
        Some(role) => existing(draft, shares, role, shares.connection_limit(wanted)),
        None => {
            let limit = shares.connection_limit(wanted);
            let sql = format!(
                "CREATE ROLE {} {NOTHING_SPECIAL} CONNECTION LIMIT {limit}",
                ident(name)
            );
            draft.step(
                Phase::Prepare,
                sql,
                format!("makes the role of {}; it cannot log in yet", wanted.words()),
            );
        }
    }
    settings(draft, shares, name, &wanted.settings);
    activate(draft, shares, wanted);
}

/// Puts an existing share role's attributes right, all but what lets it log in.
fn existing(draft: &mut Draft<'_>, shares: &Shares<'_>, role: &Role, connection_limit: i32) {
    let who = shares.words(&role.name);
    let mut wrong = powers(role);
    if role.inherit {
        wrong.push("NOINHERIT");
    }
    let open = !may_login(shares.role(&role.name));
    if open && role.login {
        wrong.push("NOLOGIN");
    }
    if open && matches!(role.password, Password::Ours | Password::Foreign) {
        wrong.push("PASSWORD NULL");
    }
    if !wrong.is_empty() {
        let list = wrong.join(" ");
        draft.step_undoing(
            Phase::Close,
            alter_role(&role.name, &list),
            format!("{who} loses powers it must not have: {list}"),
            Effect::Opens,
            format!("{who} has powers that no agreement gives; what takes them away: {list}"),
        );
    }
    if role.connection_limit != connection_limit {
        let sql = alter_role(&role.name, &format!("CONNECTION LIMIT {connection_limit}"));
        let more = role.connection_limit < 0 || role.connection_limit > connection_limit;
        let effect = if more { Effect::Opens } else { Effect::Closes };
        let found = match role.connection_limit {
            limit if limit < 0 => "any number of".to_owned(),
            limit => limit.to_string(),
        };
        draft.step_undoing(
            Phase::Prepare,
            sql,
            format!("{who} may hold {connection_limit} connections at a time"),
            effect,
            format!("{who} may hold {found} connections at a time, not {connection_limit}"),
        );
    }
    if role
        .valid_until
        .as_deref()
        .is_some_and(|until| until != "infinity")
    {
        let sql = alter_role(&role.name, "VALID UNTIL 'infinity'");
        let until = role.valid_until.as_deref().unwrap_or_default();
        draft.step_undoing(
            Phase::Prepare,
            sql,
            format!("the password of {who} no longer lapses by itself"),
            Effect::Closes,
            format!("the password of {who} lapses at {until}"),
        );
    }
}

fn powers(role: &Role) -> Vec<&'static str> {
    let powers = [
        (role.superuser, "NOSUPERUSER"),
        (role.create_db, "NOCREATEDB"),
        (role.create_role, "NOCREATEROLE"),
        (role.replication, "NOREPLICATION"),
        (role.bypass_rls, "NOBYPASSRLS"),
    ];
    powers
        .into_iter()
        .filter_map(|(has, remedy)| has.then_some(remedy))
        .collect()
}

/// Lets the role log in, with a new password, unless it can already with the one that the gateways hold.
fn activate(draft: &mut Draft<'_>, shares: &Shares<'_>, wanted: &DesiredRole) {
    let name = wanted.name.as_str();
    if !wanted.is_in_force() {
        return;
    }
    let renew = shares.desired.renew.contains(name);
    let stands = draft.catalog.role(name).is_some_and(|role| {
        role.login && matches!(role.password, Password::Ours | Password::Unknown) && !renew
    });
    if !stands {
        let (effect, drifted) = no_login(draft.catalog.role(name), &wanted.words());
        draft.step_undoing(
            Phase::Activate,
            alter_role(name, &format!("LOGIN PASSWORD '{PASSWORD_PLACEHOLDER}'")),
            format!(
                "{} can log in, with a new password that only the gateways hold",
                wanted.words()
            ),
            effect,
            drifted,
        );
        if let Some(step) = draft.steps.last_mut() {
            step.password_for = Some(name.to_owned());
        }
    }
}

/// The statement that gives a role that can log in another password, with [`PASSWORD_PLACEHOLDER`].
#[must_use]
pub fn renewal(role: &str) -> String {
    alter_role(role, &format!("PASSWORD '{PASSWORD_PLACEHOLDER}'"))
}

/// How a role that must log in with the gateways' password cannot, or somebody else can.
fn no_login(role: Option<&Role>, who: &str) -> (Effect, String) {
    match role {
        None => (Effect::Closes, format!("{who} has no role, and so no access")),
        Some(role) if role.login && role.password == Password::Foreign => (
            Effect::Opens,
            format!("somebody has set another password for {who}, and can log in with it past the gateway"),
        ),
        Some(_) => (Effect::Closes, format!("{who} cannot log in")),
    }
}

fn settings(draft: &mut Draft<'_>, shares: &Shares<'_>, role: &str, wanted: &BTreeMap<String, String>) {
    let catalog = draft.catalog;
    let who = shares.words(role);
    let of_role = || {
        catalog
            .settings
            .iter()
            .filter(|setting| setting.role.as_deref() == Some(role))
    };
    for setting in of_role() {
        let known = setting.database.is_none() && wanted.contains_key(&setting.name);
        if known {
            continue;
        }
        let place = setting
            .database
            .as_ref()
            .map(|d| format!("IN DATABASE {} ", ident(d)))
            .unwrap_or_default();
        let sql = alter_role(role, &format!("{place}RESET {}", ident(&setting.name)));
        draft.step_undoing(
            Phase::Close,
            sql,
            format!("{who} loses the setting `{}`, made since", setting.name),
            Effect::Opens,
            format!(
                "{who} works with `{}` = `{}`, which no agreement says",
                setting.name, setting.value
            ),
        );
    }
    for (name, value) in wanted {
        let stands = of_role().any(|s| s.database.is_none() && s.name == *name && s.value == *value);
        if !stands {
            let sql = alter_role(role, &format!("SET {} = {}", ident(name), literal(value)));
            // Without the role nobody works without it.
            let effect = if catalog.role(role).is_some() {
                Effect::Opens
            } else {
                Effect::Closes
            };
            let drifted = match of_role().find(|s| s.database.is_none() && s.name == *name) {
                Some(found) => format!("{who} works with `{name}` = `{}`, not `{value}`", found.value),
                None => format!("{who} works without `{name}` = `{value}`, which is to bound it"),
            };
            draft.step_undoing(
                Phase::Prepare,
                sql,
                format!("{who} works with `{name}` = `{value}`"),
                effect,
                drifted,
            );
        }
    }
}

/// A share role and the views' owner are members of nothing and have no members; the kept role is nobody's way to them.
fn memberships(draft: &mut Draft<'_>, shares: &Shares<'_>) {
    let catalog = draft.catalog;
    let ours = |name: &str| name == OWNER_ROLE || shares.schemas().any(|share| share == name);
    for membership in &catalog.memberships {
        // Whoever makes a role without being a superuser becomes a member of it (PostgreSQL 16 and later).
        let is_admins = membership.member == catalog.server.user && !catalog.server.superuser;
        let kept_member = membership.member == KEPT_ROLE;
        if is_admins || !(ours(&membership.role) || ours(&membership.member) || kept_member) {
            continue;
        }
        let words = format!(
            "role `{}` is no longer a member of `{}`",
            membership.member, membership.role
        );
        let (role, member) = (membership.role.as_str(), membership.member.as_str());
        let drifted = if ours(role) {
            format!("role `{member}` can act as {}", shares.words(role))
        } else {
            format!("{} can now do all that role `{role}` can", shares.words(member))
        };
        draft.step_undoing(
            Phase::Close,
            revoke_membership(membership, catalog.server.version),
            words,
            Effect::Opens,
            drifted,
        );
    }
}

/// The statement that ends a membership.
pub(crate) fn revoke_membership(membership: &Membership, version: i32) -> String {
    let by = membership
        .grantor
        .as_ref()
        .filter(|_| version >= MEMBERSHIP_BY_GRANTOR_SINCE)
        .map(|grantor| format!(" GRANTED BY {}", ident(grantor)))
        .unwrap_or_default();
    format!(
        "REVOKE {} FROM {}{by} CASCADE",
        ident(&membership.role),
        ident(&membership.member)
    )
}
