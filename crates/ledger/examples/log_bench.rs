//! A long log: written, its process killed, opened again, verified by a stranger.
//!
//!     cargo run --release -p ledger --example log_bench -- [MILLIONS [FOLDER]]
//!
//! Entries are of ten partners in turn, so each stands in two logs; the records are short (100 bytes), so that ten million fit on a
//! small disk. Processor time is user and system together, of the thread or the process that did it.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for figures")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evidence::entry::Kind;
use evidence::id::{Custodian, PartnerId};
use evidence::note::{SignerKey, VerifierKey};
use jiff::Timestamp;
use ledger::{Clock, Config, Draft, Ledger, verify};

const PARTNERS: u64 = 10;

/// Appends that are on their way at a time.
const AHEAD: usize = 512;

const RECORD_BYTES: usize = 100;

#[derive(Debug)]
struct Wall;

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "a program for figures")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["fill", count, folder] => fill(count.parse().unwrap(), Path::new(folder)),
        ["open", folder] => open(Path::new(folder)),
        ["verify", folder] => check(Path::new(folder)),
        [] => run(10, &std::env::temp_dir()),
        [millions] => run(millions.parse().unwrap(), &std::env::temp_dir()),
        [millions, folder, ..] => run(millions.parse().unwrap(), Path::new(folder)),
    }
}

/// Each part is a process of its own, so that its memory and processor time are its own.
fn run(millions: u64, folder: &Path) {
    let folder = folder.join(format!("log-bench-{}", std::process::id()));
    let dir = folder.to_str().unwrap();
    part(&["fill", &(millions * 1_000_000).to_string(), dir], true);
    part(&["open", dir], false);
    part(&["verify", dir], false);
    // As someone has it who was given what is published, and nothing else.
    fs::rename(folder.join("wal"), folder.join("wal.away")).unwrap();
    part(&["verify", dir], false);
    fs::remove_dir_all(&folder).unwrap();
}

/// Runs a part and prints what it prints; `kill`: it is killed (SIGKILL) once it has printed its last line, and while it still has the
/// ledger open.
fn part(arguments: &[&str], kill: bool) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if kill && line == "ready" {
            child.kill().unwrap();
            break;
        }
        println!("{line}");
    }
    let status = child.wait().unwrap();
    assert!(kill || status.success(), "{arguments:?}: {status}");
}

fn custodian() -> Custodian {
    "records.example.org".parse().unwrap()
}

fn key() -> SignerKey {
    SignerKey::generate([7; 32], "records.example.org".parse().unwrap())
}

fn ledger(folder: &Path) -> Ledger {
    Ledger::open(Config::new(folder.to_owned(), custodian(), key(), Arc::new(Wall))).unwrap()
}

fn fill(count: u64, folder: &Path) {
    let ledger = ledger(folder);
    let partners: Vec<PartnerId> = (0..PARTNERS)
        .map(|number| format!("agency-{number}").parse().unwrap())
        .collect();
    for partner in &partners {
        let opened = Draft::new(Kind::Opened, Vec::new()).with_partner(partner.clone());
        ledger.append(vec![opened]).wait().unwrap();
    }
    let drafts: Vec<Draft> = partners
        .into_iter()
        .map(|partner| {
            Draft::new(Kind::Disclosure, vec![b'x'; RECORD_BYTES])
                .with_partner(partner)
                .under("agency-2026".parse().unwrap(), "research".parse().unwrap())
        })
        .collect();
    let begun = now();
    let mut ahead = std::collections::VecDeque::with_capacity(AHEAD);
    for draft in drafts.iter().cycle().take(usize::try_from(count).unwrap()) {
        if ahead.len() == AHEAD {
            let first: ledger::Pending = ahead.pop_front().unwrap();
            first.wait().unwrap();
        }
        ahead.push_back(ledger.append(vec![draft.clone()]));
    }
    for pending in ahead {
        pending.wait().unwrap();
    }
    let took = begun.elapsed();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(ledger.checkpoint()).unwrap();
    let published = begun.elapsed();
    let by = |thread: &str| {
        let seconds: f64 = threads()
            .iter()
            .filter(|(name, _)| name == thread)
            .map(|(_, time)| time)
            .sum();
        seconds * 1e9 / f64::from(u32::try_from(count).unwrap())
    };
    println!(
        "{count} entries: durable in {:.1} s, published in {:.1} s; processor time an entry: sequencing and writing {:.0} ns, trees, \
         tiles and files of both logs {:.0} ns; {} MB of memory at most",
        took.as_secs_f64(),
        published.as_secs_f64(),
        by("ledger-append"),
        by("ledger-publish"),
        memory(),
    );
    println!("ready");
    loop {
        std::thread::park();
    }
}

fn open(folder: &Path) {
    let begun = now();
    let ledger = ledger(folder);
    let opened = begun.elapsed();
    let draft = Draft::new(Kind::Disclosure, vec![b'y'; RECORD_BYTES])
        .with_partner("agency-1".parse().unwrap())
        .under("agency-2026".parse().unwrap(), "research".parse().unwrap());
    let receipt = ledger.append(vec![draft]).wait().unwrap();
    println!(
        "opened after kill -9: {:.3} s, {:.3} s to the first receipt (entry {}); {} MB of memory at most",
        opened.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        receipt.first_index(),
        memory(),
    );
}

fn check(folder: &Path) {
    let key: VerifierKey = key().verifier().renamed(&custodian().key_name());
    let (begun, before) = (now(), processor());
    let report = verify(folder, &key).unwrap();
    assert!(report.holds(), "{:?}", report.findings);
    let (took, busy) = (begun.elapsed(), processor() - before);
    let size = f64::from(u32::try_from(report.size).unwrap());
    println!(
        "verified, {}: {} entries in {:.1} s, {:.1} s of processor time: {:.2} million a second of processor time; {} MB of memory at most",
        if report.recorded.is_some() {
            "with the write-ahead log and every private record"
        } else {
            "all that is published"
        },
        report.size,
        took.as_secs_f64(),
        busy,
        size / busy / 1e6,
        memory(),
    );
}

#[expect(clippy::disallowed_methods, reason = "a program for figures")]
fn now() -> Instant {
    Instant::now()
}

/// Name and processor time in seconds of each thread.
fn threads() -> Vec<(String, f64)> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        let name = fs::read_to_string(task.join("comm")).unwrap();
        found.push((name.trim().to_owned(), ticks(&task.join("stat"))));
    }
    found
}

fn processor() -> f64 {
    ticks(Path::new("/proc/self/stat"))
}

/// User and system time, in hundredths of a second in the file (proc(5), USER_HZ).
fn ticks(stat: &Path) -> f64 {
    let text = fs::read_to_string(stat).unwrap();
    let after_name = text.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let of = |place: usize| fields.get(place).unwrap().parse::<f64>().unwrap();
    Duration::from_secs_f64((of(11) + of(12)) / 100.0).as_secs_f64()
}

/// The most memory this process has had (VmHWM), in MB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1000
}
