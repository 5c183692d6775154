//! What a directive would do, as those who sign it are told: the part that lasts, whose hash they sign, and the use of late.
//!
//! What is signed follows from the estate, from what is in force and from the order alone, so that control makes it anew when
//! the directive is handed in, and says so if it is another text by then (decision 0035). Sessions come and go, and are shown
//! beside it.

use std::fmt::Write as _;

use evidence::directive::{Order, Scope, Suspension};
use evidence::entry::Kind;
use evidence::hash::{Hash, sha256};
use evidence::id::{DatasetId, PartnerId, PurposeId};
use evidence::record::{self, Continuation, Disclosure};
use jiff::{SignedDuration, Timestamp};
use ledger::Ledger;
use policy::estate::role_name;
use policy::in_force::EndedScope;

use crate::Control;
use crate::api::{ScopeLine, Used};
use crate::error::ControlError;

/// First line of every preview.
const HEADER: &str = "estop/preview/v1";

/// How far back the use is counted.
const USED_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Most entries that are read for it: about a second.
const USED_ENTRIES: u64 = 100_000;

impl Control {
    /// What an order would do: the text whose hash is signed. None of an approval, which has its summary.
    ///
    /// # Errors
    /// The register cannot be read, or the directive that is to be lifted is not there.
    pub(crate) fn preview(&self, order: &Order) -> Result<Option<String>, ControlError> {
        let mut ended = self.known().ended();
        let (scope, does, already) = match order {
            Order::Approve(_) => return Ok(None),
            Order::Terminate(scope) => (scope.clone(), "ends", "closed already"),
            Order::Suspend(Suspension { scope, .. }) => (scope.clone(), "suspends", "closed already"),
            Order::Reinstate(order) => {
                ended.retain(|other| other.directive != order.lifts);
                let earlier = self.accepted(&order.lifts)?.directive;
                let scope = earlier.scope().cloned().unwrap_or(Scope {
                    partner: order.partner.clone(),
                    agreement: None,
                    purpose: None,
                });
                (scope, "opens", "stays closed")
            }
        };
        let partner = &scope.partner;
        let mut text = format!("{HEADER}\n{} {partner}\n", order.kind());
        let mut line = |words: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{words}");
        };
        let within = self.lines(&scope, &ended)?;
        for one in &within {
            line(match &one.ended_before_by {
                Some(number) => format!("{already}, by {number}: {}", purpose_words(one)),
                None => format!("{does} {}", purpose_words(one)),
            });
        }
        let everything = Scope {
            agreement: None,
            purpose: None,
            ..scope.clone()
        };
        let same = |one: &ScopeLine, other: &ScopeLine| {
            (&one.agreement, &one.purpose) == (&other.agreement, &other.purpose)
        };
        for one in self.lines(&everything, &ended)? {
            if one.ended_before_by.is_none() && !within.iter().any(|other| same(other, &one)) {
                line(format!("stays open {}", purpose_words(&one)));
            }
        }
        for officer in self
            .0
            .estate
            .partners()
            .get(partner)
            .iter()
            .flat_map(|p| &p.officers)
        {
            line(format!("officer {}", officer.id));
        }
        for scope in ended.iter().filter(|scope| scope.partner == *partner) {
            line(in_force_words(scope));
        }
        for (through, words) in self.onward_to(partner, &ended) {
            line(format!("may be given on by {through} {words}"));
        }
        Ok(Some(text))
    }

    /// The same, as it is signed.
    pub(crate) fn preview_hash(&self, order: &Order) -> Result<Option<Hash>, ControlError> {
        Ok(self.preview(order)?.map(|text| sha256(text.as_bytes())))
    }

    /// Other partners whose agreements permit that they share onward with this one.
    fn onward_to(&self, partner: &PartnerId, ended: &[EndedScope]) -> Vec<(PartnerId, String)> {
        let agreements = self.0.estate.agreements().values();
        let others = agreements.filter(|agreement| agreement.partner != *partner);
        let onward = others.filter(|agreement| {
            let open = |purpose: &PurposeId| {
                EndedScope::telling(ended, &agreement.partner, &agreement.id, purpose).is_none()
            };
            let onward = agreement.onward.as_ref();
            onward.is_some_and(|onward| {
                onward.permitted && (onward.to.is_empty() || onward.to.contains(partner))
            }) && agreement.purposes.iter().any(open)
        });
        let words = |agreement: &policy::estate::Agreement| {
            let mut datasets: Vec<&DatasetId> = agreement
                .purposes
                .iter()
                .flat_map(|purpose| agreement.shares_for(purpose).map(|share| &share.dataset))
                .collect();
            datasets.sort();
            datasets.dedup();
            let datasets: Vec<&str> = datasets.into_iter().map(DatasetId::as_str).collect();
            let words = format!("under {}: {}", agreement.id, datasets.join(", "));
            (agreement.partner.clone(), words)
        };
        onward.map(words).collect()
    }

    /// What the partner had in a scope of late, as far as the last entries of the ledger tell.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(crate) async fn used(&self, scope: Scope) -> Result<Used, ControlError> {
        let (ledger, now) = (self.0.ledger.clone(), self.0.clock.now());
        let since = now.checked_sub(USED_WITHIN).unwrap_or(Timestamp::UNIX_EPOCH);
        let counting = tokio::task::spawn_blocking(move || counted(&ledger, &scope, since));
        counting
            .await
            .map_err(ControlError::ledger("counting the use of late"))?
    }
}

fn counted(ledger: &Ledger, scope: &Scope, since: Timestamp) -> Result<Used, ControlError> {
    let doing = "counting the use of late";
    let size = ledger.size();
    let mut used = Used {
        since,
        statements: 0,
        rows: 0,
    };
    let from = size.saturating_sub(USED_ENTRIES);
    let mut first = true;
    for stored in ledger.entries(from..size).map_err(ControlError::ledger(doing))? {
        let stored = stored.map_err(ControlError::ledger(doing))?;
        let entry = stored.parse().map_err(ControlError::ledger("reading an entry"))?;
        if first && from > 0 {
            used.since = used.since.max(entry.time);
        }
        first = false;
        let theirs = match (&entry.partner, &entry.agreement, &entry.purpose) {
            (Some(partner), Some(agreement), Some(purpose)) => scope.covers(partner, agreement, purpose),
            _ => false,
        };
        if !theirs || entry.time < since {
            continue;
        }
        // What was erased or sealed is counted without its rows.
        let rows = match entry.kind {
            Kind::Disclosure => {
                used.statements = used.statements.saturating_add(1);
                record::decode::<Disclosure>(&stored.record).map(|record| record.rows)
            }
            Kind::Continuation => record::decode::<Continuation>(&stored.record).map(|record| record.rows),
            _ => continue,
        };
        used.rows = used.rows.saturating_add(rows.unwrap_or(0));
    }
    Ok(used)
}

fn purpose_words(line: &ScopeLine) -> String {
    let datasets: Vec<&str> = line.datasets.iter().map(DatasetId::as_str).collect();
    let role = role_name(&line.agreement, &line.purpose);
    format!(
        "{} for {}: {} (role {})",
        line.agreement,
        line.purpose,
        datasets.join(", "),
        role.as_str()
    )
}

fn in_force_words(scope: &EndedScope) -> String {
    let agreement = scope
        .agreement
        .as_ref()
        .map_or("all agreements", |id| id.as_str());
    let purpose = scope.purpose.as_ref().map_or("all purposes", |id| id.as_str());
    let until = scope.until.map(|until| format!(", until {until}"));
    format!(
        "in force {}: {agreement}, {purpose}{}",
        scope.directive,
        until.unwrap_or_default()
    )
}
