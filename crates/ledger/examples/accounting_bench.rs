//! The accounting of disclosures at size: a ledger with many disclosed rows is written, its index made, and subjects asked for.
//!
//!     cargo run --release -p ledger --example accounting_bench -- [MILLIONS [FOLDER]]

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for figures")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evidence::entry::Kind;
use evidence::id::{Custodian, SessionId};
use evidence::note::SignerKey;
use evidence::record::{Disclosure, Outcome, Subjects};
use evidence::subject::{AccountingKey, TagSet, Tagger};
use jiff::Timestamp;
use ledger::accounting::Accounts;
use ledger::{Clock, Config, Draft, Ledger};

/// Rows of one record: about what one batch of 128 KiB holds.
const ROWS: u64 = 1_000;

/// Records that are on their way at a time.
const AHEAD: usize = 32;

/// Subjects asked for.
const QUESTIONS: usize = 200;

#[derive(Debug)]
struct Wall;

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "a program for figures")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let millions: u64 = arguments.next().map_or(100, |text| text.parse().unwrap());
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("accounting-bench-{}", std::process::id()));
    let custodian: Custodian = "records.example.org".parse().unwrap();
    let key = AccountingKey::new([7; 16]);
    let tagger = key.tagger(&"people".parse().unwrap());
    let records = millions * 1_000_000 / ROWS;
    // Half as many people as rows: each was disclosed twice on the mean.
    let people = records * ROWS / 2;

    let before = processor_seconds();
    let took = timed(|| write(&folder, &custodian, &key, &tagger, records, people));
    let busy = processor_seconds() - before;
    let log = size(&folder.join("ledger"));
    println!(
        "{} rows in {records} records: written in {took:.1} s, ledger of {} MB; {:.0} ns of processor time a row",
        records * ROWS,
        log / 1_000_000,
        busy * 1_000.0 / millions_of(records * ROWS)
    );

    let dir = folder.join("accounting");
    let open = || Accounts::open(&folder.join("ledger"), &dir, &custodian, |_| {}).unwrap();
    let took = timed(|| drop(open()));
    let index = size(&dir);
    println!(
        "index made from the ledger in {took:.1} s: {} MB, {:.1} bytes a row",
        index / 1_000_000,
        bytes(index, records * ROWS)
    );
    let mut accounts = None;
    let took = timed(|| accounts = Some(open()));
    println!("opened, what is behind the index read: {:.1} ms", took * 1_000.0);
    let accounts = accounts.unwrap();
    let totals = accounts.totals();
    assert_eq!(totals.rows, records * ROWS);

    let mut times = Vec::new();
    let mut found = 0;
    for question in (0_u64..).take(QUESTIONS) {
        let person = mixed(question) % people;
        times.push(timed(|| {
            let entries = accounts.find(tagger.tag(person.to_string().as_bytes())).unwrap();
            found += accounts.told(&entries).unwrap().told.len();
        }));
    }
    times.sort_by(f64::total_cmp);
    let at = |place: usize| times.get(place).copied().unwrap_or_default() * 1_000.0;
    println!(
        "{QUESTIONS} subjects, {found} disclosures: median {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        at(QUESTIONS / 2),
        at(QUESTIONS * 99 / 100),
        at(QUESTIONS - 1)
    );
    let whole: Vec<f64> = (0..5)
        .map(|question| {
            timed(|| {
                let accounts = open();
                let entries = accounts
                    .find(tagger.tag(question.to_string().as_bytes()))
                    .unwrap();
                accounts.told(&entries).unwrap();
            })
        })
        .collect();
    println!("with opening, as `estop accounting` does: {whole:.3?} s");
    std::fs::remove_dir_all(&folder).unwrap();
}

fn write(
    folder: &std::path::Path,
    custodian: &Custodian,
    key: &AccountingKey,
    tagger: &Tagger,
    records: u64,
    people: u64,
) {
    let signer = SignerKey::generate([1; 32], custodian.key_name());
    let mut config = Config::new(folder.join("ledger"), custodian.clone(), signer, Arc::new(Wall));
    config.checkpoint_every = Duration::from_secs(10);
    let ledger = Ledger::open(config).unwrap();
    let partner: evidence::id::PartnerId = "p".parse().unwrap();
    ledger
        .append(vec![
            Draft::new(Kind::Opened, Vec::new()).with_partner(partner.clone()),
        ])
        .wait()
        .unwrap();
    let mut ahead = std::collections::VecDeque::new();
    for number in 0..records {
        let tags =
            (0..ROWS).map(|row| tagger.tag((mixed(number * ROWS + row) % people).to_string().as_bytes()));
        let record = Disclosure {
            session: SessionId::from(number / 1000),
            statement_number: number % 1000,
            partner: partner.clone(),
            officer: "o".parse().unwrap(),
            agreement: "a".parse().unwrap(),
            purpose: "u".parse().unwrap(),
            case: Some("AB-2026-1".into()),
            text: "select person_id, name from people where person_id between $1 and $2".into(),
            parameters: Vec::new(),
            started: Timestamp::UNIX_EPOCH,
            rows: ROWS,
            bytes: 100 * ROWS,
            outcome: Outcome::Complete {
                tag: "SELECT 1000".into(),
            },
            legal_basis: Some("ISA 2018-044, clause 3".into()),
            subjects: vec![Subjects {
                dataset: "people".parse().unwrap(),
                columns: vec!["person_id".into(), "name".into()],
                rows: ROWS,
                key: key.id(),
                tags: TagSet::new(tags.collect()),
            }],
            unattributed: Vec::new(),
        };
        let draft = Draft::of(&record)
            .unwrap()
            .with_partner(partner.clone())
            .under("a".parse().unwrap(), "u".parse().unwrap());
        ahead.push_back(ledger.append(vec![draft]));
        if ahead.len() >= AHEAD {
            ahead.pop_front().unwrap().wait().unwrap();
        }
    }
    for pending in ahead {
        pending.wait().unwrap();
    }
}

/// Numbers spread over all, each from one other (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[expect(clippy::disallowed_methods, reason = "a program for figures")]
fn timed(work: impl FnOnce()) -> f64 {
    let began = std::time::Instant::now();
    work();
    began.elapsed().as_secs_f64()
}

/// What this process has used of processors so far, by the kernel's clock of 100 ticks a second.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks = fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap());
    ticks.sum::<f64>() / 100.0
}

fn millions_of(rows: u64) -> f64 {
    bytes(rows, 1_000_000)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn bytes(all: u64, rows: u64) -> f64 {
    all as f64 / rows as f64
}

/// Bytes of all files below a folder.
fn size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => size(&entry.path()),
            false => entry.metadata().unwrap().len(),
        })
        .sum()
}
