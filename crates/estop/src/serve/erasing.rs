//! Erasure, asked of whoever has the ledger open: one step of it, since each is an entry of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use control::Served;
use evidence::id::{AgreementId, PartnerId};
use jiff::Timestamp;
use ledger::{EraseError, Erasure, Ledger, ReadError};
use policy::estate::{Estate, Retention};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::output::alarm;

/// How long after its start `serve` first erases what is due, and how long it waits from then on.
const FIRST: Duration = Duration::from_secs(600);
const EVERY: Duration = Duration::from_secs(24 * 3600);

/// How long it waits between two steps: each reads what it touches of the log, and makes a new root key.
const BETWEEN: Duration = Duration::from_secs(60);

/// What is recorded as the basis where nothing is said.
pub const DUE: &str = "kept as long as the estate says";

/// Records of one step, if their ranges fit an entry; else fewer.
const STEP: usize = 50_000;

/// Most entries that can be named; more are erased by their time.
pub const NAMED_MAX: u64 = 100_000;

/// What is to be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    /// Which entries.
    pub what: Wanted,
    /// On what basis.
    pub basis: String,
    /// Who asks, as they say.
    pub by: String,
    /// Agreements under which nothing may be erased, each with the reason, as the estate says.
    pub held: BTreeMap<AgreementId, String>,
}

/// Which entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Wanted {
    /// These, from the first to the last of each range.
    Entries(Vec<(u64, u64)>),
    /// All that can be erased of before a time, but for what is held.
    Before {
        /// The time for what concerns each of these agreements.
        agreements: BTreeMap<AgreementId, Timestamp>,
        /// The time for what concerns another agreement, or none; without one, nothing of it.
        otherwise: Option<Timestamp>,
        /// Only what concerns this partner.
        partner: Option<PartnerId>,
        /// Entries before this one were looked at.
        from: u64,
    },
}

/// Why nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasingError {
    /// The ledger does not do it.
    #[error(transparent)]
    Ledger(#[from] EraseError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing under the agreement may be erased.
    #[error("entry {index} concerns agreement `{agreement}`, which is on hold: {why}")]
    Held {
        /// Which entry.
        index: u64,
        /// Under which agreement.
        agreement: AgreementId,
        /// Why it is held.
        why: String,
    },
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseAnswer {
    /// What was erased; nothing where there was nothing.
    pub done: Option<ErasureLine>,
    /// Entries before this one were looked at, and there are more; nothing where it is at its end.
    pub next: Option<u64>,
}

/// One erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureLine {
    /// The entry that says so.
    pub entry: u64,
    /// When.
    pub time: Timestamp,
    /// Which entries: the first and last of each range.
    pub erased: Vec<(u64, u64)>,
    /// How many records.
    pub records: u64,
}

impl From<Erasure> for ErasureLine {
    fn from(done: Erasure) -> Self {
        let ranges = done.erased.ranges().iter();
        Self {
            entry: done.entry,
            time: done.time,
            erased: ranges.map(|range| (*range.start(), *range.end())).collect(),
            records: done.records,
        }
    }
}

/// What an estate says is kept no longer; nothing if it does not say how long anything is kept.
#[must_use]
pub fn due(estate: &Estate, now: Timestamp) -> Option<Wanted> {
    let zone = &estate.custodian().time_zone;
    let due = |retention: Retention| retention.due_before(now, zone);
    let otherwise = estate.state().retention.and_then(due);
    let agreements: BTreeMap<_, _> = estate
        .agreements()
        .values()
        .filter_map(|agreement| Some((agreement.id.clone(), due(agreement.retention?)?)))
        .collect();
    if agreements.is_empty() && otherwise.is_none() {
        return None;
    }
    Some(Wanted::Before {
        agreements,
        otherwise,
        partner: None,
        from: 0,
    })
}

/// Agreements under which nothing may be erased, each with the reason.
#[must_use]
pub fn held(estate: &Estate) -> BTreeMap<AgreementId, String> {
    let agreements = estate.agreements().values();
    let held = agreements.filter_map(|agreement| Some((agreement.id.clone(), agreement.hold.clone()?)));
    held.collect()
}

/// Erases once a day what is due by the estate that is in force, step by step. Never ends by itself.
pub(super) async fn keep(ledger: Ledger, served: Served) {
    tokio::time::sleep(FIRST).await;
    loop {
        let control = served.now();
        // What was changed and not applied has been approved by nobody, maybe.
        if control.is_applied() && control.estate().state().erases {
            let mut next = asked_by_serve(control.estate(), clock::now());
            while let Some(asked) = next.take() {
                let at_work = ledger.clone();
                let step = tokio::task::spawn_blocking(move || step(&at_work, asked)).await;
                match step {
                    Ok(Ok((said, more))) => {
                        said.iter().for_each(|line| alarm(line));
                        next = more;
                    }
                    Ok(Err(error)) => {
                        let error = Failure::from_error(Exit::Absent, &error).line();
                        alarm(&format!("what is due cannot be erased: {error}"));
                    }
                    // The process is ending.
                    Err(_) => return,
                }
                if next.is_some() {
                    tokio::time::sleep(BETWEEN).await;
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What `serve` asks of itself.
fn asked_by_serve(estate: &Estate, now: Timestamp) -> Option<EraseRequest> {
    Some(EraseRequest {
        what: due(estate, now)?,
        basis: DUE.to_owned(),
        by: "serve".to_owned(),
        held: held(estate),
    })
}

/// One step: what the operator must know of it, and what the next one is.
fn step(
    ledger: &Ledger,
    mut asked: EraseRequest,
) -> Result<(Option<String>, Option<EraseRequest>), ErasingError> {
    let EraseAnswer { done, next } = erase(ledger, &asked)?;
    let said = done.map(|done| {
        format!(
            "{} private records that were due were erased, as entry {} says: copy the ledger's `root` anew, and `keys`",
            done.records, done.entry
        )
    });
    let more = match (&mut asked.what, next) {
        (Wanted::Before { from, .. }, Some(next)) => {
            *from = next;
            Some(asked)
        }
        _ => None,
    };
    Ok((said, more))
}

/// Does one step. Blocks for the disk.
///
/// # Errors
/// See [`ErasingError`].
pub fn erase(ledger: &Ledger, asked: &EraseRequest) -> Result<EraseAnswer, ErasingError> {
    let carry_out = |entries: &BTreeSet<u64>| ledger.erase(entries, &asked.basis, &asked.by, clock::now());
    let Wanted::Before {
        agreements,
        otherwise,
        partner,
        from,
    } = &asked.what
    else {
        return Ok(EraseAnswer {
            done: Some(carry_out(&named(ledger, asked)?)?.into()),
            next: None,
        });
    };
    let last = agreements.values().chain(otherwise).max();
    let mut limit = STEP;
    loop {
        let mut over = false;
        let (found, looked) = ledger.erasable(*from, limit, |entry| {
            over |= last.is_none_or(|last| entry.time >= *last);
            let known = entry.agreement.as_ref();
            if over || known.is_some_and(|known| asked.held.contains_key(known)) {
                return false;
            }
            let time = known
                .and_then(|known| agreements.get(known))
                .or(otherwise.as_ref());
            time.is_some_and(|time| entry.time < *time) && (partner.is_none() || entry.partner == *partner)
        })?;
        let next = (found.len() >= limit && !over).then_some(looked);
        let done = match carry_out(&found) {
            Ok(done) => Some(done.into()),
            Err(EraseError::Nothing) => None,
            // Their ranges are too many for one entry.
            Err(EraseError::TooMany) if limit > 1 => {
                limit = limit.div_ceil(4);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        return Ok(EraseAnswer { done, next });
    }
}

/// The entries that are named, none of which may be held.
fn named(ledger: &Ledger, asked: &EraseRequest) -> Result<BTreeSet<u64>, ErasingError> {
    let Wanted::Entries(ranges) = &asked.what else {
        return Ok(BTreeSet::new());
    };
    let counts = ranges.iter().map(|(first, last)| last.saturating_sub(*first));
    if counts.fold(0, u64::saturating_add) >= NAMED_MAX {
        return Err(EraseError::TooMany.into());
    }
    let entries: BTreeSet<u64> = ranges.iter().flat_map(|(first, last)| *first..=*last).collect();
    for index in entries.iter().filter(|_| !asked.held.is_empty()) {
        let agreement = ledger
            .entry(*index)?
            .parse()
            .ok()
            .and_then(|entry| entry.agreement);
        let why = agreement.as_ref().and_then(|agreement| asked.held.get(agreement));
        if let (Some(agreement), Some(why)) = (&agreement, why) {
            return Err(ErasingError::Held {
                index: *index,
                agreement: agreement.clone(),
                why: why.clone(),
            });
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use evidence::entry::Kind;
    use evidence::id::Custodian;
    use evidence::note::SignerKey;
    use ledger::{Clock, Config, Draft};

    use super::*;

    #[derive(Debug, Default)]
    struct Set(AtomicI64);

    impl Clock for Set {
        fn now(&self) -> Timestamp {
            at(self.0.load(Ordering::Relaxed))
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    /// Sessions at the seconds 1 to 30, in turn under the agreements a, b and c, and refusals under none.
    fn ledger(folder: &std::path::Path) -> Ledger {
        let custodian: Custodian = "records.example.org".parse().unwrap();
        let signer = SignerKey::generate([1; 32], custodian.key_name());
        let clock = Arc::new(Set::default());
        let ledger = Ledger::open(Config::new(
            folder.into(),
            custodian,
            signer,
            Arc::clone(&clock) as _,
        ))
        .unwrap();
        for second in 1..=30 {
            clock.0.store(second, Ordering::Relaxed);
            let under = ["a", "b", "c"][usize::try_from(second % 3).unwrap()];
            let session = Draft::new(Kind::Session, b"{}".to_vec()).with_partner("p".parse().unwrap());
            let session = session.under(under.parse().unwrap(), "u".parse().unwrap());
            let refusal = Draft::new(Kind::Refusal, b"{}".to_vec());
            ledger.append(vec![session, refusal]).wait().unwrap();
        }
        ledger
    }

    /// The demo's estate, with other files than these.
    fn estate(change: impl FnOnce(&mut policy::estate::Files)) -> Estate {
        let verifiers = crate::demo::cast::Passwords::draw().unwrap().verifiers().unwrap();
        let mut files = crate::demo::estate::files(&crate::demo::estate::Particulars {
            upstream: "postgresql://a@/b?host=/tmp",
            isolation: "in-place",
            listen: "127.0.0.1:1".parse().unwrap(),
            verifiers: &verifiers,
            authorities: &BTreeMap::new(),
        });
        files.remove("authorities/allowed_signers");
        change(&mut files);
        Estate::parse(&files).unwrap()
    }

    #[test]
    fn serve_erases_by_itself_what_the_estate_says_is_due_and_nothing_twice() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path());
        let day = 24 * 3600;
        let now = |days: i64| Timestamp::from_second(at(30).as_second() + days * day).unwrap();
        assert_eq!(asked_by_serve(&estate(|_| ()), now(9_999)), None);
        let estate = estate(|files| {
            let main = files.get_mut("estop.toml").unwrap();
            *main = main.replacen("[state]\n", "[state]\nretention = \"90 days\"\n", 1);
        });
        assert!(estate.state().erases);
        let run = |days: i64| {
            let (mut next, mut records) = (asked_by_serve(&estate, now(days)), Vec::new());
            while let Some(asked) = next {
                let (said, more) = step(&ledger, asked).unwrap();
                records.extend(said);
                next = more;
            }
            records
        };
        assert!(run(80).is_empty(), "nothing is due yet");
        let said = run(100);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("60 private records"), "{said:?}");
        assert!(run(100).is_empty() && run(101).is_empty());
        let erased = ledger.entry(ledger.size() - 1).unwrap();
        let record = String::from_utf8(erased.record).unwrap();
        assert!(
            record.contains(DUE) && record.contains("\"by\":\"serve\""),
            "{record}"
        );
    }

    fn asked(what: Wanted, held: &[&str]) -> EraseRequest {
        let held = held
            .iter()
            .map(|id| (id.parse().unwrap(), "a court's order".to_owned()));
        EraseRequest {
            what,
            basis: "b".to_owned(),
            by: "uid 0".to_owned(),
            held: held.collect(),
        }
    }

    fn gone(ledger: &Ledger) -> Vec<(Option<String>, i64)> {
        let entries = ledger.entries(0..ledger.size()).unwrap().map(Result::unwrap);
        let gone = entries.filter(|stored| stored.erased_by.is_some()).map(|stored| {
            let entry = stored.parse().unwrap();
            (
                entry.agreement.map(|id| id.to_string()),
                entry.time.as_second() - 1_700_000_000,
            )
        });
        gone.collect()
    }

    #[test]
    fn each_agreement_has_its_own_time_and_what_is_held_stays() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path());
        let what = Wanted::Before {
            agreements: [("a".parse().unwrap(), at(7)), ("b".parse().unwrap(), at(30))].into(),
            otherwise: Some(at(5)),
            partner: None,
            from: 0,
        };
        let done = erase(&ledger, &asked(what.clone(), &["b"])).unwrap();
        assert_eq!(done.next, None);
        let mut said = gone(&ledger);
        said.sort();
        // a: 3 and 6; c: 2; of no agreement: 1 to 4; b, at 1, 4, 7 and so on, is held.
        let (a, c) = (Some("a".to_owned()), Some("c".to_owned()));
        let mut right = vec![(None, 1), (None, 2), (None, 3), (None, 4)];
        right.extend([(a.clone(), 3), (a, 6), (c, 2)]);
        assert_eq!(said, right);
        assert_eq!(done.done.unwrap().records, 7);
        // Nothing is due any more, and then the hold is lifted.
        assert_eq!(erase(&ledger, &asked(what.clone(), &["b"])).unwrap().done, None);
        assert_eq!(
            erase(&ledger, &asked(what, &[])).unwrap().done.unwrap().records,
            10
        );
        let named = |held: &[&str]| erase(&ledger, &asked(Wanted::Entries(vec![(59, 59)]), held));
        assert!(matches!(named(&["a"]), Err(ErasingError::Held { index: 59, .. })));
        assert_eq!(named(&["b", "c"]).unwrap().done.unwrap().erased, [(59, 59)]);
        let too_many = asked(Wanted::Entries(vec![(0, NAMED_MAX)]), &[]);
        assert!(matches!(
            erase(&ledger, &too_many),
            Err(ErasingError::Ledger(EraseError::TooMany))
        ));
    }
}
