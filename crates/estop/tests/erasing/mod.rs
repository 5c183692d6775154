//! Records erased with a `serve` at work: what is then told, and what no file holds.

use serde_json::Value;

use super::stage::office::Office;
use super::stage::{Login, wait_for};
use super::{accounted, text};

/// How `estop ledger` ends, and its document.
fn ledger_says(office: &Office, args: &[&str]) -> (Option<i32>, Value) {
    let output = office.estop(&[&["--json", "ledger"], args].concat());
    let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), document)
}

/// What is erased nobody is told of any more, no file has it, and everything else stands.
pub(super) fn erased(office: &mut Office, police: &Login, id: u64) {
    let sql = format!("select person_id, 'zanzibar' as secret_word from people where person_id = {id}");
    police.query(&sql);
    let ledger = |args: &[&str]| ledger_says(office, args);
    let shown = ledger(&["show", "--last", "50"]).1;
    let entry = shown["entries"].as_array().unwrap().iter();
    let entry = entry
        .rev()
        .find(|one| one["record"]["text"]["text"] == *sql)
        .unwrap();
    let index = entry["index"].to_string();
    let opening = office.path("zanzibar.opening");
    wait_for("a checkpoint covers the entry", || {
        ledger(&["open", &index, "-o", text(&opening)]).0 == Some(0)
    });
    let opened = std::fs::read_to_string(&opening).unwrap();
    let key = opened.lines().nth(1).unwrap().strip_prefix("key ").unwrap();
    let key: evidence::hash::Hash = key.parse().unwrap();
    assert_eq!(accounted(office, id)["disclosures"].as_array().unwrap().len(), 2);

    let (code, said) = ledger(&["erase", &index, "--reason", "art. 17, request 1"]);
    assert_eq!(
        (code, &said["erasures"][0]["records"]),
        (Some(0), &Value::from(1)),
        "{said:#}"
    );
    let by = said["erasures"][0]["entry"].to_string();
    assert_eq!(ledger(&["erase", &index, "--reason", "again"]).0, Some(2));
    assert_eq!(ledger(&["erase", "0", "--reason", "kept"]).0, Some(2));
    let known = |office: &Office| {
        let account = accounted(office, id);
        assert_eq!(account["disclosures"].as_array().unwrap().len(), 1, "{account:#}");
        assert_eq!(account["covers"]["erasures"], 1);
        let refused = office.estop(&["ledger", "open", &index, "-o", text(&office.path("no.opening"))]);
        let said = String::from_utf8(refused.stderr).unwrap();
        let words = [format!("entry {index} was erased"), format!("entry {by} says")];
        assert!(
            refused.status.code() == Some(2) && words.iter().all(|word| said.contains(word)),
            "{said}"
        );
        let output = office.estop(&["--json", "ledger", "verify"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report["holds"] == true && report["erased"] == 1, "{report:#}");
        let mut folders = vec![office.path("state")];
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
            {
                if file.is_dir() {
                    folders.push(file);
                } else if file.is_file() {
                    let bytes = std::fs::read(&file).unwrap();
                    for secret in [&b"zanzibar"[..], &key.0, key.to_string().as_bytes()] {
                        let there = bytes.windows(secret.len()).any(|window| window == secret);
                        assert!(
                            !there,
                            "{} in {}",
                            String::from_utf8_lossy(secret),
                            file.display()
                        );
                    }
                }
            }
        }
    };
    known(office);
    office.kill();
    known(office);
    office.restart();
    known(office);
    // What was handed out before stands: it is with whom it was given to.
    let vkey = office.path("state/custodian.vkey");
    let checked = office.estop(&["ledger", "check-opening", text(&opening), "--key", text(&vkey)]);
    assert!(checked.status.success());
    let ledger = |args: &[&str]| ledger_says(office, args);
    // The demo's estate does not say how long records are kept; once it does, nothing is that old, and what is held is not named either.
    assert_eq!(ledger(&["erase", "--due"]).0, Some(2));
    let agreement = office.path("agreements/state-police-2018.toml");
    let before = std::fs::read_to_string(&agreement).unwrap();
    let kept = before.replacen(
        "[agreement]\n",
        "[agreement]\nretention = \"1 day\"\nhold = \"subpoena 17\"\n",
        1,
    );
    std::fs::write(&agreement, kept).unwrap();
    let (code, said) = ledger(&["erase", "--due"]);
    assert_eq!(
        (code, &said["erasures"], &said["held"]["state-police-2018"]),
        (Some(0), &serde_json::json!([]), &"subpoena 17".into())
    );
    let held = ledger(&["show", "--last", "200"]).1;
    let held = held["entries"].as_array().unwrap().iter();
    let ours = |one: &&Value| {
        one["entry"]
            .as_str()
            .is_some_and(|text| text.contains("kind session") && text.contains("state-police-2018"))
    };
    let index = held.rev().find(ours).unwrap()["index"].to_string();
    let refused = office.estop(&["ledger", "erase", &index, "--reason", "art. 17"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        refused.status.code() == Some(2) && said.contains("on hold: subpoena 17"),
        "{said}"
    );
    std::fs::write(&agreement, before).unwrap();
    // All that the rules let go, up to now, with nobody serving; nothing is left of what was said of anybody.
    office.kill();
    let output = office.estop(&["--json", "ledger", "erase", "--before", "now", "--reason", "all"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let account = accounted(office, id);
    assert!(
        account["disclosures"].as_array().unwrap().len() <= 1,
        "{account:#}"
    );
    assert!(office.estop(&["ledger", "verify"]).status.success());
    office.restart();
    assert!(
        office
            .estop(&["status"])
            .status
            .code()
            .is_some_and(|code| code < 2)
    );
    police.query(&format!("select person_id from people where person_id = {id}"));
}
