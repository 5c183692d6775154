//! Steps that are rarer: foreign servers, sessions, jobs, large objects, catalogs, what calls functions unnamed.

use serde_json::json;

use crate::made::{Making, NAMES, ROLES, SCHEMAS, item, oid, own, push};

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
                let command = format!("SELECT * FROM {}", NAMES[usize::from(c) % NAMES.len()]);
                let job = json!({"scheduler": "pg_cron", "id": 1, "user": ROLES[own(b)], "database": "home", "command": command,
                    "active": true});
                push(&mut self.document["contents"][0]["jobs"], job);
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
            ("generated", relation),
        ][usize::from(d) % 6]
            .clone();
        let schema = if kind == "operator" {
            200 + u32::from(b % 3)
        } else {
            0
        };
        let caller = json!({"kind": kind, "relation": relation, "schema": schema, "object": 0, "name": "c", "function": function});
        push(&mut self.document["contents"][0]["callers"], caller);
    }
}
