//! Tests of proposals: whatever a catalog holds, what is proposed is an estate.

use proptest::prelude::*;

use super::*;
use crate::catalog::RelationKind;
use crate::estate::Estate;
use crate::outline::{OutlineColumn, Reference};

fn wishes() -> Wishes {
    Wishes {
        custodian: PLACEHOLDER.parse().unwrap(),
        url: "postgresql://reader@/d?host=/run/postgresql".to_owned(),
        had_password: true,
        upstream: "main".parse().unwrap(),
    }
}

fn parsed(proposal: &Proposal) -> Estate {
    let read = |path: &str| {
        matches!(path, "estop.toml" | "authorities/allowed_signers")
            || path.starts_with("datasets/")
            || path.ends_with(".cedar")
    };
    let files: Files = proposal
        .files
        .iter()
        .filter(|(path, _)| read(path))
        .map(|(path, text)| (path.clone(), text.clone()))
        .collect();
    Estate::parse(&files).unwrap_or_else(|errors| panic!("{:#?}\n{files:#?}", errors.findings()))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("person".to_owned()),
        Just("customer_id".to_owned()),
        Just("email".to_owned()),
        Just("x".repeat(63)),
        "[a-z_]{1,10}",
        "\\PC{1,20}",
        any::<String>(),
    ]
}

fn column() -> impl Strategy<Value = OutlineColumn> {
    let kind = prop_oneof![
        Just("integer"),
        Just("character varying(20)"),
        Just("numeric(5,2)"),
        Just("numeric(40,20)"),
        Just("tsvector"),
        Just("public.citext"),
        Just("timestamp(3) without time zone"),
        Just("\"weird\n type\""),
    ];
    let base = prop_oneof![
        Just(None),
        Just(Some("enum".to_owned())),
        Just(Some("text".to_owned()))
    ];
    let comment = prop_oneof![Just(None), any::<String>().prop_map(Some)];
    (name(), kind, base, any::<(bool, bool)>(), comment).prop_map(
        |(name, kind, base_type, (not_null, folds), comment)| OutlineColumn {
            name,
            type_name: kind.to_owned(),
            base_type,
            not_null,
            folds,
            comment,
        },
    )
}

fn relation() -> impl Strategy<Value = OutlineRelation> {
    let kind = prop_oneof![Just(RelationKind::Table), Just(RelationKind::View)];
    let comment = prop_oneof![Just(None), any::<String>().prop_map(Some)];
    let columns = proptest::collection::vec(column(), 0..8);
    (name(), name(), kind, comment, columns, any::<bool>()).prop_map(
        |(schema, name, kind, comment, mut columns, refers)| {
            let mut seen = BTreeSet::new();
            columns.retain(|column| seen.insert(column.name.clone()));
            let first: Vec<String> = columns.iter().take(1).map(|column| column.name.clone()).collect();
            let references = Reference {
                columns: first.clone(),
                schema: schema.clone(),
                relation: "person".to_owned(),
            };
            OutlineRelation {
                schema,
                name,
                kind,
                comment,
                row_security: refers,
                primary_key: first,
                references: refers.then_some(references).into_iter().collect(),
                columns,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_there_becomes_an_estate(relations in proptest::collection::vec(relation(), 0..6)) {
        let mut seen = BTreeSet::new();
        let relations: Vec<_> = relations
            .into_iter()
            .filter(|relation| seen.insert((relation.schema.clone(), relation.name.clone())))
            .collect();
        let outline = Outline { database: "d".to_owned(), version: 150_000, relations };
        let proposal = Proposal::new(&outline, &wishes());
        let estate = parsed(&proposal);
        prop_assert!(estate.agreements().is_empty() && estate.partners().is_empty());
        prop_assert_eq!(estate.datasets().len(), proposal.datasets.len());
        prop_assert_eq!(proposal.datasets.len() + proposal.left_out.len(), outline.relations.len());
        for proposed in &proposal.datasets {
            let dataset = &estate.datasets()[&proposed.id];
            prop_assert_eq!(&dataset.relation.to_string(), &proposed.relation);
            prop_assert_eq!(dataset.columns.len(), proposed.columns);
            let key = dataset.subject_key.as_ref().map(ToString::to_string);
            prop_assert_eq!(&key, &proposed.subject_key);
        }
    }
}

#[test]
fn the_examples_are_right_once_they_are_taken_up() {
    let column = |name: &str, kind: &str| OutlineColumn {
        name: name.to_owned(),
        type_name: kind.to_owned(),
        base_type: None,
        not_null: true,
        folds: false,
        comment: None,
    };
    let outline = Outline {
        database: "d".to_owned(),
        version: 150_000,
        relations: vec![OutlineRelation {
            schema: "public".to_owned(),
            name: "patient".to_owned(),
            kind: RelationKind::Table,
            comment: None,
            row_security: false,
            columns: vec![column("patient_id", "bigint"), column("last_name", "text")],
            primary_key: vec!["patient_id".to_owned()],
            references: Vec::new(),
        }],
    };
    let mut proposal = Proposal::new(&outline, &wishes());
    let uncomment = |text: &str, mark: &str| -> String {
        let lines = text.lines().filter_map(|line| line.strip_prefix(mark));
        lines
            .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
            .collect()
    };
    // The first line says what the file is.
    let body = |text: &str, mark: &str| {
        let text = uncomment(text, mark);
        text.split_once('\n').unwrap().1.to_owned()
    };
    let partner = body(&proposal.files["partners/example.toml.txt"], "#");
    let verifier = crate::estate::fixture::VERIFIER;
    let partner = partner.replace("SCRAM-SHA-256$4096:...", verifier);
    let agreement = body(&proposal.files["agreements/example.toml.txt"], "#");
    let guardrail = uncomment(&proposal.files["guardrails/example.cedar"], "//");
    let guardrail = guardrail.split_once("\n\n").unwrap().1.to_owned();
    let added = [
        ("partners/state-police.toml", partner),
        ("agreements/state-police-2026.toml", agreement),
        ("guardrails/example.cedar", guardrail),
        (
            "documents/isa-2026-044.pdf",
            crate::estate::document::found(&evidence::hash::sha256(b"")),
        ),
    ];
    let mut files: Files = added
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text))
        .collect();
    for path in ["estop.toml", "datasets/patient.toml"] {
        files.insert(path.to_owned(), proposal.files.remove(path).unwrap());
    }
    let estate = Estate::parse(&files).unwrap_or_else(|errors| panic!("{:#?}", errors.findings()));
    assert_eq!(estate.agreements().len(), 1);
}
