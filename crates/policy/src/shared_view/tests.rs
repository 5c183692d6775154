//! Tests of shared views: several shares of one data set, and the SQL they come to.

use super::*;
use crate::estate::fixture::files_with;
use crate::estate::{Estate, Files};

const POLICE: &str = "agreements/state-police-2018.toml";

const FIRST: &str = r#"columns = ["person_id", "name", "birth_date", "case_status"]
mask = { name = "initials", birth_date = "year" }
when = 'resource.case_status == "open" && !resource.is_juvenile'
"#;

fn estate(files: &Files) -> Estate {
    match Estate::parse(files) {
        Ok(estate) => estate,
        Err(errors) => panic!("{:?}", errors),
    }
}

/// The view of `people` for missing persons, if the agreement's shares of it are these.
fn view(shares: &[&str]) -> (Estate, SharedView) {
    let shares: Vec<String> = shares.iter().map(|share| format!("{share}\n")).collect();
    let shares = shares.join("\n[[share]]\ndataset = \"people\"\n");
    let estate = estate(&files_with(POLICE, FIRST, &shares));
    let purpose = "missing-persons".parse().unwrap();
    let view = estate.views(&"state-police-2018".parse().unwrap(), &purpose)[0].clone();
    (estate, view)
}

fn definition(shares: &[&str]) -> String {
    let (estate, view) = view(shares);
    let dataset = &estate.datasets()[view.dataset()];
    let sql = view.definition(&dataset.relation);
    sql.replace("\"base\".", "")
        .replace("\"", "")
        .replace("pg_catalog.", "")
}

fn subject_key(shares: &[&str]) -> Option<String> {
    let (estate, view) = view(shares);
    let dataset = &estate.datasets()[view.dataset()];
    view.subject_key(dataset).map(|key| key.as_str().to_owned())
}

#[test]
fn one_share_is_one_where() {
    assert_eq!(
        definition(&["columns = [\"person_id\", \"case_status\"]\nwhen = '!resource.is_juvenile'"]),
        "SELECT person_id AS person_id, case_status AS case_status FROM records.people AS base \
         WHERE (NOT is_juvenile)"
    );
    assert_eq!(
        definition(&["columns = [\"person_id\"]"]),
        "SELECT person_id AS person_id FROM records.people AS base"
    );
    assert_eq!(
        definition(&["columns = [\"person_id\"]\nwhen = 'false'"]),
        "SELECT NULL::int8 AS person_id FROM records.people AS base WHERE FALSE"
    );
    // Partial evaluation knows what a condition cannot be otherwise.
    assert_eq!(
        definition(&["columns = [\"person_id\"]\nwhen = 'true || resource.is_juvenile'"]),
        "SELECT person_id AS person_id FROM records.people AS base"
    );
}

#[test]
fn a_column_is_shown_in_the_rows_of_a_share_that_gives_it() {
    assert_eq!(
        definition(&[
            "columns = [\"person_id\"]",
            "columns = [\"case_status\", \"person_id\"]\nwhen = '!resource.is_juvenile'",
        ]),
        "SELECT person_id AS person_id, CASE WHEN (NOT is_juvenile) THEN case_status END AS case_status \
         FROM records.people AS base"
    );
    assert_eq!(
        definition(&[
            "columns = [\"person_id\"]\nwhen = 'resource.is_juvenile'",
            "columns = [\"person_id\", \"case_status\"]\nwhen = 'resource.case_status == \"open\"'",
        ]),
        "SELECT person_id AS person_id, CASE WHEN (case_status = 'open'::text) THEN case_status END \
         AS case_status FROM records.people AS base \
         WHERE (is_juvenile OR (case_status = 'open'::text))"
    );
}

#[test]
fn of_two_masks_the_lesser_is_shown_whatever_their_order() {
    let bare = "columns = [\"birth_date\"]\nwhen = 'resource.is_juvenile'";
    let month = "columns = [\"birth_date\"]\nmask = { birth_date = \"month\" }\nwhen = 'resource.case_status == \"a\"'";
    let null = "columns = [\"birth_date\"]\nmask = { birth_date = \"null\" }\nwhen = 'resource.case_status == \"b\"'";
    let (_, view) = view(&[null, month, bare]);
    let masks: Vec<Option<String>> = view.cells()[0]
        .levels()
        .iter()
        .map(|level| level.shown.mask.as_ref().map(ToString::to_string))
        .collect();
    assert_eq!(masks, [None, Some("month".to_owned()), Some("null".to_owned())]);
    for shares in [[bare, month, null], [null, month, bare], [month, bare, null]] {
        let sql = definition(&shares);
        let bare = sql.find("CASE WHEN is_juvenile THEN birth_date WHEN (case_status = 'a'::text) THEN ");
        assert!(
            bare.is_some() && sql.contains(" ELSE NULL::date END AS birth_date"),
            "{sql}"
        );
    }
    // Shown bare wherever it is shown: the mask never comes into it.
    assert_eq!(
        definition(&["columns = [\"birth_date\"]", month]),
        "SELECT birth_date AS birth_date FROM records.people AS base"
    );
}

#[test]
fn the_subject_key_is_one_that_is_bare_in_every_row() {
    let key = "columns = [\"person_id\"]\nwhen = 'resource.is_juvenile'";
    let masked = "columns = [\"person_id\"]\nmask = { person_id = \"null\" }\nwhen = 'resource.is_juvenile'";
    let other = "columns = [\"person_id\", \"name\"]\nwhen = '!resource.is_juvenile'";
    let without = "columns = [\"name\"]\nwhen = 'resource.case_status == \"x\"'";
    assert_eq!(subject_key(&[key]).as_deref(), Some("person_id"));
    assert_eq!(subject_key(&[key, other]).as_deref(), Some("person_id"));
    assert_eq!(subject_key(&[key, without]), None);
    assert_eq!(subject_key(&[masked]), None);
    assert_eq!(subject_key(&[masked, other]), None);
    // Under a pseudonym the custodian, who has its key, can tell.
    let named =
        "columns = [\"person_id\"]\nmask = { person_id = \"pseudonym\" }\nwhen = 'resource.is_juvenile'";
    assert_eq!(subject_key(&[named]).as_deref(), Some("person_id"));
    assert_eq!(subject_key(&[named, without]), None);
    assert_eq!(subject_key(&[key, masked]).as_deref(), Some("person_id"));
}

#[test]
fn only_what_is_read_is_read() {
    let (_, view) = view(&[
        "columns = [\"person_id\", \"name\"]\nmask = { name = \"null\" }",
        "columns = [\"case_status\"]\nwhen = 'true || resource.is_juvenile'",
    ]);
    let read: Vec<String> = view.base_columns().iter().map(ToString::to_string).collect();
    // What a condition counts on is looked at in the catalog, even if it came to nothing.
    assert_eq!(read, ["case_status", "is_juvenile", "person_id"]);
}

#[test]
fn a_table_may_have_as_many_columns_as_postgresql_lets_it() {
    let names: Vec<String> = (0..1600).map(|number| format!("c{number}")).collect();
    let wide: Vec<String> = names
        .iter()
        .map(|name| format!("{name} = {{ type = \"text\" }}\n"))
        .collect();
    let mut files = files_with(
        "datasets/elsewhere.toml",
        "id = { type = \"uuid\" }",
        &wide.concat(),
    );
    let listed: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    let share = |when: &str| {
        format!(
            "[[share]]\ndataset = \"elsewhere\"\ncolumns = [{}]\nwhen = '{when}'\n\n",
            listed.join(", ")
        )
    };
    let agreement = files.get_mut("agreements/federal-2001.toml").unwrap();
    let head = agreement.split("[[share]]").next().unwrap().to_owned();
    *agreement = head.clone() + &share("resource.c1 == \"x\"");
    let estate = estate(&files);
    let purpose = "immigration-enforcement".parse().unwrap();
    let views = estate.views(&"federal-2001".parse().unwrap(), &purpose);
    assert_eq!(views[0].cells().len(), 1600);
    // Conditions stand in each cell that one of several shares gives; there is a bound to that.
    let long = |letter: &str| share(&format!("resource.c1 == \"{}\"", letter.repeat(7000)));
    let narrow = "[[share]]\ndataset = \"elsewhere\"\ncolumns = [\"c1\"]\n";
    *files.get_mut("agreements/federal-2001.toml").unwrap() = head + &long("x") + narrow;
    let errors = Estate::parse(&files).unwrap_err();
    assert!(format!("{errors:?}").contains("TooLong"), "{errors:?}");
}
