//! Whether a role gets in: LOGIN, CONNECT, limits, `pg_hba.conf`, passwords (PostgreSQL documentation, chapter 21).

use super::rights::Rights;
use super::snapshot::HbaRule;
use super::world::RoleAt;

/// Methods that ask for the stored password, and so look at VALID UNTIL.
const PASSWORDS: &[&str] = &["password", "md5", "scram-sha-256"];

/// Whether a role gets in, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// Whether it opens depends on something that was not seen.
    Unknown(String),
    Shut(String),
}

impl Rights<'_, '_> {
    /// The door of a database for a role: [`Rights::door`] keeps it.
    pub(super) fn look_at_door(&self, place: usize, user: RoleAt) -> Door {
        let (Some(role), Some(here)) = (self.world.role(user), self.place(place)) else {
            return Door::Shut("there is no such role or database".to_owned());
        };
        let shut = |why: &str| {
            Door::Shut(format!(
                "{why} (role {}, database {})",
                role.name, here.database.name
            ))
        };
        if !role.login {
            return shut("NOLOGIN");
        }
        if !here.database.allow_connections {
            return shut("the database takes no connections");
        }
        if !role.superuser {
            if role.connection_limit == 0 {
                return shut("CONNECTION LIMIT 0");
            }
            if here.database.connection_limit == 0 {
                return shut("CONNECTION LIMIT 0 of the database");
            }
            if self
                .database(place)
                .is_some_and(|target| !self.may(place, user, &target, 'c'))
            {
                return shut("no CONNECT");
            }
        }
        let Some(hba) = &self.world.snapshot.hba else {
            return match (&role.password, role.expired) {
                (_, true) => Door::Unknown(format!(
                    "VALID UNTIL has passed: it gets in only where pg_hba.conf, which was not seen, asks for no password (role {})",
                    role.name
                )),
                _ => Door::Open,
            };
        };
        let methods: Vec<&str> = self
            .methods(hba, place, user)
            .into_iter()
            .map(|(_, method)| method)
            .collect();
        if methods.is_empty() {
            return shut("no line of pg_hba.conf lets it in");
        }
        let open = methods.iter().any(|method| {
            !PASSWORDS.contains(method)
                || !role.expired
                    && match role.password.as_deref() {
                        Some("none") => false,
                        Some("md5") => *method != "scram-sha-256",
                        _ => true,
                    }
        });
        match (open, role.expired) {
            (true, _) => Door::Open,
            (false, true) => shut("VALID UNTIL has passed, and pg_hba.conf asks for the password"),
            (false, false) => shut("it has no password, and pg_hba.conf asks for one"),
        }
    }

    /// The methods of the lines that come first for some way in, and whether that is the socket's.
    fn methods<'h>(&self, hba: &'h [HbaRule], place: usize, user: RoleAt) -> Vec<(bool, &'h str)> {
        let mut methods = Vec::new();
        let (mut local, mut remote) = (false, false);
        for rule in hba {
            if !(self.names_database(rule, place, user) && self.names_user(rule, user)) {
                continue;
            }
            let socket = rule.kind == "local";
            if socket && local || !socket && remote {
                continue;
            }
            if rule.method != "reject" {
                methods.push((socket, rule.method.as_str()));
            }
            if socket {
                local = true;
            } else if rule.kind == "host" && rule.address.as_deref().is_some_and(|address| address == "all") {
                remote = true;
            }
        }
        methods
    }

    /// Whether a role is asked for its password where it comes by the server's own socket, or over TCP.
    pub(crate) fn asks_password(&self, place: usize, user: RoleAt, socket: bool) -> bool {
        let Some(hba) = &self.world.snapshot.hba else {
            return true;
        };
        let methods = self.methods(hba, place, user);
        methods
            .iter()
            .any(|(local, method)| *local == socket && PASSWORDS.contains(method))
    }

    fn names_database(&self, rule: &HbaRule, place: usize, user: RoleAt) -> bool {
        let Some(here) = self.place(place) else {
            return false;
        };
        let name = here.database.name.as_str();
        rule.databases.iter().any(|word| match word.as_str() {
            "all" => true,
            "sameuser" => self.world.name(user) == name,
            "samerole" | "samegroup" => self
                .world
                .by_name
                .get(name)
                .is_some_and(|role| self.member(user, *role)),
            "replication" => false,
            // A regular expression, which is not evaluated here: it may match.
            word => word == name || word.starts_with('/'),
        })
    }

    pub(crate) fn names_user(&self, rule: &HbaRule, user: RoleAt) -> bool {
        let name = self.world.name(user);
        rule.users.iter().any(|word| match word.strip_prefix('+') {
            Some(group) => self
                .world
                .by_name
                .get(group)
                .is_some_and(|role| self.member(user, *role)),
            None => word == "all" || word == name || word.starts_with('/'),
        })
    }

    /// Whether `pg_hba.conf` takes physical replication connections of a role.
    pub(crate) fn streams(&self, user: RoleAt) -> bool {
        let Some(hba) = &self.world.snapshot.hba else {
            return true;
        };
        let named = |rule: &&HbaRule| {
            rule.databases.iter().any(|word| word == "replication") && self.names_user(rule, user)
        };
        hba.iter().find(named).is_some_and(|rule| rule.method != "reject")
    }

    /// Membership of any sort, as `pg_hba.conf` asks for it.
    pub(crate) fn member(&self, user: RoleAt, role: RoleAt) -> bool {
        let mut seen = vec![user];
        let mut at = 0;
        while let Some(&one) = seen.get(at) {
            if one == role {
                return true;
            }
            for edge in self.world.edges(one, None) {
                if !seen.contains(&edge.to) {
                    seen.push(edge.to);
                }
            }
            at += 1;
        }
        false
    }
}
