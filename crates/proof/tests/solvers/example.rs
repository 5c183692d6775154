//! The estate in `docs/statutes` keeps its statutes; each way to break one is found, with what a lawyer asks for.

use std::fs;
use std::path::Path;

use policy::estate::Files;
use proof::properties::guardrails;
use proof::run::Verdict;
use proof::solver::Solvers;

use crate::support::{Draft, claim, run, solvers};

fn read(folder: &Path, within: &str, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{within}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

fn example() -> Draft {
    let mut files = Files::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/statutes");
    read(&folder, "", &mut files);
    Draft(files)
}

async fn said(draft: &Draft, solvers: &Solvers) -> (Verdict, String) {
    let estate = draft.estate();
    let examined = run(&estate, &guardrails(&estate), solvers).await;
    let one = claim(&examined, "guardrails");
    let lines: Vec<String> = one
        .findings
        .iter()
        .flat_map(proof::finding::Finding::lines)
        .collect();
    assert!(one.troubles.is_empty(), "{:?}", one.troubles);
    (one.verdict(), lines.join("\n"))
}

/// The agreement, what it says, what a draft of it says, and what must be said of that.
const BREAKS: [(&str, &str, &str, &[&str]); 7] = [
    (
        "insurer-marketing",
        "when = 'resource.consented'",
        "",
        &[
            "who       Lena Haug (l.haug) of Mutual Insurance (insurer)",
            "reads     name, address of data set drivers (Driver records)",
            "of a row  with consented = false",
            "purpose   marketing",
            "permits   agreement insurer-marketing: Data licence 2025-3, clause 7 (agreements/insurer-marketing.toml)",
            "forbids   what none of these exceptions permits:\n          dppa-not-personal: 18 USC 2725(3) (guardrails/drivers.cedar:3:1)\n",
        ],
    ),
    (
        "school-hiring",
        "!resource.is_juvenile && ",
        "",
        &[
            "is_juvenile = true",
            "forbids   guardrail juvenile-files: Cal. Welf. & Inst. Code 827",
        ],
    ),
    (
        "school-hiring",
        " && resource.disposition == \"convicted\"",
        "",
        &[
            "28 CFR 20.33(a)(3); Cal. Labor Code 432.7",
            "purpose   employment-screening",
        ],
    ),
    (
        "liaison-intelligence",
        "mask = { views_or_associations = \"null\" }",
        "",
        &[
            "reads     views_or_associations",
            "Directive (EU) 2016/680, art. 10",
        ],
    ),
    (
        "ice-custody",
        "resource.release_is_public || ",
        "!resource.release_is_public || ",
        &[
            "Robin Northcote",
            "Cal. Gov. Code 7284.6(a)(1)(C)",
            "Cal. Gov. Code 7282.5(a)",
            "release_is_public = false",
        ],
    ),
    (
        "ice-custody",
        "\"transfer\"",
        "\"immigration-enforcement\"",
        &[
            "connects  under agreement ice-custody",
            "Cal. Gov. Code 7284.6(a)(1) ",
        ],
    ),
    (
        "court-treatment",
        "2030-01-02",
        "2029-06-01",
        &["42 CFR 2.31, 2.33", "consent_until = 2029", "when      2029"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn ten_agreements_and_the_law() {
    let solvers = solvers().await;
    let example = example();
    let (verdict, lines) = said(&example, &solvers).await;
    assert_eq!((verdict, lines.as_str()), (Verdict::Holds, ""));
    for (agreement, clause, instead, says) in BREAKS {
        let draft = example
            .clone()
            .replace(&format!("agreements/{agreement}.toml"), clause, instead);
        let (verdict, lines) = said(&draft, &solvers).await;
        assert_eq!(verdict, Verdict::Fails, "{agreement} without `{clause}`");
        for part in says {
            assert!(lines.contains(part), "`{part}` is not in:\n{lines}");
        }
        // A value that no calendar has is said in words.
        assert!(!lines.contains("offset("), "{lines}");
        // Nobody else is blamed.
        let blamed = lines.lines().filter(|line| line.starts_with("permits"));
        for line in blamed {
            assert!(line.contains(&format!("agreement {agreement}:")), "{line}");
        }
    }
}
