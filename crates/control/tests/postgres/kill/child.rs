//! What is killed: a process of its own that applies an estate, with what it is handed in standing in the way where the test
//! asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use ledger::Clock;
use ledger::register::{Register, RegisterError, SqliteRegister, Version, Versioned};
use policy::estate::Files;
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::road::Moment;
use crate::world::{WallClock, control_with, ledger_in};

/// What the child is to do, on its standard input.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) files: Files,
    /// The folder with ledger and register.
    pub(crate) state: PathBuf,
    /// Control's way to each airlock.
    pub(crate) airlocks: BTreeMap<String, String>,
    /// Dies at this write to the register, from 1.
    pub(crate) write: Option<(usize, Moment)>,
    /// Dies when it asks for the time, for this time.
    pub(crate) look: Option<u32>,
}

/// What the child counted, when nothing killed it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// The keys of the register that it wrote.
    pub(crate) writes: Vec<String>,
    pub(crate) looks: u32,
    pub(crate) statements: BTreeSet<String>,
}

impl Task {
    /// Starts the child; it works from then on.
    pub(crate) fn begin(&self) -> Child {
        let file = self.state.join("task.json");
        std::fs::write(&file, serde_json::to_vec(self).unwrap()).unwrap();
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kill::child::applier", "--nocapture"])
            .stdin(std::fs::File::open(file).unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

/// Not a test by itself: what the tests of `kill` start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the tests of `kill`"]
async fn applier() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    if text.is_empty() {
        return;
    }
    let task: Task = serde_json::from_str(&text).unwrap();
    let looks = Arc::new(AtomicU32::new(0));
    let writes = Arc::new(Mutex::new(Vec::new()));
    let ledger = ledger_in(&task.state);
    let register = WatchedRegister {
        inner: SqliteRegister::open(&task.state.join("register.db")).unwrap(),
        writes: Arc::clone(&writes),
        stop: task.write,
    };
    let clock = WatchedClock {
        looks: Arc::clone(&looks),
        stop: task.look,
    };
    let control = control_with(
        task.files,
        &task.airlocks,
        &ledger,
        Arc::new(register),
        Arc::new(clock),
    );
    let applied = control.apply(&[]).await.unwrap();
    assert!(applied.moved);
    let steps = applied.plans.into_iter().flat_map(|plan| plan.steps);
    let counted = Counted {
        writes: writes.lock().unwrap().clone(),
        looks: looks.load(Ordering::SeqCst),
        statements: steps.map(|step| step.sql).collect(),
    };
    println!("\n@{}", serde_json::to_string(&counted).unwrap());
}

fn die() {
    kill_process(getpid(), Signal::KILL).unwrap();
    // The signal is on its way to all threads of this process.
    loop {
        std::thread::park();
    }
}

#[derive(Debug)]
struct WatchedClock {
    looks: Arc<AtomicU32>,
    stop: Option<u32>,
}

impl Clock for WatchedClock {
    fn now(&self) -> Timestamp {
        let number = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
        if self.stop == Some(number) {
            die();
        }
        WallClock.now()
    }
}

#[derive(Debug)]
struct WatchedRegister {
    inner: SqliteRegister,
    writes: Arc<Mutex<Vec<String>>>,
    stop: Option<(usize, Moment)>,
}

impl WatchedRegister {
    fn written<T>(&self, key: &str, write: impl FnOnce() -> T) -> T {
        let mut writes = self.writes.lock().unwrap();
        writes.push(key.to_owned());
        let number = writes.len();
        if self.stop == Some((number, Moment::Before)) {
            die();
        }
        let done = write();
        if self.stop == Some((number, Moment::After)) {
            die();
        }
        done
    }
}

impl Register for WatchedRegister {
    fn read(&self, key: &str) -> Result<Option<Versioned>, RegisterError> {
        self.inner.read(key)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<Version, RegisterError> {
        self.written(key, || self.inner.create(key, value))
    }

    fn compare_and_swap(&self, key: &str, version: Version, value: &[u8]) -> Result<Version, RegisterError> {
        self.written(key, || self.inner.compare_and_swap(key, version, value))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, RegisterError> {
        self.inner.list(prefix)
    }

    fn watch(&self, prefix: &str) -> Result<watch::Receiver<u64>, RegisterError> {
        self.inner.watch(prefix)
    }
}
