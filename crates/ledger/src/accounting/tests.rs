//! The index against what was written, counted by hand: whenever it is asked, by whomever, and whatever became of its files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evidence::entry::Kind;
use evidence::id::SessionId;
use evidence::note::SignerKey;
use evidence::record::{Continuation, Ended, Outcome, OutcomeRecord, Subjects, Unattributed, Why};
use evidence::subject::{AccountingKey, TagSet};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{Clock, Config, Draft, Ledger};

mod erased;

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn custodian() -> Custodian {
    "records.example.org".parse().unwrap()
}

struct World {
    folder: TempDir,
    ledger: Option<Ledger>,
    /// Whose rows went out, and by which entries.
    told: BTreeMap<u64, BTreeSet<u64>>,
    unattributed: u64,
    rows: u64,
}

/// Few rows are many here.
const SMALL: Bounds = Bounds {
    tail_rows: 5,
    tail_bytes: 1 << 40,
    run_rows: 40,
};

impl World {
    fn new() -> Self {
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            ledger: None,
            told: BTreeMap::new(),
            unattributed: 0,
            rows: 0,
        };
        world.start();
        let opened = Draft::new(Kind::Opened, Vec::new()).with_partner("p".parse().unwrap());
        world.append(opened);
        world
    }

    fn start(&mut self) {
        let signer = SignerKey::generate([1; 32], custodian().key_name());
        let mut config = Config::new(
            self.folder.path().join("ledger"),
            custodian(),
            signer,
            Arc::new(Still),
        );
        config.segment_bytes = crate::MIN_SEGMENT_BYTES;
        config.checkpoint_every = Duration::from_secs(3600);
        self.ledger = Some(Ledger::open(config).unwrap());
    }

    fn append(&self, draft: Draft) -> u64 {
        self.ledger
            .as_ref()
            .unwrap()
            .append(vec![draft])
            .wait()
            .unwrap()
            .first_index()
    }

    fn draft<R: record::Record>(&self, record: &R) -> Draft {
        Draft::of(record)
            .unwrap()
            .with_partner("p".parse().unwrap())
            .under("a".parse().unwrap(), "u".parse().unwrap())
    }

    /// A statement whose result has these parts, of tags; closed by its outcome unless `hangs`.
    fn statement(&mut self, session: u64, number: u64, parts: &[Vec<u64>], hangs: bool) {
        let mut first = None;
        for (at, part) in parts.iter().enumerate() {
            let count = part.len() as u64;
            let (subjects, unattributed) = (subjects(part), unattributed(part));
            self.rows += count;
            self.unattributed += unattributed.iter().map(|one| one.rows).sum::<u64>();
            let entry = match first {
                None => {
                    let whole = parts.len() == 1;
                    let outcome = if whole {
                        Outcome::Complete { tag: "SELECT".into() }
                    } else {
                        Outcome::Streaming
                    };
                    self.append(self.draft(&disclosure(
                        session,
                        number,
                        count,
                        outcome,
                        subjects,
                        unattributed,
                    )))
                }
                Some(first) => {
                    let more = Continuation {
                        session: SessionId::from(session),
                        statement_number: number,
                        rows: count,
                        bytes: 0,
                        subjects,
                        unattributed,
                    };
                    self.append(self.draft(&more));
                    first
                }
            };
            first = Some(entry);
            for tag in part {
                self.told.entry(*tag).or_default().insert(entry);
            }
            if at + 1 == parts.len() && at > 0 && !hangs {
                let ended = OutcomeRecord {
                    session: SessionId::from(session),
                    statement_number: number,
                    rows: 0,
                    bytes: 0,
                    outcome: Outcome::Complete { tag: "SELECT".into() },
                    ended: Timestamp::UNIX_EPOCH,
                };
                self.append(self.draft(&ended));
            }
        }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("accounting")
    }

    fn accounts(&self) -> Result<Accounts, AccountsError> {
        Accounts::open_with(
            &self.folder.path().join("ledger"),
            &self.dir(),
            &custodian(),
            SMALL,
            |_| {},
        )
    }

    /// Everything is as counted by hand.
    fn agrees(&self) {
        let accounts = self.accounts().unwrap();
        for tag in 0..TAGS {
            let found: BTreeSet<u64> = accounts.find(Tag(spread(tag))).unwrap().into_iter().collect();
            assert_eq!(
                found,
                self.told.get(&tag).cloned().unwrap_or_default(),
                "tag {tag}"
            );
        }
        let totals = accounts.totals();
        assert_eq!(totals.rows, self.rows);
        assert_eq!(totals.entries, self.ledger.as_ref().unwrap().size());
        let unaccounted: u64 = totals.unaccounted.iter().map(|one| one.rows).sum();
        assert_eq!(unaccounted, self.unattributed);
        let some: Vec<u64> = self.told.values().flatten().take(3).copied().collect();
        let told = accounts.told(&some).unwrap().told;
        assert!(
            told.iter()
                .all(|one| some.contains(&one.entry) && one.record.officer.as_str() == "o")
        );
    }

    fn runs(&self) -> Vec<Run> {
        run::all(&self.dir()).unwrap()
    }
}

const TAGS: u64 = 30;

/// Tags are spread evenly over all numbers; some are at the very ends.
fn spread(tag: u64) -> u64 {
    match tag {
        0 => 0,
        1 => u64::MAX,
        _ => tag.wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}

fn subjects(part: &[u64]) -> Vec<Subjects> {
    if part.is_empty() {
        return Vec::new();
    }
    vec![Subjects {
        dataset: "people".parse().unwrap(),
        columns: vec!["name".into()],
        rows: part.len() as u64,
        key: AccountingKey::new([1; 16]).id(),
        tags: TagSet::new(part.iter().map(|tag| Tag(spread(*tag))).collect()),
    }]
}

fn unattributed(part: &[u64]) -> Vec<Unattributed> {
    let one = Unattributed {
        dataset: None,
        why: Why::NoKey,
        rows: 3,
    };
    if part.len() % 4 == 1 {
        vec![one]
    } else {
        Vec::new()
    }
}

fn disclosure(
    session: u64,
    statement_number: u64,
    rows: u64,
    outcome: Outcome,
    subjects: Vec<Subjects>,
    unattributed: Vec<Unattributed>,
) -> Disclosure {
    Disclosure {
        session: SessionId::from(session),
        statement_number,
        partner: "p".parse().unwrap(),
        officer: "o".parse().unwrap(),
        agreement: "a".parse().unwrap(),
        purpose: "u".parse().unwrap(),
        case: None,
        text: "select".into(),
        parameters: Vec::new(),
        started: Timestamp::UNIX_EPOCH,
        rows,
        bytes: 0,
        outcome,
        legal_basis: Some("law".into()),
        subjects,
        unattributed,
    }
}

/// Statements, where the index is asked, and where the ledger is closed and opened again.
#[derive(Debug, Clone)]
enum Step {
    Statement(u64, Vec<Vec<u64>>, bool),
    Ask,
    Again,
    EndSession(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let part = prop::collection::vec(0..TAGS, 0..7);
    let statement = (
        0_u64..4,
        prop::collection::vec(part, 1..4),
        prop::bool::weighted(0.2),
    );
    let step = prop_oneof![
        12 => statement.prop_map(|(session, parts, hangs)| Step::Statement(session, parts, hangs)),
        3 => Just(Step::Ask),
        1 => Just(Step::Again),
        1 => (0_u64..4).prop_map(Step::EndSession),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_index_says_what_was_written(steps in steps()) {
        let mut world = World::new();
        let mut number = 0;
        for step in steps {
            match step {
                Step::Statement(session, parts, hangs) => {
                    number += 1;
                    world.statement(session, number, &parts, hangs);
                }
                Step::Ask => world.agrees(),
                Step::Again => {
                    world.ledger = None;
                    world.start();
                }
                Step::EndSession(session) => {
                    let ended = Ended {
                        session: SessionId::from(session),
                        at: Timestamp::UNIX_EPOCH,
                        statements: 0,
                        rows: 0,
                        bytes: 0,
                        how: "client".into(),
                    };
                    world.append(world.draft(&ended));
                }
            }
        }
        world.agrees();
    }
}

/// Enough for many runs and some merges.
fn busy() -> World {
    let mut world = World::new();
    for number in 0..60 {
        let parts = vec![vec![number % TAGS, 7, 1], vec![number * 7 % TAGS, 0]];
        world.statement(number % 3, number, &parts, number % 5 == 0);
        if number % 2 == 0 {
            wait_indexed(&world);
            world.accounts().unwrap();
        }
    }
    world
}

/// The position index follows on a thread of its own.
fn wait_indexed(world: &World) {
    let ledger = world.ledger.as_ref().unwrap();
    ledger.entry(ledger.size() - 1).unwrap();
}

#[test]
fn runs_are_merged_and_nothing_is_lost() {
    let world = busy();
    let runs = world.runs();
    assert!(runs.iter().any(|run| run.meta.level > 0), "something was merged");
    assert!(runs.len() < 20, "{}", runs.len());
    assert_eq!(runs[0].meta.from, 0);
    assert!(runs.windows(2).all(|two| two[0].meta.to == two[1].meta.from));
    world.agrees();
}

#[test]
fn files_of_a_crash_are_no_harm() {
    let world = busy();
    let runs = world.runs();
    // A merge that was renamed and whose parts were not removed; a run that was not finished.
    let part = runs.last().unwrap();
    fs::copy(
        &part.path,
        world
            .dir()
            .join(format!("{:016x}-{:016x}.run", part.meta.from, part.meta.from + 1)),
    )
    .unwrap();
    fs::write(world.dir().join("new"), b"half of a run").unwrap();
    fs::write(world.dir().join("0-1.run"), b"").unwrap();
    world.agrees();
}

#[test]
fn somebody_else_at_it_is_no_harm() {
    let world = busy();
    let _lock = RealDisk::lock(&world.dir()).unwrap();
    let before = world.runs().len();
    world.agrees();
    assert_eq!(world.runs().len(), before, "nothing is written");
}

#[test]
fn a_damaged_run_is_found_or_harmless() {
    let world = busy();
    let path = world.runs()[0].path.clone();
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(&path, &bytes).unwrap();
        let found = world.accounts().and_then(|accounts| {
            (0..TAGS)
                .map(|tag| accounts.find(Tag(spread(tag))))
                .collect::<Result<Vec<_>, _>>()
        });
        if let Ok(found) = found {
            for (tag, entries) in (0..TAGS).zip(found) {
                let wanted = world.told.get(&tag).cloned().unwrap_or_default();
                assert_eq!(
                    entries.into_iter().collect::<BTreeSet<_>>(),
                    wanted,
                    "byte {at}, tag {tag}"
                );
            }
        }
    }
    fs::write(&path, &whole).unwrap();
    world.agrees();
}

#[test]
fn runs_of_another_past_are_made_anew() {
    let mut world = busy();
    wait_indexed(&world);
    world.accounts().unwrap();
    let runs = world.runs().len();
    assert!(runs > 0);
    // As after a restore of the ledger's folder from before: other entries have the same numbers.
    world.ledger = None;
    fs::remove_dir_all(world.folder.path().join("ledger")).unwrap();
    world.told.clear();
    (world.rows, world.unattributed) = (0, 0);
    world.start();
    world.append(Draft::new(Kind::Opened, Vec::new()).with_partner("p".parse().unwrap()));
    world.statement(1, 1, &[vec![3, 4]], false);
    wait_indexed(&world);
    world.agrees();
    for number in 2..80 {
        world.statement(1, number, &[vec![number % TAGS], vec![5]], false);
    }
    wait_indexed(&world);
    world.agrees();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Many blocks, with tags that fill several of them, and with gaps where nothing is.
    #[test]
    fn a_run_is_searched_as_if_it_were_read_whole(
        groups in prop::collection::vec((any::<u64>(), 1_u64..700), 0..12),
        asked in prop::collection::vec(any::<u64>(), 6),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut rows: Vec<Row> = groups
            .iter()
            .flat_map(|(tag, count)| (0..*count).map(|entry| Row { tag: *tag, entry }))
            .collect();
        rows.sort_unstable();
        rows.dedup();
        let mut meta = Stretch::beginning(Position::start("origin")).meta(Position::start("origin"), 0);
        meta.to = 1;
        let run = Built::begin(folder.path(), meta).unwrap().all(rows.iter().copied()).unwrap();
        let near = groups.iter().flat_map(|(tag, _)| [*tag, tag.wrapping_add(1), tag.wrapping_sub(1)]);
        for tag in near.chain(asked).chain([0, u64::MAX]) {
            let mut found = BTreeSet::new();
            run.find(tag, &mut found).unwrap();
            let wanted = rows.iter().filter(|row| row.tag == tag).map(|row| row.entry);
            prop_assert_eq!(found, wanted.collect::<BTreeSet<_>>(), "tag {}", tag);
        }
    }
}
