//! A witness: cosigns the checkpoints of logs that it has seen grow, and keeps, durably and before it answers, what it
//! has cosigned. How requests reach it is not here.

use std::sync::Arc;

use evidence::cosignature::{CosignerKey, NotCosigned, WitnessKey, with_cosignature};
use evidence::hash::{Hash, sha256};
use evidence::id::{Custodian, Origin};
use evidence::note::{Note, NoteError, VerifierKey};
use evidence::witness::{AddCheckpoint, Head, Refusal, consider};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::register::{Register, RegisterError, Versioned};

/// How often another request for the same log may come in between before this one is given up.
const ATTEMPTS: usize = 8;

/// Whose checkpoints a witness cosigns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Witnessed {
    /// One log, whose key's name is its origin.
    Log(VerifierKey),
    /// All logs of a custodian, whose key's name is the custodian's: `<custodian>/audit` and `<custodian>/p/<partner>`.
    Custodian(VerifierKey),
}

/// A witness. Its register belongs to it alone.
#[derive(Debug)]
pub struct Witness {
    register: Arc<dyn Register>,
    key: CosignerKey,
    witnessed: Vec<Witnessed>,
    clock: Arc<dyn Clock>,
}

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The request does not deserve one.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request holds a cosignature of this witness that it knows nothing of: its state is an old copy.
    #[error(
        "this witness has cosigned {checkpoint} and knows nothing of it: its state was turned back. \
         It answers for no log any more; start it anew under another name and key"
    )]
    TurnedBack {
        /// Log and size of what it cosigned.
        checkpoint: String,
    },
    /// Its state cannot be read or kept.
    #[error("the witness's state cannot be kept")]
    Store(#[from] RegisterError),
    /// What was kept is no state.
    #[error("the witness's state of log `{origin}` cannot be read")]
    Damaged {
        /// The log.
        origin: Origin,
    },
    /// Others asked about the same log all the time.
    #[error("too many requests about this log at once: ask again")]
    Busy,
    /// The clock.
    #[error(transparent)]
    Clock(#[from] NotCosigned),
    /// What was just made cannot be read back.
    #[error("the cosigned checkpoint is no note")]
    Note(#[from] NoteError),
}

/// What is kept of a log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    origin: Origin,
    size: u64,
    root: Hash,
    /// Time of the newest cosignature, in seconds since 1970.
    time: i64,
    /// The checkpoint with that cosignature.
    note: String,
}

/// What is kept if the state was found to be an old copy: it stays so.
const TURNED_BACK: &str = "turned-back";

impl Witness {
    /// A witness with this state.
    pub fn new(
        register: Arc<dyn Register>,
        key: CosignerKey,
        witnessed: Vec<Witnessed>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            register,
            key,
            witnessed,
            clock,
        }
    }

    /// The key that verifies its cosignatures.
    pub fn key(&self) -> WitnessKey {
        self.key.witness()
    }

    /// Answers `add-checkpoint`: the signature line, once what it says is durable. Blocks for moments.
    ///
    /// # Errors
    /// See [`WitnessError`].
    pub fn add_checkpoint(&self, body: &str) -> Result<String, WitnessError> {
        let request = AddCheckpoint::parse(body).map_err(|error| Refusal::Malformed(caused(&error)))?;
        let peeked = request
            .peek()
            .map_err(|error| Refusal::Malformed(error.to_string()))?;
        let key = self.key_of(&peeked.origin).ok_or_else(|| Refusal::UnknownLog {
            origin: peeked.origin.to_string(),
        })?;
        self.check_turned_back()?;
        for _ in 0..ATTEMPTS {
            match self.answer(&request, &key) {
                Err(WitnessError::Store(RegisterError::Conflict { .. } | RegisterError::Exists { .. })) => {}
                outcome => return outcome,
            }
        }
        Err(WitnessError::Busy)
    }

    /// The newest checkpoint of a log that was cosigned here, with the cosignature, by the SHA-256 of the log's origin in
    /// hexadecimal.
    ///
    /// # Errors
    /// The state cannot be read.
    pub fn newest(&self, origin_sha256: &str) -> Result<Option<String>, WitnessError> {
        if origin_sha256.len() != 64 || !origin_sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let found = self
            .register
            .read(&format!("log/{}", origin_sha256.to_ascii_lowercase()))?;
        Ok(found
            .and_then(|found| serde_json::from_slice::<Kept>(&found.value).ok())
            .map(|kept| kept.note))
    }

    fn answer(&self, request: &AddCheckpoint, key: &VerifierKey) -> Result<String, WitnessError> {
        let place = format!("log/{}", sha256(key.name().as_str().as_bytes()).to_hex());
        let found = self.register.read(&place)?;
        let kept = found.as_ref().map(|found| read(key.name(), found)).transpose()?;
        let known = kept.as_ref().map(|kept| Head {
            size: kept.size,
            root: kept.root,
        });
        let consistent = match consider(request, key, known) {
            Err(Refusal::OtherSize { size }) => {
                self.look_for_own(request, size)?;
                return Err(Refusal::OtherSize { size }.into());
            }
            outcome => outcome?,
        };
        // A clock that is set back must not make this witness contradict itself.
        let last = kept
            .as_ref()
            .and_then(|kept| Timestamp::from_second(kept.time).ok());
        let now = last.map_or(self.clock.now(), |last| last.max(self.clock.now()));
        let line = self.key.cosign(&consistent, now)?;
        let (note, time) = with_cosignature(&request.checkpoint, &line, &self.key())?;
        let head = consistent.head();
        let kept = Kept {
            origin: key.name().clone(),
            size: head.size,
            root: head.root,
            time: time.as_second(),
            note,
        };
        let value = serde_json::to_vec(&kept).map_err(|error| RegisterError::Store(error.into()))?;
        match found {
            None => self.register.create(&place, &value)?,
            Some(found) => self.register.compare_and_swap(&place, found.version, &value)?,
        };
        Ok(line)
    }

    /// Whether a request whose `old` is not what is known holds a cosignature of this witness for more than it knows.
    fn look_for_own(&self, request: &AddCheckpoint, known: u64) -> Result<(), WitnessError> {
        let note = Note::parse(&request.checkpoint)?;
        let signed = matches!(self.key().cosigned(&note), Ok(Some(_)));
        let Some(peeked) = request.peek().ok().filter(|peeked| signed && peeked.size > known) else {
            return Ok(());
        };
        let said = format!("`{}` at size {}", peeked.origin, peeked.size);
        match self.register.create(TURNED_BACK, said.as_bytes()) {
            Ok(_) | Err(RegisterError::Exists { .. }) => self.check_turned_back(),
            Err(error) => Err(error.into()),
        }
    }

    fn check_turned_back(&self) -> Result<(), WitnessError> {
        let Some(found) = self.register.read(TURNED_BACK)? else {
            return Ok(());
        };
        Err(WitnessError::TurnedBack {
            checkpoint: String::from_utf8_lossy(&found.value).into_owned(),
        })
    }

    fn key_of(&self, origin: &Origin) -> Option<VerifierKey> {
        self.witnessed.iter().find_map(|witnessed| match witnessed {
            Witnessed::Log(key) => (key.name() == origin).then(|| key.clone()),
            Witnessed::Custodian(key) => {
                let custodian: Custodian = key.name().as_str().parse().ok()?;
                let rest = origin.as_str().strip_prefix(custodian.as_ref())?;
                let ours = rest == "/audit"
                    || rest
                        .strip_prefix("/p/")
                        .is_some_and(|partner| partner.parse::<evidence::id::PartnerId>().is_ok());
                ours.then(|| key.renamed(origin))
            }
        })
    }
}

fn read(origin: &Origin, found: &Versioned) -> Result<Kept, WitnessError> {
    serde_json::from_slice(&found.value)
        .ok()
        .filter(|kept: &Kept| kept.origin == *origin)
        .ok_or_else(|| WitnessError::Damaged {
            origin: origin.clone(),
        })
}

/// An error with its causes: who asks gets one line.
fn caused(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(&format!(": {error}"));
        cause = error.source();
    }
    said
}

#[cfg(test)]
mod tests;
