//! How fast appends become durable, beside what the disk itself gives in the same run.
//!
//! `cargo run --release -p ledger --example append_bench [FOLDER]`. For 1, 16, 64 and 256 writers five rounds, in turns:
//! - *raw*: one thread writes as many records as there are writers and calls `fdatasync`, into a file filled before;
//! - *group*: the disk's own group commit: as many tasks hand a record of the same length each to one thread, which writes and syncs what
//!   waits, once, and tells each task, which then brings the next. No entry, no hash, no key, no check sum, no tree, nothing published;
//! - *ledger*: as many tasks append and wait for their receipts. The trees are built and published meanwhile.
//!
//! Printed are the medians of the rounds, with the lowest and the highest ratio of the ledger to the group commit.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use evidence::entry::Kind;
use evidence::note::SignerKey;
use jiff::Timestamp;
use ledger::{Clock, Config, Draft, Ledger};
use tokio::sync::oneshot;

/// Bytes of a private record: a statement with its parameters.
const RECORD_BYTES: usize = 300;

/// Bytes of such an append in the write-ahead log: entry, record, key and frame.
const FRAME_BYTES: usize = 792;

const ROUND: Duration = Duration::from_secs(2);

const ROUNDS: usize = 5;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

/// What one measurement came to.
#[derive(Clone, Copy)]
struct Measured {
    p50: f64,
    p99: f64,
    rate: f64,
}

type Failed = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let parent = std::env::args_os()
        .nth(1)
        .unwrap_or_else(|| std::env::temp_dir().into());
    let mut out = std::io::stdout();
    writeln!(
        out,
        "writers  raw p50/p99 ms  records/s  group p50/p99 ms  records/s  ledger p50/p99 ms  appends/s  p50 of raw  rate of group"
    )?;
    for writers in [1, 16, 64, 256] {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let folder = tempfile::tempdir_in(&parent)?;
            let raw = urgent(|| raw(&folder.path().join("raw"), writers))?;
            let group = grouped(&folder.path().join("group"), writers)?;
            let own = appends(&folder.path().join("ledger"), writers)?;
            rounds.push((raw, group, own));
        }
        let of = |value: &dyn Fn(&(Measured, Measured, Measured)) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(value).collect();
            values.sort_unstable_by(f64::total_cmp);
            let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
            (at(0), at(values.len() / 2), at(values.len().saturating_sub(1)))
        };
        let median = |value: &dyn Fn(&(Measured, Measured, Measured)) -> f64| of(value).1;
        let (least, rate, most) = of(&|(_, group, own)| own.rate / group.rate);
        writeln!(
            out,
            "{writers:>7}  {:>6.3} {:>6.3}  {:>9.0}  {:>8.3} {:>7.3}  {:>9.0}  {:>9.3} {:>7.3}  {:>9.0}  {:>10.2}  {rate:.2} ({least:.2} to {most:.2})",
            median(&|round| round.0.p50),
            median(&|round| round.0.p99),
            median(&|round| round.0.rate),
            median(&|round| round.1.p50),
            median(&|round| round.1.p99),
            median(&|round| round.1.rate),
            median(&|round| round.2.p50),
            median(&|round| round.2.p99),
            median(&|round| round.2.rate),
            median(&|round| round.2.p50 / round.0.p50),
        )?;
    }
    Ok(())
}

/// Runs on a thread as urgent as the ledger's own writing thread, so that a busy machine treats both alike.
fn urgent<T: Send>(work: impl FnOnce() -> Result<T, Failed> + Send) -> Result<T, Failed> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -15);
            work()
        });
        thread.join().map_err(|_| "the measurement panicked")?
    })
}

/// p50 and p99 in milliseconds.
fn quantiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len().saturating_mul(share) / 100)
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    (at(50), at(99))
}

/// A file filled with zeros, so that writing into it changes no length.
fn filled(path: &Path) -> Result<File, Failed> {
    let mut file = File::create(path)?;
    file.write_all(&vec![0; 64 << 20])?;
    file.sync_all()?;
    Ok(file)
}

fn raw(path: &Path, records: usize) -> Result<Measured, Failed> {
    let file = filled(path)?;
    let batch = vec![1; FRAME_BYTES.saturating_mul(records)];
    let (mut at, mut times) = (0_u64, Vec::new());
    let begun = now();
    while begun.elapsed() < ROUND {
        let before = now();
        file.write_all_at(&batch, at)?;
        file.sync_data()?;
        times.push(before.elapsed());
        at = at.saturating_add(u64::try_from(batch.len())?) % (48 << 20);
    }
    measured(times, records, begun.elapsed())
}

fn measured(times: Vec<Duration>, each: usize, took: Duration) -> Result<Measured, Failed> {
    let count = f64::from(u32::try_from(times.len().saturating_mul(each))?);
    let (p50, p99) = quantiles(times);
    Ok(Measured {
        p50,
        p99,
        rate: count / took.as_secs_f64(),
    })
}

/// Runs one task for each writer and gathers how long each of its turns took.
fn tasks<F, T>(writers: usize, task: F) -> Result<Measured, Failed>
where
    F: Fn(Instant) -> T,
    T: Future<Output = Result<Vec<Duration>, Failed>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    let begun = now();
    let times = runtime.block_on(async {
        let tasks: Vec<_> = (0..writers).map(|_| tokio::spawn(task(begun))).collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        Ok::<_, Failed>(times)
    })?;
    measured(times, 1, begun.elapsed())
}

type Waiting = (Vec<u8>, oneshot::Sender<()>);

/// What waits, and whether nothing more will come.
type Queue = (Vec<Waiting>, bool);

/// Group commit with nothing but the disk behind it.
fn grouped(path: &Path, writers: usize) -> Result<Measured, Failed> {
    let file = filled(path)?;
    let queue: Arc<(Mutex<Queue>, Condvar)> = Arc::default();
    std::thread::scope(|scope| {
        let committer = scope.spawn(|| -> Result<(), Failed> {
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -15);
            let (mut at, mut batch) = (0_u64, Vec::new());
            loop {
                let taken = {
                    let waiting = queue.0.lock().map_err(|_| "poisoned")?;
                    let mut waiting = queue
                        .1
                        .wait_while(waiting, |(waiting, ended)| waiting.is_empty() && !*ended)
                        .map_err(|_| "poisoned")?;
                    std::mem::take(&mut waiting.0)
                };
                if taken.is_empty() {
                    return Ok(());
                }
                batch.clear();
                for (record, _) in &taken {
                    batch.extend_from_slice(record);
                }
                file.write_all_at(&batch, at)?;
                file.sync_data()?;
                at = at.saturating_add(u64::try_from(batch.len())?) % (48 << 20);
                for (_, told) in taken {
                    let _ = told.send(());
                }
            }
        });
        let outcome = tasks(writers, |begun| {
            let queue = Arc::clone(&queue);
            async move {
                let mut times = Vec::new();
                while begun.elapsed() < ROUND {
                    let before = now();
                    let (told, answer) = oneshot::channel();
                    let record = vec![b'x'; FRAME_BYTES];
                    queue.0.lock().map_err(|_| "poisoned")?.0.push((record, told));
                    queue.1.notify_one();
                    answer.await?;
                    times.push(before.elapsed());
                }
                Ok(times)
            }
        });
        queue.0.lock().map_err(|_| "poisoned")?.1 = true;
        queue.1.notify_one();
        committer.join().map_err(|_| "the committer panicked")??;
        outcome
    })
}

fn appends(dir: &Path, writers: usize) -> Result<Measured, Failed> {
    let key = SignerKey::generate([7; 32], "records.example.org".parse()?);
    let ledger = Ledger::open(Config::new(
        dir.to_owned(),
        "records.example.org".parse()?,
        key,
        Arc::new(Still),
    ))?;
    let opened = Draft::new(Kind::Opened, Vec::new()).with_partner("agency".parse()?);
    ledger.append(vec![opened]).wait()?;
    tasks(writers, |begun| writer(ledger.clone(), begun))
}

async fn writer(ledger: Ledger, begun: Instant) -> Result<Vec<Duration>, Failed> {
    let draft = Draft::new(Kind::Disclosure, vec![b'x'; RECORD_BYTES])
        .with_partner("agency".parse()?)
        .under("agency-2026".parse()?, "research".parse()?);
    let mut times = Vec::new();
    while begun.elapsed() < ROUND {
        let before = now();
        ledger.append(vec![draft.clone()]).await?;
        times.push(before.elapsed());
    }
    Ok(times)
}
