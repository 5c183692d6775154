//! Tests of guardrails: what they are written out to, what is refused and where, what is noted.

use std::collections::HashSet;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityUid, Request, RestrictedExpression,
};

use super::*;
use crate::cedar;
use crate::estate::fixture::files;
use crate::estate::{Estate, EstateErrors};

mod left_out;

const HEAD: &str = "@id(\"g\") @citation(\"Act 1\")\n";

fn with(text: &str) -> Result<Estate, EstateErrors> {
    let mut files = files();
    files.insert("guardrails/juveniles.cedar".to_owned(), text.to_owned());
    Estate::parse(&files)
}

fn statute(text: &str) -> Statute {
    with(text)
        .unwrap_or_else(|errors| panic!("{:?}", errors.findings()))
        .statute()
        .clone()
}

fn places(statute: &Statute) -> Vec<&str> {
    statute.rules().iter().map(|rule| rule.id.as_str()).collect()
}

/// What is wrong first: `line:column: message` and the help.
fn wrong(text: &str) -> (String, String) {
    let errors = with(text).unwrap_err();
    let finding = &errors.findings()[0];
    let place = format!("{}:{}: {}", finding.line(), finding.column(), finding.problem());
    (place, finding.problem().help().unwrap_or_default())
}

#[test]
fn a_guardrail_on_one_data_sets_column_is_for_that_data_set() {
    let statute = statute(&format!(
        "{HEAD}forbid (principal, action, resource) when {{ resource.is_juvenile }};"
    ));
    assert_eq!(places(&statute), ["g@people"]);
    let text = &statute.rules()[0].text;
    assert!(text.contains("resource is Row_people"), "{text}");
    let notes = statute.notes().join("\n");
    assert!(
        notes.contains("`g` does not apply to data set `elsewhere`, which has no `is_juvenile`"),
        "{notes}"
    );
}

#[test]
fn a_missing_column_that_would_turn_the_answer_round_is_refused_in_its_place() {
    let (place, help) = wrong(&format!(
        "{HEAD}forbid (principal, action, resource)\nunless {{ resource.is_juvenile }};"
    ));
    assert!(
        place.starts_with("3:19: data set `elsewhere` has no `is_juvenile`"),
        "{place}"
    );
    assert!(help.contains("resource has is_juvenile &&"), "{help}");
    let or = "forbid (principal, action, resource) when { resource.is_juvenile || context.purpose == Purpose::\"missing-persons\" };";
    assert!(
        wrong(&format!("{HEAD}{or}")).0.starts_with("2:54: "),
        "{:?}",
        wrong(&format!("{HEAD}{or}"))
    );
    // Guarded, it says something everywhere; narrowed, it need not.
    let guarded = "forbid (principal, action == Action::\"read\", resource) unless { resource has is_juvenile && !resource.is_juvenile };";
    assert_eq!(places(&statute(&format!("{HEAD}{guarded}"))).len(), 3);
    let narrowed =
        "forbid (principal, action, resource in Dataset::\"people\") unless { resource.is_juvenile };";
    assert_eq!(places(&statute(&format!("{HEAD}{narrowed}"))), ["g@people"]);
}

#[test]
fn tags_are_written_out() {
    let text = format!(
        "{HEAD}forbid (principal in Partner::\"federal-agency\", action == Action::\"read\", resource in Tag::\"personal\")\n\
         when {{ context.column in ColumnTag::\"sensitive\" && !context.masked }};"
    );
    let statute = statute(&text);
    assert_eq!(places(&statute), ["g@people"]);
    let text = &statute.rules()[0].text;
    assert!(
        text.contains("context[\"column\"] == \"birth_date\"")
            || text.contains("context.column == \"birth_date\""),
        "{text}"
    );
    assert!(!text.contains(" in "), "no hierarchy: {text}");
    assert!(text.contains("Partner::\"federal-agency\""), "{text}");
}

#[test]
fn unknown_names_are_refused_with_those_that_are_known() {
    let cases = [
        (
            "resource in Tag::\"personel\"",
            "there is no tag of data sets `personel`; there is `personal`",
        ),
        (
            "context.column in ColumnTag::\"sensible\"",
            "there is no tag of columns `sensible`; there is `sensitive`",
        ),
        (
            "principal in Partner::\"fbi\"",
            "there is no partner `fbi`; there is `federal-agency`, `state-police`",
        ),
        (
            "resource in Dataset::\"persons\"",
            "there is no data set `persons`; there is `elsewhere`",
        ),
        ("context.column == \"nmae\"", "there is no column `nmae`"),
        ("[\"nmae\"].contains(context.column)", "there is no column `nmae`"),
        ("resource.nmae == \"x\"", "there is no column `nmae`"),
        ("resource has nmae", "there is no column `nmae`"),
        (
            "context.reason == \"x\"",
            "there is no attribute of `context` `reason`",
        ),
        (
            "context.agreement == Agreement::\"x\"",
            "there is no agreement `x`",
        ),
        (
            "principal == Officer::\"state-police/x\"",
            "there is no officer `state-police/x`",
        ),
        (
            "principal.partner == Agency::\"x\"",
            "there is no kind of entity `Agency`",
        ),
        (
            "resource is Row_persons",
            "there is no kind of entity `Row_persons`",
        ),
        (
            "resource == Row_people::\"7\"",
            "`Row_people::\"7\"` is a single row",
        ),
        (
            "context.purpose == Tag::\"personal\"",
            "`Tag::\"personal\"` cannot stand here",
        ),
        ("resource.person_id + 1 > 3", "`+` can fail"),
        (
            "resource.height > 3",
            "column `height` of data set `people` is `double precision`",
        ),
        (
            "resource has height",
            "column `height` of data set `people` is `double precision`",
        ),
        (
            "resource in Dataset::\"people\" && resource.country_of_birth == \"x\"",
            "unable to guarantee safety of access to optional attribute",
        ),
        (
            "resource in Dataset::\"people\" && resource.name > 3",
            "unexpected type",
        ),
    ];
    for (condition, message) in cases {
        let text = format!(
            "{HEAD}forbid (principal, action == Action::\"read\", resource)\nwhen {{ {condition} }};"
        );
        let (place, _) = wrong(&text);
        assert!(place.contains(message), "{condition}: {place}");
        assert!(
            place.starts_with("3:") || place.starts_with("1:1:") && message.starts_with("un"),
            "{condition}: {place}"
        );
    }
    let head = format!("{HEAD}forbid (principal, action == Action::\"write\", resource);");
    assert!(
        wrong(&head).0.starts_with("2:38: there is no action `write`"),
        "{:?}",
        wrong(&head)
    );
}

#[test]
fn id_and_citation_are_required_and_ids_differ() {
    assert!(
        wrong("@citation(\"a\") forbid (principal, action, resource);")
            .0
            .starts_with("1:1: the guardrail has no `@id`")
    );
    assert!(
        wrong("@id(\"a\")\nforbid (principal, action, resource);")
            .0
            .starts_with("1:1: the guardrail has no `@citation`")
    );
    assert!(
        wrong("@id(\"A b\") @citation(\"a\") forbid (principal, action, resource);")
            .0
            .starts_with("1:5: ")
    );
    let one = format!("{HEAD}forbid (principal, action, resource);\n");
    assert!(
        wrong(&format!("{one}{one}"))
            .0
            .starts_with("3:5: guardrail `g` is there twice")
    );
    assert!(
        wrong(&format!(
            "{HEAD}forbid (principal == ?principal, action, resource);"
        ))
        .0
        .contains("slots")
    );
    assert!(wrong("forbid (principal").0.starts_with("1:"));
    let deep = format!(
        "{HEAD}forbid (principal, action, resource) when {{ {}true{} }};",
        "(".repeat(200),
        ")".repeat(200)
    );
    assert!(wrong(&deep).0.contains("nested deeper"));
    let long = format!(
        "{HEAD}forbid (principal, action, resource) when {{ {} true }};",
        "true && ".repeat(2000)
    );
    assert!(wrong(&long).0.contains("longer than"));
}

#[test]
fn a_comment_or_a_string_does_not_cut_a_guardrail() {
    let text = "// a; \"b\n@id(\"a\") // ;\n@citation(\"1; 2 // \\\" 3\") forbid (principal, action, resource); @id(\"b\") @citation(\"x\")\n\
                forbid (principal, action, resource) when { context has case && context.case == \"a;//b\" };\n// end";
    let statute = statute(text);
    let ids: Vec<_> = statute
        .guardrails()
        .iter()
        .map(|one| (one.id.as_str(), one.line))
        .collect();
    assert_eq!(ids, [("a", 2), ("b", 3)]);
    assert_eq!(statute.guardrail("a").unwrap().citation, "1; 2 // \" 3");
}

/// Whether a statute allows reading a column of `people`.
fn allows(estate: &Estate, partner: &str, column: &str, masked: bool, juvenile: bool, purpose: &str) -> bool {
    let (schema, set) = cedar::check(&cedar::schema(estate), &estate.statute().policies()).unwrap();
    let uid =
        |kind: &str, id: &str| EntityUid::from_type_name_and_id(kind.parse().unwrap(), EntityId::new(id));
    let of = |kind: &str, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
    let string = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let officer = [("partner".to_owned(), of("Partner", partner))].into();
    let row = [
        ("person_id".to_owned(), RestrictedExpression::new_long(1)),
        ("name".to_owned(), string("Ada")),
        (
            "birth_date".to_owned(),
            RestrictedExpression::new_datetime("1990-01-01"),
        ),
        ("case_status".to_owned(), string("open")),
        ("is_juvenile".to_owned(), RestrictedExpression::new_bool(juvenile)),
    ];
    let entities = [
        Entity::new(uid("Officer", "x"), officer, HashSet::new()).unwrap(),
        Entity::new(uid("Row_people", "1"), row.into(), HashSet::new()).unwrap(),
    ];
    let context = [
        ("agreement".to_owned(), of("Agreement", "federal-2019")),
        ("purpose".to_owned(), of("Purpose", purpose)),
        ("now".to_owned(), RestrictedExpression::new_datetime("2026-11-23")),
        ("column".to_owned(), string(column)),
        ("masked".to_owned(), RestrictedExpression::new_bool(masked)),
        ("aggregate".to_owned(), RestrictedExpression::new_bool(false)),
    ];
    let request = Request::new(
        uid("Officer", "x"),
        uid("Action", "read"),
        uid("Row_people", "1"),
        Context::from_pairs(context).unwrap(),
        Some(&schema),
    );
    let entities = Entities::from_entities(entities, Some(&schema)).unwrap();
    let answer = Authorizer::new().is_authorized(&request.unwrap(), &set, &entities);
    assert_eq!(answer.diagnostics().errors().count(), 0);
    answer.decision() == Decision::Allow
}

#[test]
fn the_permits_of_a_file_are_its_exceptions() {
    let text = "@id(\"use-a\") @citation(\"Act 1(a)\")\n\
                permit (principal in Partner::\"state-police\", action == Action::\"read\", resource in Tag::\"personal\");\n\
                @id(\"use-b\") @citation(\"Act 1(b)\")\n\
                permit (principal, action == Action::\"read\", resource in Tag::\"personal\")\n\
                when { context.masked && !resource.is_juvenile };";
    let estate = with(text).unwrap();
    assert_eq!(places(estate.statute()), ["juveniles.cedar@people"]);
    assert_eq!(estate.statute().rules()[0].guardrails, ["use-a", "use-b"]);
    // The head of `use-b` covers everyone, so whoever is not `use-a` must be `use-b`.
    assert!(allows(&estate, "state-police", "name", false, true, "p"));
    assert!(allows(&estate, "federal-agency", "name", true, false, "p"));
    assert!(!allows(&estate, "federal-agency", "name", false, false, "p"));
    assert!(!allows(&estate, "federal-agency", "name", true, true, "p"));
}

#[test]
fn an_exception_that_asks_for_a_column_that_is_not_there_excepts_nothing() {
    let text = "@id(\"consent\") @citation(\"42 CFR 2.31\")\npermit (principal, action == Action::\"read\", resource) when { resource.is_juvenile };";
    let statute = statute(text);
    assert_eq!(places(&statute).len(), 3);
    let elsewhere = statute.rule("juveniles.cedar@elsewhere").unwrap();
    assert!(
        !elsewhere.text.contains("when") || elsewhere.text.contains("true"),
        "{}",
        elsewhere.text
    );
}

#[test]
fn what_a_forbid_says_is_what_it_says() {
    let text = format!(
        "{HEAD}forbid (principal, action, resource)\nwhen {{ context.purpose in [Purpose::\"a\", Purpose::\"b\"] && resource.is_juvenile }}\nunless {{ context has case }};"
    );
    let estate = with(&text).unwrap();
    assert!(!allows(&estate, "state-police", "name", false, true, "a"));
    assert!(!allows(&estate, "state-police", "name", false, true, "b"));
    assert!(allows(&estate, "state-police", "name", false, true, "c"));
    assert!(allows(&estate, "state-police", "name", false, false, "a"));
    let notes = estate.statute().notes().join("\n");
    assert!(notes.contains("purpose `a`, which no agreement has"), "{notes}");
    assert!(
        notes.contains("no guardrail mentions these tags of data sets: `personal`"),
        "{notes}"
    );
}

#[test]
fn data_sets_over_one_relation_with_other_tags_are_noted() {
    let noted = |change: &str| {
        let mut files = files();
        let people = files["datasets/people.toml"].replace("id = \"people\"", "id = \"again\"");
        let people = people.replace("tags = [\"personal\"]", change);
        files.insert("datasets/again.toml".to_owned(), people);
        let text = format!("{HEAD}forbid (principal, action, resource in Tag::\"personal\");");
        files.insert("guardrails/juveniles.cedar".to_owned(), text);
        Estate::parse(&files).unwrap().statute().notes().join("\n")
    };
    let notes = noted("tags = [\"other\"]");
    assert!(
        notes.contains("data sets `again` and `people` are both records.people, and only one of them bears `other`, `personal`"),
        "{notes}"
    );
    assert!(!noted("tags = [\"personal\"]").contains("are both"));
}

#[test]
fn a_thousand_columns_of_a_tag_are_no_deep_condition() {
    let mut files = files();
    let columns: String = (0..1500)
        .map(|n| format!("c{n} = {{ type = \"text\", tags = [\"many\"] }}\n"))
        .collect();
    let dataset = files.get_mut("datasets/elsewhere.toml").unwrap();
    dataset.push_str(&columns);
    let text = format!(
        "{HEAD}forbid (principal, action, resource) when {{ context.column in ColumnTag::\"many\" }};"
    );
    files.insert("guardrails/juveniles.cedar".to_owned(), text);
    assert_eq!(places(Estate::parse(&files).unwrap().statute()), ["g@elsewhere"]);
}

#[test]
fn the_context_is_the_schemas() {
    let schema = cedar::schema(&with("").unwrap());
    let contexts: Vec<Vec<&str>> = schema
        .split("context: {")
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .map(|fields| {
            fields
                .split(',')
                .filter_map(|field| field.split(':').next())
                .map(|name| name.trim().trim_end_matches('?'))
                .collect()
        })
        .collect();
    assert_eq!(
        contexts,
        [
            vocabulary::CONNECT_CONTEXT.to_vec(),
            vocabulary::READ_CONTEXT.to_vec()
        ]
    );
}

#[test]
fn partners_have_tags_too() {
    let mut files = files();
    let partner = files.get_mut("partners/federal-agency.toml").unwrap();
    *partner = partner.replacen("title =", "tags = [\"federal\"]\ntitle =", 1);
    let text = format!(
        "{HEAD}forbid (principal in PartnerTag::\"federal\", action, resource in Tag::\"personal\");"
    );
    files.insert("guardrails/juveniles.cedar".to_owned(), text);
    let estate = Estate::parse(&files).unwrap();
    let text = &estate.statute().rules()[0].text;
    assert!(
        text.contains("Partner::\"federal-agency\"") && !text.contains("state-police"),
        "{text}"
    );
    assert!(
        wrong(&format!(
            "{HEAD}forbid (principal in PartnerTag::\"federal\", action, resource);"
        ))
        .0
        .contains("there is no tag of partners `federal`")
    );
}

#[test]
fn actions_and_agreements_can_be_asked_for_anywhere() {
    let statute = statute(&format!(
        "{HEAD}forbid (principal, action, resource) when {{ action == Action::\"connect\" && resource == Agreement::\"federal-2019\" }};"
    ));
    assert_eq!(places(&statute), ["g@:connect"]);
    let text = format!("{HEAD}forbid (principal, action, resource) when {{ action == Action::\"write\" }};");
    assert!(wrong(&text).0.contains("there is no action `write`"));
}
