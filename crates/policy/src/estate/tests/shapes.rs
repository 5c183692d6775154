//! Tests of what shape a share may have: rows or counts, each with its keys, and no two from which a small group follows.

use super::*;
use crate::estate::{ShareKind, SmallGroups, Timing};

const PATH: &str = "agreements/federal-2019.toml";
const ROWS: &str = "columns = [\"person_id\", \"name\"]\nwhen = 'resource has country_of_birth && resource.country_of_birth != \"US\"'";

/// The fixture with another share in the federal agreement.
fn with(share: &str) -> Result<Estate, (String, String)> {
    let files = files_with(PATH, ROWS, share);
    Estate::parse(&files).map_err(|errors| {
        let [finding] = errors.findings() else {
            panic!("one finding is wanted: {:#?}", errors.findings())
        };
        let line = files[finding.file()]
            .lines()
            .nth(finding.line() - 1)
            .unwrap()
            .to_owned();
        let help = finding.problem().help().unwrap_or_default();
        (line, format!("{}; {help}", finding.problem()))
    })
}

#[track_caller]
fn refused(share: &str, place: &str, says: &str) {
    let (line, said) = with(share).expect_err("must be refused");
    assert!(line.contains(place), "{line}: {said}");
    assert!(said.contains(says), "{said}");
}

fn share(estate: &Estate) -> &Share {
    &estate.agreements()[&"federal-2019".parse().unwrap()].shares[0]
}

#[test]
fn an_aggregate_says_what_it_groups_by() {
    let estate = with("kind = \"aggregate\"\ngroup_by = [\"birth_date\", \"case_status\"]\nmask = { birth_date = \"age-band\" }").unwrap();
    let share = share(&estate);
    let aggregate = share.aggregate().unwrap();
    assert_eq!((aggregate.count.as_str(), aggregate.min_group), ("count", 10));
    assert_eq!(aggregate.small_groups, SmallGroups::Null);
    assert_eq!(aggregate.subjects.as_ref().unwrap().as_str(), "person_id");
    let purpose = "immigration-enforcement".parse().unwrap();
    let view = &estate.views(&"federal-2019".parse().unwrap(), &purpose)[0];
    let shown: Vec<&str> = view.columns().map(|name| name.as_str()).collect();
    assert_eq!(shown, ["birth_date", "case_status", "count"]);
    // Whom it counts is read, too.
    assert!(view.base_columns().contains(&"person_id".parse().unwrap()));
    let estate = with("kind = \"aggregate\"\ngroup_by = [\"case_status\"]\ncount = \"people\"\nmin_group = 25\nsmall_groups = \"absent\"").unwrap();
    let aggregate = self::share(&estate).aggregate().unwrap();
    assert_eq!((aggregate.count.as_str(), aggregate.min_group), ("people", 25));
    assert_eq!(aggregate.small_groups, SmallGroups::Absent);
}

#[test]
fn rows_are_open_unless_said_otherwise() {
    let estate = with("columns = [\"name\"]").unwrap();
    assert_eq!(share(&estate).timing, Timing::Open);
    let estate = with("kind = \"rows\"\ncolumns = [\"name\"]\ntiming = \"opaque\"").unwrap();
    assert_eq!(share(&estate).timing, Timing::Opaque);
    assert_eq!(share(&estate).kind, ShareKind::Rows);
}

#[test]
fn each_kind_has_its_own_keys() {
    refused(
        "kind = \"sum\"\ncolumns = [\"name\"]",
        "sum",
        "`rows` and `aggregate` are",
    );
    refused(
        "columns = [\"name\"]\ntiming = \"shut\"",
        "shut",
        "`open` and `opaque` are",
    );
    refused("kind = \"rows\"", "dataset", "needs `columns`");
    refused("kind = \"aggregate\"", "dataset", "needs `group_by`");
    refused(
        "columns = [\"name\"]\nmin_group = 5",
        "min_group",
        "not for shares of kind `rows`; add `kind",
    );
    refused(
        "columns = [\"name\"]\ngroup_by = [\"name\"]",
        "group_by",
        "not for shares of kind `rows`",
    );
    refused(
        "kind = \"aggregate\"\ncolumns = [\"name\"]",
        "columns",
        "say `group_by`",
    );
    refused(
        "kind = \"aggregate\"\ngroup_by = [\"name\"]\ntiming = \"open\"",
        "timing",
        "always worked out whole",
    );
    refused(
        "kind = \"aggregate\"\ngroup_by = []",
        "group_by",
        "the list of columns is empty",
    );
}

#[test]
fn values_of_an_aggregate_are_checked() {
    let aggregate = |more: &str| format!("kind = \"aggregate\"\ngroup_by = [\"case_status\"]\n{more}");
    for size in ["1", "0", "-3", "1_000_001"] {
        refused(
            &aggregate(&format!("min_group = {size}")),
            "min_group",
            "from 2 to 1000000",
        );
    }
    refused(
        &aggregate("count = \"case_status\""),
        "count",
        "so is a column it is grouped by",
    );
    refused(&aggregate("count = \"\""), "count", "cannot be a name");
    refused(&aggregate("small_groups = \"zero\""), "zero", "`null` withholds");
    refused(
        "kind = \"aggregate\"\ngroup_by = [\"case_status\", \"person_id\"]",
        "person_id",
        "of one person each",
    );
    // Emptied, it tells nobody apart.
    assert!(
        with("kind = \"aggregate\"\ngroup_by = [\"person_id\"]\nmask = { person_id = \"null\" }").is_ok()
    );
}

#[test]
fn no_partner_can_work_a_small_group_out_from_two_views() {
    let counts = "kind = \"aggregate\"\ngroup_by = [\"case_status\"]";
    // Rows beside counts, of another agreement of the partner, that is in force at the same time.
    let mut files = files_with(PATH, ROWS, counts);
    let old = files.get_mut("agreements/federal-2001.toml").unwrap();
    assert!(
        Estate::parse(&files_with(PATH, ROWS, counts)).is_ok(),
        "the old one has ended"
    );
    *old = old.replace("2005-12-31", "2019-01-01");
    let errors = Estate::parse(&files).unwrap_err();
    let said = errors.findings()[0].problem().to_string();
    assert!(
        said.contains("`federal-agency`") && said.contains("`records.people`"),
        "{said}"
    );
    // Another grouping, condition or threshold; under another purpose.
    let two = |second: &str| {
        let both = format!(
            "purposes = [\"immigration-enforcement\"]\n{counts}\n\n[[share]]\ndataset = \"people\"\npurposes = [\"statistics\"]\n{second}"
        );
        let mut files = files_with(PATH, ROWS, &both);
        let text = files.get_mut(PATH).unwrap();
        *text = text.replacen(
            "purposes = [\"immigration-enforcement\"]",
            "purposes = [\"immigration-enforcement\", \"statistics\"]",
            1,
        );
        Estate::parse(&files)
    };
    assert!(two(counts).is_ok(), "twice the same gives no difference");
    for second in [
        "kind = \"aggregate\"\ngroup_by = [\"is_juvenile\"]",
        "kind = \"aggregate\"\ngroup_by = [\"case_status\"]\nmin_group = 9",
        "kind = \"aggregate\"\ngroup_by = [\"case_status\"]\nmask = { case_status = \"first:1\" }",
        "kind = \"aggregate\"\ngroup_by = [\"case_status\"]\nwhen = '!resource.is_juvenile'",
        "columns = [\"case_status\"]",
    ] {
        let errors = two(second).unwrap_err();
        let [finding] = errors.findings() else {
            panic!("{:#?}", errors.findings())
        };
        assert!(
            finding.problem().help().unwrap().contains("let one aggregate"),
            "{finding}"
        );
    }
    // The other partner's rows are another's.
    assert!(with(counts).is_ok());
}

#[test]
fn a_required_subject_key_is_one_that_is_shown() {
    let estate = with("columns = [\"person_id\", \"name\"]\nsubject_key = \"required\"").unwrap();
    assert!(share(&estate).subject_required);
    assert!(!share(&with("columns = [\"name\"]").unwrap()).subject_required);
    refused(
        "columns = [\"name\"]\nsubject_key = \"required\"",
        "subject_key",
        "is not shared as it is",
    );
    refused(
        "columns = [\"person_id\"]\nmask = { person_id = \"null\" }\nsubject_key = \"required\"",
        "subject_key",
        "without a mask",
    );
    let named = "columns = [\"person_id\"]\nmask = { person_id = \"pseudonym\" }\nsubject_key = \"required\"";
    assert!(share(&with(named).unwrap()).subject_required);
    refused(
        "columns = [\"person_id\"]\nsubject_key = \"wanted\"",
        "subject_key",
        "`required` is",
    );
    refused(
        "kind = \"aggregate\"\ngroup_by = [\"case_status\"]\nsubject_key = \"required\"",
        "subject_key",
        "a count is about nobody",
    );
}
