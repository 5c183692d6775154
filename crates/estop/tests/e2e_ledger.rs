//! What a ledger gives to others, from outside: notices of corrections and the answers to them, receipts, exports.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

#[path = "ledger/export.rs"]
mod export;
#[path = "ledger/notices.rs"]
mod notices;
#[path = "ledger/seal.rs"]
mod seal;
mod stage;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use estop::ssh;
use evidence::checkpoint::Checkpoint;
use evidence::cosignature::CosignerKey;
use evidence::hash::{self, Hash};
use evidence::note::{SignerKey, VerifierKey};
use evidence::proof::TlogProof;
use evidence::tile;
use evidence::tree::Edge;
use evidence::witness::{AddCheckpoint, consider};
use jiff::Timestamp;
use serde_json::Value;
use stage::office::{Office, public_key};

#[test]
fn a_correction_reaches_everyone_who_was_given_the_record_and_is_answered() {
    let keys = tempfile::tempdir().unwrap();
    let (officer, stranger) = (keys.path().join("officer"), keys.path().join("stranger"));
    for key in [&officer, &stranger] {
        ssh::generate(key, "somebody").unwrap();
    }
    let mut office = Office::open_in("in-place", |files| {
        let police = files.get_mut("partners/state-police.toml").unwrap();
        let with_key = format!("\nssh_key = \"{} of the bureau\"\nscram = ", public_key(&officer));
        *police = police.replacen("\nscram = ", &with_key, 1);
    });
    let police = office.login("state-police");
    let federal = office.login("federal-agency");
    let theirs = federal.query("select person_id from people order by person_id limit 300");
    let theirs = theirs.lines().collect::<Vec<_>>().join(", ");
    let both = police.query(&format!(
        "select person_id from people where person_id in ({theirs}) limit 1"
    ));
    let id = both.lines().next().unwrap().to_owned();
    police.query(&format!(
        "select person_id, name from people where person_id = {id}"
    ));
    police.query(&format!("select person_id from people where person_id = {id}"));
    police.query("select count(*) from people");

    let out = office.path("notices");
    let made = correct(&office, &id, &out);
    let notices = made["notices"].as_array().unwrap();
    let to = |partner: &str| notices.iter().find(|one| one["partner"] == partner).unwrap();
    assert_eq!(notices.len(), 2, "{made:#}");
    // What cannot be said to be about anybody is told.
    assert!(
        made["covers"]["unattributed"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["why"] == "no-key"),
        "{made:#}"
    );
    in_the_ledger(&office, notices);

    let (first, second) = (to("state-police"), to("federal-agency"));
    let (file, other) = (text(&first["file"]), text(&second["file"]));
    let number = text(&first["number"]);
    partner_reads(&office, file);
    let open = list(&office, &[]);
    assert_eq!(open.len(), 2);
    assert!(
        open.iter()
            .all(|one| one["open_days"] == 0 && one["subject"] == id.as_str()),
        "{open:#?}"
    );
    let given =
        |partner: &str| open.iter().find(|one| one["partner"] == partner).unwrap()["disclosures"].clone();
    assert_eq!(
        (given("state-police"), given("federal-agency")),
        (3.into(), 1.into())
    );

    // Only a signature of the partner's officer, in the namespace, over this very notice, is an answer.
    let custodian = office.estop(&[
        "correct",
        "check",
        file,
        "--key",
        office.path("state/custodian.vkey").to_str().unwrap(),
        "--json",
    ]);
    let custodian = text(&json(&custodian)["custodian"]).to_owned();
    let right = format!("correction@{custodian}");
    let signed = |key: &Path, file: &str, namespace: &str, name: &str| {
        let signature = keys.path().join(name);
        ssh::sign(Path::new(file), key, namespace, &signature).unwrap();
        signature.to_str().unwrap().to_owned()
    };
    let answer = |number: &str, signature: &str| {
        office.estop(&["correct", "acknowledge", number, "--signature", signature])
    };
    for (signature, says) in [
        (
            signed(&stranger, file, &right, "a"),
            "no officer of the partner has",
        ),
        (signed(&officer, other, &right, "b"), "not over this notice"),
        (
            signed(&officer, file, &format!("directive@{custodian}"), "c"),
            "namespace",
        ),
    ] {
        said(&answer(number, &signature), 1, says);
    }
    let good = signed(&officer, file, &right, "good");
    said(&answer(number, &good), 0, "d.achterberg, with a signature");
    said(&answer(number, &good), 2, "answered already");
    // A partner whose officers have no keys can answer by what the custodian says of it.
    let theirs = text(&second["number"]);
    said(&answer(theirs, &good), 2, "has an `ssh_key`");
    assert_eq!(list(&office, &[]).len(), 1);
    said(
        &office.estop(&[
            "correct",
            "acknowledge",
            theirs,
            "--word",
            "letter of 25 November",
        ]),
        0,
        "custodian's word",
    );
    assert!(list(&office, &[]).is_empty());
    let all = list(&office, &["--all"]);
    assert_eq!((all.len(), &all[0]["open_days"]), (2, &Value::Null));

    // Nobody was given what is not there; and all of it goes without `serve`, too.
    assert!(
        correct(&office, "4000000", &out)["notices"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    office.close();
    let again = correct(&office, &id, &out);
    let third = text(&again["notices"][0]["number"]).to_owned();
    assert_eq!(list(&office, &[]).len(), 2);
    said(
        &office.estop(&["correct", "acknowledge", &third, "--word", "by telephone"]),
        0,
        "by telephone",
    );
    assert_eq!(list(&office, &[]).len(), 1);
    let copy = keys.path().join("copy");
    said(
        &office.estop(&["correct", "show", &third, "-o", copy.to_str().unwrap()]),
        0,
        "copy",
    );
    assert_eq!(
        std::fs::read(copy).unwrap(),
        std::fs::read(text(&again["notices"][0]["file"])).unwrap()
    );
    said(&office.estop(&["ledger", "verify"]), 0, "holds");
}

#[test]
fn a_partner_proves_with_its_receipts_what_is_missing_from_its_log() {
    let office = Office::open_in("in-place", |files| {
        let police = files.get_mut("agreements/state-police-2018.toml").unwrap();
        *police = police.replacen("[agreement]\n", "[agreement]\nreceipts = \"notice\"\n", 1);
    });
    let police = office.login("state-police");
    for _ in 0..3 {
        police.query("select person_id from people limit 5");
    }
    let folder = office.path("state/ledger/public/p/state-police");
    let size = || {
        // Nothing is there before the first publication.
        let note = std::fs::read_to_string(folder.join("checkpoint")).ok()?;
        note.lines().nth(1)?.parse::<u64>().ok()
    };
    stage::wait_for("the entries are published", || size() >= Some(4));
    let out = office.path("receipts");
    let made = json(&office.estop(&[
        "receipts",
        "--partner",
        "state-police",
        "--out",
        out.to_str().unwrap(),
        "--json",
    ]));
    assert_eq!(
        (
            made["receipts"].as_array().unwrap().len(),
            &made["receipts"][0]["leaves"]
        ),
        (1, &made["size"])
    );
    let receipt = text(&made["receipts"][0]["file"]).to_owned();
    let key = office.path("state/custodian.vkey");
    let key = key.to_str().unwrap();
    let check = |log: &Path, more: &[&str]| {
        let mut estop = Command::new(stage::ESTOP);
        estop.args([
            "receipts",
            "check",
            &receipt,
            "--key",
            key,
            "--log",
            log.to_str().unwrap(),
        ]);
        estop.args(more).output().unwrap()
    };
    said(&check(&folder, &[]), 0, "4 of 4 leaves stand");

    // The custodian makes another log, without the third entry, and signs it.
    let forged = forge(&office, &folder, 2);
    let evidence = office.path("evidence");
    said(
        &check(&forged, &["--evidence", evidence.to_str().unwrap()]),
        1,
        "missing: leaf 2",
    );
    let proof =
        TlogProof::parse(&std::fs::read_to_string(evidence.join("other.tlog-proof")).unwrap()).unwrap();
    let other = std::fs::read(evidence.join("other.entry")).unwrap();
    let custodian: VerifierKey = std::fs::read_to_string(key).unwrap().trim().parse().unwrap();
    let origin = Checkpoint::peek(&proof.checkpoint).unwrap().origin;
    proof.verify(&other, &custodian.renamed(&origin)).unwrap();
    assert_eq!(proof.index, 2);
    // A log that ends too early is missing nothing yet; one that a witness has seen so later, is.
    let short = forge(&office, &folder, 3);
    said(&check(&short, &[]), 1, "1 leaves are beyond");
    let witness = CosignerKey::generate([9; 32], "witness.example.org".parse().unwrap());
    let policy = office.path("policy");
    let line = format!("witness w {}\nquorum w\n", witness.witness());
    std::fs::write(&policy, line).unwrap();
    let note = std::fs::read_to_string(short.join("checkpoint")).unwrap();
    for (later, exit, says) in [
        (60, 1, "1 leaves are beyond"),
        (3_600, 1, "witnesses have seen no longer log"),
    ] {
        let time = Timestamp::from_second(estop::clock::now().as_second() + later).unwrap();
        let request = AddCheckpoint {
            old: 0,
            proof: Vec::new(),
            checkpoint: note.clone(),
        };
        let line = witness
            .cosign(
                &consider(&request, &custodian.renamed(&origin), None).unwrap(),
                time,
            )
            .unwrap();
        std::fs::write(short.join("checkpoint"), format!("{note}{line}")).unwrap();
        said(
            &check(&short, &["--witnesses", policy.to_str().unwrap()]),
            exit,
            says,
        );
    }
    receipts_that_were_sent(&office, &police);
    // Another custodian's receipt is none.
    let strange = std::fs::read_to_string(&receipt)
        .unwrap()
        .replacen("leaf 2", "leaf 9", 1);
    std::fs::write(&receipt, strange).unwrap();
    said(&check(&folder, &[]), 1, "not signed by the custodian");
}

/// What clients were sent after their statements, as a partner keeps it.
fn receipts_that_were_sent(office: &Office, police: &stage::Login) {
    let receipts = notices::sent(office, police, &office.login("federal-agency"));
    assert!(receipts.len() >= 7);
    let log = office.path("state/ledger/public/p/state-police");
    stage::wait_for("all of it is published", || {
        notices::hold(office, &receipts, &log)
            .iter()
            .all(|code| *code == Some(0))
    });
    // In a log without one of the entries before, none of the later receipts holds.
    let size = Checkpoint::peek(&std::fs::read_to_string(log.join("checkpoint")).unwrap())
        .unwrap()
        .size;
    assert!(size < 256, "the forger makes one tile");
    let forged = forge(office, &log, 4);
    let codes = notices::hold(office, &receipts, &forged);
    assert!(codes.iter().all(|code| *code == Some(1)), "{codes:?}");
}

/// A partner's log without one of its entries, signed by the custodian.
fn forge(office: &Office, log: &Path, without: usize) -> PathBuf {
    let note = std::fs::read_to_string(log.join("checkpoint")).unwrap();
    let Checkpoint { origin, size, .. } = Checkpoint::peek(&note).unwrap();
    let bundle = std::fs::read(log.join(format!("tile/entries/000.p/{size}"))).unwrap();
    let mut entries = tile::decode_bundle(&bundle, u16::try_from(size).unwrap()).unwrap();
    entries.remove(without);
    let leaves: Vec<Hash> = entries.iter().map(|entry| hash::leaf(entry)).collect();
    let mut edge = Edge::empty();
    leaves.iter().for_each(|leaf| edge.push(*leaf, &mut |_| ()));
    let key = std::fs::read_to_string(office.path("state/custodian.key")).unwrap();
    let key = SignerKey::parse(key.trim()).unwrap().renamed(&origin);
    let forged = office.path(&format!("forged-{without}"));
    let width = entries.len();
    for (path, bytes) in [
        (
            format!("tile/entries/000.p/{width}"),
            tile::encode_bundle(&entries).unwrap(),
        ),
        (format!("tile/0/000.p/{width}"), tile::encode_tile(&leaves)),
        (
            "checkpoint".to_owned(),
            Checkpoint {
                origin,
                size: edge.size(),
                root: edge.root(),
            }
            .sign(&key)
            .into_bytes(),
        ),
    ] {
        let path = forged.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    forged
}

fn correct(office: &Office, id: &str, out: &Path) -> Value {
    let out = out.to_str().unwrap();
    let note = "the date of birth was wrong; it is 1981-02-01";
    let args = [
        "correct",
        "--dataset",
        "people",
        "--subject",
        id,
        "--note",
        note,
        "--out",
        out,
        "--json",
    ];
    let output = office.estop(&args);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    json(&output)
}

/// The public part says that there is a notice, and nothing else.
fn in_the_ledger(office: &Office, notices: &[Value]) {
    for notice in notices {
        let index = notice["entry"].to_string();
        let shown = json(&office.estop(&["ledger", "show", &index, "--json"]));
        let entry = text(&shown["entries"][0]["entry"]);
        let keys: Vec<&str> = entry
            .lines()
            .skip(1)
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert_eq!(keys, ["kind", "time", "commitment"], "{entry}");
        assert!(entry.contains("\nkind correction\n"), "{entry}");
        assert_eq!(shown["entries"][0]["record"]["number"], notice["number"]);
    }
}

/// With the file and the custodian's key alone.
fn partner_reads(office: &Office, file: &str) {
    let key = office.path("state/custodian.vkey");
    let check = |file: &str| {
        Command::new(stage::ESTOP)
            .args(["correct", "check", file, "--key", key.to_str().unwrap()])
            .output()
            .unwrap()
    };
    said(&check(file), 0, "it is 1981-02-01");
    let changed = format!("{file}.changed");
    let notice = std::fs::read_to_string(file).unwrap();
    std::fs::write(&changed, notice.replacen("1981", "1991", 1)).unwrap();
    said(&check(&changed), 1, "does not hold");
}

fn list(office: &Office, more: &[&str]) -> Vec<Value> {
    let mut args = vec!["correct", "list", "--json"];
    args.extend(more);
    json(&office.estop(&args))["notices"].as_array().unwrap().clone()
}

fn said(output: &Output, exit: i32, says: &str) {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    let both = String::from_utf8(both).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{both}");
    assert!(both.contains(says), "{says}: {both}");
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
