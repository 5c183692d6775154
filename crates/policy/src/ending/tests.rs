//! Tests of `ending`: that everything goes, and in which order.

use super::*;
use crate::catalog::{Grant, Membership, Object};
use crate::plan::tests::standing::applied;

const SHARE: &str = "estop_0123456789abcdef";

fn statements(change: impl FnOnce(&mut Catalog)) -> Vec<String> {
    let mut catalog = applied();
    change(&mut catalog);
    revocation(&[SHARE.to_owned()], &catalog)
}

#[test]
fn the_login_goes_first_and_every_right_after_it() {
    let statements = statements(|_| {});
    assert_eq!(
        statements[0],
        format!("ALTER ROLE \"{SHARE}\" NOLOGIN PASSWORD NULL CONNECTION LIMIT 0")
    );
    for what in [
        "CONNECT ON DATABASE \"records\"",
        "USAGE ON SCHEMA",
        "SELECT ON TABLE",
    ] {
        assert_eq!(
            statements
                .iter()
                .filter(|s| s.starts_with(&format!("REVOKE {what}")))
                .count(),
            1,
            "{what}"
        );
    }
    assert!(!statements.iter().any(|s| s.contains("estop_owner")));
}

#[test]
fn what_was_given_behind_our_back_goes_too() {
    let statements = statements(|catalog| {
        for role in &mut catalog.roles {
            role.superuser = true;
        }
        for (role, member) in [("pg_read_all_data", SHARE), (SHARE, "bob")] {
            let membership = Membership {
                role: role.to_owned(),
                member: member.to_owned(),
                grantor: None,
            };
            catalog.memberships.push(membership);
        }
        for (object, grantee) in [
            (Object::relation("app", "people"), Some(SHARE)),
            (Object::relation(SHARE, "people"), None),
        ] {
            catalog.grants.push(Grant {
                object,
                privilege: "SELECT".to_owned(),
                grantee: Grantee::from(grantee.map(str::to_owned)),
                grantable: false,
                grantor: "dba".to_owned(),
                owner: "dba".to_owned(),
            });
        }
    });
    let has = |part: &str| statements.iter().any(|statement| statement.contains(part));
    assert!(has("NOSUPERUSER"));
    assert!(has("REVOKE \"pg_read_all_data\" FROM"));
    assert!(has(&format!("REVOKE \"{SHARE}\" FROM \"bob\"")));
    assert!(has(&format!("ON TABLE \"app\".\"people\" FROM \"{SHARE}\"")));
    assert!(has(&format!("ON TABLE \"{SHARE}\".\"people\" FROM PUBLIC")));
}

#[test]
fn a_role_that_is_not_there_has_nothing_to_lose() {
    assert_eq!(
        revocation(&["estop_ffffffffffffffff".to_owned()], &applied()),
        [] as [String; 0]
    );
}

#[test]
fn a_prepared_transactions_name_cannot_leave_its_quotes() {
    assert_eq!(
        rollback_prepared("a'; DROP TABLE x; --"),
        "ROLLBACK PREPARED 'a''; DROP TABLE x; --'"
    );
}
