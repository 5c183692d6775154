//! Solvers that fail in every way: nothing of it is ever a "holds".

use std::time::Duration;

use proof::case::Case;
use proof::examine::examine;
use proof::properties::guardrails;
use proof::run::{RunError, Verdict, prove};
use proof::solver::Solvers;
use std::path::PathBuf;
use std::sync::Arc;

use crate::support::{Draft, claim, clock, fake, real, run, with};

/// Short for tests, long enough for a real solver on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(1500);

fn draft(when: &str) -> Draft {
    Draft::new()
        .dataset("people", "", "id = { type = \"bigint\" }\nsealed = { type = \"boolean\" }")
        .partner("p")
        .agreement("a", "p", "\"x\"", &format!("[[share]]\ndataset = \"people\"\ncolumns = [\"id\"]\nwhen = '{when}'"))
        .guardrails("g", "@id(\"sealed\") @citation(\"Act 1\")\nforbid (principal, action, resource) when { resource.sealed };\n")
}

/// The verdict on the guardrails with these programs, and why there is none.
async fn verdict(draft: &Draft, cvc5: PathBuf, z3: PathBuf, limit: Duration) -> (Verdict, String) {
    let estate = draft.estate();
    let solvers = with(cvc5, z3, limit).await.unwrap();
    let examined = run(&estate, &guardrails(&estate), &solvers).await;
    let one = claim(&examined, "guardrails");
    (one.verdict(), one.troubles.join("\n"))
}

const WAYS: [(&str, &str, &str); 10] = [
    (
        "echo '(error \"line 3: unknown constant\")'; echo unsat",
        "reported an error",
        "z3 goes on after an error",
    ),
    (
        "echo unsat; echo '(error \"too late\")' >&2",
        "reported an error",
        "an error after the answer",
    ),
    ("echo unknown", "answered `unknown`", ""),
    ("echo timeout", "answered `unknown`", ""),
    ("echo unsat; exit 3", "failed", "an answer, and a failure"),
    ("kill -SEGV $$", "failed", ""),
    ("echo hello", "neither `sat` nor `unsat`", ""),
    (
        "echo unsat; echo unsat",
        "neither `sat` nor `unsat`",
        "two answers",
    ),
    ("true", "neither `sat` nor `unsat`", "silence"),
    ("echo unsaturated", "neither `sat` nor `unsat`", ""),
];

#[tokio::test]
async fn no_failure_is_a_holds() {
    let folder = tempfile::tempdir().unwrap();
    let holds = draft("!resource.sealed");
    assert_eq!(
        verdict(&holds, real("cvc5"), real("z3"), LIMIT).await.0,
        Verdict::Holds
    );
    for (does, says, why) in WAYS {
        let z3 = fake(folder.path(), "z3", does);
        let (verdict_of_z3, trouble) = verdict(&holds, real("cvc5"), z3, LIMIT).await;
        assert_eq!(verdict_of_z3, Verdict::Undecided, "{does}: {why}");
        assert!(
            trouble.contains(&format!("z3 {says}")) || trouble.contains(says),
            "{does}: {trouble}"
        );
        let cvc5 = fake(folder.path(), "cvc5", does);
        let (verdict_of_cvc5, trouble) = verdict(&holds, cvc5, real("z3"), LIMIT).await;
        assert_eq!(verdict_of_cvc5, Verdict::Undecided, "{does}: {why}");
        assert!(trouble.contains(says), "{does}: {trouble}");
    }
}

#[tokio::test]
async fn a_contradiction_is_not_decided_by_either() {
    let folder = tempfile::tempdir().unwrap();
    for (when, lie) in [("!resource.sealed", "sat"), ("resource.sealed", "unsat")] {
        let draft = draft(when);
        let liar = fake(folder.path(), "z3", &format!("echo {lie}"));
        let (found, trouble) = verdict(&draft, real("cvc5"), liar, LIMIT).await;
        assert_eq!(found, Verdict::Undecided, "{trouble}");
        let liar = fake(folder.path(), "cvc5", &format!("echo {lie}"));
        let (found, trouble) = verdict(&draft, liar, real("z3"), LIMIT).await;
        assert_eq!(found, Verdict::Undecided, "{trouble}");
    }
}

/// The programs and whatever they started are gone, and what they were given is no environment.
#[tokio::test]
async fn a_hanging_solver_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let (pid, environment) = (folder.path().join("pid"), folder.path().join("environment"));
    let does = format!(
        "env > {}\nsleep 600 &\necho $! > {}\nwait",
        environment.display(),
        pid.display()
    );
    let z3 = fake(folder.path(), "z3", &does);
    let began = clock();
    let (found, trouble) = verdict(&draft("!resource.sealed"), real("cvc5"), z3, SHORT).await;
    assert_eq!(found, Verdict::Undecided, "{trouble}");
    assert!(trouble.contains("did not answer within"), "{trouble}");
    assert!(began.elapsed() < Duration::from_secs(60));
    let child = std::fs::read_to_string(&pid).unwrap();
    let gone = || {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    while !gone() {
        assert!(began.elapsed() < Duration::from_secs(90), "still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    let environment = std::fs::read_to_string(environment).unwrap();
    let names: Vec<&str> = environment
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    assert!(
        names
            .iter()
            .all(|name| ["LC_ALL", "PWD", "OLDPWD", "SHLVL", "_"].contains(name)),
        "{names:?}"
    );
}

#[tokio::test]
async fn too_much_output_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let z3 = fake(folder.path(), "z3", "yes unsat");
    let (found, trouble) = verdict(&draft("!resource.sealed"), real("cvc5"), z3, LIMIT).await;
    assert_eq!(found, Verdict::Undecided);
    assert!(trouble.contains("said more than"), "{trouble}");
}

/// Both call it satisfiable, and the model is a lie: an error, and no finding.
#[tokio::test]
async fn a_counterexample_that_is_none_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for model in [
        "()",
        "(define-fun x () Bool true)",
        "((define-fun t0 () Bool",
        "(\n)",
    ] {
        let cvc5 = fake(
            folder.path(),
            "cvc5",
            &format!("echo sat; if grep -q get-model \"$3\"; then echo '{model}'; fi"),
        );
        let z3 = fake(folder.path(), "z3", "echo sat");
        let estate = draft("!resource.sealed").estate();
        let solvers = with(cvc5, z3, LIMIT).await.unwrap();
        let found = findings(&estate, &guardrails(&estate), &solvers).await;
        match found {
            Err(_) => {}
            Ok((verdict, findings)) => assert!(
                verdict != Verdict::Holds && findings == 0,
                "{model}: {verdict:?} {findings}"
            ),
        }
    }
}

async fn findings(
    estate: &policy::estate::Estate,
    case: &Case,
    solvers: &Solvers,
) -> Result<(Verdict, usize), RunError> {
    let prepared = Arc::new(case.prepare().unwrap());
    let proved = prove(&prepared, solvers, &|_| {}).await?;
    let examined = examine(estate, &prepared, proved, solvers).await?;
    let one = claim(&examined, "guardrails");
    Ok((one.verdict(), one.findings.len()))
}

#[tokio::test]
async fn a_missing_program_is_said_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let missing = with(real("cvc5"), folder.path().join("z3"), LIMIT)
        .await
        .unwrap_err();
    assert!(missing.to_string().contains("z3"), "{missing}");
    let other = fake(folder.path(), "cvc5", "");
    let not_z3 = with(real("cvc5"), other, LIMIT).await.unwrap_err();
    assert!(not_z3.to_string().contains("cvc5 version 0"), "{not_z3}");
}
