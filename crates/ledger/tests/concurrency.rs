//! Many tasks at once, on a real disk: every acknowledged entry is there, where its receipt says, and provable.

#[cfg(test)]
mod support;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use evidence::checkpoint::Checkpoint;
    use evidence::entry::Kind;
    use evidence::tile::{TileHashes, TilePath, TileReader};
    use evidence::tree::{check_consistency, prove_consistency};
    use ledger::{NotRecorded, OpenError, Status, verify};

    use crate::support::{config, draft, key, open, partner};

    const TASKS: u64 = 64;
    const EACH: u64 = 40;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sixty_four_tasks_append_and_all_that_was_acknowledged_is_there_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        for name in ["a", "b", "c"] {
            ledger
                .append(vec![draft(Kind::Opened, name, "{}")])
                .await
                .unwrap();
        }
        let mut tasks = Vec::new();
        for task in 0..TASKS {
            let ledger = ledger.clone();
            tasks.push(tokio::spawn(async move {
                let mut receipts = Vec::new();
                for n in 0..EACH {
                    let name = ["a", "b", "c"][usize::try_from((task + n) % 3).unwrap()];
                    let record = |part| format!("{{\"task\":{task},\"n\":{n},\"part\":\"{part}\"}}");
                    let pair = vec![
                        draft(Kind::Session, name, &record(0)),
                        draft(Kind::Disclosure, name, &record(1)),
                    ];
                    let (value, receipt) = ledger.withhold((task, n), pair).release().await.unwrap();
                    assert_eq!((value, receipt.count()), ((task, n), 2));
                    receipts.push((receipt.first_index(), [record(0), record(1)]));
                }
                receipts
            }));
        }
        let mut records = BTreeMap::new();
        for task in tasks {
            for (first, pair) in task.await.unwrap() {
                for (index, record) in (first..).zip(pair) {
                    assert_eq!(records.insert(index, record), None, "two receipts for one index");
                }
            }
        }
        // Dense after the first entry and the three openings.
        let expected = 4..4 + 2 * TASKS * EACH;
        assert!(records.keys().copied().eq(expected.clone()));
        assert_eq!(ledger.size(), expected.end);
        ledger.append(vec![draft(Kind::Closed, "c", "{}")]).await.unwrap();
        let late = ledger.append(vec![draft(Kind::Disclosure, "c", "{}")]).await;
        assert!(matches!(late, Err(NotRecorded::PartnerClosed { .. })));
        let signed = ledger.checkpoint().await.unwrap();
        assert_eq!(signed.checkpoint.size, expected.end + 1);
        drop(ledger);

        let ledger = open(dir.path());
        let mut all = ledger.entries(0..u64::MAX).unwrap();
        for (index, stored) in (0..).zip(all.by_ref()) {
            let stored = stored.unwrap();
            assert_eq!(stored.index, index);
            if let Some(record) = records.get(&index) {
                assert_eq!(stored.record, record.as_bytes());
            }
        }
        let verifier = ledger.verifier().clone();
        for index in [0, 1, 255, 256, 2000, expected.end] {
            let proof = ledger.prove(index).unwrap();
            let entry = ledger.entry(index).unwrap();
            proof
                .verify(&entry.entry, &verifier.renamed(ledger.origin()))
                .unwrap();
            assert!(
                proof
                    .verify(
                        &[&entry.entry[..], b"\n"].concat(),
                        &verifier.renamed(ledger.origin())
                    )
                    .is_err()
            );
        }
        let c = ledger.partner(&partner("c")).unwrap();
        assert_eq!(c.status, Status::Closed);
        let last = ledger.entry(expected.end).unwrap();
        let proof = ledger.prove_partner(&partner("c"), c.size - 1).unwrap();
        let under = proof.verify(&last.entry, &verifier.renamed(&c.origin)).unwrap();
        assert_eq!((under.size, under.root), (c.size, c.root));
        drop(ledger);
        let report = verify(dir.path(), &verifier).unwrap();
        assert!(report.holds(), "{:?}", report.findings);
        assert_eq!(
            (report.size, report.recorded),
            (expected.end + 1, Some(expected.end + 1))
        );
    }

    struct Files(std::path::PathBuf);

    impl TileReader for Files {
        fn read_tile(&self, path: &TilePath) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
            let partial = std::fs::read(self.0.join(path.to_string()));
            let full = TilePath::new(path.level(), path.index(), 256).unwrap();
            let mut bytes = partial.or_else(|_| std::fs::read(self.0.join(full.to_string())))?;
            bytes.truncate(usize::from(path.width()) * 32);
            Ok(bytes)
        }
    }

    #[tokio::test]
    async fn every_checkpoint_is_consistent_with_every_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        let mut checkpoints: Vec<Checkpoint> = Vec::new();
        for n in 0..40_usize {
            let drafts = (0..1 + n * n % 37)
                .map(|m| draft(Kind::Refusal, "a", &format!("[{n},{m}]")))
                .collect();
            ledger.append(drafts).await.unwrap();
            checkpoints.push(ledger.checkpoint().await.unwrap().checkpoint);
        }
        let newest = checkpoints.last().unwrap();
        assert!(newest.size > 512);
        let hashes = TileHashes::new(Files(ledger.public_dir()), newest.size);
        for old in &checkpoints {
            let proof = prove_consistency(old.size, newest.size, &hashes).unwrap();
            check_consistency(old.size, &old.root, newest.size, &newest.root, &proof).unwrap();
        }
        // Of the partial files only those of the newest tile are left.
        assert!(!ledger.public_dir().join("tile/0/000.p").exists());
        assert!(ledger.public_dir().join("tile/0/000").exists());
    }

    #[tokio::test]
    async fn the_census_is_that_of_its_point_in_the_order() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        ledger.append(vec![draft(Kind::Opened, "a", "{}")]).await.unwrap();
        let before = ledger.census_body();
        let (census, after) = tokio::join!(
            ledger.append_census(),
            ledger.append(vec![draft(Kind::Disclosure, "a", "{}")])
        );
        let census = ledger
            .entry(census.unwrap().first_index())
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(census.body.unwrap(), before);
        assert_eq!(after.unwrap().first_index(), 3);
        assert_ne!(ledger.census_body(), before);
    }

    #[test]
    fn a_second_opener_is_told_and_the_folder_is_given_back_on_closing() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        let second = ledger::Ledger::open(config(dir.path()));
        assert!(matches!(second, Err(OpenError::InUse { .. })));
        drop(ledger);
        open(dir.path());
    }

    #[tokio::test]
    async fn private_files_are_the_owners_alone_and_public_ones_everyones() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("ledger");
        let ledger = open(&root);
        ledger.append(vec![draft(Kind::Opened, "a", "{}")]).await.unwrap();
        ledger.checkpoint().await.unwrap();
        let mode = |path: &str| std::fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
        for path in ["", "wal"] {
            assert_eq!(mode(path), 0o700, "{path}");
        }
        for path in ["lock", "state", "index", "wal/000000000000"] {
            assert_eq!(mode(path), 0o600, "{path}");
        }
        for path in ["public", "public/tile/0", "public/p/a/tile/entries"] {
            assert_eq!(mode(path), 0o755, "{path}");
        }
        for path in [
            "public/checkpoint",
            "public/tile/0/000.p/2",
            "public/p/a/checkpoint",
        ] {
            assert_eq!(mode(path), 0o644, "{path}");
        }
    }

    #[tokio::test]
    async fn nothing_private_is_published_or_shown() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = open(dir.path());
        ledger
            .append(vec![draft(Kind::Opened, "a", "\"hunter2\"")])
            .await
            .unwrap();
        ledger.checkpoint().await.unwrap();
        let mut folders = vec![ledger.public_dir()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(folder)
                .unwrap()
                .map(|file| file.unwrap().path())
            {
                if file.is_dir() {
                    folders.push(file);
                } else {
                    let bytes = std::fs::read(&file).unwrap();
                    assert!(
                        !bytes.windows(7).any(|window| window == b"hunter2"),
                        "{}",
                        file.display()
                    );
                    seen += 1;
                }
            }
        }
        assert!(seen >= 6);
        let shown = format!(
            "{:?} {:?} {:?}",
            ledger,
            ledger.entry(1).unwrap(),
            draft(Kind::Opened, "a", "hunter2")
        );
        assert!(!shown.contains("hunter2") && !shown.contains("104, 117"));
        assert_eq!(ledger.verifier().as_bytes(), key().verifier().as_bytes());
    }
}
