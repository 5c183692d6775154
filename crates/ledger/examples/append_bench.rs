//! How fast appends become durable, beside what the disk itself gives in the same run.
//!
//! `cargo run --release -p ledger --example append_bench [FOLDER]`. Each round: first the raw disk (one write and one
//! `fdatasync` into a file filled before, of as many records as there are writers), then the ledger with that many tasks,
//! each of which waits for its receipt before it appends again.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evidence::entry::Kind;
use evidence::note::SignerKey;
use jiff::Timestamp;
use ledger::{Clock, Config, Draft, Ledger};

/// Bytes of a private record: a statement with its parameters.
const RECORD_BYTES: usize = 300;

/// Bytes of such an append in the write-ahead log: entry, record, key and frame.
const FRAME_BYTES: usize = 740;

const ROUND: Duration = Duration::from_secs(3);

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

fn main() -> Result<(), Box<dyn Error>> {
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let mut out = std::io::stdout();
    writeln!(
        out,
        "writers  raw p50/p99 ms  raw records/s  ledger p50/p99 ms  appends/s  of raw"
    )?;
    for writers in [1, 16, 64, 256] {
        let path = folder.path().join("raw");
        // As urgent as the ledger's own writing thread, so that a busy machine treats both alike.
        let measured = std::thread::scope(|scope| {
            let disk = scope.spawn(|| {
                let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -15);
                raw(&path, writers).map_err(|error| error.to_string())
            });
            disk.join()
        });
        let (raw, raw_rate) = measured.map_err(|_| "the disk's measurement panicked")??;
        let (own, rate) = appends(&folder.path().join(format!("ledger-{writers}")), writers)?;
        writeln!(
            out,
            "{writers:>7}  {:>6.3} {:>6.3}  {raw_rate:>13.0}  {:>8.3} {:>7.3}  {rate:>9.0}  {:>6.2}",
            raw.0,
            raw.1,
            own.0,
            own.1,
            rate / raw_rate,
        )?;
    }
    Ok(())
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

fn raw(path: &Path, records: usize) -> Result<((f64, f64), f64), Box<dyn Error>> {
    let mut file = File::create(path)?;
    file.write_all(&vec![0; 64 << 20])?;
    file.sync_all()?;
    let batch = vec![1; FRAME_BYTES.saturating_mul(records)];
    let (mut at, mut times) = (0_u64, Vec::new());
    let begun = now();
    while begun.elapsed() < ROUND / 2 {
        let before = now();
        file.write_all_at(&batch, at)?;
        file.sync_data()?;
        times.push(before.elapsed());
        at = at.saturating_add(u64::try_from(batch.len())?) % (48 << 20);
    }
    let count = f64::from(u32::try_from(times.len().saturating_mul(records))?);
    Ok((quantiles(times), count / begun.elapsed().as_secs_f64()))
}

fn appends(dir: &Path, writers: usize) -> Result<((f64, f64), f64), Box<dyn Error>> {
    let key = SignerKey::generate([7; 32], "records.example.org".parse()?);
    let ledger = Ledger::open(Config::new(
        dir.to_owned(),
        "records.example.org".parse()?,
        key,
        Arc::new(Still),
    ))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    let begun = now();
    let times = runtime.block_on(async {
        ledger
            .append(vec![
                Draft::new(Kind::Opened, Vec::new()).with_partner("agency".parse()?),
            ])
            .await?;
        let tasks: Vec<_> = (0..writers)
            .map(|_| tokio::spawn(writer(ledger.clone(), begun)))
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(times)
    });
    let times = times.map_err(|error| -> Box<dyn Error> { error })?;
    let count = f64::from(u32::try_from(times.len())?);
    let rate = count / begun.elapsed().as_secs_f64();
    Ok((quantiles(times), rate))
}

async fn writer(ledger: Ledger, begun: Instant) -> Result<Vec<Duration>, Box<dyn Error + Send + Sync>> {
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
