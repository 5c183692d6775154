//! The evidence folder: what it holds, and that nothing in it can be altered unnoticed.

use std::fs;
use std::path::Path;

use proof::folder::{self, About, MANIFEST, sha256};
use proof::properties::{Columns, Never, Scope, Wanted, all};
use proof::recheck::{Rechecked, recheck};
use proof::run::Verdict;
use proof::solver::Solvers;
use serde_json::{Value, json};

use crate::support::{Draft, run, solvers};

async fn made(folder: &Path, solvers: &Solvers) {
    let draft = Draft::new()
        .dataset("people", "\"personal\"", "id = { type = \"bigint\" }\nname = { type = \"text\", tags = [\"identity\"] }\nflags = { type = \"text[]\" }\nsealed = { type = \"boolean\" }")
        .partner("p")
        .partner("q")
        .agreement("a", "p", "\"x\", \"y\"", "[[share]]\ndataset = \"people\"\ncolumns = [\"id\", \"name\"]\nmask = { name = \"initials\" }\nwhen = '!resource.sealed && resource.flags.contains(\"open\")'")
        .agreement("b", "q", "\"x\"", "[[share]]\ndataset = \"people\"\ncolumns = [\"id\"]")
        .guardrails("g", "@id(\"flagged\") @citation(\"Act 1\")\nforbid (principal in Partner::\"p\", action, resource) when { resource.flags.contains(\"open\") && resource.sealed };\n");
    let estate = draft.estate();
    let wanted = Wanted {
        scope: Some(Scope {
            directive: None,
            partner: "p".parse().unwrap(),
            agreement: Some("a".parse().unwrap()),
            purpose: Some("x".parse().unwrap()),
        }),
        never: [false, true]
            .map(|unmasked| Never {
                columns: Columns::Tagged("identity".to_owned()),
                to: None,
                unmasked,
            })
            .to_vec(),
        against: None,
    };
    let made = all(&estate, &wanted);
    let examined = run(&estate, &made.case, solvers).await;
    let verdicts: Vec<(&str, Verdict)> = examined
        .iter()
        .map(|one| (one.claim.name.as_str(), one.verdict()))
        .collect();
    let expected = [
        ("guardrails", Verdict::Holds),
        ("never-errs", Verdict::Holds),
        ("terms", Verdict::Holds),
        ("denied", Verdict::Holds),
        ("others-unchanged", Verdict::Holds),
        ("never-1", Verdict::Fails),
        ("never-2", Verdict::Holds),
    ];
    assert_eq!(verdicts, expected);
    let environments = made.case.prepare().unwrap().model.environments().to_vec();
    let proved: Vec<_> = examined
        .into_iter()
        .map(|one| (one.proved, vec![json!("words")]))
        .collect();
    let about = About {
        custodian: "records.example.org".to_owned(),
        estate_sha256: "0".repeat(64),
        made_at: "2026-11-24T00:00:00Z".to_owned(),
        estop: "0".to_owned(),
        notes: Vec::new(),
    };
    let (files, manifest) = folder::evidence(&made.case, &environments, &proved, solvers, about);
    folder::write(folder, &files, &manifest).unwrap();
    assert!(
        folder::write(folder, &files, &manifest).is_err(),
        "over nothing is written"
    );
}

async fn again(folder: &Path, solvers: &Solvers) -> Rechecked {
    recheck(folder, solvers, &|_| {}).await.unwrap()
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join(MANIFEST)).unwrap()).unwrap()
}

fn put(folder: &Path, manifest: &Value) {
    fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
}

/// The entries of a claim.
fn claim_of<'a>(manifest: &'a mut Value, name: &str) -> &'a mut Value {
    let claims = manifest["claims"].as_array_mut().unwrap();
    claims
        .iter_mut()
        .find(|entry| entry["claim"]["name"] == name)
        .unwrap()
}

/// The first question of a claim that went to solvers.
fn asked(entry: &mut Value) -> &mut Value {
    let checks = entry["checks"].as_array_mut().unwrap();
    checks
        .iter_mut()
        .find(|check| check.get("solvers").is_some())
        .unwrap()
}

type Tampering = fn(&Path, &mut Value);

/// What is done to a folder, and a part of what must be said.
const TAMPERINGS: [(&str, Tampering, &str); 16] = [
    (
        "a script altered",
        |folder, manifest| {
            let script = asked(claim_of(manifest, "guardrails"))["solvers"]["cvc5"]["script"]
                .as_str()
                .unwrap()
                .to_owned();
            let text = fs::read_to_string(folder.join(&script)).unwrap();
            fs::write(
                folder.join(&script),
                text.replace("(check-sat)", "(assert false)\n(check-sat)"),
            )
            .unwrap();
        },
        "is not what the manifest's hash says",
    ),
    (
        "a script altered with its hash",
        |folder, manifest| {
            let check = asked(claim_of(manifest, "never-1"));
            let script = check["solvers"]["cvc5"]["script"].as_str().unwrap().to_owned();
            let text = fs::read_to_string(folder.join(&script))
                .unwrap()
                .replace("(check-sat)", "(assert false)\n(check-sat)");
            fs::write(folder.join(&script), &text).unwrap();
            for name in ["cvc5", "z3"] {
                if check["solvers"][name]["script"] == script.as_str() {
                    check["solvers"][name]["sha256"] = json!(sha256(&text));
                }
                check["solvers"][name]["answer"] = json!("unsat");
            }
            check["verdict"] = json!("holds");
            claim_of(manifest, "never-1")["verdict"] = json!("holds");
        },
        "is not the script that the texts give",
    ),
    (
        "a script missing",
        |folder, manifest| {
            let script = asked(claim_of(manifest, "guardrails"))["solvers"]["z3"]["script"]
                .as_str()
                .unwrap()
                .to_owned();
            fs::remove_file(folder.join(script)).unwrap();
        },
        "is missing",
    ),
    (
        "a file too many",
        |folder, _| fs::write(folder.join("scripts/more.smt2"), "").unwrap(),
        "`scripts/more.smt2` is not in the manifest",
    ),
    (
        "a link for a file",
        |folder, _| {
            fs::remove_file(folder.join("terms.cedar")).unwrap();
            std::os::unix::fs::symlink(folder.join("policies.cedar"), folder.join("scripts/link")).unwrap();
            fs::copy(folder.join("scope.cedar"), folder.join("terms.cedar")).unwrap();
        },
        "no plain file",
    ),
    (
        "a holds for a fails",
        |_, manifest| {
            let entry = claim_of(manifest, "never-1");
            entry["verdict"] = json!("holds");
            asked(entry)["verdict"] = json!("holds");
        },
        "the manifest says holds, it fails now",
    ),
    (
        "answers and verdict turned",
        |_, manifest| {
            let entry = claim_of(manifest, "never-1");
            entry["verdict"] = json!("holds");
            let check = asked(entry);
            check["verdict"] = json!("holds");
            check["solvers"]["cvc5"]["answer"] = json!("unsat");
            check["solvers"]["z3"]["answer"] = json!("unsat");
        },
        "answered `unsat` then, `sat` now",
    ),
    (
        "folding invented",
        |_, manifest| {
            let entry = claim_of(manifest, "never-1");
            entry["verdict"] = json!("holds");
            let check = asked(entry);
            let environment = check["environment"].clone();
            *check = json!({ "environment": environment, "verdict": "holds", "folded": "unsat" });
        },
        "folding decides otherwise",
    ),
    (
        "permits counted that are like none",
        |_, manifest| {
            let entry = claim_of(manifest, "never-1");
            asked(entry)["alike"] = json!(7);
        },
        "permits are like one in it, not 7 as the manifest says",
    ),
    (
        "validation invented",
        |_, manifest| {
            let entry = claim_of(manifest, "never-errs");
            entry["validated"][0] = json!(99);
        },
        "other policies were decided by validation",
    ),
    (
        "words invented",
        |_, manifest| {
            let entry = claim_of(manifest, "guardrails");
            entry["stated"][0] = json!(1);
        },
        "other permits were decided by their words alone",
    ),
    (
        "a question missing",
        |_, manifest| {
            let entry = claim_of(manifest, "never-1");
            entry["verdict"] = json!("holds");
            entry["checks"]
                .as_array_mut()
                .unwrap()
                .retain(|check| check["verdict"] == "holds");
        },
        "is missing from the manifest",
    ),
    (
        "an environment missing",
        |_, manifest| {
            manifest["environments"].as_array_mut().unwrap().pop();
        },
        "request environments",
    ),
    (
        "policies altered with their hash",
        |folder, manifest| {
            let text = fs::read_to_string(folder.join("policies.cedar"))
                .unwrap()
                .replace("!resource.sealed", "resource.sealed");
            fs::write(folder.join("policies.cedar"), &text).unwrap();
            manifest["texts"]["policies.cedar"] = json!(sha256(&text));
        },
        "claim `guardrails`: the manifest says holds, it fails now",
    ),
    (
        "another version, scripts altered with their hash",
        |folder, manifest| {
            manifest["tools"]["cedar_policy_symcc"] = json!("0.8.0");
            let entry = claim_of(manifest, "never-1");
            entry["verdict"] = json!("holds");
            asked(entry)["verdict"] = json!("holds");
            let _ = folder;
        },
        "the manifest says holds, it fails now",
    ),
    (
        "another version, a question missing",
        |_, manifest| {
            manifest["tools"]["cedar_policy_symcc"] = json!("0.8.0");
            claim_of(manifest, "terms")["checks"]
                .as_array_mut()
                .unwrap()
                .pop();
        },
        "not every request environment",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_altered_unnoticed() {
    let solvers = solvers().await;
    let original = tempfile::tempdir().unwrap();
    made(original.path(), &solvers).await;
    let untouched = again(original.path(), &solvers).await;
    assert_eq!((untouched.problems, untouched.notes), (Vec::new(), Vec::new()));
    assert_eq!(
        untouched
            .verdicts
            .iter()
            .filter(|verdict| **verdict == Verdict::Fails)
            .count(),
        1
    );
    let text = fs::read_to_string(original.path().join(MANIFEST)).unwrap();
    assert!(
        text.contains(".z3.smt2") && text.contains("folded"),
        "a question with a script of its own for z3, and one without a script"
    );
    for (what, tamper, says) in TAMPERINGS {
        let folder = tempfile::tempdir().unwrap();
        copy(original.path(), folder.path());
        let mut manifest = manifest(folder.path());
        tamper(folder.path(), &mut manifest);
        put(folder.path(), &manifest);
        let found = again(folder.path(), &solvers).await.problems.join("\n");
        assert!(found.contains(says), "{what}: `{says}` is not in:\n{found}");
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let solvers = solvers().await;
    let folder = tempfile::tempdir().unwrap();
    assert!(recheck(folder.path(), &solvers, &|_| {}).await.is_err());
    for text in ["", "{}", "{\"format\": \"estop-proof/2\"}", "[]"] {
        fs::write(folder.path().join(MANIFEST), text).unwrap();
        assert!(recheck(folder.path(), &solvers, &|_| {}).await.is_err(), "{text}");
    }
}
