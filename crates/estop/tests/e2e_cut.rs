//! A termination as a new user works it: `estop`, `ssh-keygen`, psql and psycopg against a served demo. What is not signed as
//! it must be changes nothing; what is, ends everything of the partner and nothing of the others; the certificate shows it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

mod stage;
mod suspended;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use evidence::certificate;
use evidence::note::{SignerKey, VerifierKey};
use serde_json::Value;
use stage::desk::{Desk, NAMESPACE, Worker, refused, said, submit, with};
use stage::office::{Office, public_key};
use stage::{ESTOP, Stage, psql_on};

/// Who is cut off.
const PARTNER: &str = "state-police";

#[test]
fn a_termination_from_the_draft_to_the_certificate() {
    termination(Stage::set_in("in-place"));
}

/// Both sides end: the airlock's sessions, and the connections they hold to the custodian's database.
#[test]
fn a_termination_in_an_airlock() {
    termination(Stage::set_in("airlock"));
}

fn termination(mut stage: Stage) {
    let desk = Desk::at(&stage.folder());
    refused_as_long_as_it_is_not_signed_as_it_must_be(&stage, &desk);
    let (order, text) = desk.draw_up(&stage, PARTNER);
    let outcome = the_cut(&stage, &desk, &order);
    nothing_is_left(&stage, &outcome);
    submitting_again_changes_nothing(&stage, &desk, &order, &text);
    let number = outcome["number"].as_str().unwrap();
    let file = desk.folder.join("issued.certificate");
    let issued = stage.estop(&["certificate", "issue", number, "--output", file.to_str().unwrap()]);
    assert!(issued.status.success(), "{}", said(&issued));
    stage.stop();
    the_certificate(&file, &stage.folder().join("state/custodian.vkey"), number);
}

#[test]
fn keys_of_one_person_and_keys_that_are_over() {
    let mut office = Office::open();
    let desk = Desk::at(&office.path(""));
    let order = desk.folder.join("order");
    let drawn = [
        "directive",
        "new",
        "terminate",
        PARTNER,
        "--basis",
        "Vote 7",
        "-o",
        order.to_str().unwrap(),
    ];
    assert!(office.estop(&drawn).status.success());
    for key in ["mayors-second", "retired"] {
        estop::ssh::generate(&desk.key(key), key).unwrap();
    }
    let mayor = desk.sign(&order, "mayor", NAMESPACE);
    let second = desk.sign(&order, "mayors-second", NAMESPACE);
    let retired = desk.sign(&order, "retired", NAMESPACE);
    let submit = |office: &Office, signature: &Path| {
        let [order, mayor, other] = [&order, &mayor, signature].map(|path| path.to_str().unwrap().to_owned());
        office.estop(&["directive", "submit", &order, &mayor, &other])
    };
    let signers = office.path("authorities/allowed_signers");
    let mut file = std::fs::OpenOptions::new().append(true).open(&signers).unwrap();
    writeln!(
        file,
        "mayor@city.example namespaces=\"{NAMESPACE}\" {}",
        public_key(&desk.key("mayors-second"))
    )
    .unwrap();
    writeln!(
        file,
        "clerk@city.example namespaces=\"{NAMESPACE}\",valid-before=\"20200101Z\" {}",
        public_key(&desk.key("retired"))
    )
    .unwrap();
    // The signers in force are those of the estate that was approved: a changed file is for an approval, and the refusal
    // says so.
    let unlisted = "with a key that the allowed signers do not list";
    let early = submit(&office, &second);
    refused(&early, unlisted);
    assert!(said(&early).contains("approved last"), "{}", said(&early));
    office.restart();
    refused(&submit(&office, &second), unlisted);
    office.approve();
    // The approval has taken the order's number.
    std::fs::remove_file(&order).unwrap();
    assert!(office.estop(&drawn).status.success());
    for who in ["mayor", "mayors-second", "retired"] {
        desk.sign(&order, who, NAMESPACE);
    }
    refused(
        &submit(&office, &second),
        "were both made by `mayor@city.example`, with two keys",
    );
    refused(
        &submit(&office, &retired),
        "the key of `clerk@city.example` was valid until 2020-01-01",
    );
    let listed = office.estop(&["directive", "list"]);
    assert!(!said(&listed).contains("terminate"), "{}", said(&listed));
    // With the right two it is carried out after all: nothing of it was used up.
    let counsel = desk.sign(&order, "counsel", NAMESPACE);
    let done = submit(&office, &counsel);
    assert!(done.status.success(), "{}", said(&done));
}

fn refused_as_long_as_it_is_not_signed_as_it_must_be(stage: &Stage, desk: &Desk) {
    let police = stage.login(PARTNER);
    let directives = stage.estop_json(&["directive", "list"]);
    let rows = police.query("select count(*) from people");
    let (order, text) = desk.draw_up(stage, PARTNER);
    let one = |files: &[&PathBuf], why: &str| {
        let files: Vec<_> = files.iter().map(|path| (*path).clone()).collect();
        refused(&submit(stage, &files), why);
    };
    one(&[&order], "the directive has no signature");
    let mayor = desk.sign(&order, "mayor", NAMESPACE);
    one(&[&order], "only `mayor@city.example` has signed the directive");
    one(
        &[&order, &mayor, &mayor],
        "signature 2 is the same as signature 1",
    );
    let again = desk.sign_with(&order, "mayor", NAMESPACE, &["-O", "hashalg=sha256"]);
    one(
        &[&order, &mayor, &again],
        "signatures 1 and 2 were made with the same key, that of `mayor@city.example`",
    );
    estop::ssh::generate(&desk.key("stranger"), "stranger").unwrap();
    let foreign = desk.sign_with(&order, "stranger", NAMESPACE, &["-O", "hashalg=sha512"]);
    one(
        &[&order, &mayor, &foreign],
        "signature 2 was made with a key that the allowed signers do not list",
    );
    let misplaced = desk.sign(&order, "counsel", "file");
    one(
        &[&order, &mayor, &misplaced],
        "was made in the namespace `file`; sign with",
    );
    let armored = std::fs::read_to_string(&mayor).unwrap();
    std::fs::write(&misplaced, armored.replacen('A', "!", 1)).unwrap();
    one(&[&order, &mayor, &misplaced], "signature 2 cannot be read");
    let counsel = desk.sign(&order, "counsel", NAMESPACE);
    let changed = desk.folder.join("changed");
    for text in [
        with(&text, "basis", "Council vote 2026-4"),
        with(&text, "partner", "university"),
    ] {
        std::fs::write(&changed, text).unwrap();
        one(
            &[&changed, &mayor, &counsel],
            "does not fit the directive: it was made over other bytes",
        );
    }
    let both = |name, text: String, why| refused(&submit(stage, &desk.signed_by_both(name, &text)), why);
    both(
        "elsewhere",
        with(&text, "custodian", "other.example.org"),
        "the directive is for `other.example.org`",
    );
    let past = with(
        &with(&text, "issued", "2020-01-01T00:00:00Z"),
        "expires",
        "2020-01-02T00:00:00Z",
    );
    both("expired", past, "the directive expired 2020-01-02T00:00:00Z");
    let future = with(
        &with(&text, "issued", "2090-01-01T00:00:00Z"),
        "expires",
        "2090-01-02T00:00:00Z",
    );
    both(
        "early",
        future,
        "the directive was issued 2090-01-01T00:00:00Z, more than five minutes after now",
    );
    let root = with(
        &text,
        "ledger-root",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    );
    both("other-ledger", root, "of another ledger");
    both(
        "number-taken",
        with(&text, "number", "D-2026-0001"),
        "is in the ledger already, with other text",
    );
    // Nothing has changed by any of it.
    assert_eq!(stage.estop_json(&["directive", "list"]), directives);
    assert_eq!(police.query("select count(*) from people"), rows);
    assert_eq!(stage.estop(&["drift"]).status.code(), Some(0));
}

/// Two proper signatures while the partner reads in every way there is. What `submit` said.
fn the_cut(stage: &Stage, desk: &Desk, order: &Path) -> Value {
    let police = stage.login(PARTNER);
    let behind = stage.behind(PARTNER);
    assert!(
        psql_on(&behind, "select count(*) from people")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            > 0
    );
    psql_on(&behind, "begin; select 1; prepare transaction 'left behind'").unwrap();
    assert_eq!(stage.admin("select count(*) from pg_prepared_xacts"), "1");
    let others = Worker::begin("partner_at_work.py", &[&stage.login("university").conninfo()]);
    let partner = Worker::begin("partner_cut.py", &[&police.conninfo(), &behind]);
    let (sessions, _) = stage.estop_json(&["sessions"]);
    for who in ["mayor", "counsel"] {
        desk.sign(order, who, NAMESPACE);
    }
    let (outcome, code) = stage.estop_json(&["directive", "submit", order.to_str().unwrap()]);
    assert_eq!(
        (code, outcome["complete"].as_bool()),
        (0, Some(true)),
        "{outcome}"
    );
    let number = outcome["number"].as_str().unwrap();
    each_session_has_ended(&partner.end(), &sessions, &outcome);
    let refusal = police.refused("select 1");
    assert!(refusal.contains("57P01") || refusal.contains(number), "{refusal}");
    assert!(refusal.contains(number), "{refusal}");
    let direct = psql_on(&behind, "select 1").unwrap_err();
    assert!(
        direct.contains("authentication failed") || direct.contains("not permitted to log in"),
        "{direct}"
    );
    assert_eq!(stage.admin("select count(*) from pg_prepared_xacts"), "0");
    let worked = others.end();
    assert_eq!(
        worked["errors"],
        serde_json::json!([]),
        "the other partner must not notice"
    );
    assert!(worked["asked"].as_u64().unwrap() > 3, "{worked}");
    outcome
}

fn each_session_has_ended(ended: &Value, sessions: &Value, outcome: &Value) {
    let number = outcome["number"].as_str().unwrap();
    let mut told = 0;
    for (name, one) in ended.as_object().unwrap() {
        assert_eq!(one["rows_after"], 0, "{name} read on: {one}");
        assert_eq!(one["closed"], true, "{name} is open: {one}");
        let received = one["rows"].as_u64().unwrap();
        assert!(received > 0, "{name} had nothing to lose");
        if name.starts_with("direct") {
            continue;
        }
        told += usize::from(one["message"].as_str().unwrap().contains(number));
        let is_this = |line: &&Value| line["application"] == name.as_str() && line["partner"] == PARTNER;
        let session = &sessions["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .find(is_this)
            .expect("it is listed")["session"];
        let cuts = outcome["cuts"].as_array().unwrap();
        let cut = cuts
            .iter()
            .find(|cut| cut["session"] == *session)
            .expect("it is in the outcome");
        // What is recorded is what was handed over: never less than the partner has.
        assert!(
            cut["rows"].as_u64().unwrap() >= received,
            "{name}: {one} but {cut}"
        );
        if name != "streaming" && name != "copying" {
            assert_eq!(cut["rows"], one["rows"], "{name}");
        }
    }
    // One that was in the middle of a message can only be reset; the three that were idle must be told.
    assert!(told >= 3, "{ended}");
}

/// The database's side: closed, and if somebody opens it again by hand, that shows, and gives nothing.
fn nothing_is_left(stage: &Stage, outcome: &Value) {
    let role = outcome["roles"][0]["role"].as_str().unwrap();
    assert_eq!(stage.estop(&["drift"]).status.code(), Some(0));
    stage.admin(&format!(
        "alter role {role} login password 'by hand' connection limit 3"
    ));
    let drift = stage.estop(&["drift"]);
    refused(&drift, role);
    let upstream = &stage.facts["upstream"];
    let by_hand = format!(
        "host={} port={} dbname={} user={role} password='by hand'",
        upstream["host"].as_str().unwrap(),
        upstream["port"],
        upstream["database"].as_str().unwrap()
    );
    for statement in [
        format!("select count(*) from {role}.people"),
        "select count(*) from records.people".to_owned(),
    ] {
        let words = psql_on(&by_hand, &statement).unwrap_err();
        assert!(
            words.contains("42501") || words.contains("permission denied"),
            "{words}"
        );
    }
    let applied = stage.estop(&["apply"]);
    assert!(applied.status.success(), "{}", said(&applied));
    assert_eq!(
        stage.estop(&["drift"]).status.code(),
        Some(0),
        "apply puts it right"
    );
    assert!(
        psql_on(&by_hand, "select 1").is_err(),
        "and the login is closed again"
    );
}

/// Kinds of the entries that tell of one directive.
fn entries_of(stage: &Stage, number: &str) -> Vec<String> {
    let (shown, _) = stage.estop_json(&["ledger", "show", "--last", "100000"]);
    let entries = shown["entries"].as_array().unwrap().iter();
    let theirs = entries.filter(|line| {
        let record = &line["record"];
        record["directive"] == number || record["number"] == number
    });
    let kind = |line: &Value| line["entry"].as_str().unwrap().lines().nth(1).unwrap().to_owned();
    theirs.map(kind).collect()
}

fn submitting_again_changes_nothing(stage: &Stage, desk: &Desk, order: &Path, text: &str) {
    let number = text
        .lines()
        .find_map(|line| line.strip_prefix("number "))
        .unwrap();
    let before = entries_of(stage, number);
    for once in [
        "kind directive",
        "kind epoch",
        "kind drained",
        "kind carried-out",
        "kind closed",
    ] {
        assert_eq!(
            before.iter().filter(|kind| *kind == once).count(),
            1,
            "{once}: {before:?}"
        );
    }
    let directives = stage.estop_json(&["directive", "list"]);
    let again = submit(stage, &[order.to_owned()]);
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(entries_of(stage, number), before);
    assert_eq!(stage.estop_json(&["directive", "list"]), directives);
    // Its number and its nonce are used up.
    let other = desk.signed_by_both("same-number", &with(text, "basis", "Council vote 2026-4"));
    refused(
        &submit(stage, &other),
        "is in the ledger already, with other text",
    );
    let other = desk.signed_by_both("same-nonce", &with(text, "number", "D-2026-0099"));
    refused(&submit(stage, &other), "was used before");
}

/// Checked by a stranger: a folder with the file and the custodian's public key, nothing else, and nothing running.
fn the_certificate(issued: &Path, key: &Path, number: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (file, vkey) = (folder.path().join("c"), folder.path().join("k"));
    std::fs::copy(issued, &file).unwrap();
    std::fs::copy(key, &vkey).unwrap();
    let verify = |file: &str, key: &str| {
        let mut estop = Command::new(ESTOP);
        estop
            .args(["certificate", "verify", file, "--key", key])
            .current_dir(folder.path())
            .env_clear();
        estop.stdin(Stdio::null()).output().unwrap()
    };
    let holds = verify("c", "k");
    assert!(holds.status.success(), "{}", said(&holds));
    assert!(
        said(&holds).contains(number) && said(&holds).contains("the certificate holds"),
        "{}",
        said(&holds)
    );
    let text = std::fs::read_to_string(&vkey).unwrap();
    let public: VerifierKey = text.trim().parse().unwrap();
    assert!(
        verify("c", text.trim()).status.success(),
        "the key may be typed as well"
    );

    let another = SignerKey::generate([7; 32], public.name().clone()).verifier();
    refused(&verify("c", &another.to_string()), "custodian-signature");
    let bytes = std::fs::read(&file).unwrap();
    certificate::verify(&bytes, &public).unwrap();
    let flipped = |at: usize, mask: u8| {
        let mut changed = bytes.clone();
        changed[at] ^= mask;
        changed
    };
    // Every seventh byte, another bit each time; all of them are flipped in `evidence`'s own tests.
    for at in (0..bytes.len()).step_by(7) {
        let refuted = certificate::verify(&flipped(at, 1 << (at % 8)), &public).expect_err("a changed byte");
        assert!(
            refuted.failed().next().is_some(),
            "byte {at}: must say what failed"
        );
    }
    for at in (0..bytes.len()).step_by(bytes.len() / 37) {
        std::fs::write(folder.path().join("changed"), flipped(at, 1)).unwrap();
        let output = verify("changed", "k");
        refused(&output, "the certificate does not hold");
        assert!(said(&output).contains('✗'), "byte {at}: {}", said(&output));
    }
    for (name, cut) in [("shorter", &bytes[..bytes.len() - 1]), ("nothing", &bytes[..0])] {
        std::fs::write(folder.path().join("changed"), cut).unwrap();
        assert_ne!(verify("changed", "k").status.code(), Some(0), "{name}");
    }
    let longer = [&bytes[..], b"\n"].concat();
    std::fs::write(folder.path().join("changed"), longer).unwrap();
    assert_ne!(verify("changed", "k").status.code(), Some(0), "longer");
}
