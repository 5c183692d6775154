//! Measures cuts under load: how long after an order is handed in does its partner receive the last row?
//!
//! `measure_cuts ESTOP [CUTS [STREAMS [OTHERS]]]`, as `scripts/measure-cuts` calls it. A scratch database, the demo's estate with
//! one more partner and agreement for each cut, and the program `ESTOP serve` as a process of its own. For each cut `STREAMS`
//! sessions of the partner read a result without end as fast as they can, and so do `OTHERS` sessions of two partners who stay.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use estop::admin::Admin;
use estop::cli::{ScopeWanted, Words};
use estop::commands::directive::{draw_up, submit};
use estop::demo::cast::{AUTHORITIES, Passwords};
use estop::demo::download::{Download, Ended};
use estop::demo::estate::Particulars;
use estop::demo::partner::{Gate, Login};
use estop::demo::{certificates, estate, incidents, load, people};
use estop::estate::Loaded;
use estop::failure::Failure;
use estop::postgres::{ADMIN, Scratch};
use estop::serve::EntryLine;
use estop::{clock, ssh};
use evidence::directive::namespace;
use evidence::id::DirectiveNumber;
use jiff::Timestamp;
use policy::estate::Files;
use tempfile::TempDir;

type Done<T> = Result<T, Box<dyn Error>>;

/// Some four hundred million narrow rows: it ends when it is cut.
const QUERY: &str = "select a.incident_id, a.occurred_on, a.offence, b.offence from incidents a, incidents b";

/// Rows that each session has received before the order is handed in: past every buffer's start.
const ROWS_BEFORE: u64 = 20_000;

/// Longest wait for rows, for `serve` and for the end of a session.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a partner that is to be cut off may read.
const AGREEMENT: &str = r#"
[agreement]
id = "@ID@"
partner = "@ID@"
legal_basis = "Measurement"
valid = { from = "2019-03-01", until = "2099-02-28" }
purposes = ["measurement"]

[[share]]
dataset = "incidents"
columns = ["incident_id", "occurred_on", "offence", "neighbourhood"]

[limits]
sessions = 100
statement_seconds = 600
"#;

/// One cut, in milliseconds.
struct Cut {
    /// From the request's leaving to the last row that any session of the partner received.
    order_to_last: f64,
    /// From the request's leaving to the gateway's last byte for any of these sessions, by the times in their `cut` records. What a
    /// client receives after that lay in the kernel's buffers, or the client's own.
    order_to_cut: f64,
    /// From the time in the entry that moved the policy to the last row.
    epoch_to_last: f64,
    /// From the request's leaving to its answer: everything is done, in the database as well.
    order_to_answer: f64,
    /// Sessions that were told the directive's number; the others were in the middle of a message and were reset.
    told: usize,
}

/// Everything that is running.
struct Field {
    serve: Child,
    admin: Admin,
    gate: Gate,
    loaded: Loaded,
    passwords: Passwords,
    folder: TempDir,
    _scratch: Scratch,
}

fn main() -> Done<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| args.get(at).map_or(Ok(default), |text| text.parse());
    let program = PathBuf::from(
        args.first()
            .ok_or("usage: measure_cuts ESTOP [CUTS [STREAMS [OTHERS]]]")?,
    );
    let (cuts, streams, others) = (number(1, 100)?, number(2, 8)?, number(3, 4)?);
    // The thread that starts the scratch server must live as long as it.
    let scratch = Scratch::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(&program, scratch, [cuts, streams, others]))
}

async fn measure(program: &Path, scratch: Scratch, [cuts, streams, others]: [usize; 3]) -> Done<()> {
    let field = Field::prepare(program, scratch, cuts).await?;
    let trouble = Arc::new(AtomicU64::new(0));
    let at_work = field.others(others, &trouble);
    let mut found = Vec::new();
    for at in 0..cuts {
        let cut = field
            .cut(&partner(at), streams)
            .await
            .map_err(|error| format!("cut {at}: {error}"))?;
        say(&format!("{at:3}  {:7.1} ms", cut.order_to_last))?;
        found.push(cut);
    }
    at_work.iter().for_each(tokio::task::JoinHandle::abort);
    say(&format!(
        "\n{cuts} cuts, each of {streams} sessions of one partner in mid-result, {others} sessions of others reading on"
    ))?;
    row("order to last row", &found, |cut| cut.order_to_last)?;
    row("order to the gateway's last byte", &found, |cut| cut.order_to_cut)?;
    row("epoch entry to last row", &found, |cut| cut.epoch_to_last)?;
    row("order to answer (database done)", &found, |cut| {
        cut.order_to_answer
    })?;
    let told: usize = found.iter().map(|cut| cut.told).sum();
    say(&format!(
        "{told} of {} sessions were told the directive's number, the others reset in mid-message",
        cuts * streams
    ))?;
    say(&format!(
        "{} errors among the others",
        trouble.load(Ordering::Relaxed)
    ))
}

fn say(line: &str) -> Done<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

/// n, median, 99th percentile by nearest rank, and the longest.
fn row(what: &str, cuts: &[Cut], value: impl Fn(&Cut) -> f64) -> Done<()> {
    let mut values: Vec<f64> = cuts.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    let rank = |per_cent: usize| {
        let rank = (values.len() * per_cent).div_ceil(100);
        values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    };
    let (median, high, most) = (rank(50), rank(99), rank(100));
    say(&format!(
        "{what:32} n {:3}  median {median:7.1} ms  p99 {high:7.1} ms  max {most:7.1} ms",
        values.len()
    ))
}

fn partner(at: usize) -> String {
    format!("partner-{at:03}")
}

/// The failure's words, to be handed on.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn plain(failure: Failure) -> Box<dyn Error> {
    failure.line().into()
}

impl Field {
    async fn prepare(program: &Path, scratch: Scratch, cuts: usize) -> Done<Self> {
        let records = incidents::shipped()?;
        load::load(&scratch, &records, &people::made_up(&records, people::SEED)).await?;
        let folder = tempfile::Builder::new().prefix("estop-cuts-").tempdir()?;
        let passwords = Passwords::draw().map_err(plain)?;
        // Free a moment ago; nothing else here takes ports in between.
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let files = files(folder.path(), &scratch, listen, &passwords, cuts)?;
        estate::write(&files, folder.path())?;
        certificates::write(folder.path(), clock::now())?;
        let loaded = estop::estate::load(folder.path()).map_err(plain)?;
        let mut serve = Command::new(program);
        serve
            .arg("--estate")
            .arg(folder.path())
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let serve = serve.spawn()?;
        let admin = Admin::at(loaded.state().admin_socket());
        let gate = Gate::new(listen, &folder.path().join(certificates::AUTHORITY))?;
        let field = Self {
            serve,
            admin,
            gate,
            loaded,
            passwords,
            folder,
            _scratch: scratch,
        };
        let began = clock::monotonic();
        loop {
            let keys = AUTHORITIES.map(|who| field.folder.path().join("keys").join(who));
            let number =
                estop::commands::directive::approve(&field.admin, &field.loaded, field.folder.path(), &keys)
                    .await;
            if let Err(failure) = number
                && began.elapsed() > PATIENCE
            {
                return Err(plain(failure));
            }
            match estop::commands::apply::apply(&field.admin, &field.loaded).await {
                Ok(applied) => break say(&format!("applied: {} steps", applied.steps))?,
                Err(failure) if began.elapsed() > PATIENCE => return Err(plain(failure)),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        Ok(field)
    }

    fn login(&self, partner: &str) -> Login {
        let purpose = Some("measurement");
        // As many as there are cuts, and the process ends with them.
        let partner: &'static str = Box::leak(partner.to_owned().into_boxed_str());
        let password = self.passwords.of(estop::demo::cast::FEDERAL);
        Login {
            officer: partner,
            password,
            agreement: partner,
            purpose,
            case: None,
        }
    }

    /// Partners who stay: each session reads, and when its statement's time is over it reads again.
    fn others(&self, count: usize, trouble: &Arc<AtomicU64>) -> Vec<tokio::task::JoinHandle<()>> {
        let logins = [self.passwords.police(), self.passwords.university()];
        let one =
            |login: &Login| tokio::spawn(read_on(self.gate.clone(), login.clone(), Arc::clone(trouble)));
        logins.iter().cycle().take(count).map(one).collect()
    }

    async fn cut(&self, partner: &str, streams: usize) -> Done<Cut> {
        let mut downloads = Vec::new();
        for _ in 0..streams {
            let session = self
                .gate
                .connect(&self.login(partner))
                .await
                .map_err(|refused| refused.message)?;
            downloads.push(Download::begin(session, QUERY));
        }
        for download in &downloads {
            if !download.reaches(ROWS_BEFORE, PATIENCE).await {
                return Err(format!("only {} rows flow", download.rows()).into());
            }
        }
        let (file, signatures, number) = self.signed(partner).await?;
        let (ordered, wall) = (clock::monotonic(), clock::now());
        let outcome = submit(&self.admin, &file, &signatures).await.map_err(plain)?;
        let order_to_answer = milliseconds(ordered.elapsed());
        if !outcome.complete {
            return Err(format!("{number} was not carried out in full").into());
        }
        let mut ended = Vec::new();
        for download in downloads {
            ended.push(download.end(PATIENCE).await.ok_or("a session still reads")?);
        }
        let last = last_row(&ended, ordered)?;
        let epoch = self.epoch_moved(outcome.index, &number).await?;
        let told = ended.iter().filter(|one| is_told(one, &number)).count();
        let order_to_last = milliseconds(last);
        let since = |at: Timestamp| at.duration_since(wall).as_secs_f64() * 1_000.0;
        let last_cut = outcome
            .cuts
            .iter()
            .map(|cut| cut.at)
            .max()
            .ok_or("no session was cut")?;
        Ok(Cut {
            order_to_last,
            order_to_cut: since(last_cut),
            epoch_to_last: order_to_last - since(epoch),
            order_to_answer,
            told,
        })
    }

    /// A termination, drawn up and signed by both authorities.
    async fn signed(&self, partner: &str) -> Done<(PathBuf, Vec<PathBuf>, DirectiveNumber)> {
        let scope = ScopeWanted {
            partner: partner.parse()?,
            agreement: None,
            purpose: None,
        };
        let words = Words {
            basis: "Measurement".to_owned(),
            within: 24,
            output: Some(self.folder.path().join(partner)),
            ..Words::default()
        };
        let drawn = draw_up(&self.admin, &scope, None, &words, self.folder.path())
            .await
            .map_err(plain)?;
        let namespace = namespace(&self.loaded.estate.custodian().name);
        let mut signatures = Vec::new();
        for who in AUTHORITIES {
            let signature = drawn.file.with_extension(who);
            ssh::sign(
                &drawn.file,
                &self.folder.path().join("keys").join(who),
                &namespace,
                &signature,
            )?;
            signatures.push(signature);
        }
        Ok((drawn.file, signatures, drawn.number))
    }

    /// When the policy moved because of this directive, as the ledger has it.
    async fn epoch_moved(&self, index: u64, number: &DirectiveNumber) -> Done<Timestamp> {
        // The entry stands right behind the directive's, but for those of sessions at work.
        let lines: Vec<EntryLine> = self
            .admin
            .get(&format!("/ledger/entries/{index}/1000"))
            .await
            .map_err(plain)?;
        let mut records = lines
            .into_iter()
            .filter(|line| line.entry.contains("\nkind epoch\n"))
            .filter_map(|line| line.record);
        let record = records
            .find(|record| record.get("directive").and_then(|text| text.as_str()) == Some(number.as_str()));
        let at = record
            .and_then(|record| Some(record.get("at")?.as_str()?.to_owned()))
            .ok_or("no epoch entry")?;
        Ok(at.parse()?)
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        // The measurement is over, or has failed: what it would still do does not matter.
        let _ = self.serve.kill();
        let _ = self.serve.wait();
    }
}

/// The last row that any session received, as the time since the order.
fn last_row(ended: &[Ended], ordered: Instant) -> Done<Duration> {
    if let Some(one) = ended.iter().find(|one| one.why.is_none()) {
        return Err(format!("a result came to its end after {} rows", one.rows).into());
    }
    let last = ended.iter().map(|one| one.last_row).max().ok_or("no session")?;
    // Zero: the order was handed in while nothing moved, which is no measurement.
    last.checked_duration_since(ordered)
        .ok_or_else(|| "no row came after the order was handed in".into())
}

fn is_told(ended: &Ended, number: &DirectiveNumber) -> bool {
    let words = ended.why.iter().chain(&ended.connection);
    words
        .into_iter()
        .any(|refused| refused.message.contains(number.as_str()))
}

async fn read_on(gate: Gate, login: Login, trouble: Arc<AtomicU64>) {
    loop {
        match gate.connect(&login).await {
            Ok(session) => {
                // 57014: its own time limit, which is how each of them ends.
                let ended = Download::begin(session, QUERY_OF_OTHERS)
                    .end(Duration::from_secs(600))
                    .await;
                let in_time = ended.is_some_and(|one| one.why.is_some_and(|why| why.sqlstate == "57014"));
                trouble.fetch_add(u64::from(!in_time), Ordering::Relaxed);
            }
            Err(_) => {
                trouble.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The same of what both of them may read.
const QUERY_OF_OTHERS: &str = "select a.incident_id, a.offence, b.offence from incidents a, incidents b";

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The demo's estate, and one more partner with its agreement for each cut.
fn files(
    folder: &Path,
    scratch: &Scratch,
    listen: SocketAddr,
    passwords: &Passwords,
    cuts: usize,
) -> Done<Files> {
    let upstream = format!(
        "postgresql://{ADMIN}:{}@/{}?host={}&port={}",
        scratch.password(),
        load::DATABASE,
        scratch.socket_directory().display(),
        scratch.port()
    );
    let verifiers = passwords.verifiers().map_err(plain)?;
    let authorities = authorities(folder)?;
    let particulars = Particulars {
        upstream: &upstream,
        listen,
        isolation: "in-place",
        verifiers: &verifiers,
        authorities: &authorities,
    };
    let mut files = estate::files(&particulars);
    let scram = verifiers.get(estop::demo::cast::FEDERAL).ok_or("no verifier")?;
    for at in 0..cuts {
        let id = partner(at);
        let officer = format!("[[officer]]\nid = \"{id}\"\nname = \"Officer\"\nscram = \"{scram}\"\n");
        files.insert(
            format!("partners/{id}.toml"),
            format!("[partner]\nid = \"{id}\"\ntitle = \"{id}\"\n\n{officer}"),
        );
        files.insert(format!("agreements/{id}.toml"), AGREEMENT.replace("@ID@", &id));
    }
    Ok(files)
}

fn authorities(folder: &Path) -> Done<BTreeMap<&'static str, String>> {
    let keys = folder.join("keys");
    std::fs::create_dir(&keys)?;
    let mut public = BTreeMap::new();
    for who in AUTHORITIES {
        let path = keys.join(who);
        ssh::generate(&path, who)?;
        let text = std::fs::read_to_string(path.with_extension("pub"))?;
        public.insert(who, text.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    }
    Ok(public)
}
