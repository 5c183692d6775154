//! Records under seal: what the custodian can tell of them before overseers open them, and after.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use super::stage::office::Office;
use super::stage::{Login, wait_for};

/// In the statement, and nowhere else.
const WORD: &str = "zanzibar";

#[test]
fn what_is_under_seal_nobody_reads_before_overseers_open_it() {
    let keys = tempfile::tempdir().unwrap();
    let table = overseers(keys.path());
    let mut office = Office::open_in("in-place", |files| {
        files.get_mut("estop.toml").unwrap().push_str(&table);
        let police = files.get_mut("agreements/state-police-2018.toml").unwrap();
        *police = police.replacen("[agreement]\n", "[agreement]\nsealed = { to = \"court\" }\n", 1);
    });
    let (police, federal) = (office.login("state-police"), office.login("federal-agency"));
    let theirs = federal.query("select person_id from people order by person_id limit 300");
    let theirs = theirs.lines().collect::<Vec<_>>().join(", ");
    let sql =
        format!("select person_id, '{WORD}' from people where person_id in ({theirs}) order by 1 limit 1");
    let said = police.query(&sql);
    let id = said.split('|').next().unwrap().to_owned();
    // Later parts of a long result are sealed as well.
    police.query("select a.* from people a, people b limit 20000");

    let account = accounted(&office, &id);
    let told = account["disclosures"].as_array().unwrap();
    assert!(
        told.iter().all(|one| one["partner"]["id"] == "federal-agency"),
        "{account:#}"
    );
    assert_eq!(told.len(), 1);
    assert_eq!(account["sealed"][0]["overseers"], "court");
    assert_eq!(account["sealed"][0]["until"], Value::Null);
    let sealed = account["sealed"][0]["disclosures"].as_u64().unwrap();
    assert!(sealed >= 1);
    assert!(!account.to_string().contains(&police.user) && !account.to_string().contains("state-police"));
    let letter = text(&office.estop(&["accounting", "--dataset", "people", "--subject", &id]));
    let letter = letter.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        letter.contains("under seal until there is an order to open it"),
        "{letter}"
    );

    let index = nothing_is_shown(&office);
    let report = document(&office.estop(&["ledger", "verify", "--json"]));
    assert!(
        report["holds"] == true && report["under_seal"].as_u64().unwrap() > 3,
        "{report:#}"
    );
    corrected(&office, &id);
    let then = text(&office.estop(&["as-of", "now", "--partner", "state-police"]));
    assert!(
        then.contains("records sealed: to overseers `court`, until an order"),
        "{then}"
    );

    let answer = opened(&office, keys.path(), &id);
    let done = document(&office.estop(&["overseers", "submit", &answer, "--json"]));
    assert_eq!(done["records"], sealed);
    let account = accounted(&office, &id);
    assert_eq!(account["sealed"], serde_json::json!([]));
    let police_read = |one: &&Value| one["officer"]["id"] == police.user.as_str();
    let told = account["disclosures"].as_array().unwrap();
    assert_eq!(
        told.iter().filter(police_read).count() as u64,
        sealed,
        "{account:#}"
    );
    let shown = document(&office.estop(&["ledger", "show", &index, "--json"]));
    assert_eq!(shown["entries"][0]["record"]["text"]["text"], sql.as_str());
    let said = document(&office.estop(&["ledger", "show", &done["entry"].to_string(), "--json"]));
    assert_eq!(
        said["entries"][0]["record"]["holders"],
        serde_json::json!(["press", "judge"])
    );
    assert_eq!(said["entries"][0]["record"]["order"], "order 26-CV-17");
    // Others stay closed, and all of it outlives the process.
    office.close();
    let report = document(&office.estop(&["ledger", "verify", "--json"]));
    assert!(
        report["holds"] == true && report["under_seal"].as_u64().unwrap() > 0,
        "{report:#}"
    );
    assert_eq!(accounted(&office, &id)["disclosures"], account["disclosures"]);
    office.restart();
    a_session_is_sealed_as_the_policy_says_now(&office, &federal);
}

/// Overseers' key in shares; the lines for `estop.toml`.
fn overseers(keys: &Path) -> String {
    let output = std::process::Command::new(super::stage::ESTOP)
        .args(["overseers", "new", "court", "--custodian", "records.city.example"])
        .args([
            "--holders",
            "judge,ombudsman,press",
            "--threshold",
            "2",
            "--json",
            "--out",
        ])
        .arg(keys)
        .output()
        .unwrap();
    let made = document(&output);
    assert_eq!(made["shares"].as_array().unwrap().len(), 3);
    format!("\n{}\n", made["toml"].as_str().unwrap())
}

fn text(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn document(output: &Output) -> Value {
    serde_json::from_str(&text(output)).unwrap()
}

fn accounted(office: &Office, id: &str) -> Value {
    document(&office.estop(&["accounting", "--dataset", "people", "--subject", id, "--json"]))
}

/// No record of the police's session is told; returns the entry of the statement.
fn nothing_is_shown(office: &Office) -> String {
    let shown = document(&office.estop(&["ledger", "show", "--last", "200", "--json"]));
    let entries = shown["entries"].as_array().unwrap().iter();
    let theirs = entries.filter(|one| {
        one["entry"]
            .as_str()
            .unwrap()
            .contains("agreement state-police-2018")
    });
    let mut disclosures = Vec::new();
    for one in theirs {
        assert_eq!(one["record"], Value::Null, "{one:#}");
        assert_eq!(one["under_seal"]["overseers"], "court", "{one:#}");
        let entry = one["entry"].as_str().unwrap();
        if entry.contains("kind disclosure") {
            disclosures.push(one["index"].to_string());
        }
    }
    assert!(!shown.to_string().contains(WORD));
    let index = disclosures[0].clone();
    let refused = office.estop(&[
        "ledger",
        "open",
        &index,
        "-o",
        office.path("no").to_str().unwrap(),
    ]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        refused.status.code() == Some(2) && said.contains("under seal"),
        "{said}"
    );
    // An export has the rows, and nothing of the records.
    let file = office.path("sealed.parquet");
    text(&office.estop(&[
        "ledger",
        "export",
        file.to_str().unwrap(),
        "--records",
        "--statements",
    ]));
    let bytes = std::fs::read(&file).unwrap();
    assert!(!bytes.windows(WORD.len()).any(|window| window == WORD.as_bytes()));
    index
}

/// Whom the record was given to under seal gets its notice, which names nobody.
fn corrected(office: &Office, id: &str) {
    let out = office.path("sealed-notices");
    let made = document(&office.estop(&[
        "correct",
        "--dataset",
        "people",
        "--subject",
        id,
        "--note",
        "born otherwise",
        "--out",
        out.to_str().unwrap(),
        "--json",
    ]));
    let notices = made["notices"].as_array().unwrap();
    let file = |partner: &str| {
        let found = notices.iter().find(|one| one["partner"] == partner).unwrap();
        std::fs::read_to_string(found["file"].as_str().unwrap()).unwrap()
    };
    assert!(file("state-police").contains(" state-police-2018 -\n"));
    assert!(!file("federal-agency").contains(" -\n"));
}

/// What overseers write, asked for all disclosures of a person's record.
fn opened(office: &Office, keys: &Path, id: &str) -> String {
    let [request, answer] = ["request", "answer"].map(|name| office.path(name).to_str().unwrap().to_owned());
    text(&office.estop(&[
        "overseers",
        "request",
        "--dataset",
        "people",
        "--subject",
        id,
        "-o",
        &request,
    ]));
    let share = |holder: &str| {
        keys.join(format!("court-{holder}.share"))
            .to_str()
            .unwrap()
            .to_owned()
    };
    let open = |holders: &[&str], order: &[&str]| {
        let shares: Vec<String> = holders
            .iter()
            .flat_map(|holder| ["--share".to_owned(), share(holder)])
            .collect();
        let shares: Vec<&str> = shares.iter().map(String::as_str).collect();
        office.estop(&[&["overseers", "open", &request, "-o", &answer], order, &shares].concat())
    };
    let order = ["--order", "order 26-CV-17"];
    for (holders, order, why) in [
        (&["judge"][..], &order[..], "1 of the 2 shares"),
        (&["judge", "judge"], &order, "the same one"),
        (&["judge", "press"], &[], "on an order only"),
    ] {
        let refused = open(holders, order);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(
            refused.status.code() != Some(0) && said.contains(why),
            "{why}: {said}"
        );
    }
    text(&open(&["press", "judge"], &order));
    answer
}

/// A session that was there before is sealed from when the policy says so.
fn a_session_is_sealed_as_the_policy_says_now(office: &Office, federal: &Login) {
    let mut psql = federal.psql_command();
    let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut input = psql.stdin.take().unwrap();
    let mark = office.path("mark");
    writeln!(input, "select 'before-{WORD}';\n\\! touch {}", mark.display()).unwrap();
    wait_for("the first statement is done", || mark.exists());
    let file = office.path("agreements/federal-2019.toml");
    let text_of = std::fs::read_to_string(&file).unwrap();
    let sealed = "[agreement]\nsealed = { to = \"court\", until = \"2199-01-01\" }\n";
    std::fs::write(&file, text_of.replacen("[agreement]\n", sealed, 1)).unwrap();
    office.approve();
    text(&office.estop(&["apply"]));
    writeln!(input, "select 'after-{WORD}';").unwrap();
    drop(input);
    assert!(psql.wait().unwrap().success());
    let shown = document(&office.estop(&["ledger", "show", "--last", "200", "--json"]));
    let told = shown.to_string();
    assert!(
        told.contains(&format!("before-{WORD}")) && !told.contains(&format!("after-{WORD}")),
        "{told}"
    );
    assert!(told.contains("2199-01-01"), "{told}");
}
