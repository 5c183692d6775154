//! Each spelling of a request, and each thing that must not get through.

use wire::startup::{Start, Version};

use super::Request;

fn parse(params: &[(&str, &str)]) -> Result<Request, crate::say::Say> {
    let params = params
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Request::parse(&Start {
        version: Version::V3_0,
        params,
    })
}

fn refused(params: &[(&str, &str)]) -> String {
    parse(params).expect_err("must be refused").sqlstate.into_owned()
}

const WHO: [(&str, &str); 2] = [("user", "a.moreno"), ("database", "state-police-2018")];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    WHO.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn purpose_and_case_by_options() {
    let request = parse(&with(&[(
        "options",
        "-cestop.purpose=audit -c estop.case=AB-2024-7",
    )]))
    .unwrap();
    assert_eq!(request.purpose.as_deref(), Some("audit"));
    assert_eq!(request.case.as_deref(), Some("AB-2024-7"));
    assert_eq!(request.officer.unwrap().as_str(), "a.moreno");
}

#[test]
fn purpose_and_case_in_the_user_name() {
    let request = parse(&[("user", "a.moreno+audit+AB+7"), ("database", "x")]).unwrap();
    assert_eq!(
        (request.purpose.as_deref(), request.case.as_deref()),
        (Some("audit"), Some("AB+7"))
    );
    assert_eq!(request.officer.unwrap().as_str(), "a.moreno");
}

#[test]
fn two_different_purposes_are_refused() {
    let twice = [
        ("user", "a+audit"),
        ("database", "x"),
        ("options", "-cestop.purpose=other"),
    ];
    assert_eq!(refused(&twice), "22023");
}

#[test]
fn only_harmless_settings_are_taken() {
    assert!(
        parse(&with(&[
            ("DateStyle", "ISO"),
            ("application_name", "psql"),
            ("client_encoding", "UTF8")
        ]))
        .is_ok()
    );
    for (name, value) in [
        ("search_path", "public"),
        ("role", "postgres"),
        ("session_authorization", "postgres"),
        ("session_replication_role", "replica"),
        ("row_security", "off"),
        ("client_min_messages", "debug5"),
        ("debug_print_plan", "on"),
        ("work_mem", "2000GB"),
        ("estop.agreement", "another"),
        ("estop.epoch", "1"),
    ] {
        assert_eq!(refused(&with(&[(name, value)])), "42501", "{name}");
        let option = format!("-c {name}={value}");
        assert_eq!(
            refused(&with(&[("options", &option)])),
            "42501",
            "{name} in options"
        );
    }
    assert_eq!(refused(&with(&[("client_encoding", "LATIN1")])), "22023");
    assert_eq!(refused(&with(&[("standard_conforming_strings", "off")])), "42501");
    assert_eq!(refused(&with(&[("replication", "database")])), "0A000");
    assert_eq!(refused(&with(&[("replication", "true")])), "0A000");
}

#[test]
fn a_name_that_cannot_be_an_id_is_nobody() {
    let request = parse(&[("user", "Robert'); DROP TABLE"), ("database", "x")]).unwrap();
    assert!(request.officer.is_none() && request.agreement.is_some());
    assert_eq!(refused(&[("database", "x")]), "28000");
}
