//! Tests of `desired`: from an estate's text to roles and views.

use std::collections::BTreeMap;

use super::*;
use crate::estate::Files;

const SCRAM: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

fn files() -> Files {
    BTreeMap::from([
        ("estop.toml".to_owned(), "[custodian]\nname = \"records.example.org\"\ntitle = \"Records\"\n\n[upstream.main]\nurl = \"postgresql://a@localhost/records\"\nisolation = \"in-place\"\n\n[gateway]\nlisten = \"127.0.0.1:6432\"\ntls_certificate = \"tls/cert.pem\"\ntls_key = \"tls/key.pem\"\npublic_name = \"gateway.example.org\"\n\n[state]\ndir = \"state\"\n".to_owned()),
        ("datasets/people.toml".to_owned(), "[dataset]\nid = \"people\"\nupstream = \"main\"\nrelation = \"app.people\"\nsubject_key = \"id\"\n\n[columns]\nid = { type = \"bigint\" }\nname = { type = \"text\", optional = true }\nsealed = { type = \"boolean\" }\nssn = { type = \"text\", optional = true }\n".to_owned()),
        ("partners/police.toml".to_owned(), format!("[partner]\nid = \"police\"\ntitle = \"Police\"\n\n[[officer]]\nid = \"ada\"\nname = \"Ada King\"\nscram = \"{SCRAM}\"\n")),
        ("agreements/police-2018.toml".to_owned(), "[agreement]\nid = \"police-2018\"\npartner = \"police\"\nlegal_basis = \"ISA 2018-044\"\nvalid = { from = \"2018-06-01\", until = \"2031-05-31\" }\npurposes = [\"investigation\", \"audit\"]\n\n[[share]]\ndataset = \"people\"\ncolumns = [\"id\", \"name\"]\nmask = { name = \"initials\" }\nwhen = '!resource.sealed'\n\n[limits]\nsessions = 7\nstatement_seconds = 30\n".to_owned()),
    ])
}

fn estate() -> Estate {
    Estate::parse(&files()).unwrap()
}

#[test]
fn each_purpose_has_a_role_with_its_limits() {
    let desired = Desired::new(&estate(), "main", &[]);
    assert_eq!(desired.roles.len(), 2);
    for role in &desired.roles {
        assert!(role.is_in_force());
        assert_eq!(role.connection_limit, 7);
        assert_eq!(role.settings["statement_timeout"], "30s");
        assert_eq!(role.settings["search_path"], role.name.as_str());
        assert_eq!(role.settings["temp_file_limit"], TEMP_FILE_LIMIT);
    }
}

#[test]
fn what_guardrails_ask_for_and_files_leave_out_is_wanted_nowhere() {
    let mut files = files();
    let other = files["datasets/people.toml"]
        .replace("\"people\"", "\"others\"")
        .replace("app.people", "app.others");
    let other = other.replace("[columns]", "[columns]\njuvenile = { type = \"boolean\" }");
    files.insert("datasets/others.toml".to_owned(), other);
    let text = "@id(\"j\") @citation(\"Act 1\") forbid (principal, action == Action::\"read\", resource) when { resource.juvenile };";
    files.insert("guardrails/j.cedar".to_owned(), text.to_owned());
    let estate = Estate::parse(&files).unwrap_or_else(|errors| panic!("{:?}", errors.findings()));
    let desired = Desired::new(&estate, "main", &[]);
    let told: Vec<_> = desired
        .spared
        .iter()
        .map(|one| format!("{} {} {}", one.relation.as_str(), one.column, one.guardrail))
        .collect();
    assert_eq!(told, ["people juvenile j"]);
}

#[test]
fn the_view_reads_what_it_shows_and_asks_and_nothing_else() {
    let desired = Desired::new(&estate(), "main", &[]);
    let view = &desired.roles[0].views[0];
    let read: Vec<&str> = view.base_columns.keys().map(SqlName::as_str).collect();
    assert_eq!(read, ["id", "name", "sealed"]);
    assert!(view.base_columns[&"sealed".parse().unwrap()].not_null);
    assert!(!view.base_columns[&"name".parse().unwrap()].not_null);
    assert!(
        view.definition.starts_with("SELECT \"base\".\"id\" AS \"id\", "),
        "{}",
        view.definition
    );
    assert!(
        view.definition
            .contains("FROM \"app\".\"people\" AS \"base\" WHERE "),
        "{}",
        view.definition
    );
    assert!(
        view.definition.ends_with("WHERE (NOT \"base\".\"sealed\")"),
        "{}",
        view.definition
    );
    assert!(
        view.create_sql(&desired.roles[0].name)
            .contains("security_barrier = true")
    );
}

#[test]
fn what_a_directive_ended_has_no_rights() {
    let scope = EndedScope {
        directive: "D-2026-0001".parse().unwrap(),
        partner: "police".parse().unwrap(),
        agreement: None,
        purpose: Some("audit".parse().unwrap()),
        at: jiff::Timestamp::UNIX_EPOCH,
        until: None,
    };
    let desired = Desired::new(&estate(), "main", &[scope]);
    for role in &desired.roles {
        let ended = role.purpose.as_str() == "audit";
        assert_eq!(role.is_in_force(), !ended);
        assert_eq!(role.rights("records").is_empty(), ended);
        assert_eq!(role.connection_limit == 0, ended);
        assert_eq!(role.views.len(), 1);
    }
}

#[test]
fn roles_of_another_upstream_are_left_alone() {
    let desired = Desired::new(&estate(), "other", &[]);
    assert!(desired.roles.is_empty());
    assert_eq!(desired.elsewhere.len(), 2);
}

/// The definition of the view if the share has these lines.
fn definition_with(share: &str) -> String {
    let mut files = files();
    let text = files.get_mut("agreements/police-2018.toml").unwrap();
    *text = text.replacen(
        "columns = [\"id\", \"name\"]\nmask = { name = \"initials\" }",
        share,
        1,
    );
    let desired = Desired::new(&Estate::parse(&files).unwrap(), "main", &[]);
    desired.roles[0].views[0].definition.clone()
}

#[test]
fn an_opaque_share_lets_no_condition_in() {
    let open = definition_with("columns = [\"id\"]");
    assert!(!open.contains("OFFSET"));
    assert_eq!(
        definition_with("columns = [\"id\"]\ntiming = \"opaque\""),
        format!("{open} OFFSET 0")
    );
}

#[test]
fn an_aggregate_counts_subjects_after_the_condition() {
    let counts = definition_with("kind = \"aggregate\"\ngroup_by = [\"name\"]\nmin_group = 7");
    let size = "pg_catalog.count(DISTINCT \"base\".\"id\") >= 7";
    assert!(
        counts.starts_with("SELECT \"base\".\"name\" AS \"name\", CASE WHEN "),
        "{counts}"
    );
    assert!(
        counts.contains(&format!(
            "CASE WHEN {size} THEN pg_catalog.count(*) END AS \"count\" FROM"
        )),
        "{counts}"
    );
    assert!(counts.ends_with(" GROUP BY 1 OFFSET 0"), "{counts}");
    let absent = definition_with(
        "kind = \"aggregate\"\ngroup_by = [\"name\"]\nmin_group = 7\nsmall_groups = \"absent\"",
    );
    assert!(absent.contains("pg_catalog.count(*) AS \"count\""), "{absent}");
    assert!(
        absent.ends_with(&format!("GROUP BY 1 HAVING {size} OFFSET 0")),
        "{absent}"
    );
}
