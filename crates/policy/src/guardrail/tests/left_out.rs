//! Tests of columns that a data set's file leaves out and a guardrail asks for.

use super::*;

/// The fixture without the column that tells juveniles, but in another data set of the same tag.
fn without_the_column(text: &str) -> Result<Estate, EstateErrors> {
    let mut files = files();
    let people = files.get_mut("datasets/people.toml").unwrap();
    *people = people.replace("is_juvenile = { type = \"boolean\" }\n", "");
    for (path, text) in &mut files {
        if path.starts_with("agreements/") {
            *text = text.replace(" && !resource.is_juvenile", "");
        }
    }
    let other = files.get_mut("datasets/field-incidents.toml").unwrap();
    *other = other.replace(
        "[columns]",
        "tags = [\"personal\"]\n[columns]\nis_juvenile = { type = \"boolean\" }",
    );
    files.insert("guardrails/juveniles.cedar".to_owned(), text.to_owned());
    Estate::parse(&files)
}

#[test]
fn a_data_set_that_is_named_cannot_leave_the_column_out() {
    for (head, condition) in [
        ("resource in Tag::\"personal\"", "resource.is_juvenile"),
        (
            "resource",
            "resource in Tag::\"personal\" && resource.is_juvenile",
        ),
        ("resource in Dataset::\"people\"", "resource.is_juvenile"),
    ] {
        let text =
            format!("{HEAD}forbid (principal, action == Action::\"read\", {head}) when {{ {condition} }};");
        let errors = without_the_column(&text).unwrap_err();
        let problem = errors.findings()[0].problem();
        let said = problem.to_string();
        assert!(
            said.contains("names data set `people`, which has no column `is_juvenile`"),
            "{said}"
        );
        assert!(problem.help().unwrap().contains("shares nothing of it"), "{head}");
        with(&text).unwrap();
    }
}

#[test]
fn what_a_file_leaves_out_is_kept_for_the_catalog() {
    let spared = |text: &str| {
        let estate = without_the_column(&format!("{HEAD}{text}"))
            .unwrap_or_else(|errors| panic!("{:?}", errors.findings()));
        let spared = estate.statute().spared().iter();
        spared
            .filter(|one| one.dataset.as_str() == "people")
            .map(|one| one.column.clone())
            .collect::<Vec<_>>()
    };
    let forbid = |condition: &str| {
        spared(&format!(
            "forbid (principal, action == Action::\"read\", resource) {condition};"
        ))
    };
    assert_eq!(forbid("when { resource.is_juvenile }"), ["is_juvenile"]);
    assert_eq!(
        forbid("when { resource has is_juvenile && resource.is_juvenile }"),
        ["is_juvenile"]
    );
    assert_eq!(
        forbid("when { (resource has is_juvenile) == true }"),
        ["is_juvenile"]
    );
    // Here rows without it are forbidden, not spared.
    assert!(forbid("unless { resource has is_juvenile && !resource.is_juvenile }").is_empty());
    assert!(forbid("when { !(resource has is_juvenile) }").is_empty());
    let permit = |condition: &str| {
        spared(&format!(
            "permit (principal, action == Action::\"read\", resource) {condition};"
        ))
    };
    assert_eq!(
        permit("unless { resource has is_juvenile && resource.is_juvenile }"),
        ["is_juvenile"]
    );
    assert!(permit("when { resource has is_juvenile && !resource.is_juvenile }").is_empty());
    assert!(permit("when { !resource.is_juvenile }").is_empty());
}
