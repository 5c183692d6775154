//! A disk for tests that forgets what was not synced and fails where it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Access, Disk, DiskFile};

/// A single step: what is done, to which path, and for which time (from 0).
pub(crate) type Step = (&'static str, String, usize);

/// How a step goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Error, and nothing happened. For a sync: what was to be synced never will be, though it can still be read.
    Lost,
    /// Error, although it happened and is durable.
    Persisted,
    /// Error after the first half.
    Short,
    /// No space left: error, and nothing happened.
    Full,
    /// Error of this and all later steps of its kind on its path, nothing happens.
    LostForGood,
}

impl Wrong {
    pub(crate) const ALL: [Self; 5] = [
        Self::Lost,
        Self::Persisted,
        Self::Short,
        Self::Full,
        Self::LostForGood,
    ];

    fn error(self) -> io::Error {
        match self {
            Self::Full => io::ErrorKind::StorageFull.into(),
            _ => io::Error::from_raw_os_error(5),
        }
    }
}

/// What becomes of what was not synced when the power goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Crash {
    Lose,
    Keep,
    /// Each sector and each name by the toss of a coin.
    Torn(u64),
}

#[derive(Debug, Default, Clone)]
struct Contents {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Written since the last sync.
    pending: Vec<(usize, Vec<u8>)>,
}

impl Contents {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        put(&mut self.cached, at, bytes);
        self.pending.push((at, bytes.to_vec()));
    }

    fn sync(&mut self) {
        for (at, bytes) in std::mem::take(&mut self.pending) {
            put(&mut self.durable, at, &bytes);
        }
        if self.durable.len() < self.cached.len() {
            self.durable.resize(self.cached.len(), 0);
        }
    }

    fn crash(&mut self, how: Crash, coin: &mut Coin) {
        match how {
            Crash::Lose => self.pending.clear(),
            Crash::Keep => self.sync(),
            Crash::Torn(_) => {
                for (at, bytes) in std::mem::take(&mut self.pending) {
                    for (n, sector) in bytes.chunks(512).enumerate() {
                        if coin.toss() {
                            put(&mut self.durable, at + n * 512, sector);
                        }
                    }
                }
            }
        }
        self.cached = self.durable.clone();
    }
}

/// A path without what is random in it, so that a step of one run can be found again in another.
fn same_each_time(path: &str) -> String {
    match path.split_once("keys/shelf-") {
        Some((_, name)) => format!("keys/shelf-{}", name.get(16..).unwrap_or_default()),
        None => path.to_owned(),
    }
}

fn put(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if to.len() < at + bytes.len() {
        to.resize(at + bytes.len(), 0);
    }
    to[at..at + bytes.len()].copy_from_slice(bytes);
}

pub(crate) struct Coin(u64);

impl Coin {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn toss(&mut self) -> bool {
        self.number() & 64 == 0
    }
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<usize, Contents>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    done: BTreeMap<(&'static str, String), usize>,
    faults: BTreeMap<Step, Wrong>,
    for_good: BTreeSet<(&'static str, String)>,
    /// Every sync and every change of contents fails for lack of space.
    full: bool,
    struck: bool,
}

impl State {
    /// Counts the step and says how it goes.
    fn step(&mut self, what: &'static str, path: &str) -> Result<(), Wrong> {
        let path = &same_each_time(path);
        let key = (what, path.to_owned());
        let count = self.done.entry(key.clone()).or_default();
        let step = (what, path.to_owned(), *count);
        *count += 1;
        if self.full && matches!(what, "write" | "reserve" | "create") {
            return Err(Wrong::Full);
        }
        if self.for_good.contains(&key) {
            return Err(Wrong::Lost);
        }
        match self.faults.get(&step) {
            None => Ok(()),
            Some(wrong) => {
                self.struck = true;
                if *wrong == Wrong::LostForGood {
                    self.for_good.insert(key);
                }
                Err(*wrong)
            }
        }
    }
}

/// The disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Lets one step go wrong.
    pub(crate) fn fail(&self, step: Step, wrong: Wrong) {
        self.state().faults.insert(step, wrong);
    }

    /// Whether a fault has struck.
    pub(crate) fn struck(&self) -> bool {
        self.state().struck
    }

    /// Whether there is no space left.
    pub(crate) fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// All steps done so far.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let state = self.state();
        state
            .done
            .iter()
            .flat_map(|((what, path), count)| (0..*count).map(|n| (*what, path.clone(), n)))
            .collect()
    }

    /// The disk after the power went and came back. The old one goes on by itself.
    pub(crate) fn crashed(&self, how: Crash) -> Self {
        let state = self.state();
        let mut coin = Coin::new(if let Crash::Torn(seed) = how { seed } else { 0 });
        let mut files = state.files.clone();
        for contents in files.values_mut() {
            contents.crash(how, &mut coin);
        }
        let mut names = state.durable_names.clone();
        for (name, file) in &state.names {
            if names.get(name) != Some(file)
                && (matches!(how, Crash::Keep) || (matches!(how, Crash::Torn(_)) && coin.toss()))
            {
                names.insert(name.clone(), *file);
            }
        }
        Self(Arc::new(Mutex::new(State {
            files,
            durable_names: names.clone(),
            names,
            ..State::default()
        })))
    }

    /// A file's contents, as a test sees them.
    pub(crate) fn contents(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(path).map(|file| state.files[file].cached.clone())
    }

    /// Changes a file's contents behind everyone's back.
    pub(crate) fn tamper(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = state.names[path];
        let contents = state.files.get_mut(&file).unwrap();
        change(&mut contents.cached);
        contents.pending.clear();
        contents.durable = contents.cached.clone();
    }

    /// Takes a file away behind everyone's back.
    pub(crate) fn lose(&self, path: &str) {
        let mut state = self.state();
        state.names.remove(path);
        state.durable_names.remove(path);
    }

    fn change_names(
        &self,
        what: &'static str,
        path: &str,
        change: impl Fn(&mut BTreeMap<String, usize>),
    ) -> io::Result<()> {
        let mut state = self.state();
        match state.step(what, path) {
            Ok(()) => change(&mut state.names),
            Err(wrong @ Wrong::Persisted) => {
                change(&mut state.names);
                change(&mut state.durable_names);
                return Err(wrong.error());
            }
            Err(wrong) => return Err(wrong.error()),
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn make_folder(&self, _path: &str, _access: Access) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        let inside = |name: &String| {
            let rest = name.strip_prefix(folder)?;
            let rest = if folder.is_empty() {
                rest
            } else {
                rest.strip_prefix('/')?
            };
            Some(rest.split('/').next()?.to_owned())
        };
        Ok(state
            .names
            .keys()
            .filter_map(inside)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect())
    }

    fn open(&self, path: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let file = self.state().names.get(path).copied();
        Ok(file.map(|file| {
            Arc::new(SimFile {
                disk: self.clone(),
                path: path.to_owned(),
                file,
            }) as _
        }))
    }

    fn create(&self, path: &str, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = {
            let mut state = self.state();
            let wrong = state.step("create", path).err();
            if matches!(wrong, None | Some(Wrong::Persisted)) {
                let file = state.files.len();
                state.files.insert(file, Contents::default());
                state.names.insert(path.to_owned(), file);
            }
            if let Some(wrong) = wrong {
                return Err(wrong.error());
            }
            state.names[path]
        };
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            path: path.to_owned(),
            file,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change_names("rename", to, |names| {
            if let Some(file) = names.remove(from) {
                names.insert(to.to_owned(), file);
            }
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.change_names("remove", path, |names| {
            names.remove(path);
        })
    }

    fn remove_folder(&self, path: &str) -> io::Result<()> {
        let prefix = format!("{path}/");
        self.change_names("remove", path, |names| {
            names.retain(|name, _| !name.starts_with(&prefix))
        })
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        let outcome = state.step("sync-folder", path);
        if !matches!(outcome, Ok(()) | Err(Wrong::Persisted)) {
            return outcome.map_err(Wrong::error);
        }
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let inside = |name: &String| name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        let now: Vec<_> = state
            .names
            .iter()
            .filter(|(name, _)| inside(name))
            .map(|(n, f)| (n.clone(), *f))
            .collect();
        state.durable_names.retain(|name, _| !inside(name));
        state.durable_names.extend(now);
        outcome.map_err(Wrong::error)
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    path: String,
    file: usize,
}

impl SimFile {
    fn with<T>(&self, act: impl FnOnce(&mut Contents) -> T) -> T {
        act(self.disk.state().files.get_mut(&self.file).unwrap())
    }

    fn change(&self, what: &'static str, act: impl Fn(&mut Contents, bool)) -> io::Result<()> {
        let outcome = self.disk.state().step(what, &self.path);
        self.with(|contents| match outcome {
            Ok(()) => act(contents, true),
            Err(Wrong::Persisted) => {
                act(contents, true);
                contents.sync();
            }
            Err(Wrong::Short) => act(contents, false),
            Err(Wrong::Lost | Wrong::Full | Wrong::LostForGood) => {}
        });
        outcome.map_err(Wrong::error)
    }
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.with(|contents| contents.cached.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.state().step("read", &self.path).map_err(Wrong::error)?;
        let at = usize::try_from(offset).unwrap();
        Ok(self.with(|contents| {
            let rest = contents.cached.get(at..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            count
        }))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.change("write", |contents, whole| {
            let count = if whole { bytes.len() } else { bytes.len() / 2 };
            contents.write(at, &bytes[..count]);
        })
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let length = usize::try_from(bytes).unwrap();
        self.change("reserve", |contents, whole| {
            contents.cached.resize(if whole { length } else { length / 2 }, 0);
        })
    }

    fn sync(&self) -> io::Result<()> {
        let outcome = self.disk.state().step("sync", &self.path);
        self.with(|contents| match outcome {
            Ok(()) | Err(Wrong::Persisted) => contents.sync(),
            // Half of it reached the disk, the rest never will; all of it can still be read.
            Err(Wrong::Short) => {
                let half = contents.pending.len().div_ceil(2);
                contents.pending.truncate(half);
                contents.sync();
            }
            Err(_) => contents.pending.clear(),
        });
        outcome.map_err(Wrong::error)
    }
}
