//! Tests of wrong files, more of them: what is said of documents, sharing onward, types and names, and that saying it is bounded.

use evidence::id::Epoch;

use super::*;
use crate::estate::document;
use crate::in_force::InForce;

/// The findings after one text is replaced.
fn found(path: &str, from: &str, to: &str) -> Vec<(String, String)> {
    let errors = Estate::parse(&files_with(path, from, to)).expect_err("must be refused");
    errors
        .findings()
        .iter()
        .map(|finding| {
            let help = finding.problem().help().unwrap_or_default();
            (finding.to_string(), help)
        })
        .collect()
}

#[track_caller]
fn says(path: &str, from: &str, to: &str, message: &str, help: &str) {
    let found = found(path, from, to);
    let [(said, helped)] = found.as_slice() else {
        panic!("one finding is wanted: {found:#?}")
    };
    assert!(said.contains(message), "{said}");
    assert!(helped.contains(help), "{helped}");
}

const ESTOP: &str = "estop.toml";
const STATE_POLICE: &str = "partners/state-police.toml";

#[test]
fn what_was_meant_is_asked() {
    says(
        POLICE,
        "\"state-police\"",
        "\"state-polise\"",
        "there is no partner",
        "did you mean `state-police`?",
    );
    says(
        POLICE,
        "sessions = 5",
        "sesions = 5",
        "unknown field `sesions`",
        "did you mean `sessions`?",
    );
    says(
        POLICE,
        "\"case_status\"",
        "\"casestatus\"",
        "no column `casestatus`",
        "did you mean `case_status`?",
    );
    says(
        POLICE,
        "legal_basis = ",
        "zzz = ",
        "unknown field `zzz`",
        "estop schema",
    );
    for (written, help) in [
        ("int8", "`bigint`"),
        ("varchar(20)", "`varchar`, without a length"),
        ("bigin", "did you mean `bigint`?"),
        ("tsvector", "a view that casts it"),
    ] {
        says(PEOPLE, "\"bigint\"", &format!("\"{written}\""), written, help);
    }
}

#[test]
fn documents_are_there_or_refused() {
    let line = "document = \"documents/isa-2018-044.pdf\"";
    says(
        POLICE,
        line,
        "document = \"documents/other.pdf\"",
        "is not there",
        "put the signed document at",
    );
    for path in [
        "isa.pdf",
        "/etc/passwd",
        "documents/../estop.toml",
        "documents/",
        "documents//a",
        "estop.toml",
    ] {
        says(
            POLICE,
            line,
            &format!("document = \"{path}\""),
            "is not a file in",
            "documents/FILE",
        );
    }
    let mut files = files();
    files.insert(
        "documents/isa-2018-044.pdf".to_owned(),
        document::unreadable("it is a pipe"),
    );
    let errors = Estate::parse(&files).unwrap_err();
    assert!(
        errors.findings()[0]
            .to_string()
            .contains("cannot be read: it is a pipe")
    );
    let estate = estate();
    let police = &estate.agreements()[&"state-police-2018".parse().unwrap()];
    let hash = evidence::hash::sha256(b"signed");
    assert_eq!(
        police.document.as_ref().map(|document| document.sha256),
        Some(hash)
    );
    let epoch = Epoch(1);
    let policy = InForce::from_estate(&estate, Vec::new(), epoch, jiff::Timestamp::UNIX_EPOCH);
    let recorded = policy.agreement(&police.id).unwrap().document.clone().unwrap();
    assert_eq!(recorded.sha256, hash.to_hex());
}

#[test]
fn sharing_onward_has_a_clause_and_receivers_that_are_there() {
    let before = "case_reference = ";
    let with = |onward: &str| format!("onward = {onward}\ncase_reference = ");
    let refused = |onward: &str, message: &str| says(POLICE, before, &with(onward), message, "");
    refused("{ permitted = true }", "no `clause` says so");
    refused("{ permitted = true, clause = \"\" }", "is empty");
    refused(
        "{ permitted = false, to = [\"federal-agency\"] }",
        "`permitted` is false",
    );
    refused("{ permitted = true, clause = \"7\", to = [] }", "is empty");
    refused(
        "{ permitted = true, clause = \"7\", to = [\"nobody\"] }",
        "there is no partner `nobody`",
    );
    refused(
        "{ permitted = true, clause = \"7\", to = [\"state-police\"] }",
        "the agreement's own partner",
    );
    refused(
        "{ permitted = true, clause = \"7\", to = [\"federal-agency\", \"federal-agency\"] }",
        "is there twice",
    );
    refused("{ clause = \"7\" }", "missing field `permitted`");
    for right in [
        "{ permitted = false }",
        "{ permitted = false, clause = \"clause 7\" }",
        "{ permitted = true, clause = \"7\", to = [\"federal-agency\"] }",
        "{ permitted = true, clause = \"7\" }",
    ] {
        let estate = Estate::parse(&files_with(POLICE, before, &with(right))).unwrap();
        assert!(
            estate.agreements()[&"state-police-2018".parse().unwrap()]
                .onward
                .is_some()
        );
    }
}

#[test]
fn partners_have_tags() {
    let tagged = |tags: &str| files_with(STATE_POLICE, "title = ", &format!("tags = {tags}\ntitle = "));
    let estate = Estate::parse(&tagged("[\"law-enforcement\"]")).unwrap();
    assert!(
        estate.partners()[&"state-police".parse().unwrap()]
            .tags
            .contains("law-enforcement")
    );
    assert!(Estate::parse(&tagged("[\"Law Enforcement\"]")).is_err());
}

#[test]
fn relations_of_any_name_can_be_written() {
    for (written, schema, name) in [
        ("records.people", "records", "people"),
        ("My Schema.People", "My Schema", "People"),
        ("\\\"a.b\\\".\\\"c\\\"\\\"d\\\"", "a.b", "c\"d"),
    ] {
        let files = files_with(PEOPLE, "records.people", written);
        let estate = Estate::parse(&files).unwrap();
        let relation = estate.datasets()[&"people".parse().unwrap()].relation.clone();
        assert_eq!((relation.schema.as_str(), relation.name.as_str()), (schema, name));
        let again = relation.to_string().replace('\\', "\\\\").replace('"', "\\\"");
        let estate = Estate::parse(&files_with(PEOPLE, "records.people", &again)).unwrap();
        assert_eq!(estate.datasets()[&"people".parse().unwrap()].relation, relation);
    }
    for wrong in [
        "people",
        "a.b.c",
        "\\\"a\\\"",
        "\\\"a.b",
        ".",
        "a.",
        ".b",
        "a\\\"b.c",
        "\\\"\\\".x",
    ] {
        assert!(
            Estate::parse(&files_with(PEOPLE, "records.people", wrong)).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn a_purpose_in_two_databases_is_told_how_to_be_two() {
    let two = found(
        POLICE,
        "\"field-incidents\"\npurposes = [\"criminal-investigation\"]\ncolumns = [\"incident_id\", \"happened_at\"]",
        "\"elsewhere\"\ncolumns = [\"id\"]\npurposes = [\"criminal-investigation\"]",
    );
    assert!(
        two[0]
            .1
            .contains("`criminal-investigation-main` and `criminal-investigation-other`"),
        "{two:?}"
    );
}

#[test]
fn marks_and_ends_of_lines_make_no_difference() {
    let mut crlf: Files = files()
        .into_iter()
        .map(|(path, text)| (path, text.replace('\n', "\r\n")))
        .collect();
    // OpenSSH takes the `\r` for a part of the line, so it is refused there.
    let signers = "authorities/allowed_signers";
    let errors = Estate::parse(&crlf).unwrap_err();
    let [finding] = errors.findings() else {
        panic!("{errors:?}")
    };
    assert_eq!(finding.file(), signers);
    assert!(finding.problem().help().unwrap().contains("LF"));
    crlf.insert(signers.to_owned(), files()[signers].clone());
    Estate::parse(&crlf).unwrap();
    let marked: Files = files()
        .into_iter()
        .map(|(path, text)| {
            let text = if path.ends_with(".toml") {
                format!("\u{feff}{text}")
            } else {
                text
            };
            (path, text)
        })
        .collect();
    Estate::parse(&marked).unwrap();
}

#[test]
fn what_is_said_is_bounded() {
    let columns: Vec<String> = (0..50_000).map(|n| format!("\"c{n}\"")).collect();
    let files = files_with(
        POLICE,
        "columns = [",
        &format!("columns = [{}, ", columns.join(", ")),
    );
    let errors = Estate::parse(&files).unwrap_err();
    assert_eq!((errors.findings().len(), errors.has_more()), (100, true));
    let deep = format!("when = {}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut files = files_with(POLICE, "[limits]", "[limits]\n");
    let text = files.get_mut(POLICE).unwrap();
    text.push_str(&deep);
    let errors = Estate::parse(&files).unwrap_err();
    assert_eq!(errors.findings()[0].file(), POLICE);
    let mut files = fixture::files();
    for n in 0..100 {
        files.insert(format!("documents/{n}"), "x".repeat(MAX_FILE_BYTES));
    }
    let errors = Estate::parse(&files).unwrap_err();
    assert!(matches!(errors.findings()[0].problem(), Problem::TooMuch));
}

#[test]
fn a_file_of_another_case_is_not_passed_over() {
    let mut files = files();
    let text = files.remove(PEOPLE).unwrap();
    files.insert("datasets/people.TOML".to_owned(), text);
    let found = problems(&files);
    assert!(
        found
            .iter()
            .any(|(path, _, problem)| path == "datasets/people.TOML" && *problem == Problem::UnknownFile),
        "{found:?}"
    );
}

#[test]
fn records_are_kept_for_a_time_that_is_one_and_held_for_a_reason() {
    let before = "case_reference = ";
    let with = |more: &str| format!("{more}\ncase_reference = ");
    let refused = |more: &str, message: &str, help: &str| says(POLICE, before, &with(more), message, help);
    refused(
        "retention = \"6 weeks\"",
        "not a time to keep records",
        "`6 years`",
    );
    refused("retention = 6", "invalid type", "");
    refused("hold = \"\"", "the reason of the hold is empty", "");
    let more = with("retention = \"18 months\"\nhold = \"subpoena 26-CV-17\"");
    let estate = Estate::parse(&files_with(POLICE, before, &more)).unwrap();
    let police = &estate.agreements()[&"state-police-2018".parse().unwrap()];
    assert_eq!(police.retention, Some("18 months".parse().unwrap()));
    assert_eq!(police.hold.as_deref(), Some("subpoena 26-CV-17"));
}

#[test]
fn records_are_sealed_to_overseers_that_there_are() {
    let key = "eaYx7t4b+cmPEgMs3q3Q56B5OY/HhriMyEbsia+FpRo=";
    let table = |key: &str, threshold: &str, holders: &str| {
        format!(
            "[overseers.court]\nkey = \"{key}\"\nthreshold = {threshold}\nholders = [{holders}]\n\n[state]"
        )
    };
    let three = "\"judge\", \"ombudsman\", \"press\"";
    let mut files = files_with(ESTOP, "[state]", &table(key, "2", three));
    let sealed = "[agreement]\nsealed = { to = \"court\", until = \"2031-01-01\" }\n";
    let police = files[POLICE].replacen("[agreement]\n", sealed, 1);
    files.insert(POLICE.to_owned(), police);
    let estate = Estate::parse(&files).unwrap();
    let seal = estate.agreements()[&"state-police-2018".parse().unwrap()]
        .sealed
        .clone()
        .unwrap();
    assert_eq!(
        (seal.key.to_string(), seal.under.overseers.as_str()),
        (key.to_owned(), "court")
    );
    // By the custodian's clock.
    let begins = "2031-01-01".parse::<jiff::civil::Date>().unwrap();
    let begins = begins.to_zoned(estate.custodian().time_zone.clone()).unwrap();
    assert_eq!(seal.under.until, Some(begins.timestamp()));
    assert!(seal.holds_at(begins.timestamp() - jiff::SignedDuration::from_secs(1)));
    assert!(!seal.holds_at(begins.timestamp()));
    let said = InForce::from_estate(&estate, Vec::new(), Epoch(1), begins.timestamp());
    let agreement = said.agreement(&"state-police-2018".parse().unwrap()).unwrap();
    assert_eq!(agreement.sealed.as_ref(), Some(&seal));

    let unknown = "[agreement]\nsealed = { to = \"court\" }\n";
    says(
        POLICE,
        "[agreement]\n",
        unknown,
        "there is no overseers `court`",
        "",
    );
    let wrong = |table: String, message: &str| says(ESTOP, "[state]", &table, message, "");
    wrong(table("AAAA", "2", three), "not a public key of overseers");
    wrong(table(key, "1", three), "how many overseers open together");
    wrong(table(key, "4", three), "how many overseers open together");
    wrong(table(key, "2", "\"judge\""), "the number of overseers");
    wrong(
        table(key, "2", "\"judge\", \"judge\""),
        "overseer `judge` is there twice",
    );
}
