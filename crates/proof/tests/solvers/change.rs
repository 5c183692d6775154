//! Claims about change and end: terminations, ends, columns that never leave, another estate.

use policy::cedar;
use policy::estate::Estate;
use proof::examine::Examined;
use proof::properties::{Columns, Never, POLICIES, Scope, Wanted, all};
use proof::run::Verdict;

use crate::support::{Draft, claim, run, solvers};

pub(crate) fn draft() -> Draft {
    Draft::new()
        .dataset("people", "", "id = { type = \"bigint\" }\nname = { type = \"text\", tags = [\"identity\"] }\nssn = { type = \"text\", optional = true }\nstatus = { type = \"text\" }")
        .dataset("visits", "", "id = { type = \"bigint\" }")
        .partner("p")
        .partner("q")
        .agreement("a", "p", "\"x\", \"y\"", "[[share]]\ndataset = \"people\"\ncolumns = [\"id\", \"name\", \"ssn\"]\nmask = { ssn = \"first:1\" }\nwhen = 'resource.status == \"open\"'")
        .agreement("b", "q", "\"x\"", "[[share]]\ndataset = \"people\"\ncolumns = [\"id\"]\n[[share]]\ndataset = \"visits\"\ncolumns = [\"id\"]")
}

async fn proved(estate: &Estate, wanted: &Wanted<'_>) -> Vec<Examined> {
    run(estate, &all(estate, wanted).case, &solvers().await).await
}

fn never(columns: Columns, to: Option<&str>, unmasked: bool) -> Never {
    Never {
        columns,
        to: to.map(|to| to.parse().unwrap()),
        unmasked,
    }
}

#[tokio::test]
async fn columns_that_never_leave() {
    let ssn = || Columns::One("people".parse().unwrap(), "ssn".to_owned());
    let wanted = Wanted {
        never: vec![
            never(ssn(), None, false),
            never(ssn(), None, true),
            never(ssn(), Some("q"), false),
            never(Columns::Tagged("identity".to_owned()), Some("p"), true),
            never(
                Columns::One("people".parse().unwrap(), "status".to_owned()),
                None,
                false,
            ),
        ],
        ..Wanted::default()
    };
    let estate = draft().estate();
    let examined = proved(&estate, &wanted).await;
    let verdicts: Vec<Verdict> = (1..=5)
        .map(|number| claim(&examined, &format!("never-{number}")).verdict())
        .collect();
    let (holds, fails) = (Verdict::Holds, Verdict::Fails);
    assert_eq!(verdicts, [fails, holds, holds, fails, holds]);
    // Both purposes of the one agreement, each a permit.
    let findings = &claim(&examined, "never-1").findings;
    assert_eq!(findings.len(), 2);
    assert!(
        findings[0]
            .lines()
            .join("\n")
            .contains("ssn (masked) of data set people")
    );
}

/// Each scope of a termination: all of it denied, and nobody else touched.
#[tokio::test]
async fn terminations() {
    let scope = |agreement: Option<&str>, purpose: Option<&str>| Scope {
        directive: Some("D-2026-0007".parse().unwrap()),
        partner: "p".parse().unwrap(),
        agreement: agreement.map(|id| id.parse().unwrap()),
        purpose: purpose.map(|id| id.parse().unwrap()),
    };
    let estate = draft().estate();
    for scope in [
        scope(None, None),
        scope(Some("a"), None),
        scope(None, Some("x")),
        scope(Some("a"), Some("y")),
    ] {
        let wanted = Wanted {
            scope: Some(scope),
            ..Wanted::default()
        };
        let examined = proved(&estate, &wanted).await;
        for name in ["denied", "others-unchanged", "terms", "never-errs"] {
            assert_eq!(claim(&examined, name).verdict(), Verdict::Holds, "{name}");
        }
    }
}

/// A directive that is carried out too narrowly, or too widely, is seen.
#[tokio::test]
async fn a_wrong_termination_fails() {
    let estate = draft().estate();
    let wanted = Wanted {
        scope: Some(Scope {
            directive: None,
            partner: "p".parse().unwrap(),
            agreement: None,
            purpose: None,
        }),
        ..Wanted::default()
    };
    let mut case = all(&estate, &wanted).case;
    let directive = case.texts.get_mut("directive.cedar").unwrap();
    *directive = directive.replace(
        "principal.partner == Partner::\"p\"",
        "principal.partner == Partner::\"p\" && context.purpose == Purpose::\"x\"",
    );
    let examined = run(&estate, &case, &solvers().await).await;
    let denied = claim(&examined, "denied");
    assert_eq!(denied.verdict(), Verdict::Fails);
    assert!(
        denied.findings.iter().all(|finding| finding.purpose == "y"),
        "{denied:?}"
    );
    let directive = case.texts.get_mut("directive.cedar").unwrap();
    *directive = directive.replace("principal.partner == Partner::\"p\" && ", "");
    let examined = run(&estate, &case, &solvers().await).await;
    let others = claim(&examined, "others-unchanged");
    assert_eq!(others.verdict(), Verdict::Fails);
    assert!(
        others.troubles.join("\n").contains("b/x"),
        "{:?}",
        others.troubles
    );
}

/// An agreement whose policies go beyond its days, its partner or its purposes is seen, whoever wrote them.
#[tokio::test]
async fn nothing_beyond_the_terms() {
    let estate = draft().estate();
    assert!(cedar::policies(&estate, &[]).contains("2028-01-01T06:00:00.000Z"));
    for (from, to) in [
        (
            "context.now < datetime(\"2028-01-01T06:00:00.000Z\")",
            "context.now < datetime(\"2028-01-01T06:00:00.001Z\")",
        ),
        (
            "principal.partner == Partner::\"q\"",
            "principal.partner == Partner::\"p\"",
        ),
        (
            "context.purpose == Purpose::\"y\"",
            "context.purpose == Purpose::\"z\"",
        ),
        ("context.now >= datetime(\"2024-01-01T06:00:00.000Z\") && ", ""),
    ] {
        let mut case = all(&estate, &Wanted::default()).case;
        let policies = case.texts.get_mut(POLICIES).unwrap();
        assert!(policies.contains(from), "{from}");
        *policies = policies.replacen(from, to, 1);
        let prepared = std::sync::Arc::new(case.prepare().unwrap());
        let proved = proof::run::prove(&prepared, &solvers().await, &|_| {})
            .await
            .unwrap();
        let verdicts: Vec<_> = prepared
            .claims
            .iter()
            .zip(&proved)
            .filter(|((claim, _, _), _)| claim.name == "terms")
            .map(|(_, proved)| proved.verdict())
            .collect();
        assert_eq!(verdicts, [Verdict::Fails], "{from}");
    }
}

/// What a new estate permits beyond an old one, by agreement, data set and column.
#[tokio::test]
async fn nothing_new_or_what_is() {
    let old = draft().estate();
    let same = Wanted {
        against: Some(&old),
        ..Wanted::default()
    };
    let less = draft()
        .replace("agreements/a.toml", "\"open\"", "\"open\" && resource.id > 7")
        .replace("agreements/b.toml", "2027-12-31", "2026-12-31");
    assert_eq!(
        claim(&proved(&less.estate(), &same).await, "nothing-new").verdict(),
        Verdict::Holds
    );
    let more = [
        (
            "agreements/a.toml",
            "mask = { ssn = \"first:1\" }\n",
            "",
            "ssn of data set people",
        ),
        (
            "agreements/a.toml",
            "resource.status == \"open\"",
            "true",
            "id, name, ssn (masked) of data set people",
        ),
        (
            "agreements/b.toml",
            "2027-12-31",
            "2028-12-31",
            "id of data set visits",
        ),
        (
            "agreements/b.toml",
            "columns = [\"id\"]\n[[share]]",
            "columns = [\"id\", \"status\"]\n[[share]]",
            "reads     status of data set people",
        ),
    ];
    for (path, from, to, says) in more {
        let estate = draft().replace(path, from, to).estate();
        let examined = proved(&estate, &same).await;
        let new = claim(&examined, "nothing-new");
        assert_eq!(new.verdict(), Verdict::Fails, "{from}");
        let said: String = new
            .findings
            .iter()
            .map(|finding| finding.lines().join("\n"))
            .collect();
        assert!(said.contains(says), "{says}: {said}");
    }
    // A column's type that changed: what the old condition meant cannot be said, so all of it counts as new.
    let changed = draft()
        .replace(
            "datasets/people.toml",
            "status = { type = \"text\" }",
            "status = { type = \"bigint\" }",
        )
        .replace(
            "agreements/a.toml",
            "resource.status == \"open\"",
            "resource.status == 1",
        )
        .estate();
    let made = all(&changed, &same);
    assert!(
        made.notes.join("\n").contains("`a/x/people` does not fit"),
        "{:?}",
        made.notes
    );
    assert_eq!(
        claim(&run(&changed, &made.case, &solvers().await).await, "nothing-new").verdict(),
        Verdict::Fails
    );
}

/// Terms nest as deep as there are policies: the encoder has room for them, and its threads alone need it.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_policies_have_room() {
    const POLICIES: usize = 3_000;
    let schema = "entity Officer; entity Agreement;\naction connect appliesTo { principal: Officer, resource: Agreement, context: { n: Long } };\n";
    let forbids: String = (0..POLICIES)
        .map(|n| format!("@id(\"{n}\") forbid (principal, action, resource) when {{ context.n == {n} }};\n"))
        .collect();
    let case = proof::case::Case {
        texts: [
            (proof::case::SCHEMA, schema.to_owned()),
            ("left", format!("{forbids}@id(\"p\") permit (principal, action, resource) when {{ context.n < 0 || context.n >= {POLICIES} }};\n")),
            (
                "right",
                "@id(\"r\") permit (principal, action, resource) when { context.n < 0 || context.n >= 0 };\n".to_owned(),
            ),
        ]
        .map(|(name, text)| (name.to_owned(), text))
        .into(),
        claims: vec![proof::case::Claim {
            name: "many".to_owned(),
            words: String::new(),
            asks: proof::symbolic::Asks::Implies,
            left: vec!["left".to_owned()],
            right: vec!["right".to_owned()],
        }],
    };
    let prepared = std::sync::Arc::new(case.prepare().unwrap());
    let proved = proof::run::prove(&prepared, &solvers().await, &|_| {})
        .await
        .unwrap();
    assert_eq!(
        proved[0].verdict(),
        Verdict::Holds,
        "{:?}",
        proved[0].checks[0].settled.trouble()
    );
}

/// What validation settles is put to no solver; a policy that can err is found among those that cannot, by its name.
#[tokio::test]
async fn one_policy_that_can_err_is_enough() {
    let schema = "entity Officer; entity Row = { n: Long, o?: Long };\naction read appliesTo { principal: Officer, resource: Row, context: {} };\n";
    let fine: String = (0..200)
        .map(|n| format!("@id(\"fine-{n:03}\") permit (principal, action, resource is Row) when {{ resource has o && resource.o > {n} }};\n"))
        .collect();
    let errs = "@id(\"fine-100-errs\") forbid (principal, action, resource is Row) when { resource has o && resource.o + 1 > 0 };\n";
    let solvers = solvers().await;
    for (text, asked, expected) in [
        (fine.clone(), Vec::new(), Verdict::Holds),
        (
            format!("{fine}{errs}"),
            vec![("fine-100-errs", Verdict::Fails)],
            Verdict::Fails,
        ),
    ] {
        let proved = of_texts(
            schema,
            &[("left", &text)],
            proof::symbolic::Asks::NeverErrs,
            &solvers,
        )
        .await;
        let found: Vec<_> = proved
            .checks
            .iter()
            .map(|check| {
                (
                    check.policy.as_deref().unwrap_or_default(),
                    check.settled.verdict(),
                )
            })
            .collect();
        assert_eq!(found, asked);
        assert_eq!(proved.validated, [200]);
        assert_eq!(proved.verdict(), expected);
    }
}

/// A hundred permits that differ in their agreement and partner are one question; one that differs in more is another, and breaks
/// the rule by itself. So does one whose partner the rule names.
#[tokio::test]
async fn permits_that_are_alike_but_for_names_are_one_question() {
    let schema = "entity Partner; entity Agreement; entity Officer = { partner: Partner }; entity Row = { n: Long };\n\
                  action read appliesTo { principal: Officer, resource: Row, context: { agreement: Agreement } };\n";
    let permit = |id: usize, partner: &str, least: i64| {
        format!(
            "@id(\"a-{id:03}\") permit (principal, action, resource is Row) when {{ principal.partner == Partner::\"{partner}\" && \
             context.agreement == Agreement::\"a-{id:03}\" && resource.n > {least} }};\n"
        )
    };
    let alike: String = (0..100)
        .map(|id| permit(id, &format!("p-{}", id % 7), 5))
        .collect();
    let rule = "@id(\"all\") permit (principal, action, resource);\n\
                @id(\"rule\") forbid (principal, action, resource is Row) when { resource.n < 5 || principal.partner == Partner::\"named\" };\n";
    let solvers = solvers().await;
    for (more, verdict, asked) in [
        (String::new(), Verdict::Holds, 1),
        (permit(100, "p-1", 4), Verdict::Holds, 2),
        (permit(100, "p-1", 3), Verdict::Fails, 2),
        (permit(100, "named", 5), Verdict::Fails, 2),
    ] {
        let left = format!("{alike}{more}");
        let proved = of_texts(
            schema,
            &[("left", &left), ("right", rule)],
            proof::symbolic::Asks::Implies,
            &solvers,
        )
        .await;
        assert_eq!(proved.verdict(), verdict, "{more}");
        let others: usize = proved.checks.iter().map(|check| check.alike).sum();
        assert_eq!(others + asked, 100 + usize::from(!more.is_empty()), "{more}");
    }
    // Where a schema lists ids, no name is exchanged.
    let listed = schema.replace(
        "entity Partner;",
        "entity Partner enum [\"p-0\", \"p-1\", \"p-2\", \"p-3\", \"p-4\", \"p-5\", \"p-6\", \"named\"];",
    );
    let proved = of_texts(
        &listed,
        &[("left", &alike), ("right", rule)],
        proof::symbolic::Asks::Implies,
        &solvers,
    )
    .await;
    assert_eq!(proved.verdict(), Verdict::Holds);
    assert!(proved.checks.iter().all(|check| check.alike == 0));
    assert_eq!(proved.checks.len(), 5);
}

async fn of_texts(
    schema: &str,
    texts: &[(&str, &str)],
    asks: proof::symbolic::Asks,
    solvers: &proof::solver::Solvers,
) -> proof::run::Proved {
    let side = |name: &str| {
        let named = texts.iter().filter(|(text, _)| *text == name);
        named.map(|(text, _)| (*text).to_owned()).collect::<Vec<_>>()
    };
    let all = texts.iter().copied().chain([(proof::case::SCHEMA, schema)]);
    let case = proof::case::Case {
        texts: all
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect(),
        claims: vec![proof::case::Claim {
            name: "claim".to_owned(),
            words: String::new(),
            asks,
            left: side("left"),
            right: side("right"),
        }],
    };
    let prepared = std::sync::Arc::new(case.prepare().unwrap());
    let mut proved = proof::run::prove(&prepared, solvers, &|_| {}).await.unwrap();
    proved.remove(0)
}
