//! A small estate for tests: two data sets, two partners, three agreements.

use super::{Estate, Files};

/// A verifier of the right form.
pub(crate) const VERIFIER: &str = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

const ESTOP: &str = r#"
[custodian]
name = "records.example.org"
title = "Records Office"
time_zone = "America/Chicago"

[upstream.main]
url = "postgres://admin:geheim@/records?host=/run/postgresql"
isolation = "in-place"

[upstream.other]
url = "postgresql://admin@db2/records"
isolation = "in-place"

[gateway]
listen = "127.0.0.1:6432"
tls_certificate = "tls/server.pem"
tls_key = "tls/server.key"
public_name = "records.example.org"

[state]
dir = "../state"
"#;

const PEOPLE: &str = r#"
[dataset]
id = "people"
upstream = "main"
relation = "records.people"
subject_key = "person_id"
tags = ["personal"]

[columns]
person_id = { type = "bigint" }
name = { type = "text" }
birth_date = { type = "date", tags = ["sensitive"] }
case_status = { type = "text" }
is_juvenile = { type = "boolean" }
country_of_birth = { type = "text", optional = true }
height = { type = "double precision", optional = true }
"#;

const INCIDENTS: &str = r#"
[dataset]
id = "field-incidents"
title = "Incidents"
upstream = "main"
relation = "records.incidents"

[columns]
incident_id = { type = "bigint" }
happened_at = { type = "timestamptz" }
latitude = { type = "double precision", optional = true }
flags = { type = "text[]" }
"#;

const ELSEWHERE: &str = r#"
[dataset]
id = "elsewhere"
upstream = "other"
relation = "public.elsewhere"

[columns]
id = { type = "uuid" }
"#;

const POLICE: &str = r#"
[agreement]
id = "state-police-2018"
partner = "state-police"
legal_basis = "ISA 2018-044, clause 3"
document = "documents/isa-2018-044.pdf"
valid = { from = "2018-06-01", until = "2027-05-31" }
purposes = ["criminal-investigation", "missing-persons"]
case_reference = '^[A-Z]{2}-\d{4}-\d+$'

[[share]]
dataset = "people"
columns = ["person_id", "name", "birth_date", "case_status"]
mask = { name = "initials", birth_date = "year" }
when = 'resource.case_status == "open" && !resource.is_juvenile'

[[share]]
dataset = "field-incidents"
purposes = ["criminal-investigation"]
columns = ["incident_id", "happened_at"]

[limits]
sessions = 5
rows_per_day = 50_000
statement_seconds = 30
hours = "Mon-Fri 06:00-22:00 America/Chicago"
"#;

const FEDERAL: &str = r#"
[agreement]
id = "federal-2019"
partner = "federal-agency"
legal_basis = "8 USC 1373"
valid = { from = "2019-01-01", until = "2029-12-31" }
purposes = ["immigration-enforcement"]

[[share]]
dataset = "people"
columns = ["person_id", "name"]
when = 'resource has country_of_birth && resource.country_of_birth != "US"'
"#;

const FEDERAL_OLD: &str = r#"
[agreement]
id = "federal-2001"
partner = "federal-agency"
legal_basis = "an old one"
valid = { from = "2001-01-01", until = "2005-12-31" }
purposes = ["immigration-enforcement"]

[[share]]
dataset = "people"
columns = ["person_id"]
"#;

/// The files.
pub(crate) fn files() -> Files {
    let partner = |id: &str, officers: &[&str]| {
        let officer = |officer: &&str| {
            format!("[[officer]]\nid = \"{officer}\"\nname = \"Off. {officer}\"\nscram = \"{VERIFIER}\"\n")
        };
        format!(
            "[partner]\nid = \"{id}\"\ntitle = \"The {id}\"\n\n{}",
            officers.iter().map(officer).collect::<String>()
        )
    };
    [
        ("estop.toml", ESTOP.to_owned()),
        ("datasets/people.toml", PEOPLE.to_owned()),
        ("datasets/field-incidents.toml", INCIDENTS.to_owned()),
        ("datasets/elsewhere.toml", ELSEWHERE.to_owned()),
        (
            "partners/state-police.toml",
            partner("state-police", &["kim", "lee"]),
        ),
        (
            "partners/federal-agency.toml",
            partner("federal-agency", &["kim", "smith"]),
        ),
        ("agreements/state-police-2018.toml", POLICE.to_owned()),
        ("agreements/federal-2019.toml", FEDERAL.to_owned()),
        ("agreements/federal-2001.toml", FEDERAL_OLD.to_owned()),
        (
            "documents/isa-2018-044.pdf",
            super::document::found(&evidence::hash::sha256(b"signed")),
        ),
        (
            "guardrails/juveniles.cedar",
            "@id(\"juvenile-records\")\n@citation(\"705 ILCS 405/1-7\")\nforbid (principal, action, resource) when { resource.is_juvenile };\n".to_owned(),
        ),
        (
            "authorities/allowed_signers",
            "mayor@example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMLfg2RtRz3kW1fwl/jKHgIGbLKdIVgN3VzRibOo7Wit\n".to_owned(),
        ),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text))
    .collect()
}

/// The files with one text in one of them replaced.
pub(crate) fn files_with(path: &str, from: &str, to: &str) -> Files {
    let mut files = files();
    let text = files.get_mut(path).expect("a file of the fixture");
    assert!(text.contains(from), "{path} has no {from}");
    *text = text.replacen(from, to, 1);
    files
}

/// The estate of the files.
pub(crate) fn estate() -> Estate {
    Estate::parse(&files()).expect("the fixture is right")
}
