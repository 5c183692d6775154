//! The register's promises, against a real file.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn open(dir: &tempfile::TempDir) -> SqliteRegister {
    SqliteRegister::open(&dir.path().join("register.sqlite")).unwrap()
}

#[test]
fn values_outlive_the_register_and_versions_only_grow() {
    let dir = tempfile::tempdir().unwrap();
    let register = open(&dir);
    assert_eq!(register.read("policy").unwrap(), None);
    let first = register.create("policy", b"one").unwrap();
    let other = register.create("gateway/a", b"{}").unwrap();
    let second = register.compare_and_swap("policy", first, b"two").unwrap();
    assert!(first < other && other < second);
    drop(register);
    let register = open(&dir);
    assert_eq!(
        register.read("policy").unwrap(),
        Some(Versioned {
            version: second,
            value: b"two".to_vec()
        })
    );
    assert!(register.create("third", b"").unwrap() > second);
}

#[test]
fn the_second_creator_and_the_late_swapper_lose() {
    let dir = tempfile::tempdir().unwrap();
    let register = open(&dir);
    let first = register.create("policy", b"one").unwrap();
    assert!(
        matches!(register.create("policy", b"x"), Err(RegisterError::Exists { version, .. }) if version == first)
    );
    let second = register.compare_and_swap("policy", first, b"two").unwrap();
    let late = register.compare_and_swap("policy", first, b"three");
    assert!(matches!(late, Err(RegisterError::Conflict { found: Some(found), .. }) if found == second));
    let nothing = register.compare_and_swap("absent", first, b"x");
    assert!(matches!(
        nothing,
        Err(RegisterError::Conflict { found: None, .. })
    ));
    assert_eq!(register.read("policy").unwrap().unwrap().value, b"two");
}

#[test]
fn of_many_swappers_exactly_one_wins_each_round() {
    let dir = tempfile::tempdir().unwrap();
    let register = open(&dir);
    let mut version = register.create("policy", b"0").unwrap();
    for round in 0..20_u8 {
        let wins = std::thread::scope(|scope| {
            let swap = || register.compare_and_swap("policy", version, &[round]).ok();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(swap)).collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        assert_eq!(wins.len(), 1);
        version = wins[0];
    }
}

#[test]
fn listing_takes_a_prefix_literally() {
    let dir = tempfile::tempdir().unwrap();
    let register = open(&dir);
    for key in ["gateway/a", "gateway/b", "gateway-x", "upstream/estop_1"] {
        register.create(key, key.as_bytes()).unwrap();
    }
    let keys = |prefix| {
        register
            .list(prefix)
            .unwrap()
            .into_iter()
            .map(|(key, _)| key)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys("gateway/"), ["gateway/a", "gateway/b"]);
    assert_eq!(keys("").len(), 4);
    assert_eq!(keys("upstream/estop_"), ["upstream/estop_1"]);
    assert!(keys("g_teway/").is_empty());
}

#[test]
fn watchers_of_a_prefix_wake_for_its_keys_only() {
    let dir = tempfile::tempdir().unwrap();
    let register = open(&dir);
    let before = register.create("policy", b"1").unwrap();
    let (mut policy, mut gateways) = (
        register.watch("policy").unwrap(),
        register.watch("gateway/").unwrap(),
    );
    assert_eq!(
        (*policy.borrow_and_update(), *gateways.borrow_and_update()),
        (before.number(), 0)
    );
    let version = register.create("gateway/a", b"x").unwrap();
    assert!(!policy.has_changed().unwrap());
    assert!(gateways.has_changed().unwrap());
    assert_eq!(*gateways.borrow_and_update(), version.number());
    // A swap that fails changes nothing.
    assert!(register.compare_and_swap("policy", version, b"2").is_err());
    assert!(!policy.has_changed().unwrap());
}

#[test]
fn keys_values_and_watches_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let register = open(&dir);
    for key in ["", "A", "a b", "a\n", "ü", &"x".repeat(256)] {
        assert!(
            matches!(register.create(key, b""), Err(RegisterError::Key { .. })),
            "{key}"
        );
    }
    assert!(matches!(
        register.create("a", &vec![0; MAX_VALUE_BYTES + 1]),
        Err(RegisterError::TooLong { .. })
    ));
    let watches: Vec<_> = (0..MAX_WATCHES)
        .map(|n| register.watch(&format!("{n}")).unwrap())
        .collect();
    assert!(matches!(
        register.watch("more"),
        Err(RegisterError::TooManyWatches)
    ));
    drop(watches);
    register.watch("more").unwrap();
}

#[test]
fn the_file_and_its_journal_are_the_owners_alone_and_values_stay_out_of_debug() {
    let dir = tempfile::tempdir().unwrap();
    let register = open(&dir);
    register.create("upstream/estop_1", b"hunter2").unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            file.file_name()
        );
    }
    assert!(!format!("{:?}", register.read("upstream/estop_1").unwrap()).contains("104"));
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.sqlite");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (a)")
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(SqliteRegister::open(&path), Err(RegisterError::Foreign)));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::write(
        dir.path().join("text"),
        "not a database, but long enough to be looked at as one".repeat(40),
    )
    .unwrap();
    assert!(matches!(
        SqliteRegister::open(&dir.path().join("text")),
        Err(RegisterError::Store(_))
    ));
}
