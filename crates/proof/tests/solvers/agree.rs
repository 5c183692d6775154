//! Random policy sets: what the solvers say of all requests is what Cedar's authorizer says of each of a domain that leaves
//! no case out.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityUid, PolicySet, Request,
    RestrictedExpression,
};
use proof::case::{Case, Claim, SCHEMA};
use proof::run::{Verdict, prove};
use proof::symbolic::Asks;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::support::solvers;

const TEXT: &str = "entity Partner; entity Purpose;\nentity Officer = { partner: Partner };\n\
    entity Row = { n: Long, s: String, b: Bool, o?: Bool, t: Set<String>, d: datetime };\n\
    action read appliesTo { principal: Officer, resource: Row, context: { purpose: Purpose, column: String, masked: Bool } };\n";

/// Conditions that tell only the values of the domain apart.
const ATOMS: [&str; 11] = [
    "principal.partner == Partner::\"p\"",
    "context.purpose == Purpose::\"x\"",
    "context.column == \"c\"",
    "context.masked",
    "resource.b",
    "resource.n < 0",
    "resource.n >= 2",
    "resource.s == \"u\"",
    "(resource has o && resource.o)",
    "resource.t.contains(\"k\")",
    "resource.d < datetime(\"2024-01-01\")",
];

fn condition() -> impl Strategy<Value = String> {
    let atom = proptest::sample::select(ATOMS.to_vec()).prop_map(str::to_owned);
    atom.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
        ]
    })
}

fn policies() -> impl Strategy<Value = String> {
    let policy = (any::<bool>(), condition());
    proptest::collection::vec(policy, 1..4).prop_map(|policies| {
        let numbered = policies.into_iter().zip(0..);
        numbered
            .map(|((forbids, condition), number)| {
                // Mostly permits: a set of forbids permits nothing.
                let effect = if forbids && number > 0 { "forbid" } else { "permit" };
                format!("@id(\"{number}\") {effect} (principal, action, resource) when {{ {condition} }};\n")
            })
            .collect()
    })
}

fn domain() -> Vec<(Request, Entities)> {
    let uid =
        |kind: &str, id: &str| EntityUid::from_type_name_and_id(kind.parse().unwrap(), EntityId::new(id));
    let string = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let mut all = Vec::new();
    for bits in 0..1024_u32 {
        let bit = |at: u32| bits & (1 << at) != 0;
        let one = |at: u32, yes: &'static str, no: &'static str| if bit(at) { yes } else { no };
        for n in [-1, 0, 2] {
            let mut row = vec![
                ("n".to_owned(), RestrictedExpression::new_long(n)),
                ("s".to_owned(), string(one(0, "u", "v"))),
                ("b".to_owned(), RestrictedExpression::new_bool(bit(1))),
                (
                    "t".to_owned(),
                    RestrictedExpression::new_set(bit(2).then(|| string("k"))),
                ),
                (
                    "d".to_owned(),
                    RestrictedExpression::new_datetime(one(3, "2023-01-01", "2024-01-01")),
                ),
            ];
            if bit(4) {
                row.push(("o".to_owned(), RestrictedExpression::new_bool(bit(5))));
            } else if bit(5) {
                // Missing is missing.
                continue;
            }
            let partner = RestrictedExpression::new_entity_uid(uid("Partner", one(6, "p", "q")));
            let context = [
                (
                    "purpose".to_owned(),
                    RestrictedExpression::new_entity_uid(uid("Purpose", one(7, "x", "y"))),
                ),
                ("column".to_owned(), string(one(8, "c", "e"))),
                ("masked".to_owned(), RestrictedExpression::new_bool(bit(9))),
            ];
            let entities = [
                Entity::new(
                    uid("Officer", "k"),
                    [("partner".to_owned(), partner)].into(),
                    HashSet::new(),
                )
                .unwrap(),
                Entity::new(uid("Row", "1"), row.into_iter().collect(), HashSet::new()).unwrap(),
            ];
            let request = Request::new(
                uid("Officer", "k"),
                uid("Action", "read"),
                uid("Row", "1"),
                Context::from_pairs(context).unwrap(),
                None,
            );
            all.push((request.unwrap(), Entities::from_entities(entities, None).unwrap()));
        }
    }
    all
}

/// What brute force says.
fn expected(asks: Asks, left: &str, right: &str, domain: &[(Request, Entities)]) -> Verdict {
    let (left, right): (PolicySet, PolicySet) = (left.parse().unwrap(), right.parse().unwrap());
    let authorizer = Authorizer::new();
    let allows = |set: &PolicySet, (request, entities): &(Request, Entities)| {
        let answer = authorizer.is_authorized(request, set, entities);
        assert_eq!(answer.diagnostics().errors().count(), 0);
        answer.decision() == Decision::Allow
    };
    let holds = domain.iter().all(|one| {
        let (left, right) = (allows(&left, one), allows(&right, one));
        match asks {
            Asks::Implies => !left || right,
            Asks::Disjoint => !(left && right),
            _ => left == right,
        }
    });
    if holds { Verdict::Holds } else { Verdict::Fails }
}

#[tokio::test(flavor = "multi_thread")]
async fn solvers_agree_with_brute_force() {
    const CASES: usize = 24;
    let domain = domain();
    let solvers = solvers().await;
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeMap::new();
    for number in 0..CASES {
        let left = policies().new_tree(&mut runner).unwrap().current();
        // Often a part of the left, so that all verdicts occur.
        let other = policies().new_tree(&mut runner).unwrap().current();
        let right = if number % 3 == 0 {
            format!("{left}@id(\"more\") permit (principal, action, resource) when {{ resource.b }};\n")
        } else {
            other
        };
        let claims = [Asks::Implies, Asks::Disjoint, Asks::Equivalent].map(|asks| Claim {
            name: format!("{asks:?}"),
            words: String::new(),
            asks,
            left: vec!["left".to_owned()],
            right: vec!["right".to_owned()],
        });
        let case = Case {
            texts: [(SCHEMA, TEXT), ("left", &left), ("right", &right)]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into(),
            claims: claims.to_vec(),
        };
        let proved = prove(&Arc::new(case.prepare().unwrap()), &solvers, &|_| {})
            .await
            .unwrap();
        for (claim, proved) in claims.iter().zip(&proved) {
            let expected = expected(claim.asks, &left, &right, &domain);
            assert_eq!(
                proved.verdict(),
                expected,
                "{:?}\n{left}\n{right}\n{:?}",
                claim.asks,
                proved.checks[0].settled.trouble()
            );
            *seen.entry((claim.name.clone(), expected)).or_insert(0) += 1;
        }
    }
    assert!(seen.len() >= 5, "all verdicts must occur: {seen:?}");
}
