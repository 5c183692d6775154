//! What Estop does not change by itself but will not share beside: the custodian decides, with the statement in hand.

use super::{Finding, Reach, Severity};
use crate::catalog::{Catalog, Class, Function, Grantee, KEYS_SCHEMA, Object};
use crate::sql::ident;

/// Extensions whose functions reach out of the database or the server.
const REACHING_OUT: &[&str] = &[
    "adminpack",
    "dblink",
    "file_fdw",
    "plsh",
    "http",
    "pg_net",
    "pg_background",
    "pg_cron",
];

/// Extensions that count what statements touch, hidden rows among it, or keep the constants of others' statements.
const COUNTING: &[&str] = &[
    "pg_buffercache",
    "pg_freespacemap",
    "pg_qualstats",
    "pg_stat_kcache",
    "pg_stat_monitor",
    "pg_stat_statements",
    "pg_track_settings",
    "pg_visibility",
    "pg_wait_sampling",
    "pgrowlocks",
    "pgstattuple",
    "pageinspect",
];

/// Whether an extension is one of those.
pub(crate) fn is_dangerous_extension(name: &str) -> bool {
    REACHING_OUT.contains(&name) || COUNTING.contains(&name)
}

/// All findings, worst first, in a fixed order.
#[must_use]
pub fn findings(catalog: &Catalog) -> Vec<Finding> {
    let mut found = Vec::new();
    creates(catalog, &mut found);
    functions(catalog, &mut found);
    relations(catalog, &mut found);
    foreign(catalog, &mut found);
    defaults_and_parameters(catalog, &mut found);
    ours(catalog, &mut found);
    found.extend(crate::audit::critical(catalog));
    found.sort();
    found.dedup();
    found
}

/// CREATE for PUBLIC: a partner's own function or table could stand in the way of a name that others look up.
fn creates(catalog: &Catalog, found: &mut Vec<Finding>) {
    let public = catalog.grants_of(&Grantee::Public);
    for grant in public.filter(|g| {
        g.privilege == "CREATE"
            && matches!(
                g.object.class,
                Class::Schema | Class::Database | Class::Tablespace
            )
    }) {
        found.push(Finding {
            reach: Reach::InPlace,
            severity: Severity::Blocks,
            what: format!("PUBLIC may CREATE in {}", grant.object.words()),
            opens: "any role can put functions and tables there that others then call or read in place of the real ones \
                    (row 18)"
                .to_owned(),
            close: vec![grant.revoke_sql()],
        });
    }
}

fn functions(catalog: &Catalog, found: &mut Vec<Finding>) {
    for function in &catalog.functions {
        let object = Object::function(&function.schema, &function.name, &function.arguments);
        let open = catalog.public_has(&object, "EXECUTE") && catalog.public_uses_schema(&function.schema);
        let Some((what, opens)) = open.then(|| danger(function)).flatten() else {
            continue;
        };
        found.push(Finding {
            reach: Reach::InPlace,
            severity: Severity::Blocks,
            what: format!("PUBLIC may execute {} {}", what, object.words()),
            opens: opens.to_owned(),
            close: vec![format!("REVOKE EXECUTE ON {} FROM PUBLIC", object.sql())],
        });
    }
}

fn danger(function: &Function) -> Option<(&'static str, &'static str)> {
    let extension = function.extension.as_deref().unwrap_or_default();
    if REACHING_OUT.contains(&extension) {
        return Some((
            "the out-reaching",
            "a partner can log in elsewhere, or to this server as another role, past the gateway (row 29)",
        ));
    }
    if COUNTING.contains(&extension) {
        return Some((
            "the counting",
            "counts of rows and blocks touched tell whether a hidden row exists (row 3)",
        ));
    }
    if function.security_definer {
        return Some((
            "the SECURITY DEFINER",
            "it runs with its owner's rights and can return rows of no agreement (row 16)",
        ));
    }
    let leaves = !function.trusted;
    leaves.then_some((
        "the untrusted-language",
        "it runs with the operating system rights of the server",
    ))
}

/// Relations that everybody may read: those are shared with every partner, under no agreement.
fn relations(catalog: &Catalog, found: &mut Vec<Finding>) {
    // Rights on the keys of pseudonyms are taken by the plan itself.
    for relation in catalog
        .relations
        .iter()
        .filter(|relation| relation.schema != KEYS_SCHEMA)
    {
        let rights = catalog.grants_of(&Grantee::Public).filter(|g| {
            matches!(g.object.class, Class::Relation | Class::Column)
                && g.object.schema.as_deref() == Some(&relation.schema)
                && g.object.name == relation.name
        });
        let rights: Vec<_> = rights.collect();
        if rights.is_empty() || !catalog.public_uses_schema(&relation.schema) {
            continue;
        }
        let name = format!("{}.{}", relation.schema, relation.name);
        let counting = |extension: &String| COUNTING.contains(&extension.as_str());
        let (severity, opens) = match &relation.extension {
            Some(extension) if counting(extension) => (
                Severity::Blocks,
                "counts of rows and blocks touched tell whether a hidden row exists (row 3)",
            ),
            Some(_) => (Severity::Note, "every partner can use them, under no agreement"),
            None => (Severity::Blocks, "every partner can use them, under no agreement"),
        };
        found.push(Finding {
            reach: Reach::InPlace,
            severity,
            what: format!("PUBLIC holds rights on relation `{name}`"),
            opens: opens.to_owned(),
            close: rights.iter().map(|grant| grant.revoke_sql()).collect(),
        });
    }
}

fn foreign(catalog: &Catalog, found: &mut Vec<Finding>) {
    for grant in catalog.grants_of(&Grantee::Public) {
        if !matches!(
            grant.object.class,
            Class::ForeignServer | Class::ForeignDataWrapper
        ) {
            continue;
        }
        found.push(Finding {
            reach: Reach::InPlace,
            severity: Severity::Blocks,
            what: format!("PUBLIC may use {}", grant.object.words()),
            opens: "a partner can make connections to other servers".to_owned(),
            close: vec![grant.revoke_sql()],
        });
    }
    for server in &catalog.public_mappings {
        found.push(Finding {
            reach: Reach::InPlace,
            severity: Severity::Note,
            what: format!("foreign server `{server}` has a user mapping for PUBLIC"),
            opens: "whoever may use the server logs in there with the mapping's credential".to_owned(),
            close: vec![format!("DROP USER MAPPING FOR PUBLIC SERVER {}", ident(server))],
        });
    }
}

fn defaults_and_parameters(catalog: &Catalog, found: &mut Vec<Finding>) {
    for grant in catalog.grants_of(&Grantee::Public) {
        let (severity, opens) = match grant.object.class {
            // Only a list that differs from the built-in default stands in `pg_default_acl`; functions and types give
            // PUBLIC rights by default and would repeat that there.
            Class::DefaultAcl if !matches!(grant.object.name.as_str(), "f" | "T") => (
                Severity::Note,
                "what is made there in future is open to every partner",
            ),
            Class::Parameter => (
                Severity::Blocks,
                "a partner can change settings that only a superuser should",
            ),
            _ => continue,
        };
        found.push(Finding {
            reach: Reach::InPlace,
            severity,
            what: format!("PUBLIC holds {} on {}", grant.privilege, grant.object.words()),
            opens: opens.to_owned(),
            close: vec![grant.revoke_sql()],
        });
    }
}

/// Things that roles of ours own and should not: a share role owns nothing, the views' owner nothing beside its schemas.
fn ours(catalog: &Catalog, found: &mut Vec<Finding>) {
    use crate::catalog::OWNER_ROLE;
    for owned in &catalog.owned {
        let of_owner = owned.role == OWNER_ROLE;
        let place = owned
            .database
            .as_ref()
            .map(|d| format!(" in database `{d}`"))
            .unwrap_or_default();
        let altered = |alter: &String| format!("ALTER {alter} OWNER TO CURRENT_USER");
        found.push(Finding {
            reach: Reach::Both,
            severity: Severity::Blocks,
            what: format!("role `{}` owns {}{place}", owned.role, owned.what),
            opens: if of_owner {
                "every share is read in its name, and it can do anything with it; the owner of shared views owns nothing else"
            } else {
                "an owner can do anything with it, whatever was revoked"
            }
            .to_owned(),
            close: if of_owner {
                // What it owns of right stays its own.
                owned.alter.iter().map(altered).collect()
            } else {
                vec![format!(
                    "REASSIGN OWNED BY {} TO CURRENT_USER",
                    ident(&owned.role)
                )]
            },
        });
    }
}
