//! Tests of the estate: what is right is read, what is wrong is found, all of it, where it is.

use proptest::prelude::*;

use super::fixture::{VERIFIER, estate, files, files_with};
use super::*;

mod hours;
mod mutations;
mod rules;
mod shapes;
mod wrong;

fn problems(files: &Files) -> Vec<(String, usize, Problem)> {
    let errors = Estate::parse(files).expect_err("must be refused");
    let seen = |finding: &Finding| {
        (
            finding.file().to_owned(),
            finding.line(),
            finding.problem().clone(),
        )
    };
    errors.findings().iter().map(seen).collect()
}

const PEOPLE: &str = "datasets/people.toml";
const POLICE: &str = "agreements/state-police-2018.toml";

#[test]
fn the_fixture_is_read() {
    let estate = estate();
    assert_eq!(estate.custodian().name.as_str(), "records.example.org");
    assert_eq!(estate.gateway().listen.port(), 6432);
    assert_eq!(estate.state().dir, "../state");
    assert_eq!(estate.statute().guardrails().len(), 1);
    assert!(estate.signers().unwrap().starts_with("mayor"));
    assert_eq!(estate.partners().len(), 2);

    let people = &estate.datasets()[&"people".parse().unwrap()];
    let names: Vec<&str> = people.columns.iter().map(|column| column.name.as_str()).collect();
    let in_the_file = [
        "person_id",
        "name",
        "birth_date",
        "case_status",
        "is_juvenile",
        "country_of_birth",
        "height",
    ];
    assert_eq!(names, in_the_file);
    assert!(people.column("country_of_birth").unwrap().nullable);
    assert!(!people.column("name").unwrap().nullable);

    let police = &estate.agreements()[&"state-police-2018".parse().unwrap()];
    assert_eq!(police.limits.rows_per_day, Some(50_000));
    assert_eq!(
        police.shares[0].columns[1].mask,
        Some(crate::mask::Mask::Initials)
    );
    assert_eq!(police.shares_for(&"missing-persons".parse().unwrap()).count(), 1);
    assert_eq!(
        police
            .shares_for(&"criminal-investigation".parse().unwrap())
            .count(),
        2
    );
    let base: Vec<String> = police.shares[0]
        .base_columns()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        base,
        ["birth_date", "case_status", "is_juvenile", "name", "person_id"]
    );
}

#[test]
fn a_day_begins_and_ends_by_the_custodians_clock() {
    let estate = estate();
    let valid = estate.agreements()[&"state-police-2018".parse().unwrap()].valid;
    assert_eq!(valid.begins.to_string(), "2018-06-01T05:00:00Z");
    assert_eq!(valid.ends.to_string(), "2027-06-01T05:00:00Z");
    assert!(valid.covers(valid.begins));
    assert!(!valid.covers(valid.ends));
}

#[test]
fn secrets_are_not_printed() {
    let printed = format!("{:?}", estate());
    assert!(!printed.contains("geheim"));
    assert!(!printed.contains("c2FsdHNhbHRzYWx0c2FsdA"));
}

#[test]
fn roles_have_names_that_say_nothing_and_differ() {
    let role =
        |agreement: &str, purpose: &str| role_name(&agreement.parse().unwrap(), &purpose.parse().unwrap());
    let first = role("federal-2019", "immigration-enforcement");
    assert_eq!(first, role("federal-2019", "immigration-enforcement"));
    assert_ne!(first, role("federal-2019", "other"));
    assert_eq!(first.as_str().len(), "estop_".len() + 16);
    // printf federal-2019/immigration-enforcement | sha256sum
    assert_eq!(first.as_str(), "estop_da4ade8a3151f4ab");
    assert_eq!(
        view_name(&"field-incidents".parse().unwrap()).as_str(),
        "field_incidents"
    );
}

#[test]
fn an_airlocks_memory_is_what_is_written_or_two_gib() {
    let with =
        |table: &str| Estate::parse(&files_with("estop.toml", "[state]", &format!("{table}\n[state]")));
    assert_eq!(with("").unwrap().airlock().memory_mib, 2048);
    let written = with("[airlock]\nmemory_mib = 512").unwrap();
    assert_eq!(written.airlock().memory_mib, 512);
    for wrong in ["255", "16777217", "-1"] {
        let errors = with(&format!("[airlock]\nmemory_mib = {wrong}")).unwrap_err();
        let [finding] = errors.findings() else {
            panic!("{wrong}: {errors}");
        };
        assert_eq!(
            finding.problem().to_string(),
            "`memory_mib` is from 256 to 16777216"
        );
    }
    assert!(with("[airlock]\nmemory = 512").is_err());
}

#[test]
fn everything_wrong_is_found_at_once() {
    let mut files = files_with(POLICE, "sessions = 5", "sessions = 0");
    let text = files[POLICE]
        .replace("\"initials\"", "\"nonsense\"")
        .replace("2018-06-01", "never");
    files.insert(POLICE.to_owned(), text);
    files.insert("partners/broken.toml".to_owned(), "[partner\n".to_owned());
    files.insert("agreements/deep/er.toml".to_owned(), String::new());
    files.insert(
        "guardrails/bad.cedar".to_owned(),
        "permit (principal, action);".to_owned(),
    );
    files.remove("estop.toml");
    let found = problems(&files);
    let of = |file: &str| found.iter().filter(|(name, ..)| name == file).count();
    assert_eq!(
        (
            of(POLICE),
            of("partners/broken.toml"),
            of("agreements/deep/er.toml")
        ),
        (3, 1, 1),
        "{found:#?}"
    );
    assert_eq!(
        (of("guardrails/bad.cedar"), of("estop.toml")),
        (1, 1),
        "{found:#?}"
    );
}

#[test]
fn a_broken_file_is_not_reported_by_all_that_refer_to_it() {
    let found = problems(&files_with(PEOPLE, "\"bigint\"", "\"int128\""));
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn a_report_shows_the_line() {
    let errors = Estate::parse(&files_with(POLICE, "sessions = 5", "sessions = 0")).unwrap_err();
    let mut report = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    handler.render_report(&mut report, &errors).unwrap();
    assert!(
        report.contains("sessions = 0") && report.contains("state-police-2018.toml"),
        "{report}"
    );
}

#[test]
fn too_much_is_refused() {
    let mut files = files();
    files.insert(PEOPLE.to_owned(), "#".repeat(MAX_FILE_BYTES + 1));
    assert!(
        problems(&files)
            .iter()
            .any(|(_, _, problem)| *problem == Problem::FileTooLong)
    );
}

#[test]
fn a_case_form_matches_the_whole() {
    let form = CaseForm::new(r"[A-Z]{2}-\d+|x").unwrap();
    assert!(form.matches("AB-12") && form.matches("x"));
    for not in ["AB-12\n", " AB-12", "AB-12x", "xx", ""] {
        assert!(!form.matches(not), "{not:?}");
    }
    assert!(matches!(
        CaseForm::new("(.{100}){1000}"),
        Err(CaseFormError::Syntax(_))
    ));
}

#[test]
fn a_verifier_has_one_form() {
    let good = ScramVerifierText::try_from(VERIFIER.to_owned()).unwrap();
    assert_eq!(good.reveal(), VERIFIER);
    for (from, to) in [
        ("256", "512"),
        ("4096", "4095"),
        ("4096", "99999999"),
        ("c2Fsd", "c2F*d"),
        ("AAA=", "AA=="),
        (":AQ", "$AQ"),
    ] {
        assert_eq!(
            ScramVerifierText::try_from(VERIFIER.replacen(from, to, 1)),
            Err(VerifierTextError),
            "{to}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever stands in a file, reading it ends, and never with a panic.
    #[test]
    fn any_text_is_read_or_refused(at in 0_usize..11, cut in 0_usize..600, junk in "\\PC{0,40}") {
        let mut files = files();
        let path = files.keys().nth(at).unwrap().clone();
        let text = files.get_mut(&path).unwrap();
        let place = text.char_indices().map(|(place, _)| place).nth(cut).unwrap_or(text.len());
        text.insert_str(place, &junk);
        if let Err(errors) = Estate::parse(&files) {
            prop_assert!(!errors.findings().is_empty());
        }
    }
}
