//! Small catalogs out of numbers: each step adds a grant, a membership, a view, a function or the like.

use policy::exposure::Snapshot;
use serde_json::{Value, json};

/// Roles: oid and name. Memberships lead from a later one to an earlier one, so that there is no circle.
pub(super) const ROLES: [&str; 18] = [
    "postgres",
    "pg_read_all_data",
    "pg_write_all_data",
    "pg_monitor",
    "pg_execute_server_program",
    "pg_read_server_files",
    "pg_database_owner",
    "pg_write_server_files",
    "owner",
    "group_a",
    "group_b",
    "group_c",
    "alice",
    "bob",
    "carol",
    "dave",
    "erin",
    "frank",
];
pub(super) const NAMES: [&str; 6] = ["t0", "t1", "t2", "t3", "t4", "t5"];
pub(super) const SCHEMAS: [&str; 3] = ["public", "s1", "s2"];
const LETTERS: [&str; 10] = ["r", "r", "a", "w", "d", "x", "t", "arw", "m", "rm"];

pub(super) fn oid(role: usize) -> u32 {
    if role == 0 {
        10
    } else {
        100 + u32::try_from(role).unwrap()
    }
}

/// Roles but for the superuser and the predefined.
pub(super) fn own(number: u8) -> usize {
    8 + usize::from(number) % 10
}

fn any_role(number: u8) -> usize {
    1 + usize::from(number) % 17
}

/// PUBLIC now and then.
fn grantee(number: u8) -> String {
    if number.is_multiple_of(11) {
        String::new()
    } else {
        ROLES[any_role(number)].to_owned()
    }
}

pub(super) fn item(number: u8, rights: &str, owner: u64) -> Value {
    let owner = ROLES
        .iter()
        .enumerate()
        .find(|(at, _)| u64::from(oid(*at)) == owner)
        .unwrap()
        .1;
    json!(format!("{}={rights}/{owner}", grantee(number)))
}

pub(super) fn push(list: &mut Value, one: Value) {
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().unwrap().push(one);
}

/// One of a few.
pub(super) fn pick<T: Copy>(of: &[T], number: u8) -> T {
    of[usize::from(number) % of.len()]
}

pub(super) struct Making {
    pub(super) document: Value,
    next: u32,
}

impl Making {
    pub(super) fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn contents(&mut self, number: u8) -> &mut Value {
        // The second database is chosen now and then.
        let at = usize::from(number % 5 == 4);
        &mut self.document["contents"][at]
    }

    fn relations(&self) -> usize {
        self.document["contents"][0]["relations"]
            .as_array()
            .unwrap()
            .len()
    }

    pub(super) fn relation(&mut self, number: u8) -> &mut Value {
        let at = usize::from(number) % self.relations();
        &mut self.document["contents"][0]["relations"][at]
    }

    fn add_relation(&mut self, name: &str, kind: &str, schema: u8, owner: usize) -> u32 {
        let number = self.number();
        let relation = json!({"oid": number, "schema": 200 + u32::from(schema % 3), "name": name, "kind": kind, "owner": oid(owner),
            "acl": null, "row_security": false, "force": false, "columns": ["id", "name"], "toast": 0, "statistics": number.is_multiple_of(2),
            "blobs": number.is_multiple_of(3)});
        push(&mut self.document["contents"][0]["relations"], relation);
        number
    }

    pub(super) fn add_function(&mut self, [what, a, b, c, _]: [u8; 5], returns: &str) -> u32 {
        let number = self.number();
        let table = NAMES[usize::from(a) % NAMES.len()];
        let schema = SCHEMAS[usize::from(b) % 3];
        let source = match what % 17 {
            0 => format!("SELECT name FROM {schema}.{table}"),
            1 => format!("SELECT count(*) FROM {schema}.{table}"),
            2 => "BEGIN EXECUTE $1; END".to_owned(),
            3 => format!("BEGIN INSERT INTO {schema}.{table} VALUES (NEW.id); RETURN NEW; END"),
            4 => format!("BEGIN GRANT SELECT ON {schema}.{table} TO bob; END"),
            5 => format!("SELECT f{}()", number.saturating_sub(3)),
            6 => format!("BEGIN SELECT name FROM {schema}.{table} INTO x; RAISE NOTICE '%', x; END"),
            7 => format!("BEGIN INSERT INTO {schema}.{table} SELECT name FROM {schema}.t0; END"),
            9 => format!("BEGIN ALTER TABLE {schema}.{table} DISABLE ROW LEVEL SECURITY; END"),
            10 => format!("BEGIN ALTER TABLE {schema}.{table} SET SCHEMA s2; END"),
            11 => format!("BEGIN GRANT USAGE ON SCHEMA {schema} TO bob; END"),
            12 => format!("BEGIN INSERT INTO {schema}.{table} VALUES (a); END"),
            13 => format!("BEGIN ALTER TABLE {schema}.{table} INHERIT {schema}.t0; END"),
            14 => "BEGIN GRANT group_a TO carol; END".to_owned(),
            15 => format!("BEGIN DELETE FROM {schema}.{table}; GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END"),
            16 => format!(
                "BEGIN PERFORM {schema}.f{}(); RAISE NOTICE '%', x; END",
                number.saturating_sub(2)
            ),
            _ => format!("SELECT name FROM {table}"),
        };
        let kind = if what % 13 == 12 { "p" } else { "f" };
        let config = if c % 2 == 0 {
            json!(["search_path=s1, pg_temp"])
        } else {
            Value::Null
        };
        let function = json!({"oid": number, "schema": 200 + u32::from(b % 3), "name": format!("f{number}"), "arguments": "",
            "takes": if what % 17 == 12 { json!(["text"]) } else { json!([]) }, "kind": kind, "owner": oid(own(c)), "acl": null, "definer": what % 7 != 6, "language": "plpgsql",
            "trusted": what % 17 != 16, "config": config, "returns": returns, "source": source, "parsed": false,
            "extension": null});
        push(&mut self.document["contents"][0]["functions"], function);
        if what % 17 == 8 && c % 2 == 1 {
            // A body that was parsed, with the rights of who calls.
            let relation = self.relation(a)["oid"].clone();
            let last = self.document["contents"][0]["functions"]
                .as_array_mut()
                .unwrap()
                .last_mut()
                .unwrap();
            last["parsed"] = json!(true);
            last["definer"] = json!(false);
            last["reads"] = json!([{"relation": relation, "columns": ["id"]}]);
        }
        if c % 3 == 0 {
            let last = self.document["contents"][0]["functions"]
                .as_array_mut()
                .unwrap()
                .last_mut()
                .unwrap();
            let owner = last["owner"].as_u64().unwrap();
            last["acl"] = json!([item(a.wrapping_add(c), "X", owner)]);
        }
        number
    }

    fn step(&mut self, step: [u8; 5]) {
        let [what, a, b, c, d] = step;
        match what % 30 {
            0..=3 => {
                let relation = self.relation(a);
                let owner = relation["owner"].as_u64().unwrap();
                let right = item(b, LETTERS[usize::from(c) % LETTERS.len()], owner);
                push(&mut relation["acl"], right);
            }
            4 => {
                let relation = self.relation(a);
                let owner = relation["owner"].as_u64().unwrap();
                let right = item(b, ["r", "a", "w", "x"][usize::from(c) % 4], owner);
                push(
                    &mut relation["column_acls"],
                    json!([pick(&["id", "name"], d), [right]]),
                );
            }
            5..=9 => self.membership(step),
            10 => {
                let flag = [
                    "inherit",
                    "create_role",
                    "create_db",
                    "replication",
                    "bypass_rls",
                    "superuser",
                    "login",
                    "expired",
                ][usize::from(b) % 8];
                let role = &mut self.document["roles"][own(a)];
                let now = role[flag].as_bool().unwrap();
                // Few are superusers.
                role[flag] = json!(if flag == "superuser" { c % 8 == 0 } else { !now });
                if c % 16 == 7 {
                    role["connection_limit"] = json!(0);
                }
                if c % 16 == 9 {
                    role["password"] = json!("none");
                }
            }
            11 => {
                let schema = &mut self.document["contents"][0]["schemas"][usize::from(a) % 3];
                let owner = schema["owner"].as_u64().unwrap();
                push(
                    &mut schema["acl"],
                    item(b, ["U", "U", "UC", "C"][usize::from(c) % 4], owner),
                );
            }
            12 => {
                let relation = self.relation(a);
                relation["row_security"] = json!(true);
                relation["force"] = json!(c % 4 == 0);
                let oid_of = relation["oid"].clone();
                let whom = if b % 3 == 0 { 0 } else { oid(any_role(b)) };
                let policy = json!({"relation": oid_of, "name": format!("p{b}"), "command": pick(&["*", "r", "a"], c),
                    "permissive": d % 5 != 0, "roles": [whom], "condition": pick(&["(id = 7)", "false", "(CURRENT_USER = 'bob'::name)", "(CURRENT_USER <> 'alice'::name)"], d)});
                push(&mut self.document["contents"][0]["policies"], policy);
            }
            13 => {
                let owner = self.relation(a)["owner"].as_u64().unwrap();
                let relation = self.relation(a);
                let new = oid(own(b));
                relation["owner"] = json!(new);
                if c % 3 == 0 {
                    relation["acl"] = json!([]);
                } else if let Some(items) = relation["acl"].as_array_mut() {
                    let old = ROLES
                        .iter()
                        .enumerate()
                        .find(|(at, _)| u64::from(oid(*at)) == owner)
                        .unwrap()
                        .1;
                    for item in items {
                        let text = item
                            .as_str()
                            .unwrap()
                            .replace(&format!("/{old}"), &format!("/{}", ROLES[own(b)]));
                        *item = json!(text);
                    }
                }
            }
            14 | 15 => self.view(step),
            16 | 17 => {
                self.add_function(
                    [b, a, c, d, 0],
                    ["text", "boolean", "void", "bigint"][usize::from(a) % 4],
                );
            }
            18 => {
                let function = self.add_function([b, c, d, a, 0], "trigger");
                let relation = self.relation(a)["oid"].clone();
                let trigger = json!({"relation": relation, "name": "tr", "function": function, "bits": pick(&[4, 16, 28, 8], d),
                    "enabled": d % 4 != 3, "replica": d % 8 == 7, "args": ["s1.t1"]});
                if d % 8 == 7 && c % 2 == 0 {
                    let setting = json!({"role": oid(own(b)), "database": 0, "setting": "session_replication_role=replica"});
                    push(&mut self.document["settings"], setting);
                }
                push(&mut self.document["contents"][0]["triggers"], trigger);
            }
            19 if c % 4 != 0 => self.tied(step),
            19 => {
                let (one, other) = (usize::from(a) % NAMES.len(), usize::from(b) % NAMES.len());
                let relations = &self.document["contents"][0]["relations"];
                let pair = json!([relations[one.max(other)]["oid"], relations[one.min(other)]["oid"]]);
                if one != other {
                    push(&mut self.document["contents"][0]["inherits"], pair);
                }
            }
            20 => {
                let acl = json!([item(b, ["r", "arw"][usize::from(c) % 2], u64::from(oid(own(d))))]);
                let schema = if c % 3 == 0 { 0 } else { 200 + u32::from(c % 3) };
                let defaults = json!({"role": oid(own(d)), "schema": schema, "object": "r", "acl": acl});
                push(&mut self.contents(0)["defaults"], defaults);
            }
            21 => self.foreign(step),
            22 => {
                let database = &mut self.document["databases"][usize::from(a) % 2];
                push(
                    &mut database["acl"],
                    item(b, ["c", "CTc", "T"][usize::from(c) % 3], 10),
                );
            }
            23 => self.odd(step),
            24 => self.caller(step),
            25 => {
                let table = NAMES[usize::from(a) % NAMES.len()];
                let relation = self.relation(b)["oid"].clone();
                let target =
                    self.document["contents"][0]["relations"][usize::from(a) % NAMES.len()]["oid"].clone();
                let text = format!("CREATE RULE r AS ON INSERT TO x DO INSTEAD SELECT name FROM {table}");
                let rule = json!({"relation": relation, "name": "r", "event": pick(&["3", "2", "4"], c), "enabled": true,
                    "reads": [{"relation": target}], "text": text});
                push(&mut self.document["contents"][0]["rules"], rule);
            }
            26 => {
                let relation = self.relation(b)["oid"].clone();
                let publication =
                    json!({"name": "pub", "owner": 10, "all": c % 4 == 0, "relations": [relation]});
                push(&mut self.document["contents"][0]["publications"], publication);
                self.document["server"]["wal_level"] = json!(pick(&["logical", "replica"], d));
                if d % 5 == 0 {
                    let copy = json!({"name": "sub", "owner": 10, "enabled": true, "publications": ["pub"], "relations": [990]});
                    push(&mut self.document["contents"][1]["subscriptions"], copy);
                }
            }
            27 => {
                let group = format!("+{}", ROLES[any_role(a)]);
                let user = pick(&["all", &group, ROLES[own(a)]], d);
                let line = json!({"line": 1, "type": pick(&["local", "host"], c),
                    "databases": [pick(&["all", "home", "samerole", "replication", "sameuser"], b)],
                    "users": [user],
                    "address": "all", "netmask": null, "method": pick(&["trust", "reject", "md5"], a), "options": []});
                push(&mut self.document["hba"], line);
            }
            28 => {
                let path = ["public, s1", "s2", "\"$user\", s1"][usize::from(b) % 3];
                let setting =
                    json!({"role": oid(own(a)), "database": 0, "setting": format!("search_path={path}")});
                push(&mut self.document["settings"], setting);
                if c % 3 == 0 {
                    let language = &mut self.document["contents"][0]["languages"][0];
                    language["acl"] = json!([item(d, "U", 10)]);
                }
            }
            _ => {
                let parameter = json!({"name": "archive_command", "acl": [item(a, "sA", 10)]});
                push(&mut self.document["parameters"], parameter);
            }
        }
    }

    /// Relations that differ in rights, owner and schema alone: each has those of one that there is.
    fn twins(&mut self) {
        for at in 0..NAMES.len() {
            let number = self.number();
            let contents = &mut self.document["contents"][0];
            let mut twin = contents["relations"][at].clone();
            let policies: Vec<Value> = contents["policies"].as_array().unwrap().clone();
            let of_it = policies
                .into_iter()
                .filter(|policy| policy["relation"] == twin["oid"]);
            for mut policy in of_it {
                policy["relation"] = json!(number);
                push(&mut contents["policies"], policy);
            }
            self.tie_as(&twin["oid"], number, 0);
            let contents = &mut self.document["contents"][0];
            twin["oid"] = json!(number);
            twin["name"] = json!(format!("twin{at}"));
            twin["kind"] = json!("r");
            twin["schema"] = contents["relations"][(at * 2 + 1) % NAMES.len()]["schema"].clone();
            twin["statistics"] = json!(false);
            twin["blobs"] = json!(false);
            push(&mut contents["relations"], twin);
        }
    }

    fn membership(&mut self, [_, a, b, c, d]: [u8; 5]) {
        let (one, other) = (any_role(a), own(b));
        if one >= other {
            return;
        }
        let options = self.document["server"]["version"].as_u64().unwrap() >= 160_000;
        let option = |is: bool| if options { json!(is) } else { Value::Null };
        let membership = json!({"role": oid(one), "member": oid(other), "grantor": 10, "admin": d % 6 == 0,
            "inherit": option(c % 3 != 0), "set": option(c % 4 != 0)});
        push(&mut self.document["memberships"], membership);
    }

    fn view(&mut self, [what, a, b, c, d]: [u8; 5]) {
        let read = self.relation(a)["oid"].clone();
        let kind = if d % 5 == 0 { "m" } else { "v" };
        let number = self.number();
        let view = self.add_relation(&format!("v{number}"), kind, b, own(c));
        let relation = self.document["contents"][0]["relations"]
            .as_array_mut()
            .unwrap()
            .last_mut()
            .unwrap();
        let owner = relation["owner"].as_u64().unwrap();
        relation["acl"] = json!([item(b.wrapping_add(d), "r", owner)]);
        if d % 3 == 1 {
            relation["options"] = json!(["security_invoker=true"]);
        }
        let functions = self.document["contents"][0]["functions"].as_array().unwrap();
        let called = functions
            .get(usize::from(c) % functions.len().max(1))
            .filter(|_| what % 2 == 0);
        let calls = called.map(|function| vec![function["oid"].clone()]);
        let text = match d % 7 {
            0 => Some("SELECT count(*) FROM t0"),
            1 => Some(" SELECT id FROM t0 WHERE (CURRENT_USER = 'carol'::name);"),
            2 => Some(" SELECT id FROM t0 WHERE (CURRENT_ROLE = 'dave'::name);"),
            _ => None,
        };
        let rule = json!({"relation": view, "name": "_RETURN", "event": "1", "enabled": true,
            "reads": [{"relation": read, "columns": ["id"]}], "calls": calls, "text": text});
        push(&mut self.document["contents"][0]["rules"], rule);
    }
}

/// A catalog of two databases that these steps make.
pub(crate) fn snapshot(version: u32, steps: &[[u8; 5]]) -> Snapshot {
    let mut making = making(version, steps);
    making.twins();
    serde_json::from_value(making.document).unwrap()
}

/// Relations that are tied to others, views of them, row security, and grants: few other ways hide what these give.
pub(crate) fn tied(version: u32, steps: &[[u8; 5]]) -> Snapshot {
    let kinds = [0, 0, 0, 0, 4, 12, 14, 19, 19, 19];
    let step = |[what, a, b, c, d]: &[u8; 5]| [pick(&kinds, *what), *a, *b, *c, *d];
    let steps: Vec<[u8; 5]> = steps.iter().map(step).collect();
    let mut making = making(version, &steps);
    making.untied();
    serde_json::from_value(making.document).unwrap()
}

fn making(version: u32, steps: &[[u8; 5]]) -> Making {
    let role = |(at, name): (usize, &&str)| {
        json!({"oid": oid(at), "name": name, "login": at == 0 || at >= 12, "inherit": true, "superuser": at == 0, "create_role": false,
            "create_db": false, "replication": false, "bypass_rls": false, "connection_limit": -1, "valid_until": null,
            "expired": false, "password": "scram"})
    };
    let database = |number: u32, name: &str| {
        json!({"oid": number, "name": name, "owner": 10, "acl": if number == 1 { Value::Null } else { json!(["bob=c/postgres"]) },
            "allow_connections": true, "template": false, "connection_limit": -1})
    };
    let schema = |(at, name): (usize, &&str)| {
        let acl = if at == 0 {
            json!(["=UC/postgres"])
        } else {
            json!(["group_a=U/owner", "owner=UC/owner"])
        };
        json!({"oid": 200 + u32::try_from(at).unwrap(), "name": name, "owner": if at == 0 { 10 } else { oid(8) }, "acl": acl})
    };
    let mut schemas: Vec<Value> = SCHEMAS.iter().enumerate().map(schema).collect();
    schemas.push(json!({"oid": 11, "name": "pg_catalog", "owner": 10, "acl": ["=U/postgres"]}));
    let contents = |name: &str| {
        json!({"database": name, "schemas": schemas, "relations": [], "inherits": [], "rules": [], "policies": [], "functions": [],
            "triggers": [], "event_triggers": [], "callers": [], "servers": [], "mappings": [], "foreign_tables": [],
            "publications": [], "subscriptions": [], "large_objects": [], "extensions": [], "defaults": [],
            "languages": [{"name": "plpgsql", "trusted": true, "owner": 10, "acl": null}], "jobs": []})
    };
    let document = json!({"format": 1,
        "server": {"version": version, "taken": "2026-11-24T12:00:00Z", "database": "home", "user": "postgres", "superuser": true,
            "port": "5432", "sockets": null, "listen": null, "wal_level": "replica", "max_slots": 5, "max_senders": 5,
            "lo_compat": false},
        "roles": ROLES.iter().enumerate().map(role).collect::<Vec<_>>(), "memberships": [],
        "databases": [database(1, "home"), database(2, "other")], "hba": null, "sessions": [], "prepared": [], "parameters": [],
        "slots": [], "settings": [], "contents": [contents("home"), contents("other")], "copies": [], "unseen": []});
    let mut making = Making {
        document,
        next: 1_000,
    };
    for (at, name) in (0_u8..).zip(NAMES) {
        making.add_relation(
            name,
            if at == 3 { "p" } else { "r" },
            at,
            if at < 3 { 8 } else { 0 },
        );
    }
    let copy = json!({"oid": 990, "schema": 200, "name": "t0", "kind": "r", "owner": 10, "acl": ["carol=r/postgres"],
        "row_security": false, "force": false, "toast": 0, "statistics": false});
    push(&mut making.document["contents"][1]["relations"], copy);
    for step in steps {
        making.step(*step);
    }
    making
}
