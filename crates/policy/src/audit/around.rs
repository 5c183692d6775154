//! Items that come of what stands around the shares: settings, event triggers, leakproof functions, replication, the relations that
//! are shared.

use std::collections::BTreeSet;

use super::ways::{self, Road};
use super::{Grade, Item};
use crate::catalog::surroundings::Surroundings;
use crate::catalog::{Catalog, Object, PREFIX, Relation, RelationKind};
use crate::desired::{Desired, DesiredView};
use crate::harden::{Finding, Reach, Severity};
use crate::sql::ident;

/// All of them.
pub(super) fn items(desired: &Desired, catalog: &Catalog, road: &Road) -> Vec<Item> {
    let around = &catalog.surroundings;
    let mut items = open(catalog);
    event_triggers(around, &mut items);
    replication(catalog, &mut items);
    secrets(catalog, &mut items);
    for view in desired.roles.iter().flat_map(|role| &role.views) {
        if let Some(relation) = catalog.relation(view.base_schema.as_str(), view.base_relation.as_str()) {
            base(view, relation, catalog, &mut items);
        }
    }
    let roles: BTreeSet<&str> = desired.roles.iter().map(|role| role.name.as_str()).collect();
    match &around.rules {
        Some(rules) => {
            items.extend(ways::items(
                rules,
                &catalog.server.database,
                &roles,
                road,
                catalog.server.version,
            ));
        }
        None => items.push(Item::new(
            Grade::Medium,
            "the rules of pg_hba.conf cannot be read as this role".to_owned(),
            "nobody has looked whether the agreements' roles can log in past the gateway (row 11)",
            "nothing: run the check as a superuser, or with EXECUTE on the function and SELECT on the view",
            Vec::new(),
        )),
    }
    items
}

/// What of it is critical and therefore stops applying.
pub(crate) fn critical(catalog: &Catalog) -> impl Iterator<Item = Finding> {
    let found = open(catalog)
        .into_iter()
        .filter(|item| item.grade == Grade::Critical);
    found.map(|item| Finding {
        severity: Severity::Blocks,
        what: item.what,
        opens: item.opens,
        close: item.close,
        reach: item.reach,
    })
}

/// What lets a partner look at hidden rows, whatever the estate says.
fn open(catalog: &Catalog) -> Vec<Item> {
    let mut items = seen_by_own_statements(catalog);
    for item in &mut items {
        item.reach = Reach::InPlace;
    }
    items
}

fn seen_by_own_statements(catalog: &Catalog) -> Vec<Item> {
    let mut items = Vec::new();
    for function in &catalog.surroundings.leakproof {
        let object = Object::function(&function.schema, &function.name, &function.arguments);
        let everybody =
            catalog.public_has(&object, "EXECUTE") && catalog.public_uses_schema(&function.schema);
        let grade = if everybody { Grade::Critical } else { Grade::Medium };
        items.push(Item::new(
            grade,
            format!(
                "{} is LEAKPROOF{}",
                object.words(),
                if everybody {
                    " and everybody may execute it"
                } else {
                    ""
                }
            ),
            "it is run on rows before a view's condition, and shows them if it is not what it says (row 1)",
            "queries that use it over views are planned with the view's condition first, and may be slower",
            vec![format!("ALTER {} NOT LEAKPROOF", object.sql())],
        ));
    }
    auto_explain(catalog, &mut items);
    items
}

/// Levels of message that reach a client by default.
const TO_CLIENTS: &[&str] = &["notice", "warning", "info"];

fn auto_explain(catalog: &Catalog, items: &mut Vec<Item>) {
    let set_here = catalog
        .surroundings
        .settings
        .get("auto_explain.log_level")
        .map(|level| (None, level));
    let of_roles = catalog
        .settings
        .iter()
        .filter(|setting| setting.name == "auto_explain.log_level");
    let all = set_here
        .into_iter()
        .chain(of_roles.map(|setting| (Some(setting), &setting.value)));
    for (setting, level) in all.filter(|(_, level)| TO_CLIENTS.contains(&level.to_lowercase().as_str())) {
        let close = match setting {
            None => "ALTER SYSTEM SET auto_explain.log_level = 'log'".to_owned(),
            Some(setting) => {
                let whom = match (&setting.role, &setting.database) {
                    (Some(role), Some(database)) => {
                        format!("ROLE {} IN DATABASE {}", ident(role), ident(database))
                    }
                    (Some(role), None) => format!("ROLE {}", ident(role)),
                    (None, Some(database)) => format!("DATABASE {}", ident(database)),
                    (None, None) => "ROLE ALL".to_owned(),
                };
                format!("ALTER {whom} RESET auto_explain.log_level")
            }
        };
        items.push(Item::new(
            Grade::Critical,
            format!("auto_explain sends plans to clients (auto_explain.log_level = {level})"),
            "plans count rows that no agreement shares (row 2)",
            "plans go to the server's log only",
            vec![close],
        ));
    }
}

fn event_triggers(around: &Surroundings, items: &mut Vec<Item>) {
    for trigger in &around.event_triggers {
        let name = &trigger.name;
        let disable = vec![format!("ALTER EVENT TRIGGER {} DISABLE", ident(name))];
        if !trigger.superuser {
            items.push(Item::new(
                Grade::High,
                format!("event trigger `{name}` runs `{}`, which belongs to `{}`", trigger.function, trigger.owner),
                "its owner can put other text there, which runs as whoever changes the database, `estop apply` among them",
                "what the trigger does; giving the function to a superuser closes it as well",
                disable,
            ));
        } else if trigger.event == "login" {
            items.push(Item::new(
                Grade::Medium,
                format!("event trigger `{name}` runs `{}` at each login", trigger.function),
                "it runs as the partner's role and may fail for want of rights, or say what it should not",
                "what the trigger does",
                disable,
            ));
        }
    }
}

fn replication(catalog: &Catalog, items: &mut Vec<Item>) {
    let setting = |name: &str| catalog.surroundings.settings.get(name).map(String::as_str);
    let logical = setting("wal_level") == Some("logical");
    for role in catalog
        .roles
        .iter()
        .filter(|role| role.login && role.replication && !role.superuser)
    {
        items.push(Item::new(
            if logical { Grade::High } else { Grade::Medium },
            format!("role `{}` may replicate", role.name),
            "it reads every row of every database, under no agreement and past every record",
            "replicas and backups that log in as it",
            vec![format!("ALTER ROLE {} NOREPLICATION", ident(&role.name))],
        ));
    }
    for publication in &catalog.surroundings.publications {
        items.push(Item::new(
            Grade::Medium,
            format!("publication `{publication}` publishes all tables"),
            "a subscriber gets rows of no agreement, also of tables made later",
            "its subscribers",
            vec![format!("DROP PUBLICATION {}", ident(publication))],
        ));
    }
    if catalog.server.max_prepared_transactions > 0 {
        items.push(Item::new(
            Grade::Medium,
            format!("max_prepared_transactions is {}", catalog.server.max_prepared_transactions),
            "a role that comes past the gateway can leave transactions that outlive its session and hold locks (row 24)",
            "distributed transactions (XA), and a restart is needed",
            vec!["ALTER SYSTEM SET max_prepared_transactions = 0".to_owned()],
        ));
    }
}

/// Words that names of secrets have in them.
const SECRET_WORDS: &[&str] = &[
    "salt",
    "secret",
    "password",
    "passwd",
    "key",
    "token",
    "pepper",
    "credential",
];

fn secrets(catalog: &Catalog, items: &mut Vec<Item>) {
    let own = catalog.settings.iter().filter(|setting| {
        let name = setting.name.to_lowercase();
        let ours = setting.role.as_ref().is_some_and(|role| role.starts_with(PREFIX));
        name.contains('.') && !ours && SECRET_WORDS.iter().any(|word| name.contains(word))
    });
    for setting in own {
        let whom = match (&setting.role, &setting.database) {
            (Some(role), _) => format!("ROLE {}", ident(role)),
            (None, Some(database)) => format!("DATABASE {}", ident(database)),
            (None, None) => "ROLE ALL".to_owned(),
        };
        items.push(Item::new(
            Grade::High,
            format!("setting `{}` is stored for {whom}", setting.name),
            "every partner can read its value in pg_db_role_setting (row 7)",
            "what reads the setting: keep the value in a table that only its readers may read",
            vec![format!("ALTER {whom} RESET {}", setting_name(&setting.name))],
        ));
    }
}

fn setting_name(name: &str) -> String {
    name.split('.').map(ident).collect::<Vec<_>>().join(".")
}

/// What a shared relation is beside a table.
fn base(view: &DesiredView, relation: &Relation, catalog: &Catalog, items: &mut Vec<Item>) {
    let name = format!("{}.{}", relation.schema, relation.name);
    let quoted = format!("{}.{}", ident(&relation.schema), ident(&relation.name));
    let mut say = |grade, what: String, opens: &str, breaks: &str, close: Vec<String>| {
        items.push(Item::new(
            grade,
            format!("data set `{}`: {what}", view.dataset),
            opens,
            breaks,
            close,
        ));
    };
    let owner = catalog.role(&relation.owner);
    match relation.kind {
        RelationKind::View => {
            let strong = owner.is_some_and(|role| role.superuser || role.bypass_rls);
            let invoker = relation
                .options
                .iter()
                .any(|option| option == "security_invoker=true");
            let barrier = relation
                .options
                .iter()
                .any(|option| option == "security_barrier=true");
            if strong && !invoker {
                say(
                    Grade::Medium,
                    format!(
                        "`{name}` is a view that reads as `{}`, whom no row security binds",
                        relation.owner
                    ),
                    "its text alone decides what is shared (row 34)",
                    "nothing: give the view to a role that may read what it reads, and no more",
                    Vec::new(),
                );
            }
            if !barrier {
                say(
                    Grade::Medium,
                    format!("`{name}` is a view without security_barrier"),
                    "whoever else reads it can look past its condition with a function of his own (row 1)",
                    "plans of queries over it change",
                    vec![format!("ALTER VIEW {quoted} SET (security_barrier = true)")],
                );
            }
        }
        RelationKind::Foreign => say(
            Grade::Medium,
            format!("`{name}` is a foreign table"),
            "it is read with the user mapping of the views' owner; the other server's errors and times show (row 19)",
            "nothing",
            Vec::new(),
        ),
        RelationKind::Materialised => say(
            Grade::Medium,
            format!("`{name}` is a materialised view"),
            "what is shared is as old as its last refresh",
            "nothing",
            Vec::new(),
        ),
        RelationKind::Table | RelationKind::Partitioned | RelationKind::Sequence => {}
    }
    if relation.row_security {
        say(
            Grade::Medium,
            format!("row security is on for `{name}`"),
            "the views show what its policies give to `estop_owner`, which is nothing if none names it (row 34)",
            "nothing: give the views' owner a policy of its own",
            vec![format!(
                "CREATE POLICY estop_read ON {quoted} FOR SELECT TO estop_owner USING (true)"
            )],
        );
    }
    let part =
        |p: &&crate::catalog::surroundings::Partition| p.schema == relation.schema && p.name == relation.name;
    if let Some(part) = catalog
        .surroundings
        .partitions
        .iter()
        .find(part)
        .filter(|part| part.row_security)
    {
        say(
            Grade::High,
            format!(
                "`{name}` is a part of `{}`, whose row security does not bind it",
                part.parent
            ),
            "rows that the whole table's policies hide are shared",
            "nothing: name the whole table in the data set",
            Vec::new(),
        );
    }
}
