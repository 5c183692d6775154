//! Tests of what is wrong in one place: one finding, where it is, saying what would be right.

use super::*;

/// The only finding after one text is replaced must be in that file, on the line with `place`, and say `says`.
#[track_caller]
fn refused(path: &str, from: &str, to: &str, place: &str, says: &str) {
    let files = files_with(path, from, to);
    let errors = Estate::parse(&files).expect_err("must be refused");
    let [finding] = errors.findings() else {
        panic!("one finding is wanted: {:#?}", errors.findings())
    };
    assert_eq!(finding.file(), path);
    let line = files[path].lines().nth(finding.line() - 1).unwrap_or_default();
    assert!(line.contains(place), "{finding}");
    let whole = format!(
        "{} {}",
        finding.problem(),
        finding.problem().help().unwrap_or_default()
    );
    assert!(whole.contains(says), "{whole}");
}

#[test]
fn unknown_keys_are_refused() {
    refused(
        "estop.toml",
        "[state]",
        "[state]\nmode = 1",
        "mode = 1",
        "unknown field `mode`",
    );
    refused(
        PEOPLE,
        "tags = [\"personal\"]",
        "colour = 1",
        "colour",
        "unknown field `colour`",
    );
    refused(
        PEOPLE,
        "{ type = \"bigint\" }",
        "{ type = \"bigint\", key = true }",
        "key = true",
        "unknown field `key`",
    );
    refused(
        POLICE,
        "sessions = 5",
        "session = 5",
        "session = 5",
        "unknown field `session`",
    );
    refused(
        "partners/state-police.toml",
        "title",
        "password = \"x\"\ntitle",
        "password",
        "unknown field `password`",
    );
}

#[test]
fn references_are_followed() {
    refused(
        POLICE,
        "\"state-police\"",
        "\"state-polise\"",
        "state-polise",
        "there is no partner `state-polise`; there is `federal-agency`, `state-police`",
    );
    refused(
        POLICE,
        "dataset = \"people\"",
        "dataset = \"persons\"",
        "persons",
        "there is no data set `persons`",
    );
    refused(
        POLICE,
        "\"name\", ",
        "\"names\", \"name\", ",
        "\"names\"",
        "there is no column `names`",
    );
    refused(
        POLICE,
        "purposes = [\"criminal-investigation\"]\n",
        "purposes = [\"fishing\"]\n",
        "fishing",
        "there is no purpose `fishing`",
    );
    refused(
        PEOPLE,
        "\"main\"",
        "\"mane\"",
        "mane",
        "there is no upstream `mane`",
    );
    refused(
        PEOPLE,
        "subject_key = \"person_id\"",
        "subject_key = \"id\"",
        "subject_key",
        "there is no column `id`",
    );
}

#[test]
fn what_is_there_twice_is_refused() {
    refused(
        POLICE,
        "\"missing-persons\"",
        "\"missing-persons\", \"missing-persons\"",
        "purposes",
        "purpose `missing-persons` is there twice",
    );
    refused(
        POLICE,
        "\"name\", ",
        "\"name\", \"name\", ",
        "\"name\", \"name\"",
        "column `name` is there twice",
    );
    refused(
        "partners/state-police.toml",
        "\"lee\"",
        "\"kim\"",
        "\"kim\"",
        "officer `kim` is there twice",
    );
    refused(PEOPLE, "case_status =", "name =", "name =", "duplicate key");
}

#[test]
fn an_id_is_its_files_name() {
    let mut files = files();
    let text = files.remove(PEOPLE).unwrap();
    files.insert("datasets/persons.toml".to_owned(), text);
    let found = problems(&files);
    assert!(
        matches!(&found[0].2, Problem::FileName { id, stem } if id == "people" && stem == "persons"),
        "{found:?}"
    );
}

#[test]
fn values_are_checked() {
    refused(
        "estop.toml",
        "records.example.org\"\ntitle",
        "Records\"\ntitle",
        "name = ",
        "`Records` is not a custodian's name",
    );
    refused(
        "estop.toml",
        "America/Chicago",
        "America/Chikago",
        "Chikago",
        "IANA",
    );
    refused("estop.toml", "\"in-place\"", "\"nearby\"", "nearby", "`in-place`");
    refused(
        "estop.toml",
        "postgres://admin",
        "mysql://admin",
        "mysql",
        "postgresql://",
    );
    refused(
        "estop.toml",
        "127.0.0.1:6432",
        "localhost",
        "localhost",
        "127.0.0.1:6432",
    );
    refused("estop.toml", "../state", "", "dir = ", "not empty");
    let state = "dir = \"../state\"";
    for (watch, place, says) in [
        ("every_seconds = 4", "4", "from 5 to 3600"),
        ("every_seconds = 3601", "3601", "from 5 to 3600"),
        ("on_drift = \"hope\"", "hope", "`alarm` and `cut`"),
        ("every = 30", "every", "every_seconds"),
    ] {
        let to = format!("{state}\n[watch]\n{watch}");
        refused("estop.toml", state, &to, place, says);
    }
    refused(PEOPLE, "\"bigint\"", "\"int128\"", "int128", "`timestamptz`");
    refused(PEOPLE, "records.people", "people", "relation", "schema.name");
    refused(
        PEOPLE,
        "subject_key = \"person_id\"",
        "subject_key = \"country_of_birth\"",
        "subject_key",
        "optional",
    );
    refused(
        PEOPLE,
        "[\"personal\"]",
        "[\"Very Personal\"]",
        "Very",
        "`Very Personal` is not",
    );
    refused(
        "partners/state-police.toml",
        VERIFIER,
        "letmein",
        "letmein",
        "never a password",
    );
    refused(
        "partners/state-police.toml",
        "The state-police",
        "a\\nb",
        "title",
        "on one line",
    );
    refused(POLICE, "2018-06-01", "2018-02-30", "2018-02-30", "is not a day");
    refused(POLICE, "2018-06-01", "2018-6-1", "2018-6-1", "is not a day");
    refused(
        POLICE,
        "2027-05-31",
        "2017-05-31",
        "2017-05-31",
        "ends on 2017-05-31, before it begins on 2018-06-01",
    );
    refused(
        POLICE,
        "sessions = 5",
        "sessions = 0",
        "sessions",
        "from 1 to 10000",
    );
    refused(
        POLICE,
        "sessions = 5",
        "sessions = -5",
        "sessions",
        "from 1 to 10000",
    );
    refused(POLICE, "= 30", "= 86401", "86401", "from 1 to 86400");
    refused(POLICE, "Mon-Fri", "Fri-Mon", "hours", "not a list of days");
    refused(
        POLICE,
        "[A-Z]{2}",
        "[A-Z{2}",
        "case_reference",
        "not a regular expression",
    );
    refused(
        POLICE,
        "'^[A-Z]{2}-\\d{4}-\\d+$'",
        "'a)|(b'",
        "case_reference",
        "not a regular expression",
    );
}

#[test]
fn masks_are_checked_against_the_columns() {
    refused(
        POLICE,
        "\"initials\"",
        "\"initial\"",
        "mask",
        "`initial` is not a mask",
    );
    refused(
        POLICE,
        "name = \"initials\"",
        "name = \"year\"",
        "mask",
        "and the column is `text`",
    );
    refused(
        POLICE,
        "name = \"initials\"",
        "is_juvenile = \"null\"",
        "mask",
        "not among the share's columns",
    );
}

#[test]
fn a_conditions_fault_is_shown_where_it_is() {
    let files = files_with(POLICE, "!resource.is_juvenile", "!resource.is_juvenil");
    let errors = Estate::parse(&files).unwrap_err();
    let finding = &errors.findings()[0];
    let line = files[POLICE].lines().nth(finding.line() - 1).unwrap();
    assert!(
        line.chars()
            .skip(finding.column() - 1)
            .collect::<String>()
            .starts_with("is_juvenil'"),
        "{finding}"
    );
    assert!(finding.to_string().contains("no column `is_juvenil`"));
    refused(
        POLICE,
        "!resource.is_juvenile",
        "resource.country_of_birth == \\\"US\\\"",
        "when",
        "",
    );
}

#[test]
fn one_purpose_is_one_database_and_shares_of_one_data_set_fit_together() {
    refused(
        POLICE,
        "\"field-incidents\"\npurposes = [\"criminal-investigation\"]\ncolumns = [\"incident_id\", \"happened_at\"]",
        "\"elsewhere\"\ncolumns = [\"id\"]\npurposes = [\"criminal-investigation\"]",
        "elsewhere",
        "one session is in one database",
    );
    let again = "[[share]]\ndataset = \"people\"\npurposes = [\"missing-persons\"]\ncolumns = [\"name\", \"birth_date\"]\nmask = { birth_date = \"age-band\" } # again\n\n[limits]";
    let found = problems(&files_with(POLICE, "[limits]", again));
    assert!(
        matches!(&found[..], [(_, _, Problem::ShownTypes { column, first, second })]
            if column == "birth_date" && first == "date" && second == "text"),
        "{found:?}"
    );
    let many = "[[share]]\ndataset = \"people\"\ncolumns = [\"name\"]\n\n".repeat(16) + "[limits]";
    let found = problems(&files_with(POLICE, "[limits]", &many));
    assert!(
        matches!(&found[..], [(_, _, Problem::TooManyShares { .. }), ..]),
        "{found:?}"
    );
    let narrow = "purposes = [\"criminal-investigation\"]\ncolumns = [\"person_id\", \"name\", ";
    refused(
        POLICE,
        "columns = [\"person_id\", \"name\", ",
        narrow,
        "purposes = [\"criminal-investigation\", \"missing",
        "nothing is shared for purpose `missing-persons`",
    );
}

#[test]
fn signers_are_checked() {
    let path = "authorities/allowed_signers";
    refused(
        path,
        "ssh-ed25519 ",
        "ssh-rsa ",
        "ssh-rsa",
        "key type `ssh-rsa` is not accepted",
    );
    refused(
        path,
        "mayor@example.org",
        "# who\n*",
        "*",
        "does not name one person",
    );
}
