//! An estate is put in force only with a proof that it keeps its guardrails, and the ledger says with which.

use control::{Class, ControlError};
use evidence::entry::Kind;
use evidence::record::{Applied, decode};
use policy::estate::Files;
use proof::folder::MANIFEST;
use proof::hold::Proving;
use proof::recheck::recheck;
use proof::run::Verdict;
use proof::solver::{Programs, Solvers};

use crate::world::{World, approval, proving};

const AGREEMENT: &str = "agreements/transit-2020.toml";

/// No sealed record may be read; `transit-2020` forgets it, `police-2018` does not.
fn guarded(files: &mut Files) {
    files.insert(
        "guardrails/law.cedar".to_owned(),
        "@id(\"sealed\") @citation(\"Sealing Act, section 4\")\n\
         forbid (principal, action == Action::\"read\", resource) when { resource.sealed };\n"
            .to_owned(),
    );
}

fn kept(files: &mut Files) {
    guarded(files);
    let text = files[AGREEMENT].replace("resource.id < 90000", "resource.id < 90000 && !resource.sealed");
    files.insert(AGREEMENT.to_owned(), text);
}

fn applied(world: &World) -> Vec<Applied> {
    let entries = world.ledger.entries(0..world.ledger.size()).unwrap();
    entries
        .map(Result::unwrap)
        .filter(|stored| stored.parse().unwrap().kind == Kind::Applied)
        .map(|stored| decode(&stored.record).unwrap())
        .collect()
}

async fn roles(world: &World) -> usize {
    let roles = "select 1 from pg_roles where rolname like 'estop%'";
    world.admin().await.query(roles, &[]).await.unwrap().len()
}

#[tokio::test]
async fn what_a_guardrail_forbids_is_neither_signed_nor_applied() {
    let mut world = World::unapproved(&[]).await;
    world.restart_with(guarded);
    let draft = world.control.draw_up_approval(approval()).await;
    let apply = world.control.apply(&[]).await;
    for refused in [draft.map(drop), apply.map(drop)] {
        let error = refused.unwrap_err();
        assert_eq!(error.class(), Class::No);
        let ControlError::NotHeld(lines) = &error else {
            panic!("{error:?}");
        };
        let text = lines.join("\n");
        for said in [
            "transit-2020",
            "sealed",
            "Sealing Act, section 4",
            "Ada",
            "planning",
        ] {
            assert!(text.contains(said), "`{said}` is not in:\n{text}");
        }
        assert!(!text.contains("police-2018"), "{text}");
        assert!(error.remedy().contains("estop check"), "{}", error.remedy());
    }
    assert_eq!(roles(&world).await, 0, "nothing was changed");
    assert!(applied(&world).is_empty());

    world.restart_with(kept);
    world.approve().await.unwrap();
    world.control.apply(&[]).await.unwrap();
    let proof = applied(&world).pop().unwrap().proof.unwrap();
    // The evidence is there, is what the ledger says, and holds when it is asked anew.
    let folder = proving().folder.join(&proof);
    let manifest = std::fs::read_to_string(folder.join(MANIFEST)).unwrap();
    assert_eq!(proof::folder::sha256(&manifest), proof);
    let solvers = Solvers::open((proving().programs)()).await.unwrap();
    let again = recheck(&folder, &solvers, &|_| {}).await.unwrap();
    assert_eq!((again.problems, again.notes), (Vec::new(), Vec::new()));
    assert_eq!(again.verdicts, [Verdict::Holds; 2]);
}

#[tokio::test]
async fn without_an_answer_of_both_solvers_nothing_is_applied() {
    let mut world = World::with(&[]).await;
    fn none() -> Programs {
        Programs {
            z3: "/nonexistent/z3".into(),
            ..(proving().programs)()
        }
    }
    fn silent() -> Programs {
        Programs {
            limit: std::time::Duration::ZERO,
            ..(proving().programs)()
        }
    }
    world.restart_proving(
        kept,
        Proving {
            programs: none,
            ..proving()
        },
    );
    let error = world.control.apply(&[]).await.unwrap_err();
    assert_eq!(error.class(), Class::Missing);
    assert!(error.chain().contains("/nonexistent/z3"), "{}", error.chain());
    assert!(
        error.remedy().contains("apt-get install cvc5 z3"),
        "{}",
        error.remedy()
    );
    world.restart_proving(
        kept,
        Proving {
            programs: silent,
            ..proving()
        },
    );
    let error = world.control.apply(&[]).await.unwrap_err();
    assert_eq!(error.class(), Class::No);
    assert!(error.to_string().contains("undecided"), "{error}");
    assert_eq!(roles(&world).await, 0, "nothing was changed");
}
