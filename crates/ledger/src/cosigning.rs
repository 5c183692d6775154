//! Getting checkpoints cosigned (C2SP tlog-witness, the log's side): every witness of the policy is asked, and the
//! checkpoint is published again with what came back.
//!
//! A witness that knows more of a log than the log itself, or another root, shows that this ledger is an old copy or has
//! forked: that is told apart from all that can be tried again.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evidence::cosignature::with_cosignature;
use evidence::id::{Origin, PartnerId};
use evidence::note::{Note, NoteError};
use evidence::witness::{AddCheckpoint, parse_size};
use evidence::witness_policy::{Cosigned, QuorumError, Witness, WitnessPolicy};
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::integrator::SignedCheckpoint;
use crate::ledger::Ledger;
use crate::read::ReadError;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Requests to one witness for one checkpoint: the size it knows may have to be asked for, and may change.
const ATTEMPTS: usize = 3;

/// Longest answer in bytes that anyone has to read.
pub const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The way to a witness.
pub trait Submit: fmt::Debug + Send + Sync {
    /// Posts a body to `<url>/add-checkpoint`. Must read no more than [`MAX_ANSWER_BYTES`]. Dropped, it stops.
    fn submit<'a>(&'a self, url: &'a str, body: String) -> Submitted<'a>;
}

/// What [`Submit::submit`] gives.
pub type Submitted<'a> = Pin<Box<dyn Future<Output = io::Result<Answer>> + Send + 'a>>;

/// What a witness said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Whether the content type is `text/x.tlog.size`.
    pub is_size: bool,
    /// The body.
    pub body: String,
}

/// Asks the witnesses of a policy to cosign a ledger's checkpoints.
#[derive(Debug)]
pub struct Cosigning {
    ledger: Ledger,
    policy: WitnessPolicy,
    submit: Arc<dyn Submit>,
    /// The largest sizes that witnesses, by their place in the policy, have cosigned, with the notes.
    known: Mutex<BTreeMap<(usize, Origin), (u64, String)>>,
}

/// How it went with one checkpoint.
#[derive(Debug)]
pub struct Round {
    /// The checkpoint, with all cosignatures that were got.
    pub signed: SignedCheckpoint,
    /// What each witness of the policy said, by its name there.
    pub witnesses: Vec<(String, Result<Timestamp, Fault>)>,
    /// Whether they are enough.
    pub quorum: Result<Cosigned, QuorumError>,
    /// Whether it was published; `false` if the log had a newer checkpoint by then.
    pub published: bool,
}

/// Why a witness has not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The policy does not say where it is.
    #[error("the policy has no URL for it")]
    NoUrl,
    /// It could not be reached.
    #[error("it cannot be reached")]
    Unreachable(#[source] io::Error),
    /// It took too long.
    #[error("it did not answer within {} seconds", PATIENCE.as_secs())]
    Silent,
    /// It refused.
    #[error("it answered {status}: {said}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said, shortened.
        said: String,
    },
    /// Its answer is not a cosignature of this checkpoint by its key.
    #[error("its answer is not a cosignature of the checkpoint")]
    Answer(#[source] NoteError),
    /// It has cosigned more of the log than there is.
    #[error(
        "it has cosigned `{origin}` at size {theirs}, and here the log has {ours}: this ledger is an old copy, or \
         another one is at work under its name"
    )]
    LogTurnedBack {
        /// The log.
        origin: Origin,
        /// Size that the witness knows.
        theirs: u64,
        /// Size of the log's newest checkpoint.
        ours: u64,
    },
    /// It knows another root for a size of the log.
    #[error(
        "it knows another root for `{origin}` at size {size}, or one that does not lead to this one: the log has forked"
    )]
    Forked {
        /// The log.
        origin: Origin,
        /// Size of the log's newest checkpoint.
        size: u64,
    },
    /// It has forgotten what it had cosigned.
    #[error("it has cosigned size {cosigned} and says that it knows {says}: the witness was turned back")]
    WitnessTurnedBack {
        /// Size of which there is a cosignature.
        cosigned: u64,
        /// Size that it says it knows.
        says: u64,
    },
    /// A proof could not be made.
    #[error("no proof of the log's growth can be made")]
    Proof(#[from] ReadError),
}

impl Fault {
    /// Whether it shows that this ledger must not go on: not a thing to be tried again.
    pub fn accuses_the_log(&self) -> bool {
        matches!(self, Self::LogTurnedBack { .. } | Self::Forked { .. })
    }
}

impl Cosigning {
    /// For this ledger. What was cosigned before is taken from its published checkpoints.
    pub fn new(ledger: Ledger, policy: WitnessPolicy, submit: Arc<dyn Submit>) -> Arc<Self> {
        let mut known = BTreeMap::new();
        let checkpoints = ledger.checkpoints();
        for signed in checkpoints.main.iter().chain(checkpoints.partners.values()) {
            for place in cosigned_places(&policy, &signed.note) {
                let SignedCheckpoint { checkpoint, note } = signed;
                known.insert(
                    (place, checkpoint.origin.clone()),
                    (checkpoint.size, note.clone()),
                );
            }
        }
        Arc::new(Self {
            ledger,
            policy,
            submit,
            known: Mutex::new(known),
        })
    }

    /// The policy.
    pub fn policy(&self) -> &WitnessPolicy {
        &self.policy
    }

    /// Has the newest published checkpoint of a log (`None`: the main one) cosigned, by all witnesses at once. `None` if
    /// the log has no checkpoint yet. Cancel safe.
    pub async fn cosign(self: &Arc<Self>, log: Option<&PartnerId>) -> Option<Round> {
        let checkpoints = self.ledger.checkpoints();
        let signed = match log {
            None => checkpoints.main.clone(),
            Some(partner) => checkpoints.partners.get(partner).cloned(),
        }?;
        drop(checkpoints);
        let mut asked = JoinSet::new();
        for (place, witness) in self.policy.witnesses().iter().cloned().enumerate() {
            let (this, signed, log) = (Arc::clone(self), signed.clone(), log.cloned());
            asked.spawn(async move { (place, this.ask(place, &witness, log.as_ref(), &signed).await) });
        }
        let mut outcomes = BTreeMap::new();
        while let Some(joined) = asked.join_next().await {
            if let Ok((place, outcome)) = joined {
                outcomes.insert(place, outcome);
            }
        }
        Some(self.gather(log, signed, outcomes).await)
    }

    async fn gather(
        &self,
        log: Option<&PartnerId>,
        mut signed: SignedCheckpoint,
        mut outcomes: BTreeMap<usize, Result<String, Fault>>,
    ) -> Round {
        let mut witnesses = Vec::new();
        for (place, witness) in self.policy.witnesses().iter().enumerate() {
            let lines = outcomes.remove(&place).unwrap_or(Err(Fault::Silent));
            let added = lines.and_then(|lines| {
                with_cosignature(&signed.note, &lines, &witness.key).map_err(Fault::Answer)
            });
            let outcome = added.map(|(note, time)| {
                signed.note = note;
                self.remember(place, &signed);
                time
            });
            witnesses.push((witness.name.clone(), outcome));
        }
        let quorum = Note::parse(&signed.note)
            .map_err(QuorumError::from)
            .and_then(|note| self.policy.examine(&note));
        let any = witnesses.iter().any(|(_, outcome)| outcome.is_ok());
        let published = any && self.ledger.publish_cosigned(log, signed.note.clone()).await;
        Round {
            signed,
            witnesses,
            quorum,
            published,
        }
    }

    /// Asks one witness; gives the lines that it answered.
    async fn ask(
        &self,
        place: usize,
        witness: &Witness,
        log: Option<&PartnerId>,
        signed: &SignedCheckpoint,
    ) -> Result<String, Fault> {
        let url = witness.url.as_deref().ok_or(Fault::NoUrl)?;
        let origin = &signed.checkpoint.origin;
        let ours = signed.checkpoint.size;
        let (cosigned, note) = self.known(place, origin);
        let mut old = cosigned.min(ours);
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let proof = self.ledger.prove_growth(log, old, signed)?;
            let request = AddCheckpoint {
                old,
                proof,
                checkpoint: signed.note.clone(),
            };
            let answer = self.submit(url, &request).await?;
            let size = parse_size(&answer.body).filter(|_| answer.is_size);
            match (answer.status, size) {
                (200, _) => return Ok(answer.body),
                (409, Some(theirs)) if theirs > ours => {
                    return Err(Fault::LogTurnedBack {
                        origin: origin.clone(),
                        theirs,
                        ours,
                    });
                }
                (409, Some(says)) if says < cosigned => {
                    // It is shown its own cosignature, so that it knows, too.
                    let request = AddCheckpoint {
                        old: cosigned,
                        proof: Vec::new(),
                        checkpoint: note,
                    };
                    drop(self.submit(url, &request).await);
                    return Err(Fault::WitnessTurnedBack { cosigned, says });
                }
                (409, Some(theirs)) if last != Some(theirs) => {
                    old = theirs;
                    last = Some(theirs);
                }
                (409, None) | (422, _) => {
                    return Err(Fault::Forked {
                        origin: origin.clone(),
                        size: ours,
                    });
                }
                (status, _) => return Err(refused(status, &answer.body)),
            }
        }
        Err(refused(409, "the size it knows changes all the time"))
    }

    async fn submit(&self, url: &str, request: &AddCheckpoint) -> Result<Answer, Fault> {
        tokio::time::timeout(PATIENCE, self.submit.submit(url, request.to_string()))
            .await
            .map_err(|_| Fault::Silent)?
            .map_err(Fault::Unreachable)
    }

    fn known(&self, place: usize, origin: &Origin) -> (u64, String) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(&(place, origin.clone())).cloned();
        found.unwrap_or_default()
    }

    fn remember(&self, place: usize, signed: &SignedCheckpoint) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let last = known
            .entry((place, signed.checkpoint.origin.clone()))
            .or_default();
        if signed.checkpoint.size >= last.0 {
            *last = (signed.checkpoint.size, signed.note.clone());
        }
    }
}

/// Which witnesses have cosigned a note.
fn cosigned_places(policy: &WitnessPolicy, note: &str) -> Vec<usize> {
    let Ok(note) = Note::parse(note) else {
        return Vec::new();
    };
    let witnesses = policy.witnesses().iter().enumerate();
    witnesses
        .filter(|(_, witness)| matches!(witness.key.cosigned(&note), Ok(Some(_))))
        .map(|(place, _)| place)
        .collect()
}

fn refused(status: u16, said: &str) -> Fault {
    /// As much of it as a line of a log can take.
    const SHOWN_CHARS: usize = 200;
    let said = said.trim().chars().take(SHOWN_CHARS);
    Fault::Refused {
        status,
        said: said.flat_map(char::escape_debug).collect(),
    }
}

#[cfg(test)]
mod tests;
