//! The file system fails for real: EIO and ENOSPC, put by strace into every system call on the ledger's files, one at a time. Whatever
//! happens, what was acknowledged is there afterwards, what was refused is not, nothing forks, and the next process goes on.

#[cfg(test)]
mod support;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use evidence::entry::Kind;
    use ledger::{Ledger, MIN_SEGMENT_BYTES, NotRecorded, verify};

    use crate::support::{config, draft, key, open};

    /// The two lives fill more than a segment.
    const _: () = assert!(MIN_SEGMENT_BYTES < 14 * 30_000);

    /// Every call by which a file, a folder or a name is made, changed, read or made durable.
    const CALLS: &str = "openat,open,creat,pwrite64,write,fdatasync,fsync,fallocate,ftruncate,rename,renameat,renameat2,mkdir,\
                         mkdirat,chmod,fchmod,fchmodat,stat,fstat,statx,newfstatat,getdents64,pread64,read,lseek,unlink,unlinkat,\
                         rmdir,flock,link,linkat,sync_file_range,fadvise64";

    const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

    /// Of the faults, one in so many in an ordinary run, another one for each error; `make soak` tries all of them.
    const STRIDE: usize = 40;

    /// Not a test by itself: what strace runs. Two lives of a ledger, as long as it lets them; says what each step came to.
    #[test]
    #[ignore = "started by the tests below"]
    fn two_lives() {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        let dir = PathBuf::from(line.trim_end());
        if dir.as_os_str().is_empty() {
            return;
        }
        for life in 0..2 {
            // Checkpoints only where they are asked for, so that each run makes the same calls.
            let mut config = config(&dir);
            config.checkpoint_every = Duration::from_secs(3600);
            match Ledger::open(config) {
                Ok(ledger) => live(&ledger, life),
                Err(error) => say(&format!("@closed {life} {error}")),
            }
        }
        say("@end");
    }

    fn live(ledger: &Ledger, life: u32) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if life == 0 {
            let opened = ledger.append(vec![draft(Kind::Opened, "a", "{}")]).wait();
            say(&format!("@opened {}", opened.is_ok()));
        }
        // More than one segment, and more than one tile.
        for n in 0..7_u32 {
            let record = format!(
                "{{\"life\":{life},\"n\":{n},\"text\":\"{}\"}}",
                "x".repeat(30_000)
            );
            let short = format!("{{\"life\":{life},\"n\":{n}}}");
            let mut drafts = vec![draft(Kind::Disclosure, "a", &record)];
            drafts.extend((0..20).map(|_| draft(Kind::Refusal, "a", &short)));
            match ledger.append(drafts).wait() {
                Ok(receipt) => say(&format!("@ack {} {life} {n}", receipt.first_index())),
                Err(NotRecorded::Storage(_)) => say(&format!("@refused {life} {n}")),
                Err(error) => say(&format!("@unknown {life} {n} {error}")),
            }
            if n % 3 == 2 {
                match runtime.block_on(ledger.checkpoint()) {
                    Ok(signed) => say(&format!(
                        "@root {} {}",
                        signed.checkpoint.size, signed.checkpoint.root
                    )),
                    Err(error) => say(&format!("@no-root {error}")),
                }
            }
        }
    }

    fn say(line: &str) {
        std::io::stdout()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// Runs the two lives under strace; gives what they said. They must have come to their end: nothing that a disk does is a reason to
    /// panic. (How strace itself ends says nothing: it sometimes fails after a whole run.)
    fn lives(dir: &Path, strace: &[String], paths: &[PathBuf], what: &str) -> String {
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-e", &format!("trace={CALLS}")])
            .args(strace);
        for path in paths {
            command.arg("-P").arg(path);
        }
        let mut child = command
            .arg(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "tests::two_lives",
                "--nocapture",
                "--test-threads=1",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace: apt-get install strace");
        writeln!(child.stdin.take().unwrap(), "{}", dir.display()).unwrap();
        let output = child.wait_with_output().unwrap();
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        let whole = text.contains("@end") && text.contains("test result: ok. 1 passed");
        assert!(whole && !text.contains("panicked"), "{what}: {text}");
        text
    }

    fn all_under(folder: &Path, into: &mut Vec<PathBuf>) {
        into.push(folder.to_owned());
        if folder.is_dir() {
            for entry in std::fs::read_dir(folder).unwrap() {
                all_under(&entry.unwrap().path(), into);
            }
        }
    }

    /// The folder the runs use, always the same: strace knows files by their paths.
    struct Place {
        dir: tempfile::TempDir,
        /// All paths that the two lives touch.
        paths: Vec<PathBuf>,
        /// Each system call with the highest number that a thread makes of it.
        calls: BTreeMap<String, usize>,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let ledger = dir.path().join("ledger");
            let log = dir.path().join("log");
            // Once to learn the paths, with the names that files have until they are whole, and once to count the calls on them.
            let everything = ["-o".to_owned(), log.display().to_string()];
            let said = lives(&ledger, &everything, &[], "to learn the paths");
            assert!(!said.contains("@refused"), "{said}");
            let mut paths = Vec::new();
            all_under(&ledger, &mut paths);
            let text = std::fs::read_to_string(&log).unwrap();
            let root = ledger.display().to_string();
            let quoted = text
                .split('"')
                .filter(|part| part.starts_with(&root))
                .map(PathBuf::from);
            paths.extend(quoted);
            paths.sort();
            paths.dedup();
            std::fs::remove_dir_all(&ledger).unwrap();
            lives(&ledger, &everything, &paths, "to count the calls");
            let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
            for line in std::fs::read_to_string(&log).unwrap().lines() {
                let Some((thread, rest)) = line.split_once(' ') else {
                    continue;
                };
                if let Some((call, _)) = rest.trim_start().split_once('(')
                    && CALLS.split(',').any(|known| known == call)
                {
                    *counts.entry((thread.to_owned(), call.to_owned())).or_default() += 1;
                }
            }
            let mut calls: BTreeMap<String, usize> = BTreeMap::new();
            for ((_, call), count) in counts {
                let most = calls.entry(call).or_default();
                *most = count.max(*most);
            }
            Self { dir, paths, calls }
        }

        /// One fault: the `number`th call of this name, of each thread, fails so.
        fn fault(&self, call: &str, number: usize, error: &str) -> bool {
            let what = format!("{error} from {call} {number}");
            let ledger = self.dir.path().join("ledger");
            drop(std::fs::remove_dir_all(&ledger));
            let log = self.dir.path().join("log");
            let inject = [
                "-o".to_owned(),
                log.display().to_string(),
                "-e".to_owned(),
                format!("inject={call}:error={error}:when={number}"),
            ];
            let said = lives(&ledger, &inject, &self.paths, &what);
            check(&ledger, &said, &what);
            std::fs::read_to_string(&log).unwrap().contains("(INJECTED)")
        }
    }

    /// A record without its first brace.
    fn inside(record: &str) -> &str {
        record.strip_prefix('{').unwrap_or(record)
    }

    /// What lies on the disk against what was said.
    fn check(dir: &Path, said: &str, what: &str) {
        let mut roots: BTreeMap<u64, String> = BTreeMap::new();
        let (mut acknowledged, mut refused) = (Vec::new(), BTreeSet::new());
        for line in said.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["@ack", index, life, n] => acknowledged.push((
                    index.parse::<u64>().unwrap(),
                    format!("\"life\":{life},\"n\":{n},"),
                )),
                ["@refused", life, n] => drop(refused.insert(format!("\"life\":{life},\"n\":{n},"))),
                ["@root", size, root] => {
                    let size = size.parse().unwrap();
                    let known = roots.entry(size).or_insert_with(|| (*root).to_owned());
                    assert_eq!(known, root, "{what}: two roots for size {size}");
                }
                _ => {}
            }
        }
        let published = dir.join("public/checkpoint").exists();
        assert!(
            published || roots.is_empty(),
            "{what}: a root was given that is not published"
        );
        if published {
            let report = verify(dir, &key().verifier()).unwrap();
            assert!(report.holds(), "{what}: {:?}", report.findings);
        }
        let ledger = open(dir);
        for (index, begins) in &acknowledged {
            let record = String::from_utf8(ledger.entry(*index).unwrap().record).unwrap();
            assert!(
                inside(&record).starts_with(begins),
                "{what}: entry {index} is {record:.40}"
            );
        }
        for stored in ledger.entries(0..ledger.size()).unwrap() {
            let record = String::from_utf8(stored.unwrap().record).unwrap();
            let found = refused
                .iter()
                .find(|begins| record.len() > 100 && inside(&record).starts_with(begins.as_str()));
            assert_eq!(found, None, "{what}: it was refused, and is there");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if ledger.partner(&crate::support::partner("a")).is_none() {
            ledger
                .append(vec![draft(Kind::Opened, "a", "{}")])
                .wait()
                .unwrap();
        }
        ledger
            .append(vec![draft(Kind::Disclosure, "a", "{\"after\":true}")])
            .wait()
            .unwrap();
        let signed = runtime.block_on(ledger.checkpoint()).unwrap().checkpoint;
        let known = roots
            .entry(signed.size)
            .or_insert_with(|| signed.root.to_string());
        assert_eq!(
            *known,
            signed.root.to_string(),
            "{what}: two roots for size {}",
            signed.size
        );
        drop(ledger);
        let report = verify(dir, &key().verifier()).unwrap();
        assert!(report.holds(), "{what}: {:?}", report.findings);
    }

    fn faults(stride: usize) {
        let place = Place::new();
        let needed = [
            "openat",
            "pwrite64",
            "fdatasync",
            "fsync",
            "fallocate",
            "pread64",
            "rename",
            "mkdir",
        ];
        for call in needed {
            assert!(
                place.calls.contains_key(call),
                "no {call} was seen: {:?}",
                place.calls
            );
        }
        let all = place
            .calls
            .iter()
            .flat_map(|(call, most)| (1..=*most).map(move |number| (call, number)));
        let all: Vec<_> = all.collect();
        let mut injected = 0_usize;
        for (turn, error) in ERRORS.into_iter().enumerate() {
            for (call, number) in all.iter().skip(turn * stride / ERRORS.len()).step_by(stride) {
                injected += usize::from(place.fault(call, *number, error));
            }
        }
        let tried = all.len() * ERRORS.len() / stride;
        println!(
            "{} calls, {injected} faults of about {tried}: {:?}",
            all.len(),
            place.calls
        );
        assert!(
            injected * 10 >= tried * 9,
            "only {injected} of {tried} were injected"
        );
    }

    #[test]
    fn a_fault_of_the_file_system_loses_nothing() {
        faults(STRIDE);
    }

    /// The long one: `make soak`.
    #[test]
    #[ignore = "takes minutes: make soak"]
    fn every_fault_of_the_file_system_loses_nothing() {
        faults(1);
    }
}
