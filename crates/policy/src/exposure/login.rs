//! Whether a role gets in: LOGIN, CONNECT, limits, `pg_hba.conf`, passwords (PostgreSQL documentation, chapter 21).

use std::net::IpAddr;

use super::rights::Rights;
use super::snapshot::{HbaRule, Role, Server};
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

/// A road to a server. Lines of `pg_hba.conf` are for some of them, and the first on a road decides.
struct Road {
    /// None for the server's own socket.
    family: Option<Family>,
    manner: Manner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Four,
    Six,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Plain,
    Tls,
    Gss,
}

const ROADS: [Road; 7] = {
    const fn tcp(family: Family, manner: Manner) -> Road {
        let family = Some(family);
        Road { family, manner }
    }
    [
        Road {
            family: None,
            manner: Manner::Plain,
        },
        tcp(Family::Four, Manner::Plain),
        tcp(Family::Four, Manner::Tls),
        tcp(Family::Four, Manner::Gss),
        tcp(Family::Six, Manner::Plain),
        tcp(Family::Six, Manner::Tls),
        tcp(Family::Six, Manner::Gss),
    ]
};

impl Road {
    fn socket(&self) -> bool {
        self.family.is_none()
    }

    /// Whether the server can be reached by it, as far as its settings say.
    fn is_there(&self, server: &Server) -> bool {
        let told = |setting: &Option<String>| setting.as_deref() != Some("");
        match (self.family, self.manner) {
            (None, _) => told(&server.sockets),
            (_, Manner::Tls) => told(&server.listen) && server.ssl != Some(false),
            _ => told(&server.listen),
        }
    }

    /// Whether a line is for it.
    fn takes(&self, rule: &HbaRule) -> bool {
        let tcp = self.family.is_some() && Range::of(rule).is_of(self.family);
        match rule.kind.as_str() {
            "local" => self.family.is_none(),
            "hostssl" => tcp && self.manner == Manner::Tls,
            "hostnossl" => tcp && self.manner != Manner::Tls,
            "hostgssenc" => tcp && self.manner == Manner::Gss,
            "hostnogssenc" => tcp && self.manner != Manner::Gss,
            _ => tcp,
        }
    }
}

/// The addresses that a line is for.
#[derive(Debug, Clone, Copy)]
enum Range {
    All,
    Net(IpAddr, IpAddr),
    /// A name, or the server's own addresses.
    Some,
}

impl Range {
    fn of(rule: &HbaRule) -> Self {
        let parsed = |text: &Option<String>| text.as_deref()?.parse().ok();
        match (rule.kind.as_str(), rule.address.as_deref()) {
            ("local", _) | (_, Some("all")) => Self::All,
            _ => match (parsed(&rule.address), parsed(&rule.netmask)) {
                (Some(address), Some(mask)) => Self::Net(address, mask),
                _ => Self::Some,
            },
        }
    }

    /// Whether any of them are of a family.
    fn is_of(self, family: Option<Family>) -> bool {
        match self {
            Self::All | Self::Some => true,
            Self::Net(IpAddr::V4(_), _) => family == Some(Family::Four),
            Self::Net(IpAddr::V6(_), _) => family == Some(Family::Six),
        }
    }

    /// Whether a line of these addresses leaves nothing to a later one of the others, both of one family.
    fn covers(self, other: Self) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        };
        match (self, other) {
            (Self::All, _) => true,
            (Self::Some, _) => false,
            (Self::Net(_, mask), Self::All | Self::Some) => bits(mask) == 0,
            (Self::Net(address, mask), Self::Net(inner, narrower)) => {
                let (mask, narrower) = (bits(mask), bits(narrower));
                mask & narrower == mask && bits(inner) & mask == bits(address) & mask
            }
        }
    }
}

/// Whether one of the words is meant, and whether that is certain: a regular expression, which is not evaluated here, may match.
fn named(words: &[String], names: impl Fn(&str) -> bool) -> Option<bool> {
    if words.iter().any(|word| names(word)) {
        return Some(true);
    }
    words.iter().any(|word| word.starts_with('/')).then_some(false)
}

/// Whether a role has what a method asks for, as far as that is the password.
fn asks_what_it_has(role: &Role, method: &str) -> bool {
    !PASSWORDS.contains(&method)
        || !role.expired
            && match role.password.as_deref() {
                Some("none") => false,
                Some("md5") => method != "scram-sha-256",
                _ => true,
            }
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
        let methods = self.methods(hba, user, |rule| self.names_database(rule, place, user));
        let methods: Vec<&str> = methods.into_iter().map(|(_, method)| method).collect();
        if methods.is_empty() {
            return shut("no line of pg_hba.conf lets it in");
        }
        let open = methods.iter().any(|method| asks_what_it_has(role, method));
        match (open, role.expired) {
            (true, _) => Door::Open,
            (false, true) => shut("VALID UNTIL has passed, and pg_hba.conf asks for the password"),
            (false, false) => shut("it has no password, and pg_hba.conf asks for one"),
        }
    }

    /// The methods by which a role may come in, and whether by the socket: of each road, those of the lines that are reached on it.
    /// `names` says whether a line is for where it goes, and whether that is certain.
    fn methods<'h>(
        &self,
        hba: &'h [HbaRule],
        user: RoleAt,
        names: impl Fn(&HbaRule) -> Option<bool>,
    ) -> Vec<(bool, &'h str)> {
        let lines: Vec<(&HbaRule, bool)> = hba
            .iter()
            .filter_map(|rule| Some((rule, names(rule)? & self.names_user(rule, user)?)))
            .collect();
        let server = &self.world.snapshot.server;
        let mut methods = Vec::new();
        for road in ROADS.iter().filter(|road| road.is_there(server)) {
            let mut before: Vec<Range> = Vec::new();
            for (rule, certain) in lines.iter().filter(|(rule, _)| road.takes(rule)) {
                let range = Range::of(rule);
                if before.iter().any(|one| one.covers(range)) {
                    continue;
                }
                let found = (road.socket(), rule.method.as_str());
                if rule.method != "reject" && !methods.contains(&found) {
                    methods.push(found);
                }
                if *certain {
                    before.push(range);
                }
            }
        }
        methods
    }

    /// Whether a role is asked for its password where it comes by the server's own socket, or over TCP.
    pub(crate) fn asks_password(&self, place: usize, user: RoleAt, socket: bool) -> bool {
        let Some(hba) = &self.world.snapshot.hba else {
            return true;
        };
        let methods = self.methods(hba, user, |rule| self.names_database(rule, place, user));
        methods
            .iter()
            .any(|(local, method)| *local == socket && PASSWORDS.contains(method))
    }

    /// Whether a line is for a database, and whether that is certain.
    fn names_database(&self, rule: &HbaRule, place: usize, user: RoleAt) -> Option<bool> {
        let name = self.place(place)?.database.name.as_str();
        let names = |word: &str| match word {
            "all" => true,
            "sameuser" => self.world.name(user) == name,
            "samerole" | "samegroup" => self
                .world
                .by_name
                .get(name)
                .is_some_and(|role| self.member(user, *role)),
            "replication" => false,
            word => word == name,
        };
        named(&rule.databases, names)
    }

    /// Whether a line is for a role, and whether that is certain.
    pub(crate) fn names_user(&self, rule: &HbaRule, user: RoleAt) -> Option<bool> {
        let name = self.world.name(user);
        let names = |word: &str| match word.strip_prefix('+') {
            Some(group) => self
                .world
                .by_name
                .get(group)
                .is_some_and(|role| self.member(user, *role)),
            None => word == "all" || word == name,
        };
        named(&rule.users, names)
    }

    /// Whether `pg_hba.conf` takes physical replication connections of a role.
    pub(crate) fn streams(&self, user: RoleAt) -> bool {
        let (Some(hba), Some(role)) = (&self.world.snapshot.hba, self.world.role(user)) else {
            return true;
        };
        let names = |rule: &HbaRule| named(&rule.databases, |word| word == "replication");
        let methods = self.methods(hba, user, names);
        methods.iter().any(|(_, method)| asks_what_it_has(role, method))
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

#[cfg(test)]
mod tests {
    use super::super::rights::Rights;
    use super::super::snapshot::{Contents, Database, FORMAT, HbaRule, Role, Server, Snapshot};
    use super::super::world::World;
    use super::Door;

    /// Whether a role with this kind of password gets in, and whether it streams, by lines of `pg_hba.conf`: type, database, user,
    /// address, mask and method.
    fn enters(server: Server, password: &str, lines: &[&str]) -> (bool, bool) {
        let role = Role {
            oid: 20_000,
            name: "ended".to_owned(),
            login: true,
            replication: true,
            connection_limit: -1,
            password: Some(password.to_owned()),
            ..Role::default()
        };
        let rule = |line: &&str| {
            let words: Vec<&str> = line.split(' ').collect();
            let at = |place: usize| {
                words
                    .get(place)
                    .map(|word| (*word).to_owned())
                    .unwrap_or_default()
            };
            let some = |place: usize| Some(at(place)).filter(|word| word != "-");
            HbaRule {
                line: 1,
                kind: at(0),
                databases: vec![at(1)],
                users: vec![at(2)],
                address: some(3),
                netmask: some(4),
                method: at(5),
                options: Vec::new(),
            }
        };
        let snapshot = Snapshot {
            format: FORMAT,
            server,
            roles: vec![role],
            databases: vec![Database {
                oid: 5,
                name: "records".to_owned(),
                owner: 20_000,
                allow_connections: true,
                connection_limit: -1,
                ..Database::default()
            }],
            hba: Some(lines.iter().map(rule).collect()),
            contents: vec![Contents {
                database: "records".to_owned(),
                ..Contents::default()
            }],
            ..Snapshot::default()
        };
        let world = World::new(&snapshot);
        let rights = Rights::new(&world);
        (rights.look_at_door(0, 0) == Door::Open, rights.streams(0))
    }

    fn with(listen: &str, ssl: bool) -> Server {
        Server {
            version: 170_000,
            listen: Some(listen.to_owned()),
            ssl: Some(ssl),
            ..Server::default()
        }
    }

    #[test]
    fn the_first_line_on_each_road_decides() {
        let door = |lines: &[&str]| enters(with("*", false), "scram", lines).0;
        assert!(door(&["local all all - - trust"]));
        assert!(!door(&["local all all - - reject", "local all all - - trust"]));
        // Both families are refused: what comes after is for nobody. One alone leaves the other.
        let (four, six) = ("host all all 0.0.0.0 0.0.0.0 reject", "host all all :: :: reject");
        assert!(!door(&[four, six, "host all all all - trust"]));
        assert!(door(&[four, "host all all all - trust"]));
        assert!(!door(&[four, "host all all 10.0.0.0 255.0.0.0 trust"]));
        assert!(door(&[six, "host all all 10.0.0.0 255.0.0.0 trust"]));
        let wide = "host all all 10.0.0.0 255.0.0.0 reject";
        assert!(!door(&[wide, "host all all 10.1.0.0 255.255.0.0 trust"]));
        assert!(door(&[wide, "host all all 11.1.0.0 255.255.0.0 trust"]));
        assert!(door(&[
            "host all all 10.1.0.0 255.255.0.0 reject",
            "host all all 10.0.0.0 255.0.0.0 trust"
        ]));
        // What a regular expression names is not certain, so it ends nothing.
        assert!(door(&["local all /^x - - reject", "local all all - - trust"]));
        assert!(!door(&[
            "hostnossl all all all - reject",
            "hostssl all all all - reject",
            "host all all all - trust"
        ]));
    }

    #[test]
    fn roads_that_are_not_there_let_nobody_in() {
        let tls = &["hostssl all all all - trust"];
        assert!(enters(with("*", true), "scram", tls).0);
        assert!(!enters(with("*", false), "scram", tls).0);
        assert!(
            enters(Server::default(), "scram", tls).0,
            "what was not seen counts as open"
        );
        assert!(!enters(with("", true), "scram", &["host all all all - trust"]).0);
        assert!(enters(with("", true), "scram", &["local all all - - trust"]).0);
    }

    #[test]
    fn each_road_streams_by_lines_of_its_own() {
        let streams = |password: &str, lines: &[&str]| enters(with("*", false), password, lines).1;
        let socket = "local replication all - - reject";
        assert!(streams(
            "scram",
            &[socket, "host replication all 127.0.0.1 255.255.255.255 trust"]
        ));
        assert!(!streams("scram", &[socket, "host all all all - trust"]));
        assert!(!streams("none", &["host replication all all - scram-sha-256"]));
        assert!(!streams("scram", &["hostssl replication all all - trust"]));
    }
}
