//! Which ways into the server `pg_hba.conf` leaves to the agreements' roles. They are to come as the gateways do, and no other way:
//! PostgreSQL lets every role change its own password (row 11).

use std::collections::BTreeSet;

use super::{Grade, Item};
use crate::catalog::surroundings::Rule;

/// How gateways reach the server, as the upstream's URL says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Road {
    /// Through a Unix socket.
    Socket,
    /// By TCP to this host, which may be this very machine.
    Network(String),
}

/// What a rule lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// Everybody, without proof.
    Anyone,
    /// Nobody.
    Nobody,
    /// A password that PostgreSQL keeps.
    Password,
    /// Something else that a role's name alone does not give: a certificate, an operating-system account, a directory.
    Elsewhere,
}

/// Methods that a gateway can answer: it holds a password.
fn method(rule: &Rule) -> Method {
    match rule.method.as_deref() {
        Some("trust") => Method::Anyone,
        Some("reject") | None => Method::Nobody,
        Some("scram-sha-256" | "md5" | "password") => Method::Password,
        Some(_) => Method::Elsewhere,
    }
}

/// What a list of names in a rule says of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Covers {
    Yes,
    /// A regular expression that is not ours to read.
    Perhaps,
    No,
}

fn covers(list: &[String], name: &str) -> Covers {
    let one = |entry: &String| match entry.strip_prefix('/') {
        // Groups (`+name`) hold none of our roles, which are members of nothing.
        None if entry == "all" || entry == name => Covers::Yes,
        None => Covers::No,
        Some(pattern)
            if pattern.trim_start_matches('^').starts_with("estop_") && name.starts_with("estop_") =>
        {
            Covers::Yes
        }
        Some(_) => Covers::Perhaps,
    };
    let said: Vec<Covers> = list.iter().map(one).collect();
    if said.contains(&Covers::Yes) {
        Covers::Yes
    } else if said.contains(&Covers::Perhaps) {
        Covers::Perhaps
    } else {
        Covers::No
    }
}

fn both(a: Covers, b: Covers) -> Covers {
    match (a, b) {
        (Covers::No, _) | (_, Covers::No) => Covers::No,
        (Covers::Yes, Covers::Yes) => Covers::Yes,
        _ => Covers::Perhaps,
    }
}

/// Whether an address is this machine's own.
fn is_loopback(address: &str) -> bool {
    matches!(address, "localhost" | "::1" | "samehost") || address.starts_with("127.")
}

/// Whether a rule takes in every address of both families, or of one.
fn takes_all(rule: &Rule) -> (bool, bool) {
    match rule.address.as_deref() {
        Some("all") => (true, true),
        Some("0.0.0.0") => (rule.netmask.as_deref() == Some("0.0.0.0"), false),
        Some("::") => (false, rule.netmask.as_deref() == Some("::")),
        _ => (false, false),
    }
}

/// The rules that let this role into this database, in the order in which PostgreSQL looks at them: the first that fits decides.
fn ways<'a>(rules: &'a [Rule], database: &str, role: &str) -> Vec<&'a Rule> {
    let mut found = Vec::new();
    let (mut local, mut v4, mut v6) = (true, true, true);
    for rule in rules {
        let covered = both(covers(&rule.databases, database), covers(&rule.users, role));
        let Some(kind) = rule.kind.as_deref().filter(|_| covered != Covers::No) else {
            continue;
        };
        let open = if kind == "local" { local } else { v4 || v6 };
        if open && method(rule) != Method::Nobody {
            found.push(rule);
        }
        // A rule that may not fit leaves those behind it in play.
        if covered == Covers::Yes {
            if kind == "local" {
                local = false;
            } else if kind == "host" {
                let (all_v4, all_v6) = takes_all(rule);
                v4 &= !all_v4;
                v6 &= !all_v6;
            }
        }
    }
    found
}

/// What the rules leave open to the agreements' roles, and what they leave closed to the gateways.
pub(super) fn items(
    rules: &[Rule],
    database: &str,
    roles: &BTreeSet<&str>,
    road: &Road,
    version: i32,
) -> Vec<Item> {
    let mut open: Vec<(&Rule, Grade)> = Vec::new();
    let mut shut = false;
    for role in roles {
        let ways = ways(rules, database, role);
        shut |= !ways
            .iter()
            .any(|rule| is_road(rule, road) && method(rule) == Method::Password);
        for rule in ways {
            let Some(grade) = grade(rule, road) else { continue };
            if !open.iter().any(|(known, _)| *known == rule) {
                open.push((rule, grade));
            }
        }
    }
    let lines = pinning(database, roles, road, version);
    let mut items = Vec::new();
    for (rule, grade) in open {
        let from = match rule.kind.as_deref() {
            Some("local") => "through the Unix socket".to_owned(),
            _ => format!("from {}", rule.address.as_deref().unwrap_or("anywhere")),
        };
        let how = if method(rule) == Method::Anyone {
            "without a password"
        } else {
            "with a password"
        };
        items.push(Item {
            rules: lines.clone(),
            ..Item::new(
                grade,
                format!("line {} of pg_hba.conf lets the agreements' roles in {from} {how}", rule.line),
                "whoever knows or has changed a role's password goes round the gateway, its filter and its records (row 11)",
                "connections as the agreements' roles that do not come from a gateway",
                Vec::new(),
            )
        });
    }
    if shut && !roles.is_empty() {
        items.push(Item {
            rules: lines,
            ..Item::new(
                Grade::High,
                "no line of pg_hba.conf lets a gateway in with a password".to_owned(),
                "sessions of partners fail with 57P03",
                "nothing",
                Vec::new(),
            )
        });
    }
    items
}

/// Whether a rule is the way that gateways come.
fn is_road(rule: &Rule, road: &Road) -> bool {
    let local = rule.kind.as_deref() == Some("local");
    match road {
        Road::Socket => local,
        Road::Network(_) => !local,
    }
}

/// How bad it is that a rule lets a share role in. None: that is how it is meant, or no password opens it.
fn grade(rule: &Rule, road: &Road) -> Option<Grade> {
    let near = rule.address.as_deref().is_none_or(is_loopback);
    match method(rule) {
        Method::Anyone if near => Some(Grade::High),
        Method::Anyone => Some(Grade::Critical),
        Method::Password => {
            let meant = match road {
                Road::Socket => rule.kind.as_deref() == Some("local"),
                Road::Network(host) if is_loopback(host) => near && rule.kind.as_deref() != Some("local"),
                // Which address the gateway comes from only the custodian knows: one, and not a network.
                Road::Network(_) => rule.netmask.as_deref().is_some_and(|mask| {
                    matches!(
                        mask,
                        "255.255.255.255" | "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
                    )
                }),
            };
            (!meant).then_some(Grade::High)
        }
        Method::Nobody | Method::Elsewhere => None,
    }
}

/// First PostgreSQL on which a user can be given by a regular expression.
const PATTERNS_SINCE: i32 = 160_000;

/// The lines that are to stand before all others.
fn pinning(database: &str, roles: &BTreeSet<&str>, road: &Road, version: i32) -> Vec<String> {
    let users = if version >= PATTERNS_SINCE {
        "\"/^estop_[0-9a-f]{16}$\"".to_owned()
    } else {
        roles.iter().copied().collect::<Vec<_>>().join(",")
    };
    let database = format!("\"{}\"", database.replace('"', "\"\""));
    let way = match road {
        Road::Socket => format!("local   {database}  {users}  scram-sha-256"),
        Road::Network(host) if is_loopback(host) => {
            format!("host    {database}  {users}  samehost  scram-sha-256")
        }
        Road::Network(_) => format!("host    {database}  {users}  ADDRESS-OF-THE-GATEWAY/32  scram-sha-256"),
    };
    vec![
        way,
        format!("local   all  {users}  reject"),
        format!("host    all  {users}  all  reject"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "estop_0123456789abcdef";

    fn rule(line: i64, kind: &str, users: &str, address: Option<(&str, Option<&str>)>, method: &str) -> Rule {
        Rule {
            line,
            kind: Some(kind.to_owned()),
            databases: vec!["all".to_owned()],
            users: vec![users.to_owned()],
            address: address.map(|(address, _)| address.to_owned()),
            netmask: address.and_then(|(_, mask)| mask.map(str::to_owned)),
            method: Some(method.to_owned()),
        }
    }

    fn grades(rules: &[Rule], road: &Road) -> Vec<Grade> {
        let roles = BTreeSet::from([ROLE]);
        items(rules, "records", &roles, road, 150_000)
            .iter()
            .map(|item| item.grade)
            .collect()
    }

    #[test]
    fn a_server_pinned_to_the_socket_has_nothing_open() {
        let rules = [
            rule(1, "local", "/^estop_[0-9a-f]{16}$", None, "scram-sha-256"),
            rule(2, "host", "/^estop_", Some(("all", None)), "reject"),
            rule(
                3,
                "host",
                "all",
                Some(("0.0.0.0", Some("0.0.0.0"))),
                "scram-sha-256",
            ),
            rule(4, "local", "all", None, "trust"),
        ];
        assert_eq!(grades(&rules, &Road::Socket), []);
    }

    #[test]
    fn the_first_rule_that_fits_decides_and_one_that_may_not_fit_does_not() {
        let open = rule(2, "host", "all", Some(("10.0.0.0", Some("255.0.0.0"))), "md5");
        let local = rule(1, "local", "all", None, "scram-sha-256");
        let reject = |users| rule(1, "host", users, Some(("all", None)), "reject");
        assert_eq!(
            grades(&[local.clone(), reject(ROLE), open.clone()], &Road::Socket),
            []
        );
        assert_eq!(
            grades(&[local.clone(), reject("/x$"), open.clone()], &Road::Socket),
            [Grade::High]
        );
        assert_eq!(
            grades(&[local.clone(), reject("+staff"), open.clone()], &Road::Socket),
            [Grade::High]
        );
        // Only one family of addresses is closed.
        let v4 = rule(1, "host", "all", Some(("0.0.0.0", Some("0.0.0.0"))), "reject");
        let v6 = rule(2, "host", "all", Some(("::", Some("::"))), "md5");
        assert_eq!(grades(&[local, v4, v6], &Road::Socket), [Grade::High]);
    }

    #[test]
    fn trust_from_elsewhere_is_critical_and_peer_shuts_gateways_out() {
        let trust = rule(1, "host", "all", Some(("0.0.0.0", Some("0.0.0.0"))), "trust");
        let local = rule(2, "local", "all", None, "scram-sha-256");
        assert_eq!(grades(&[trust, local], &Road::Socket), [Grade::Critical]);
        let near = rule(
            1,
            "host",
            "all",
            Some(("127.0.0.1", Some("255.255.255.255"))),
            "trust",
        );
        let peer = rule(2, "local", "all", None, "peer");
        assert_eq!(grades(&[near, peer], &Road::Socket), [Grade::High, Grade::High]);
    }

    #[test]
    fn by_tcp_one_address_is_meant_and_a_network_is_not() {
        let road = Road::Network("db.internal".to_owned());
        let one = rule(
            1,
            "host",
            "all",
            Some(("10.0.0.7", Some("255.255.255.255"))),
            "scram-sha-256",
        );
        let net = rule(
            1,
            "host",
            "all",
            Some(("10.0.0.0", Some("255.255.255.0"))),
            "scram-sha-256",
        );
        assert_eq!(grades(&[one], &road), []);
        assert_eq!(grades(&[net], &road), [Grade::High]);
    }

    #[test]
    fn lines_to_be_put_first_name_the_roles_where_patterns_are_not_known() {
        let roles = BTreeSet::from([ROLE]);
        assert_eq!(
            pinning("records", &roles, &Road::Socket, 150_000)
                .first()
                .unwrap(),
            &format!("local   \"records\"  {ROLE}  scram-sha-256")
        );
        assert!(pinning("records", &roles, &Road::Socket, 160_000)[0].contains("\"/^estop_[0-9a-f]{16}$\""));
    }
}
