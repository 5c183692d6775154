//! The watch: what `serve` looks at again and again, what it records of it, and whom it holds.
//!
//! A look takes one snapshot without keeping anybody from work: a termination never waits for it. What was seen counts only
//! if nobody has worked meanwhile, so that an apply under way is no drift. What is known of earlier looks is what the ledger
//! says, so that a restart neither records a drift twice nor forgets a hold (decision 0017).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evidence::id::{Epoch, PartnerId};
use evidence::record::{Clipped, DriftRecord, EpochRecord, Unfinished};
use jiff::{SignedDuration, Timestamp};
use policy::estate::{OnDrift, Watch};
use policy::plan::{Difference, Effect, differences, fingerprint, opened_to};

use crate::Control;
use crate::airlocks::{Upstreams, shown_as};
use crate::applying::draft;
use crate::database::Admin;
use crate::database::looking::Printed;
use crate::error::ControlError;

mod probe;
mod state;

pub use state::{PlaceState, WatchLine, WatchState};

/// Longest that one database is looked at: a catalog of a hundred thousand objects takes less.
const LOOK_WITHIN: Duration = Duration::from_secs(60);

/// Looks in a row that must fail before it is said: a restart of a server or an airlock is over by then.
const FAILS: u32 = 2;

/// Longest that others may be at work before it is said that nobody has looked meanwhile.
const BUSY_AT_MOST: SignedDuration = SignedDuration::from_mins(5);

/// Most differences that one record lists; the others are counted.
const LISTED: usize = 50;

/// The fingerprint of what could not be seen.
const UNSEEN: &str = "-";

/// Takes what is new, as soon as it is recorded.
pub type Tell<'a> = dyn FnMut(Sighting) + Send + 'a;

/// One round of looks.
struct Round<'a> {
    tell: &'a mut Tell<'a>,
    /// Something could not be looked at.
    again: bool,
}

/// Something new, for whoever is to be alarmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// A database is not as it was applied.
    Changed {
        /// The upstream, or `airlock/PARTNER`.
        place: String,
        /// What stands otherwise.
        differences: Vec<Difference>,
        /// Who is held now because of it.
        held: BTreeSet<PartnerId>,
        /// The application that was begun last, if it was not finished.
        unfinished: Option<Unfinished>,
    },
    /// It is as it was applied again.
    Closed {
        /// The upstream, or `airlock/PARTNER`.
        place: String,
        /// Who is still held because of it.
        held: BTreeSet<PartnerId>,
    },
    /// It cannot be looked at.
    Blind {
        /// The upstream, or `airlock/PARTNER`.
        place: String,
        /// Since when.
        since: Timestamp,
        /// Why not.
        why: String,
    },
    /// The estate served is not the one that was applied: there is nothing to compare with.
    NotApplied,
    /// An application was begun and not finished.
    Unfinished(Unfinished),
}

/// What the watch has seen since the start. What must outlive the process is in the ledger.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    places: BTreeMap<String, Place>,
    printed: BTreeMap<String, Printed>,
    /// How far the probe has come in each place.
    probed: BTreeMap<String, usize>,
    /// What airlocks must be like, as it was seen last.
    upstreams: Upstreams,
    not_applied: bool,
    /// The application of which it was said that it is not finished.
    unfinished: Option<Unfinished>,
}

/// The looks at one database.
#[derive(Debug, Clone, Default)]
struct Place {
    /// The last that succeeded.
    looked: Option<Timestamp>,
    failing: Option<Failing>,
}

#[derive(Debug, Clone)]
struct Failing {
    since: Timestamp,
    times: u32,
    why: String,
}

/// What is looked at.
#[derive(Clone, Copy)]
enum Seat<'a> {
    Upstream(&'a str, &'a Admin),
    Airlock(&'a PartnerId, &'a Admin),
}

/// What one look saw.
struct Seen {
    differences: Vec<Difference>,
    opened_to: BTreeSet<PartnerId>,
}

impl Seat<'_> {
    fn name(&self) -> String {
        match self {
            Self::Upstream(name, _) => (*name).to_owned(),
            Self::Airlock(partner, _) => shown_as(partner),
        }
    }
}

impl Control {
    /// How the estate wants its databases watched.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.0.estate.watch()
    }

    /// Looks at every database once, records what is new, and holds whom the estate says. Nothing is looked at before an
    /// estate was applied. Dropped half-way, the next look goes on. Whether something could not be looked at, and is to be
    /// looked at again soon.
    ///
    /// # Errors
    /// The ledger or the register fail. A database that cannot be reached is no error but news.
    pub async fn look<'a>(&self, tell: &'a mut Tell<'a>) -> Result<bool, ControlError> {
        let mut round = Round { tell, again: false };
        if let Some(news) = self.unfinished_news()? {
            (round.tell)(Sighting::Unfinished(news));
        }
        let Some(policy) = self.0.store.policy()? else {
            return Ok(false);
        };
        if policy.held != self.known().held() {
            // Recorded, and not published before the process ended.
            let _work = self.0.work.lock().await;
            self.publish_hold().await?;
        }
        let not_applied = !self.is_applied();
        let told = std::mem::replace(&mut self.watching().not_applied, not_applied);
        if not_applied {
            if !told {
                (round.tell)(Sighting::NotApplied);
            }
            return Ok(false);
        }
        self.know_servers().await;
        for (name, admin) in &self.0.admins {
            self.look_at(Seat::Upstream(name, admin), &mut round).await?;
        }
        for (partner, admin) in &self.0.airlocks {
            self.look_at(Seat::Airlock(partner, admin), &mut round).await?;
        }
        Ok(round.again)
    }

    /// Whether the estate served is the one that was applied last.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.known().applied.as_deref() == Some(self.0.estate_hash.to_hex().as_str())
    }

    async fn look_at(&self, seat: Seat<'_>, round: &mut Round<'_>) -> Result<(), ControlError> {
        let name = seat.name();
        let Some(before) = self.0.work.try_lock().ok().map(|work| *work) else {
            return self.not_seen(&name, None, round).await;
        };
        let seen = match tokio::time::timeout(LOOK_WITHIN, self.seen(seat)).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => return self.not_seen(&name, Some(error.chain()), round).await,
            Err(_) => {
                let why = format!("it took more than {} s", LOOK_WITHIN.as_secs());
                return self.not_seen(&name, Some(why), round).await;
            }
        };
        if !self.is_news(&name, &seen)? {
            self.looked_at(&name);
            return Ok(());
        }
        // What is seen while somebody works is neither one state nor the other, and is looked at again.
        let work = self.0.work.lock().await;
        if *work != before {
            drop(work);
            return self.not_seen(&name, None, round).await;
        }
        let news = self.record(&name, seen).await?;
        self.looked_at(&name);
        (round.tell)(news);
        Ok(())
    }

    async fn seen(&self, seat: Seat<'_>) -> Result<Seen, ControlError> {
        match seat {
            Seat::Upstream(name, admin) => {
                let (desired, credentials) = self.wanted(name)?;
                let keys = self.mask_keys(&desired)?;
                let noted = self.0.store.noted(name)?;
                let airlocked = !self.0.airlocks.is_empty() && self.airlocked().any(|known| known == name);
                let mut printed = self.watching().printed.remove(name).unwrap_or_default();
                let seen = admin
                    .look(&desired, &credentials, &keys, airlocked, &mut printed)
                    .await?;
                let mut differences = differences(&seen.plan, noted.as_ref());
                differences.extend(self.probe_upstream(name, admin, &desired).await?);
                differences.sort();
                let opened_to = opened_to(&differences, &desired);
                let mut watching = self.watching();
                watching.printed.insert(name.to_owned(), printed);
                if let Some(likeness) = seen.likeness {
                    watching.upstreams.insert(name.to_owned(), (desired, likeness));
                }
                Ok(Seen {
                    differences,
                    opened_to,
                })
            }
            Seat::Airlock(partner, admin) => {
                let mut upstreams = self.watching().upstreams.clone();
                for name in self.airlocked() {
                    // What it must be like follows what directives have ended since.
                    let (desired, _) = self.wanted(name)?;
                    let known = upstreams.get_mut(name).ok_or(ControlError::NotSeenYet)?;
                    known.0 = desired;
                }
                let mut differences = self.airlock_differences(partner, admin, &upstreams).await?;
                differences.extend(self.probe_airlock(&seat.name(), partner, admin).await?);
                differences.sort();
                let opens = differences.iter().any(|one| one.effect == Effect::Opens);
                let opened_to = opens.then(|| partner.clone()).into_iter().collect();
                Ok(Seen {
                    differences,
                    opened_to,
                })
            }
        }
    }

    fn looked_at(&self, name: &str) {
        let now = self.0.clock.now();
        let place = Place {
            looked: Some(now),
            failing: None,
        };
        self.watching().places.insert(name.to_owned(), place);
    }

    /// Whether it is another thing than what was recorded last.
    fn is_news(&self, name: &str, seen: &Seen) -> Result<bool, ControlError> {
        let unfinished = self.unfinished()?;
        let known = self.known();
        let before = known.drift.get(name);
        let print = before.map_or("", |record| record.fingerprint.as_str());
        let told = before.and_then(|record| record.unfinished.as_ref());
        // What an application has left undone is another thing than the same made behind its back.
        let same = seen.differences.is_empty() || told == unfinished.as_ref();
        Ok(!same || print != fingerprint(&seen.differences))
    }

    /// The application that is not finished, if that was not said yet.
    fn unfinished_news(&self) -> Result<Option<Unfinished>, ControlError> {
        let unfinished = self.unfinished()?;
        let told = std::mem::replace(&mut self.watching().unfinished, unfinished.clone());
        Ok(unfinished.filter(|now| told.as_ref() != Some(now)))
    }

    /// Nothing was seen, because of an error or of somebody at work: said and recorded once it lasts.
    async fn not_seen(
        &self,
        name: &str,
        error: Option<String>,
        round: &mut Round<'_>,
    ) -> Result<(), ControlError> {
        round.again = true;
        let now = self.0.clock.now();
        let failing = {
            let mut watching = self.watching();
            let place = watching.places.entry(name.to_owned()).or_default();
            let (since, times) = place
                .failing
                .as_ref()
                .map_or((now, 0), |before| (before.since, before.times));
            let times = times.saturating_add(u32::from(error.is_some()));
            let why = error.unwrap_or_else(|| "something is being applied or ended".to_owned());
            let failing = Failing { since, times, why };
            place.failing = Some(failing.clone());
            failing
        };
        let lasts = failing.times >= FAILS || now.duration_since(failing.since) > BUSY_AT_MOST;
        let told = {
            let known = self.known();
            known
                .drift
                .get(name)
                .is_some_and(|record| record.fingerprint == UNSEEN)
        };
        if !lasts || told {
            return Ok(());
        }
        let held = self.held_for(name);
        let record = DriftRecord {
            at: now,
            upstream: name.into(),
            fingerprint: UNSEEN.to_owned(),
            differences: vec![failing.why.as_str().into()],
            count: 0,
            opens: false,
            done: "could-not-look".into(),
            held: held.into_iter().collect(),
            unfinished: self.unfinished()?,
        };
        self.keep(record).await?;
        (round.tell)(Sighting::Blind {
            place: name.to_owned(),
            since: failing.since,
            why: failing.why,
        });
        Ok(())
    }

    fn held_for(&self, name: &str) -> BTreeSet<PartnerId> {
        let known = self.known();
        let held = known.drift.get(name).map(|record| record.held.clone());
        held.unwrap_or_default().into_iter().collect()
    }

    /// Records what was seen and holds whom it opens something to. Whoever calls holds the work.
    async fn record(&self, name: &str, seen: Seen) -> Result<Sighting, ControlError> {
        let place = name.to_owned();
        let mut held = self.held_for(name);
        let before = held.len();
        if self.watch().on_drift == OnDrift::Cut {
            held.extend(seen.opened_to);
        }
        let done = match (seen.differences.is_empty(), held.len() > before) {
            (true, _) => "closed",
            (false, true) => "cut",
            (false, false) => "alarm",
        };
        let listed = seen.differences.iter().take(LISTED).map(|one| match one.effect {
            Effect::Opens => format!("opens: {}", one.words),
            Effect::Closes => format!("closes: {}", one.words),
        });
        let differs = !seen.differences.is_empty();
        let unfinished = self.unfinished()?.filter(|_| differs);
        let record = DriftRecord {
            at: self.0.clock.now(),
            upstream: name.into(),
            fingerprint: fingerprint(&seen.differences),
            differences: listed.map(Clipped::from).collect(),
            count: u64::try_from(seen.differences.len()).unwrap_or(u64::MAX),
            opens: seen.differences.iter().any(|one| one.effect == Effect::Opens),
            done: done.into(),
            held: held.iter().cloned().collect(),
            unfinished: unfinished.clone(),
        };
        self.keep(record).await?;
        self.publish_hold().await?;
        Ok(if seen.differences.is_empty() {
            Sighting::Closed { place, held }
        } else {
            Sighting::Changed {
                place,
                differences: seen.differences,
                held,
                unfinished,
            }
        })
    }

    async fn keep(&self, record: DriftRecord) -> Result<(), ControlError> {
        self.0
            .ledger
            .append(vec![draft(&record)?])
            .await
            .map_err(ControlError::ledger("recording a drift"))?;
        self.known().drifted(record);
        Ok(())
    }

    /// Puts the hold that is recorded in force, if another is. Whoever calls holds the work.
    async fn publish_hold(&self) -> Result<(), ControlError> {
        let Some(policy) = self.0.store.policy()? else {
            return Ok(());
        };
        let held = self.known().held();
        if policy.held == held {
            return Ok(());
        }
        let epoch = self.present_epoch(Some(&policy));
        let epoch: Epoch = epoch.next().unwrap_or(epoch);
        let at = self.0.clock.now();
        let next = policy.with_held(held, epoch, at).map_err(ControlError::Epoch)?;
        let record = EpochRecord {
            epoch,
            directive: None,
            at,
            gateways: self.gateway_names()?,
            approval: self.known().rests_on.clone(),
            lifted: Vec::new(),
        };
        self.0
            .ledger
            .append(vec![draft(&record)?])
            .await
            .map_err(ControlError::ledger("recording the new epoch"))?;
        self.known().moved(record);
        self.0.store.publish(&next)
    }

    /// What is to be recorded once the estate was applied: every drift is undone, and nobody is held for one any more.
    pub(crate) fn undone(&self, at: Timestamp) -> Vec<DriftRecord> {
        let known = self.known();
        let open = known
            .drift
            .values()
            .filter(|record| !record.fingerprint.is_empty() || !record.held.is_empty());
        open.map(|record| DriftRecord {
            at,
            upstream: record.upstream.clone(),
            fingerprint: String::new(),
            differences: Vec::new(),
            count: 0,
            opens: false,
            done: "applied".into(),
            held: Vec::new(),
            unfinished: None,
        })
        .collect()
    }
}
