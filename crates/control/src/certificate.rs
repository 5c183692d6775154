//! Certificates: the entries that tell of a directive, gathered from the ledger, with proofs under one checkpoint.

use std::collections::BTreeSet;

use evidence::certificate::{Certificate, Cited, Opened, Parts, Refuted};
use evidence::entry::{Entry, Kind, whole_second};
use evidence::id::{DirectiveNumber, PartnerId};
use evidence::record::{self, CarriedOut, Closed, Cut, Drained, EpochRecord, Record};
use jiff::Timestamp;
use ledger::{Ledger, Stored};

use crate::Control;
use crate::api::Until;
use crate::error::ControlError;
use crate::known::Accepted;

/// How often proofs are made anew because a checkpoint was published between two of them. They are published about once a
/// second, and proofs take milliseconds.
const PROOF_ATTEMPTS: u32 = 10;

/// What the ledger tells of one directive, in its order.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) directive: Option<Stored>,
    /// The last one before the database's side was done.
    pub(crate) epoch: Option<Stored>,
    pub(crate) cuts: Vec<(Stored, Cut)>,
    /// The first of each gateway.
    pub(crate) drained: Vec<(Stored, Drained)>,
    /// The last one, if it was tried more than once.
    pub(crate) carried_out: Option<Stored>,
    pub(crate) closed: Option<(Stored, Entry)>,
    /// The first after the partner's log was closed, and not before the time that is asked for.
    pub(crate) census: Option<Stored>,
    /// That time.
    since: Option<Timestamp>,
}

impl Told {
    /// Reads the ledger from the directive on. Blocks.
    pub(crate) fn gather(
        ledger: &Ledger,
        accepted: &Accepted,
        since: Option<Timestamp>,
    ) -> Result<Self, ControlError> {
        let doing = "reading what it says of a directive";
        let mut told = Self {
            since,
            ..Self::default()
        };
        for stored in ledger
            .entries(accepted.index..ledger.size())
            .map_err(ControlError::ledger(doing))?
        {
            told.take(
                stored.map_err(ControlError::ledger(doing))?,
                &accepted.directive.number,
            )?;
            if told.census.is_some() {
                break;
            }
        }
        Ok(told)
    }

    fn take(&mut self, stored: Stored, number: &DirectiveNumber) -> Result<(), ControlError> {
        let entry = stored.parse().map_err(ControlError::ledger("reading an entry"))?;
        match entry.kind {
            Kind::Directive if self.directive.is_none() => self.directive = Some(stored),
            Kind::Epoch => {
                let record: EpochRecord = read(&stored)?;
                if record.directive.as_ref() == Some(number) {
                    self.epoch = Some(stored);
                }
            }
            Kind::Cut => {
                let record: Cut = read(&stored)?;
                if record.directive == *number {
                    self.cuts.push((stored, record));
                }
            }
            Kind::Drained => {
                let record: Drained = read(&stored)?;
                let again = self
                    .drained
                    .iter()
                    .any(|(_, before)| before.gateway == record.gateway);
                if record.directive == *number && !again {
                    self.drained.push((stored, record));
                }
            }
            Kind::CarriedOut => {
                let record: CarriedOut = read(&stored)?;
                if record.directive == *number {
                    self.carried_out = Some(stored);
                }
            }
            Kind::Closed => {
                let record: Closed = read(&stored)?;
                if record.directive == *number {
                    self.closed = Some((stored, entry));
                }
            }
            Kind::Census if self.closed.is_some() && self.since.is_none_or(|since| entry.time >= since) => {
                self.census = Some(stored);
            }
            _ => {}
        }
        Ok(())
    }

    /// All of it in the ledger's order, or what is missing.
    fn into_cited(self) -> Result<(Vec<Stored>, u64), String> {
        let missing = |what: &str| format!("its ledger has no `{what}` entry for it");
        let (closed, entry) = self.closed.ok_or_else(|| missing("closed"))?;
        let sequence = entry
            .place
            .map(|place| place.sequence)
            .ok_or_else(|| missing("closed"))?;
        let mut stored = vec![
            self.directive.ok_or_else(|| missing("directive"))?,
            self.epoch.ok_or_else(|| missing("epoch"))?,
            self.carried_out.ok_or_else(|| missing("carried-out"))?,
            closed,
            self.census.ok_or_else(|| missing("census"))?,
        ];
        if self.drained.is_empty() {
            return Err("no gateway was at work, so none has said that its sessions are gone".to_owned());
        }
        stored.extend(self.cuts.into_iter().map(|(stored, _)| stored));
        stored.extend(self.drained.into_iter().map(|(stored, _)| stored));
        stored.sort_by_key(|stored| stored.index);
        Ok((stored, sequence))
    }
}

fn read<R: Record>(stored: &Stored) -> Result<R, ControlError> {
    record::decode(&stored.record).map_err(ControlError::ledger("reading a record"))
}

impl Control {
    /// Issues the certificate of a directive that ended a whole partner: the signed file. It holds, or none is issued.
    /// `until`: it shows that the partner's log was closed, and that nothing came after, up to this time at least; the logs are
    /// counted anew if they were not counted since. Cancel safe.
    ///
    /// # Errors
    /// There is no such directive, it is not carried out, the time has not come, what the ledger tells is not enough, or the
    /// ledger fails.
    pub async fn certificate(
        &self,
        number: &DirectiveNumber,
        until: Option<Until>,
    ) -> Result<String, ControlError> {
        let accepted = self.accepted(number)?;
        let none = |why: &str| {
            Err(ControlError::NoCertificate {
                number: number.clone(),
                why: why.to_owned(),
            })
        };
        let Some(scope) = accepted.directive.scope().cloned() else {
            return none("it ends nobody's access, and certificates are of terminations and suspensions");
        };
        if !scope.is_whole_partner() {
            return none("it ended a part of what the partner has, and certificates are of whole partners");
        }
        if !accepted.complete {
            return none("it is not wholly carried out");
        }
        if self.known().lifted.contains(number) {
            return none(
                "what it had ended has been given back: it has lapsed, or a directive has lifted it",
            );
        }
        let now = whole_second(self.0.clock.now());
        let since = until.map(|until| match until {
            Until::Now => now,
            Until::Time(time) => time,
        });
        if since.is_some_and(|since| since > now) {
            return none("nobody can say yet what will have happened until then");
        }
        if since.is_some() {
            self.count_since(&accepted, since).await?;
        }
        for _ in 0..PROOF_ATTEMPTS {
            self.0
                .ledger
                .checkpoint()
                .await
                .map_err(ControlError::ledger("publishing a checkpoint"))?;
            self.cosign(&scope.partner).await;
            let (control, accepted, partner) = (self.clone(), accepted.clone(), scope.partner.clone());
            let making = tokio::task::spawn_blocking(move || control.make(&accepted, &partner, since));
            if let Some(file) = making
                .await
                .map_err(ControlError::ledger("making a certificate"))??
            {
                return Ok(file);
            }
        }
        none("the ledger publishes checkpoints faster than proofs can be made; ask again")
    }

    /// Counts the logs, unless they were counted since the time that a certificate is to reach.
    async fn count_since(&self, accepted: &Accepted, since: Option<Timestamp>) -> Result<(), ControlError> {
        let (ledger, accepted) = (self.0.ledger.clone(), accepted.clone());
        let gathering = tokio::task::spawn_blocking(move || Told::gather(&ledger, &accepted, since));
        let told = gathering
            .await
            .map_err(ControlError::ledger("making a certificate"))??;
        if told.closed.is_some() && told.census.is_none() {
            self.0
                .ledger
                .append_census()
                .await
                .map_err(ControlError::ledger("counting the logs"))?;
        }
        Ok(())
    }

    /// Has both logs cosigned by whoever can be reached now. The certificate says who has; fewer than a quorum is for whoever
    /// checks to judge.
    async fn cosign(&self, partner: &PartnerId) {
        if let Some(cosigning) = &self.0.cosigning {
            tokio::join!(cosigning.cosign(None), cosigning.cosign(Some(partner)));
        }
    }

    /// The file; `None` if a checkpoint was published between two proofs. Blocks.
    fn make(
        &self,
        accepted: &Accepted,
        partner: &PartnerId,
        since: Option<Timestamp>,
    ) -> Result<Option<String>, ControlError> {
        let number = &accepted.directive.number;
        let none = |why: String| ControlError::NoCertificate {
            number: number.clone(),
            why,
        };
        let (stored, sequence) = Told::gather(&self.0.ledger, accepted, since)?
            .into_cited()
            .map_err(none)?;
        let Some(parts) = self.parts(stored, partner, sequence)? else {
            return Ok(None);
        };
        let certificate = Certificate::build(parts).map_err(|error| none(error.to_string()))?;
        certificate
            .sign(&self.0.signer)
            .map(Some)
            .map_err(|refuted| none(reasons(&refuted)))
    }

    fn parts(
        &self,
        stored: Vec<Stored>,
        partner: &PartnerId,
        sequence: u64,
    ) -> Result<Option<Parts>, ControlError> {
        let doing = "proving entries";
        let mut cited = Vec::new();
        for stored in stored {
            let proof = self
                .0
                .ledger
                .prove(stored.index)
                .map_err(ControlError::ledger(doing))?;
            let opened = stored.key.map(|key| Opened {
                key,
                record: stored.record,
            });
            cited.push(Cited {
                entry: stored.entry,
                opened,
                proof,
            });
        }
        let checkpoints: BTreeSet<&str> = cited
            .iter()
            .map(|cited| cited.proof.checkpoint.as_str())
            .collect();
        if checkpoints.len() != 1 {
            return Ok(None);
        }
        let partner = self
            .0
            .ledger
            .prove_partner(partner, sequence)
            .map_err(ControlError::ledger(doing))?;
        Ok(Some(Parts { cited, partner }))
    }
}

fn reasons(refuted: &Refuted) -> String {
    let failed: Vec<String> = refuted.failed().map(ToString::to_string).collect();
    failed.join("; ")
}
