//! Steps that are rarer: foreign servers, sessions, jobs, large objects, catalogs, ties, what calls functions unnamed.

use serde_json::{Value, json};

use crate::made::{Making, NAMES, ROLES, SCHEMAS, item, oid, own, pick, push};

impl Making {
    /// A server in the other database that leads back, a mapping, a foreign table.
    pub(super) fn foreign(&mut self, [_, a, b, c, d]: [u8; 5]) {
        let server = 900 + u32::from(c % 2);
        let servers = self.document["contents"][1]["servers"].as_array().unwrap();
        if !servers.iter().any(|one| one["oid"] == server) {
            let new = json!({"oid": server, "name": format!("srv{server}"), "wrapper": "postgres_fdw", "owner": 10,
                "acl": [item(d, "U", 10)], "options": ["dbname=home", "host=localhost", "port=5432"]});
            push(&mut self.document["contents"][1]["servers"], new);
        }
        let whom = if a % 4 == 0 { 0 } else { oid(own(a)) };
        let mapping = json!({"server": server, "role": whom, "user": ROLES[own(b)], "password": d % 2 == 0,
            "unchecked": d % 3 == 0, "seen": d % 7 != 0});
        push(&mut self.document["contents"][1]["mappings"], mapping);
        let number = self.number();
        let table = NAMES[usize::from(b) % NAMES.len()];
        let schema = SCHEMAS[usize::from(b) % 3];
        let relation = json!({"oid": number, "schema": 200, "name": format!("ft{number}"), "kind": "f", "owner": oid(own(d)),
            "acl": [item(c, "r", u64::from(oid(own(d))))], "row_security": false, "force": false, "toast": 0, "statistics": false});
        push(&mut self.document["contents"][1]["relations"], relation);
        let foreign = json!({"relation": number, "server": server, "options": [format!("schema_name={schema}"), format!("table_name={table}")]});
        push(&mut self.document["contents"][1]["foreign_tables"], foreign);
    }

    /// What ties a relation to others and to types: a unique index, a foreign key, a column's domain.
    pub(super) fn tied(&mut self, [_, a, b, c, d]: [u8; 5]) {
        let relation = self.relation(a);
        let number = relation["oid"].clone();
        match c % 4 {
            1 => relation["unique"] = json!(true),
            2 => {
                let refers = self.relation(b)["oid"].clone();
                let actions = ["a", "r", "c", "n", "d"];
                let key = json!({"relation": number, "refers": refers, "on_delete": pick(&actions, d),
                    "on_update": pick(&actions, d / 5)});
                push(&mut self.document["contents"][0]["cascades"], key);
            }
            _ => {
                let domain = json!({"relation": number, "column": "name", "schema": 200 + u32::from(b % 3), "name": "d",
                    "owner": oid(own(d))});
                push(&mut self.document["contents"][0]["domains"], domain);
            }
        }
    }

    pub(super) fn odd(&mut self, [_, a, b, c, d]: [u8; 5]) {
        match a % 8 {
            0 => {
                let session =
                    json!({"role": oid(own(b)), "database": "home", "pid": 7, "state": null, "since": null});
                push(&mut self.document["sessions"], session);
            }
            1 => {
                let prepared = json!({"gid": "g", "owner": oid(own(b)), "database": "home", "locks": []});
                push(&mut self.document["prepared"], prepared);
            }
            2 => {
                let table = NAMES[usize::from(c) % NAMES.len()];
                let command = match d % 3 {
                    0 => format!("SELECT * FROM {table}"),
                    1 => format!("INSERT INTO t0 SELECT * FROM {table}"),
                    _ => format!("SELECT f{}()", self.number().saturating_sub(2)),
                };
                let job = json!({"scheduler": "pg_cron", "id": 1, "user": ROLES[own(b)], "database": "home", "command": command,
                    "active": true});
                push(&mut self.document["contents"][0]["jobs"], job);
            }
            3 if d % 2 == 0 => {
                let relation = self.relation(b)["oid"].clone();
                push(&mut self.document["contents"][0]["expressions"], relation);
                let number = self.number();
                let view = json!({"oid": number, "schema": 11, "name": "pg_stats_ext_exprs", "kind": "v", "owner": 10,
                    "acl": [item(c, "r", 10)], "row_security": false, "force": false, "toast": 0, "statistics": false});
                push(&mut self.document["contents"][0]["relations"], view);
            }
            3 => {
                let objects = json!({"owner": oid(own(b)), "acl": [item(c, "r", u64::from(oid(own(b))))], "count": 2, "first": 5000});
                push(&mut self.document["contents"][0]["large_objects"], objects);
            }
            4 => {
                let function = self.add_function([b, c, d, a, 0], "event_trigger");
                let event =
                    json!({"name": "ev", "event": "ddl_command_end", "function": function, "enabled": true});
                push(&mut self.document["contents"][0]["event_triggers"], event);
            }
            5 => {
                let named = ["pg_statistic", "pg_authid"][usize::from(b) % 2];
                let number = self.number();
                let catalog = json!({"oid": number, "schema": 11, "name": named, "kind": "r", "owner": 10,
                    "acl": [item(c, "r", 10)], "row_security": false, "force": false, "toast": 0, "statistics": false,
                    "columns": ["rolname", "rolpassword"]});
                push(&mut self.document["contents"][0]["relations"], catalog);
            }
            6 => {
                let number = self.number();
                let function = json!({"oid": number, "schema": 11, "name": "pg_read_file", "arguments": "text", "takes": ["text"],
                    "kind": "f", "owner": 10, "acl": [item(b, "X", 10)], "definer": false, "language": "internal", "trusted": true,
                    "returns": "text", "source": null, "parsed": false, "extension": null});
                push(&mut self.document["contents"][0]["functions"], function);
            }
            _ => {
                self.document["databases"][0]["template"] = json!(true);
                self.document["databases"][0]["owner"] = json!(oid(own(b)));
            }
        }
    }

    pub(super) fn caller(&mut self, [_, a, b, c, d]: [u8; 5]) {
        let function = self.add_function([a, b, c, d, 0], "text");
        let relation = self.relation(c)["oid"].clone();
        let (kind, relation) = [
            ("operator", json!(0)),
            ("cast", json!(0)),
            ("default", relation.clone()),
            ("check", relation.clone()),
            ("domain", json!(0)),
            ("generated", relation.clone()),
            ("key", relation.clone()),
            ("index", relation.clone()),
            ("statistics", relation),
        ][usize::from(d) % 9]
            .clone();
        let schema = if kind == "operator" {
            200 + u32::from(b % 3)
        } else {
            0
        };
        let caller = json!({"kind": kind, "relation": relation, "schema": schema, "object": 0, "name": "c", "function": function});
        push(&mut self.document["contents"][0]["callers"], caller);
    }

    /// A relation for each of the first that is like it but for the last of its ties: a foreign key, a domain.
    pub(super) fn untied(&mut self) {
        for at in 0..NAMES.len() {
            let number = self.number();
            let mut twin = self.document["contents"][0]["relations"][at].clone();
            self.tie_as(&twin["oid"], number, 1);
            twin["oid"] = json!(number);
            twin["name"] = json!(format!("untied{at}"));
            twin["kind"] = json!("r");
            push(&mut self.document["contents"][0]["relations"], twin);
        }
    }

    /// Gives a relation the domains and foreign keys of another, but for the last ones.
    pub(super) fn tie_as(&mut self, other: &Value, number: u32, but: usize) {
        let contents = &mut self.document["contents"][0];
        for (list, end) in [
            ("domains", "relation"),
            ("cascades", "relation"),
            ("cascades", "refers"),
        ] {
            let all = contents[list].as_array().cloned().unwrap_or_default();
            let own: Vec<Value> = all.into_iter().filter(|one| one[end] == *other).collect();
            for mut one in own.iter().take(own.len().saturating_sub(but)).cloned() {
                one[end] = json!(number);
                push(&mut contents[list], one);
            }
        }
    }
}
