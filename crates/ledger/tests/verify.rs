//! The offline check: a log that is right holds, and any change to any of its files is found.

#[cfg(test)]
mod support;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use evidence::checkpoint::Checkpoint;
    use evidence::entry::Kind;
    use evidence::note::VerifierKey;
    use ledger::{Ledger, Report, VerifyError, verify};

    use crate::support::{config, draft, key as signer, open};

    /// A ledger with two partners, one closed, a full and a partial tile, and a census.
    fn sample() -> (tempfile::TempDir, VerifierKey) {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        // One checkpoint, on closing: each published file then counts.
        config.checkpoint_every = Duration::from_secs(3600);
        let ledger = Ledger::open(config).unwrap();
        ledger
            .append(vec![
                draft(Kind::Opened, "a", "{}"),
                draft(Kind::Opened, "b", "{}"),
            ])
            .wait()
            .unwrap();
        for n in 0..3 {
            let many = (0..100)
                .map(|m| draft(Kind::Disclosure, "a", &format!("[{n},{m}]")))
                .collect();
            ledger.append(many).wait().unwrap();
        }
        ledger.append_census().wait().unwrap();
        ledger
            .append(vec![
                draft(Kind::Closed, "b", "{}"),
                draft(Kind::Refusal, "b", "{}"),
            ])
            .wait()
            .unwrap();
        let key = ledger.verifier().clone();
        drop(ledger);
        (dir, key)
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for path in std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path())
        {
            if path.is_dir() {
                found.extend(files(&path))
            } else {
                found.push(path)
            }
        }
        found.sort();
        found
    }

    fn check(dir: &Path, key: &VerifierKey) -> Report {
        verify(dir, key).unwrap()
    }

    #[test]
    fn a_right_log_holds_with_and_without_its_private_part() {
        let (dir, key) = sample();
        let report = check(dir.path(), &key);
        assert!(report.holds(), "{:?}", report.findings);
        assert_eq!((report.size, report.recorded), (306, Some(306)));
        assert_eq!(
            report
                .partners
                .iter()
                .map(|p| (p.size, p.entries))
                .collect::<Vec<_>>(),
            [(301, 301), (2, 2)]
        );
        drop(open(dir.path()));
        assert_eq!(check(dir.path(), &key), report);
        std::fs::remove_dir_all(dir.path().join("wal")).unwrap();
        let report = check(dir.path(), &key);
        assert!(report.holds());
        assert_eq!(report.recorded, None);
    }

    #[test]
    fn a_change_to_any_published_file_is_found() {
        let (dir, key) = sample();
        let all = files(&dir.path().join("public"));
        assert!(all.len() > 12);
        for path in &all {
            let whole = std::fs::read(path).unwrap();
            for at in [0, 1, whole.len() / 2, whole.len() - 1] {
                let mut other = whole.clone();
                other[at] ^= 0x20;
                std::fs::write(path, &other).unwrap();
                assert!(!check(dir.path(), &key).holds(), "{} byte {at}", path.display());
            }
            std::fs::write(path, &whole[..whole.len() - 1]).unwrap();
            assert!(!check(dir.path(), &key).holds(), "{} cut", path.display());
            std::fs::remove_file(path).unwrap();
            assert!(
                !verify(dir.path(), &key).is_ok_and(|report| report.holds()),
                "{} gone",
                path.display()
            );
            std::fs::write(path, &whole).unwrap();
        }
        assert!(check(dir.path(), &key).holds());
    }

    #[test]
    fn another_key_and_an_empty_folder_are_told_apart_from_a_wrong_log() {
        let (dir, key) = sample();
        let stranger = evidence::note::SignerKey::generate([9; 32], key.name().clone()).verifier();
        assert!(!check(dir.path(), &stranger).holds());
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(
            verify(empty.path(), &key),
            Err(VerifyError::NoLog { .. })
        ));
        let other = key.renamed(&"no-custodian".parse().unwrap());
        assert!(matches!(verify(dir.path(), &other), Err(VerifyError::Key { .. })));
    }

    #[test]
    fn a_partners_log_that_is_signed_but_not_that_of_the_main_log_is_found() {
        let (dir, key) = sample();
        // One entry fewer, rightly signed: what a custodian would do who hides the last one.
        let folder = dir.path().join("public/p/b");
        let bundle = std::fs::read(folder.join("tile/entries/000.p/2")).unwrap();
        let first = evidence::tile::decode_bundle(&bundle, 2).unwrap()[0].to_vec();
        let old = Checkpoint::peek(&std::fs::read_to_string(folder.join("checkpoint")).unwrap()).unwrap();
        let forged = Checkpoint {
            size: 3,
            root: evidence::hash::leaf(&first),
            ..old
        };
        std::fs::write(folder.join("checkpoint"), forged.sign(&signer())).unwrap();
        let report = check(dir.path(), &key);
        assert!(
            report
                .findings
                .iter()
                .any(|finding| finding.place.contains("p/b")),
            "{:?}",
            report.findings
        );
    }

    #[test]
    fn a_change_to_the_write_ahead_log_is_found() {
        let (dir, key) = sample();
        let path = dir.path().join("wal/000000000000");
        let whole = std::fs::read(&path).unwrap();
        for at in [3, 70, 400, 20_000] {
            let mut other = whole.clone();
            other[at] ^= 1;
            std::fs::write(&path, &other).unwrap();
            assert!(!check(dir.path(), &key).holds(), "byte {at}");
        }
        std::fs::write(&path, &whole).unwrap();
        assert!(check(dir.path(), &key).holds());
    }
}
