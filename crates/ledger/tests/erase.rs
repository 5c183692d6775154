//! Erasures, killed at random moments: an entry is erased and the log says so, or neither; what was acknowledged is done; and no file of
//! the ledger holds the key or the record of what is gone.

#[cfg(test)]
mod support;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::sync::mpsc;
    use std::time::Duration;

    use evidence::entry::Kind;
    use evidence::erasure::Erased;
    use jiff::Timestamp;
    use ledger::{Ledger, verify};

    use crate::support::{draft, key, open, partner};

    const KILLS: u32 = 24;

    /// Not a test by itself: what the test below starts and kills. Says what is to be erased, with key and record, before, and that it is
    /// done after.
    #[test]
    #[ignore = "started by the test below"]
    fn eraser() {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            return;
        }
        let ledger = open(Path::new(line.trim_end()));
        if ledger.partner(&partner("a")).is_none() {
            let opened = vec![draft(Kind::Opened, "a", "{\"opened\":1}")];
            ledger.append(opened).wait().unwrap();
        }
        let beside = {
            let ledger = ledger.clone();
            move || loop {
                drop(
                    ledger
                        .append(vec![draft(Kind::Refusal, "a", "{\"beside\":1}")])
                        .wait(),
                );
            }
        };
        std::thread::spawn(beside);
        for n in 0_u64.. {
            let drafts = (0..4).map(|k| {
                draft(
                    Kind::Session,
                    "a",
                    &format!("{{\"secret\":\"{n}-{k}-{}\"}}", ledger.size()),
                )
            });
            let first = ledger.append(drafts.collect()).wait().unwrap().first_index();
            let gone: BTreeSet<u64> = [first + 1, first + 3].into();
            for index in &gone {
                let stored = ledger.entry(*index).unwrap();
                let key = stored.key.unwrap().reveal_text();
                say(&format!(
                    "@goes {index} {} {}",
                    key.as_str(),
                    String::from_utf8(stored.record).unwrap()
                ));
            }
            let done = ledger.erase(&gone, "b", "root", Timestamp::UNIX_EPOCH).unwrap();
            say(&format!("@done {} {} {}", done.entry, first + 1, first + 3));
        }
    }

    fn say(line: &str) {
        std::io::stdout()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    #[derive(Default)]
    struct Seen {
        goes: BTreeMap<u64, (Vec<u8>, String)>,
        done: BTreeMap<u64, u64>,
    }

    fn round(number: u32, dir: &Path, seen: &mut Seen) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "tests::eraser", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{}", dir.display()).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || lines.map(Result::unwrap).try_for_each(|line| sender.send(line)));
        // From before it is open to the middle of steady work.
        let (mut lines, mut done) = (Vec::new(), 0);
        while done < number % 6 {
            let line: Vec<u8> = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
            done += u32::from(line.starts_with(b"@done"));
            lines.push(line);
        }
        std::thread::sleep(Duration::from_micros(u64::from(number * 3700 % 23_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        lines.extend(receiver.iter());
        // The last may be cut off; it is then none that is looked for.
        lines.pop();
        for line in lines {
            let line = String::from_utf8(line).unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["@goes", index, key, record] => {
                    let key: evidence::hash::Hash = key.parse().unwrap();
                    seen.goes
                        .insert(index.parse().unwrap(), (key.0.to_vec(), record.to_owned()));
                }
                ["@done", by, one, other] => {
                    for index in [one, other] {
                        seen.done.insert(index.parse().unwrap(), by.parse().unwrap());
                    }
                }
                _ => {}
            }
        }
    }

    /// What the log says was erased, by which entry, after checking that exactly this cannot be read any more.
    fn erased(ledger: &Ledger) -> BTreeMap<u64, u64> {
        let (mut said, mut gone) = (BTreeMap::new(), BTreeMap::new());
        for stored in ledger.entries(0..ledger.size()).unwrap() {
            let stored = stored.unwrap();
            gone.extend(stored.erased_by.map(|by| (stored.index, by)));
            let entry = stored.parse().unwrap();
            if entry.kind == Kind::Erased {
                let body = Erased::parse(&entry.body.unwrap()).unwrap();
                said.extend(body.ranges().iter().map(|range| (*range.start(), stored.index)));
            }
        }
        assert_eq!(said, gone);
        said
    }

    #[test]
    fn killed_at_random_moments_an_erasure_is_whole_or_not_there_and_nothing_of_it_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("ledger");
        let mut seen = Seen::default();
        for number in 0..KILLS {
            round(number, &dir, &mut seen);
        }
        let ledger = open(&dir);
        let erased = erased(&ledger);
        for (index, by) in &seen.done {
            assert_eq!(erased.get(index), Some(by), "acknowledged and not done");
        }
        assert!(seen.done.len() > 40, "only {} erased", seen.done.len());
        drop(ledger);
        let report = verify(&dir, &key().verifier()).unwrap();
        assert!(report.holds(), "{:?}", report.findings);
        assert_eq!(report.erased, erased.len() as u64);
        nothing_left(&dir, &seen, &erased);
        assert_eq!(fs::read_dir(dir.join("root")).unwrap().count(), 1);
    }

    /// No file holds a key or record of what was erased.
    fn nothing_left(dir: &Path, seen: &Seen, erased: &BTreeMap<u64, u64>) {
        let gone = seen.goes.iter().filter(|(index, _)| erased.contains_key(index));
        // By their first eight bytes, so that each file is gone over once.
        let mut needles = BTreeMap::new();
        for (index, (key, record)) in gone {
            for secret in [key.as_slice(), record.as_bytes()] {
                needles.insert(secret[..8].to_vec(), secret.to_vec());
            }
            assert!(record.contains("secret"), "entry {index}");
        }
        // Every record begins alike.
        assert!(needles.len() > seen.done.len());
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                for window in fs::read(&path).unwrap().windows(8) {
                    assert!(!needles.contains_key(window), "{}", path.display());
                }
            }
        }
    }
}
