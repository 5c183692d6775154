//! Killed at random moments, over and over: nothing acknowledged is lost, no size ever has two roots.

#[cfg(test)]
mod support;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use evidence::checkpoint::Checkpoint;
    use evidence::entry::Kind;
    use ledger::{Ledger, NotRecorded, verify};

    use crate::support::{draft, open, partner};

    const KILLS: u32 = 60;

    /// Not a test by itself: what the test below starts and kills. Reads the folder and a number from standard input; says
    /// each acknowledged index and each checkpoint.
    #[test]
    #[ignore = "started by the test below"]
    fn appender() {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        let Some((round, dir)) = line.trim_end().split_once(' ') else {
            return;
        };
        let ledger = open(Path::new(dir));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..8)
                .map(|task| tokio::spawn(append(ledger.clone(), format!("{round}-{task}"))))
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    }

    async fn append(ledger: Ledger, name: String) {
        if ledger.partner(&partner("a")).is_none() {
            ledger.append(vec![draft(Kind::Opened, "a", "{}")]).await.unwrap();
        }
        for n in 0_u64.. {
            let text = "x".repeat(usize::try_from(n * 131 % 3000).unwrap());
            let record = format!("{{\"who\":\"{name}\",\"n\":{n},\"text\":\"{text}\"}}");
            let drafts = vec![
                draft(Kind::Disclosure, "a", &record),
                draft(Kind::Refusal, "a", &record),
            ];
            let receipt = ledger.append(drafts).await.unwrap();
            say(&format!("@ack {} {name} {n}", receipt.first_index()));
            if n % 16 == 0 {
                let signed = ledger.checkpoint().await.unwrap();
                say(&format!(
                    "@root {} {}",
                    signed.checkpoint.size, signed.checkpoint.root
                ));
            }
        }
    }

    fn say(line: &str) {
        // One write: a kill leaves whole lines, or an unfinished last one.
        std::io::stdout()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    #[derive(Default)]
    struct Seen {
        acknowledged: BTreeMap<u64, (String, String)>,
        roots: BTreeMap<u64, String>,
    }

    impl Seen {
        fn root(&mut self, size: u64, root: &str) {
            let known = self.roots.entry(size).or_insert_with(|| root.to_owned());
            assert_eq!(*known, root, "two roots for size {size}");
        }

        fn line(&mut self, line: &str) {
            let mut words = line.split(' ');
            match words.next() {
                Some("@ack") => {
                    let index = words.next().unwrap().parse().unwrap();
                    let what = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
                    assert_eq!(
                        self.acknowledged.insert(index, what),
                        None,
                        "index {index} given twice"
                    );
                }
                Some("@root") => {
                    let size = words.next().unwrap().parse().unwrap();
                    self.root(size, words.next().unwrap());
                }
                _ => {}
            }
        }
    }

    fn round(number: u32, dir: &Path, seen: &mut Seen) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "tests::appender", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{number} {}", dir.display()).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
        let reader = std::thread::spawn(move || lines.map(Result::unwrap).collect::<Vec<_>>());
        // From before recovery is through to the middle of steady work.
        std::thread::sleep(Duration::from_millis(u64::from(number * 37 % 300) + 3));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut lines = reader.join().unwrap();
        // The last may be cut off; it was acknowledged all the same, but nobody saw the whole of it.
        lines.pop();
        for line in lines {
            seen.line(&String::from_utf8(line).unwrap());
        }
    }

    #[test]
    fn killed_at_random_moments_nothing_acknowledged_is_lost_and_no_root_forks() {
        let dir = tempfile::tempdir().unwrap();
        let mut seen = Seen::default();
        for number in 0..KILLS {
            round(number, dir.path(), &mut seen);
            if let Ok(note) = std::fs::read_to_string(dir.path().join("public/checkpoint")) {
                let checkpoint = Checkpoint::peek(&note).unwrap();
                seen.root(checkpoint.size, &checkpoint.root.to_string());
            }
            if number % 10 == 9 {
                let key = crate::support::key().verifier();
                let report = verify(dir.path(), &key).unwrap();
                assert!(report.holds(), "after kill {number}: {:?}", report.findings);
            }
        }
        assert!(
            seen.acknowledged.len() > 500,
            "only {} acknowledged",
            seen.acknowledged.len()
        );
        assert!(seen.roots.len() > 30, "only {} roots", seen.roots.len());
        let ledger = open(dir.path());
        for (index, (who, n)) in &seen.acknowledged {
            for index in [*index, index + 1] {
                let record = String::from_utf8(ledger.entry(index).unwrap().record).unwrap();
                assert!(
                    record.starts_with(&format!("{{\"who\":\"{who}\",\"n\":{n},")),
                    "entry {index}: {record}"
                );
            }
        }
        let key = ledger.verifier().clone();
        drop(ledger);
        let report = verify(dir.path(), &key).unwrap();
        assert!(report.holds(), "{:?}", report.findings);
    }

    /// Not a test by itself: runs on a file system of three megabytes.
    #[test]
    #[ignore = "started by the test below"]
    fn on_a_small_disk() {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            return;
        }
        let dir = Path::new(line.trim_end());
        let ledger = open(&dir.join("ledger"));
        ledger
            .append(vec![draft(Kind::Opened, "a", "{}")])
            .wait()
            .unwrap();
        let filler = dir.join("filler");
        let record = "y".repeat(10_000);
        let mut acknowledged = vec![];
        for turn in 0..3 {
            // Somebody else fills the disk; nothing is left for another segment.
            drop(std::fs::write(&filler, vec![1; 4 << 20]));
            let refused = (0..200).find_map(|_| {
                match ledger.append(vec![draft(Kind::Disclosure, "a", &record)]).wait() {
                    Ok(receipt) => {
                        acknowledged.push(receipt.first_index());
                        None
                    }
                    Err(error) => Some(error),
                }
            });
            match refused {
                Some(NotRecorded::Storage(error)) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "turn {turn}");
                }
                other => panic!("turn {turn}: {other:?}"),
            }
            std::fs::remove_file(&filler).unwrap();
            let receipt = ledger
                .append(vec![draft(Kind::Disclosure, "a", &record)])
                .wait()
                .unwrap();
            acknowledged.push(receipt.first_index());
        }
        drop(ledger);
        let ledger = open(&dir.join("ledger"));
        assert!(acknowledged.iter().copied().eq(2..2 + acknowledged.len() as u64));
        for index in &acknowledged {
            assert_eq!(ledger.entry(*index).unwrap().record, record.as_bytes());
        }
        let key = ledger.verifier().clone();
        drop(ledger);
        assert!(verify(&dir.join("ledger"), &key).unwrap().holds());
        say("@survived");
    }

    #[test]
    fn a_real_full_disk_refuses_and_service_resumes() {
        let mount = "mount -t tmpfs -o size=3m none \"$0\" && exec \"$@\"";
        let may = |how: &&str| {
            let tried = Command::new("unshare")
                .args([how, "true"])
                .stderr(Stdio::null())
                .status();
            tried.is_ok_and(|status| status.success())
        };
        let how = ["-Urm", "-m"].into_iter().find(may).expect(
            "a small disk needs a mount namespace: run as root, or allow user namespaces \
             (sysctl kernel.unprivileged_userns_clone=1); `unshare` is in util-linux",
        );
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new("unshare")
            .args([how, "sh", "-c", mount])
            .arg(dir.path())
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "tests::on_a_small_disk", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{}", dir.path().display()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("@survived"), "{text}");
    }
}
