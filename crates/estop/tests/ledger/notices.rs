//! Receipts that are sent as notices: what psql and psycopg show of them holds against the log, and proves what is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::stage::office::Office;
use super::stage::{Login, run};

/// What psycopg does: each kind of statement, with what its notices said.
const PSYCOPG: &str = "
import sys, json, psycopg
to = sys.argv[1]
said = []
def heard(diag):
    assert diag.severity == 'NOTICE' and diag.sqlstate == '00000', diag
    said.append(diag.message_detail)
with psycopg.connect(to, autocommit=True) as connection:
    connection.add_notice_handler(heard)
    def step(name, many=1):
        global said
        assert len(said) == many, (name, said)
        out[name], said = said, []
    out = {}
    connection.execute('select person_id from people limit 3').fetchall()
    step('simple')
    connection.execute('select person_id from people where person_id > %s limit 3', (5,), prepare=True).fetchall()
    step('prepared')
    # A long result: many batches, one notice at its end.
    rows = connection.execute('select a.*, b.name as other from people a, people b limit 60000').fetchall()
    assert len(rows) == 60000
    step('long')
    try:
        connection.execute('select 1/0')
        assert False
    except psycopg.errors.DivisionByZero:
        pass
    step('failed')
    with connection.pipeline():
        for n in range(5):
            connection.execute('select %s::int', (n,))
    step('pipeline')
    with connection.cursor().copy('copy (select * from people limit 10) to stdout') as copy:
        for row in copy:
            pass
    step('copy')
    with connection.transaction():
        connection.execute('select 1')
    assert len(said) == 3, said
    print(json.dumps(out))
";

/// The receipts that clients were sent, as files.
pub(super) fn sent(office: &Office, police: &Login, federal: &Login) -> Vec<PathBuf> {
    let mut receipts = Vec::new();
    let mut keep = |text: &str| {
        let file = office.path(&format!("sent-{}.receipt", receipts.len()));
        std::fs::write(&file, text).unwrap();
        receipts.push(file);
    };
    let psql = police.psql(&["select person_id from people limit 2"]);
    assert!(psql.status.success());
    let said = String::from_utf8(psql.stderr).unwrap();
    // As psql shows it, between its own words.
    let (_, rest) = said.split_once("NOTICE:  00000: recorded up to leaf ").unwrap();
    let (_, rest) = rest.split_once("DETAIL:  ").unwrap();
    let (text, _) = rest.split_once("\nHINT:").unwrap();
    assert!(text.len() < 600, "{text}");
    keep(text);
    let said = run(Command::new("/usr/bin/python3").args(["-c", PSYCOPG, &police.conninfo()]));
    let said: std::collections::BTreeMap<String, Vec<String>> = serde_json::from_str(&said).unwrap();
    for (name, notes) in &said {
        for note in notes {
            assert!(note.len() < 4096, "{name}: {} bytes", note.len());
            keep(note);
        }
    }
    let leaves = |name: &str| said[name][0].matches("\nleaf ").count();
    assert_eq!(
        (leaves("simple"), leaves("failed"), leaves("pipeline")),
        (1, 1, 5)
    );
    // One entry for each batch, of which the newest are named.
    assert_eq!(leaves("long"), 32);
    let quiet = federal.psql(&["select person_id from people limit 2"]);
    assert!(quiet.status.success() && !String::from_utf8_lossy(&quiet.stderr).contains("NOTICE"));
    receipts
}

/// Each of them holds against a log, or says what is missing.
pub(super) fn hold(office: &Office, receipts: &[PathBuf], log: &Path) -> Vec<Option<i32>> {
    let key = office.path("state/custodian.vkey");
    let check = |file: &PathBuf| {
        let mut estop = Command::new(super::stage::ESTOP);
        estop.args(["receipts", "check"]).arg(file).arg("--key").arg(&key);
        estop.arg("--log").arg(log).output().unwrap().status.code()
    };
    receipts.iter().map(check).collect()
}
