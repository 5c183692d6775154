//! What is settled by words alone: only what says so itself, and all of it is counted.

use proof::properties::{POLICIES, Wanted, all};
use proof::run::{Settled, Verdict};

use crate::change::draft;
use crate::support::{claim, run, solvers};

/// What agreements say themselves is settled by their words, and counted; one of many whose term was left out or loosened is not among
/// those, and fails by its name.
#[tokio::test]
async fn one_term_of_many_that_is_dropped_or_loosened_is_found() {
    const AGREEMENTS: usize = 30;
    let mut draft = draft();
    for number in 0..AGREEMENTS {
        draft = draft.agreement(
            &format!("c-{number:02}"),
            "q",
            "\"x\", \"y\"",
            &format!("[[share]]\ndataset = \"visits\"\ncolumns = [\"id\"]\nwhen = 'resource.id < {number}'"),
        );
    }
    let estate = draft.estate();
    let whole = all(&estate, &Wanted::default()).case;
    let solvers = solvers().await;
    let permits = 2 * (2 * AGREEMENTS) + 7;
    let until = " && context.now < datetime(\"2028-01-01T06:00:00.000Z\")";
    for (from, to, verdict) in [
        ("", "", Verdict::Holds),
        (until, "", Verdict::Fails),
        (
            until,
            " && context.now < datetime(\"2028-01-01T06:00:00.001Z\")",
            Verdict::Fails,
        ),
        // Sooner, in other words: for solvers to say.
        (
            until,
            " && context.now < datetime(\"2027-12-31\")",
            Verdict::Holds,
        ),
        (
            until,
            " && (context.now < datetime(\"2028-01-01T06:00:00.000Z\") || context.purpose == Purpose::\"y\")",
            Verdict::Fails,
        ),
        (
            until,
            " && (context.masked || !context.masked || context.now < datetime(\"2028-01-01T06:00:00.000Z\"))",
            Verdict::Fails,
        ),
        (
            "context.purpose == Purpose::\"y\"",
            "context.purpose != Purpose::\"z\"",
            Verdict::Fails,
        ),
    ] {
        let mut case = whole.clone();
        let policies = case.texts.get_mut(POLICIES).unwrap();
        let (before, after) = policies.split_once("@id(\"c-17/y/visits\")").unwrap();
        assert!(after.contains(from), "{from}");
        let changed = after.replacen(from, to, 1);
        *policies = format!("{before}@id(\"c-17/y/visits\"){changed}");
        let prepared = std::sync::Arc::new(case.prepare().unwrap());
        let proved = proof::run::prove(&prepared, &solvers, &|_| {}).await.unwrap();
        let at = prepared
            .claims
            .iter()
            .position(|(claim, ..)| claim.name == "terms")
            .unwrap();
        let terms = &proved[at];
        assert_eq!(terms.verdict(), verdict, "{from} -> {to}");
        let open = usize::from(!from.is_empty());
        assert_eq!(
            terms.stated.iter().sum::<usize>(),
            permits - open,
            "{from} -> {to}"
        );
        let named: Vec<_> = terms
            .checks
            .iter()
            .filter_map(|check| check.policy.as_deref())
            .collect();
        assert_eq!(named, ["c-17/y/visits"; 1][..open], "{from} -> {to}");
    }
}

/// Against the same estate nothing is asked; with a forbid that only the other side has, everything is.
#[tokio::test]
async fn what_stands_in_both_estates_is_not_asked_about() {
    let estate = draft().estate();
    let wanted = Wanted {
        against: Some(&estate),
        ..Wanted::default()
    };
    let mut case = all(&estate, &wanted).case;
    let solvers = solvers().await;
    let examined = run(&estate, &case, &solvers).await;
    let new = claim(&examined, "nothing-new");
    assert_eq!(
        (new.verdict(), new.proved.stated.iter().sum::<usize>()),
        (Verdict::Holds, 7)
    );
    assert!(
        new.proved
            .checks
            .iter()
            .all(|check| matches!(check.settled, Settled::Folded(_)))
    );
    let forbid = "@id(\"f\") forbid (principal is Officer, action, resource) when { context.purpose == Purpose::\"y\" };\n";
    case.texts.get_mut("against.cedar").unwrap().push_str(forbid);
    let examined = run(&estate, &case, &solvers).await;
    let new = claim(&examined, "nothing-new");
    assert_eq!(
        (new.verdict(), new.proved.stated.iter().sum::<usize>()),
        (Verdict::Fails, 0)
    );
    assert_eq!(new.findings.len(), 2, "{:?}", new.findings);
    case.texts
        .get_mut(POLICIES)
        .unwrap()
        .push_str(&forbid.replace("\"f\"", "\"g\""));
    let examined = run(&estate, &case, &solvers).await;
    let new = claim(&examined, "nothing-new");
    assert_eq!(
        (new.verdict(), new.proved.stated.iter().sum::<usize>()),
        (Verdict::Holds, 7)
    );
}
