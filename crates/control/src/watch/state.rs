//! How the watch stands, for people: lines of `estop status`, and what an alarm says.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{MutexGuard, PoisonError};

use evidence::id::PartnerId;
use jiff::Timestamp;
use policy::estate::OnDrift;
use policy::plan::{Difference, Effect};
use serde::{Deserialize, Serialize};

use super::{Sighting, UNSEEN, Watching};
use crate::Control;

/// Differences that an alarm names; `estop drift` shows all.
const NAMED: usize = 5;

/// How the watch stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchState {
    /// Seconds between two looks.
    pub every_seconds: u32,
    /// What is done on drift.
    pub on_drift: OnDrift,
    /// Whether the estate served is the one that was applied last: if not, nothing is compared.
    pub applied: bool,
    /// The databases, by name.
    pub places: Vec<WatchLine>,
}

/// How the watch stands over one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchLine {
    /// The upstream, or `airlock/PARTNER`.
    pub place: String,
    /// How it was found last.
    pub state: PlaceState,
    /// When it was looked at last, since `serve` was started.
    pub looked: Option<Timestamp>,
    /// Since when it is as `state` says, if that was recorded.
    pub since: Option<Timestamp>,
    /// What differs, or why it could not be looked at; as it was recorded.
    pub words: Vec<String>,
    /// How many differences there are.
    pub count: u64,
    /// Whether any of them opens something.
    pub opens: bool,
    /// Who is held because of it.
    pub held: Vec<PartnerId>,
}

/// How a database was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceState {
    /// As it was applied.
    AsApplied,
    /// It could not be looked at, for long enough to be said.
    CouldNotLook,
    /// Otherwise than it was applied.
    Drift,
    /// Nobody has looked yet.
    NotLookedYet,
}

impl Control {
    /// How the watch stands.
    #[must_use]
    pub fn watch_state(&self) -> WatchState {
        let watch = self.watch();
        let upstreams = self.0.admins.keys().cloned();
        let airlocks = self.0.airlocks.keys().map(crate::airlocks::shown_as);
        WatchState {
            every_seconds: watch.every_seconds,
            on_drift: watch.on_drift,
            applied: self.is_applied(),
            places: upstreams
                .chain(airlocks)
                .map(|place| self.watch_line(place))
                .collect(),
        }
    }

    fn watch_line(&self, place: String) -> WatchLine {
        let looked = self.watching().places.get(&place).and_then(|known| known.looked);
        let recorded = self.known().drift.get(&place).cloned();
        let fingerprint = recorded.as_ref().map(|record| record.fingerprint.as_str());
        let state = match fingerprint {
            None | Some("") if looked.is_none() => PlaceState::NotLookedYet,
            None | Some("") => PlaceState::AsApplied,
            Some(UNSEEN) => PlaceState::CouldNotLook,
            Some(_) => PlaceState::Drift,
        };
        let words = recorded.iter().flat_map(|record| &record.differences);
        WatchLine {
            state,
            looked,
            words: words.map(ToString::to_string).collect(),
            since: recorded.as_ref().map(|record| record.at),
            count: recorded.as_ref().map_or(0, |record| record.count),
            opens: recorded.as_ref().is_some_and(|record| record.opens),
            held: recorded.map(|record| record.held).unwrap_or_default(),
            place,
        }
    }

    /// Never held across an await.
    pub(super) fn watching(&self) -> MutexGuard<'_, Watching> {
        // Nothing panics while it is held; if something did, the next look would see anew.
        self.0.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed {
                place,
                differences,
                held,
                unfinished,
            } => {
                let count = differences.len();
                let plural = if count == 1 { "" } else { "s" };
                write!(f, "`{place}` is not as it was applied ({count} difference{plural})")?;
                for one in named(differences) {
                    let effect = match one.effect {
                        Effect::Opens => "OPENS",
                        Effect::Closes => "closes",
                    };
                    write!(f, "; {effect}: {}", one.words)?;
                }
                held_words(f, held)?;
                if let Some(unfinished) = unfinished {
                    write!(f, "; {unfinished}")?;
                }
                f.write_str("; `estop drift` shows all of it, and what puts it right")
            }
            Self::Closed { place, held } if held.is_empty() => {
                write!(f, "`{place}` is as it was applied again")
            }
            Self::Closed { place, held } => {
                write!(f, "`{place}` is as it was applied again")?;
                held_words(f, held)?;
                f.write_str("; `estop apply` lifts that")
            }
            Self::Blind { place, since, why } => {
                write!(f, "`{place}` could not be looked at since {since}, so nobody knows whether it was changed: {why}")
            }
            Self::Unfinished(unfinished) => unfinished.fmt(f),
            Self::NotApplied => f.write_str(
                "the estate served is not the one that was applied last, so that the databases are not watched until it is",
            ),
        }
    }
}

/// Those that an alarm names: first those that open something.
fn named(differences: &[Difference]) -> impl Iterator<Item = &Difference> {
    let of = |effect| differences.iter().filter(move |one| one.effect == effect);
    of(Effect::Opens).chain(of(Effect::Closes)).take(NAMED)
}

fn held_words(f: &mut fmt::Formatter<'_>, held: &BTreeSet<PartnerId>) -> fmt::Result {
    if held.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = held.iter().map(|partner| format!("`{partner}`")).collect();
    write!(f, "; held, sessions ended: {}", names.join(", "))
}
