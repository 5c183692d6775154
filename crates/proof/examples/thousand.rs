//! How long the proofs of a large estate take: `cargo run --release -p proof --example thousand -- AGREEMENTS DATASETS`.
//!
//! Each agreement shares two data sets for two purposes, with conditions; five guardrails, one of them a list of exceptions.

#![expect(clippy::print_stdout, reason = "figures are what it is for")]
#![expect(clippy::expect_used, reason = "what is not there ends a measurement")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::estate::{Estate, Files};
use proof::case::Case;
use proof::examine::examine;
use proof::properties::{Columns, Never, Scope, Wanted, all, guardrails};
use proof::run::{Settled, Verdict, prove};
use proof::solver::{Programs, Solvers};

const VERIFIER: &str = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

const GUARDRAILS: &str = r#"
@id("juveniles") @citation("Act 1, section 1")
forbid (principal, action == Action::"read", resource) when { resource.is_juvenile };
@id("sealed") @citation("Act 1, section 2")
forbid (principal, action == Action::"read", resource in Tag::"court") when { resource.status == "sealed" };
@id("identity-masked") @citation("Act 2, section 7")
forbid (principal in Partner::"partner-1", action, resource) when { context.column in ColumnTag::"identity" && !context.masked };
@id("no-enforcement") @citation("Ordinance 9")
forbid (principal, action, resource) when { context.purpose == Purpose::"immigration-enforcement" };
"#;

const EXCEPTIONS: &str = r#"
@id("investigations") @citation("Act 3(a)")
permit (principal, action == Action::"read", resource in Tag::"court") when { context.purpose == Purpose::"investigation" };
@id("research") @citation("Act 3(b)")
permit (principal, action == Action::"read", resource in Tag::"court") when { context.purpose == Purpose::"research" && resource.level <= 5 };
"#;

#[expect(clippy::disallowed_methods, reason = "a measurement has a clock")]
fn clock() -> Instant {
    Instant::now()
}

fn files(agreements: usize, datasets: usize, bad: usize) -> Files {
    let mut files: Files = BTreeMap::new();
    files.insert(
        "estop.toml".to_owned(),
        "[custodian]\nname = \"records.example.org\"\ntitle = \"R\"\ntime_zone = \"America/Chicago\"\n[upstream.main]\nurl = \"postgres://a@/r\"\nisolation = \"in-place\"\n\
         [gateway]\nlisten = \"127.0.0.1:6432\"\ntls_certificate = \"c\"\ntls_key = \"k\"\npublic_name = \"localhost\"\n[state]\ndir = \"s\"\n"
            .to_owned(),
    );
    for number in 0..datasets {
        let tag = if number % 2 == 0 {
            "\"court\""
        } else {
            "\"police\""
        };
        let text = format!(
            "[dataset]\nid = \"set-{number}\"\nupstream = \"main\"\nrelation = \"records.set_{number}\"\ntags = [{tag}]\n[columns]\n\
             id = {{ type = \"bigint\" }}\nname = {{ type = \"text\", tags = [\"identity\"] }}\nstatus = {{ type = \"text\" }}\nlevel = {{ type = \"integer\" }}\n\
             is_juvenile = {{ type = \"boolean\" }}\nseen_at = {{ type = \"timestamptz\", optional = true }}\n"
        );
        files.insert(format!("datasets/set-{number}.toml"), text);
    }
    let partners = agreements.div_ceil(4).max(1);
    for number in 0..partners {
        let text = format!(
            "[partner]\nid = \"partner-{number}\"\ntitle = \"Partner {number}\"\n[[officer]]\nid = \"kim\"\nname = \"Kim\"\nscram = \"{VERIFIER}\"\n"
        );
        files.insert(format!("partners/partner-{number}.toml"), text);
    }
    for number in 0..agreements {
        let mut text = format!(
            "[agreement]\nid = \"a-{number}\"\npartner = \"partner-{}\"\nlegal_basis = \"MOU {number}\"\nvalid = {{ from = \"2024-01-01\", until = \"20{}-12-31\" }}\npurposes = [\"investigation\", \"research\"]\n",
            number % partners,
            27 + number % 9
        );
        for (share, dataset) in [number % datasets, (number + 7) % datasets]
            .into_iter()
            .enumerate()
        {
            let juvenile = if number < bad && share == 0 {
                ""
            } else {
                "!resource.is_juvenile && "
            };
            let _ = write!(
                text,
                "[[share]]\ndataset = \"set-{dataset}\"\ncolumns = [\"id\", \"name\", \"status\"]\nmask = {{ name = \"initials\" }}\n\
                 when = '{juvenile}resource.status == \"open\" && resource.level < {} && (if resource has seen_at then resource.seen_at > datetime(\"20{:02}-01-01\") else true)'\n",
                number % 6,
                10 + number % 15
            );
        }
        files.insert(format!("agreements/a-{number}.toml"), text);
    }
    files.insert("guardrails/acts.cedar".to_owned(), GUARDRAILS.to_owned());
    files.insert("guardrails/exceptions.cedar".to_owned(), EXCEPTIONS.to_owned());
    files
}

fn program(name: &str) -> PathBuf {
    PathBuf::from("/usr/bin").join(name)
}

async fn measure(what: &str, estate: &Estate, case: &Case, solvers: &Solvers) {
    let began = clock();
    let prepared = Arc::new(case.prepare().expect("the case is right"));
    let read = began.elapsed();
    let proved = prove(&prepared, solvers, &|_| {}).await.expect("it is encoded");
    let took = began.elapsed();
    let (mut cvc5, mut z3) = (Duration::ZERO, Duration::ZERO);
    let mut asked = 0;
    for check in proved.iter().flat_map(|proved| &proved.checks) {
        if let Settled::Asked(run) = &check.settled {
            asked += 1;
            cvc5 += run.cvc5.took;
            z3 += run.z3.took;
        }
    }
    let verdict = Verdict::of_all(proved.iter().map(proof::run::Proved::verdict));
    println!(
        "{what}: {verdict:?} in {:.2} s (read {:.2} s), {asked} questions, cvc5 {:.2} s and z3 {:.2} s in all",
        took.as_secs_f64(),
        read.as_secs_f64(),
        cvc5.as_secs_f64(),
        z3.as_secs_f64()
    );
    for ((claim, _, _), proved) in prepared.claims.iter().zip(&proved) {
        let asked = proved.checks.iter().filter_map(|check| match &check.settled {
            Settled::Asked(run) => Some(run.cvc5.took + run.z3.took),
            Settled::Folded(_) => None,
        });
        let (questions, took) = asked.fold((0, Duration::ZERO), |(count, sum), one| (count + 1, sum + one));
        println!(
            "  {} {:?}: {questions} questions, {:.2} s of solvers; {} permits by their words, {} policies by validation",
            claim.name,
            proved.verdict(),
            took.as_secs_f64(),
            proved.stated.iter().sum::<usize>(),
            proved.validated.iter().sum::<usize>(),
        );
    }
    if verdict == Verdict::Fails {
        let began = clock();
        let examined = examine(estate, &prepared, proved, solvers)
            .await
            .expect("counterexamples are read");
        let found: usize = examined.iter().map(|one| one.findings.len()).sum();
        println!(
            "  {found} findings by name in {:.2} s more",
            began.elapsed().as_secs_f64()
        );
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let agreements = arguments.next().unwrap_or(1_000);
    let datasets = arguments.next().unwrap_or(20);
    let at_once = std::thread::available_parallelism().map_or(2, usize::from);
    let programs = Programs {
        cvc5: program("cvc5"),
        z3: program("z3"),
        limit: Duration::from_secs(120),
        at_once,
        clock,
    };
    let solvers = Solvers::open(programs).await.expect("apt-get install cvc5 z3");
    let began = clock();
    let estate = Estate::parse(&files(agreements, datasets, 0)).expect("the estate is right");
    println!(
        "{agreements} agreements, {datasets} data sets, {at_once} processors: read in {:.2} s",
        began.elapsed().as_secs_f64()
    );
    measure("guardrails", &estate, &guardrails(&estate), &solvers).await;
    let wanted = Wanted {
        scope: Some(Scope {
            directive: None,
            partner: "partner-1".parse().expect("an id"),
            agreement: None,
            purpose: None,
        }),
        never: vec![Never {
            columns: Columns::Tagged("identity".to_owned()),
            to: None,
            unmasked: true,
        }],
        against: Some(&estate),
    };
    measure("everything", &estate, &all(&estate, &wanted).case, &solvers).await;
    let bad = Estate::parse(&files(agreements, datasets, 5)).expect("the estate is right");
    measure(
        "guardrails, five agreements against them",
        &bad,
        &guardrails(&bad),
        &solvers,
    )
    .await;
}
