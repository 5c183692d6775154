//! The ledger as its callers see it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evidence::entry::Kind;
use evidence::hash::Hash;
use evidence::id::{Custodian, Origin, PartnerId};
use evidence::note::{SignerKey, VerifierKey};
use evidence::proof::TlogProof;
use evidence::receipt::{self, Leaf, ReceiptError};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::append::{Draft, NotRecorded, Pending, Withheld};
use crate::clock::Clock;
use crate::committer::{Committer, Outcome};
use crate::disk::{Access, Disk, LockError, RealDisk};
use crate::failure::Failure;
use crate::integrator::{Checkpoints, Integrator, SignedCheckpoint};
use crate::keys::Keys;
use crate::payload::payload_bytes;
use crate::public::{PUBLIC, partner_folder};
use crate::queue::Request;
use crate::read::{self, Entries, ReadError, Stored};
use crate::recover::{OpenError, Settings, recover, storage};
use crate::seal;
use crate::sequence::{Matter, Status, census_lines};
use crate::shared::{CheckpointError, Durable, Progress, Shared, Threads};
use crate::wal::frame_bytes;

mod erase;
mod preparing;
mod unseal;

pub use erase::{ERASED_MAX, EraseError, Erasure};
pub use unseal::{UnsealError, Unsealing};

/// Bytes of a segment unless told otherwise: half a minute of full load, and made in less.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// Smallest segment: the longest census must fit.
pub const MIN_SEGMENT_BYTES: u64 = 256 << 10;

/// Largest segment: offsets are kept in 32 bits, and a whole one is read at start.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 30;

/// How often a checkpoint is published, if anything was appended, unless told otherwise.
pub const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// Bytes of an entry beside its body, at most: three ids of 63 bytes, two hashes, names of fields.
const ENTRY_BYTES: usize = 1024;

/// Bytes of a census, at most.
const CENSUS_BYTES: usize = 64 << 10;

/// How a ledger is opened.
#[derive(Debug)]
pub struct Config {
    /// Its folder, made if it is not there. Only one process can have it open.
    pub dir: PathBuf,
    /// Whose it is.
    pub custodian: Custodian,
    /// The custodian's key. It signs each checkpoint under that log's origin, whatever its own name.
    pub signer: SignerKey,
    /// Bytes of a segment of the write-ahead log.
    pub segment_bytes: u64,
    /// How often a checkpoint is published, if anything was appended.
    pub checkpoint_every: Duration,
    /// Where the time of entries comes from.
    pub clock: Arc<dyn Clock>,
}

impl Config {
    /// The usual settings.
    pub fn new(dir: PathBuf, custodian: Custodian, signer: SignerKey, clock: Arc<dyn Clock>) -> Self {
        Self {
            dir,
            custodian,
            signer,
            segment_bytes: SEGMENT_BYTES,
            checkpoint_every: CHECKPOINT_EVERY,
            clock,
        }
    }
}

/// How one partner's log stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerLog {
    /// Its origin, `<custodian>/p/<partner>`.
    pub origin: Origin,
    /// How many entries it has.
    pub size: u64,
    /// Root of the tree of these.
    pub root: Hash,
    /// Whether it takes entries.
    pub status: Status,
}

/// An open ledger. Clones are the same ledger; it is closed when the last is dropped, which waits until what was appended
/// is written and published.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    // Dropped first: the threads end before the folder is given back.
    _threads: Threads,
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    custodian: Custodian,
    origin: Origin,
    verifier: VerifierKey,
    /// Under the custodian's bare name.
    signer: SignerKey,
    append_bytes: usize,
    keys: Arc<Keys>,
    /// Entries there were when it was opened.
    began: u64,
    /// Held by whoever erases.
    erasing: Mutex<()>,
}

impl Ledger {
    /// Opens the ledger of a folder: recovers what is durable, refuses what contradicts what was published. An empty folder
    /// gets a new ledger, whose first entry is `genesis` with the lines `custodian <name>` and `key <vkey>`.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let disk = RealDisk::lock(&config.dir).map_err(|error| match error {
            LockError::Taken => OpenError::InUse {
                dir: config.dir.display().to_string(),
            },
            LockError::Io(source) => storage("taking the ledger's folder")(source),
        })?;
        Self::open_on(config, Arc::new(disk))
    }

    /// Opens a ledger on any disk.
    pub(crate) fn open_on(config: Config, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let Config {
            dir,
            custodian,
            signer,
            segment_bytes,
            checkpoint_every,
            clock,
        } = config;
        let bounds = MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES;
        if !bounds.contains(&segment_bytes) {
            let (least, most) = bounds.into_inner();
            return Err(OpenError::SegmentBytes {
                bytes: segment_bytes,
                least,
                most,
            });
        }
        disk.make_folder(PUBLIC, Access::Public)
            .map_err(storage("making the public folder"))?;
        let bare = signer.renamed(&custodian.key_name());
        let verifier = bare.verifier();
        let settings = Settings {
            disk: Arc::clone(&disk),
            custodian: custodian.clone(),
            signer,
            segment_bytes,
            clock,
        };
        let (mut committer, integrator) = recover(settings)?;
        if committer.heads().size == 0 {
            begin(&mut committer, format!("custodian {custodian}\nkey {verifier}\n"))?;
        }
        let keys = Arc::clone(&integrator.keys);
        let shared = Arc::new(shared(&committer, &integrator));
        let began = shared.durable().size;
        let append_bytes = committer.append_bytes();
        let threads =
            Threads::start(&shared, committer, integrator, checkpoint_every).map_err(OpenError::Thread)?;
        let origin = custodian.main_origin();
        let ledger = Self(Arc::new(Inner {
            _threads: threads,
            shared,
            disk,
            dir,
            custodian,
            origin,
            verifier,
            signer: bare,
            append_bytes,
            keys,
            began,
            erasing: Mutex::default(),
        }));
        ledger
            .finish_erasure()
            .map_err(|error| OpenError::Erasure(error.into()))?;
        Ok(ledger)
    }

    /// Appends drafts as entries that follow one another, all or none. Never blocks: what cannot even wait is refused when
    /// the answer is asked for.
    pub fn append(&self, drafts: Vec<Draft>) -> Pending {
        match allowed(&drafts).and_then(|()| self.prepare(drafts)) {
            Ok((matter, bytes)) => self.submit(matter, bytes),
            Err(why) => Pending::refused(why),
        }
    }

    /// Appends drafts and holds `value` back until they are durable.
    pub fn withhold<T>(&self, value: T, drafts: Vec<Draft>) -> Withheld<T> {
        Withheld::new(value, self.append(drafts))
    }

    /// Appends a census: every partner's log with its size, root and status at exactly that point of the order.
    pub fn append_census(&self) -> Pending {
        self.submit(Matter::Census, frame_bytes(payload_bytes(1, CENSUS_BYTES)))
    }

    /// What a census would say now: `log <origin> <size> <root> <open|closed>` for each partner's log, in the order of their
    /// ids.
    pub fn census_body(&self) -> String {
        census_lines(self.0.shared.durable().partners.values())
    }

    /// Entries in the main log that are durable.
    pub fn size(&self) -> u64 {
        self.0.shared.durable().size
    }

    /// How a partner's log stands; `None` if none was ever opened.
    pub fn partner(&self, partner: &PartnerId) -> Option<PartnerLog> {
        let durable = self.0.shared.durable();
        let head = durable.partners.get(partner)?;
        let (size, root) = (head.edge.size(), head.edge.root());
        Some(PartnerLog {
            origin: head.origin.clone(),
            size,
            root,
            status: head.status,
        })
    }

    /// All partners that have a log.
    pub fn partners(&self) -> Vec<PartnerId> {
        self.0.shared.durable().partners.keys().cloned().collect()
    }

    /// Signs and publishes checkpoints of all logs that have grown, covering every append that was acknowledged before the
    /// call, and returns that of the main log. Cancel safe: it goes on without whoever asked.
    ///
    /// # Errors
    /// Storage refused or the ledger has failed.
    pub async fn checkpoint(&self) -> Result<SignedCheckpoint, CheckpointError> {
        let checkpoints = self.0.shared.ask().await.unwrap_or(Err(self.ended()))?;
        // The log has its first entry from its opening on.
        checkpoints.main.clone().ok_or(CheckpointError::Closed)
    }

    /// The newest checkpoints that are published.
    pub fn checkpoints(&self) -> Arc<Checkpoints> {
        self.0.shared.checkpoints()
    }

    /// An entry with its private part. Reads the disk; may wait for moments if the entry is very new.
    ///
    /// # Errors
    /// There is no such entry, or it cannot be read.
    pub fn entry(&self, index: u64) -> Result<Stored, ReadError> {
        let range = index..index.saturating_add(1);
        self.entries(range)?.next().unwrap_or(Err(ReadError::NoSuchEntry {
            index,
            size: self.size(),
        }))
    }

    /// Entries with their private parts, in order, as far as they are durable now. Reads the disk as it goes.
    ///
    /// # Errors
    /// The first entry cannot be found.
    pub fn entries(&self, range: Range<u64>) -> Result<Entries, ReadError> {
        Entries::open(
            &self.0.shared,
            &self.0.disk,
            &self.0.keys,
            self.0.origin.clone(),
            range,
        )
    }

    /// Proof that an entry of the main log stands under the newest published checkpoint. Reads the disk.
    ///
    /// # Errors
    /// No published checkpoint covers the entry yet, or tiles cannot be read.
    pub fn prove(&self, index: u64) -> Result<TlogProof, ReadError> {
        read::prove(&*self.0.disk, PUBLIC, index, || self.checkpoints().main.clone())
    }

    /// Proof that an entry of a partner's log, by its sequence number there, stands under that log's newest published
    /// checkpoint. Reads the disk.
    ///
    /// # Errors
    /// No published checkpoint covers the entry yet, or tiles cannot be read.
    pub fn prove_partner(&self, partner: &PartnerId, sequence: u64) -> Result<TlogProof, ReadError> {
        let folder = partner_folder(partner);
        read::prove(&*self.0.disk, &folder, sequence, || {
            self.checkpoints().partners.get(partner).cloned()
        })
    }

    /// A receipt for leaves of a partner's log, in order, as an append's [`Receipt`](crate::Receipt) gives them: durable, and maybe not published yet.
    ///
    /// # Errors
    /// There are none, or too many.
    pub fn sign_receipt(&self, partner: &PartnerId, leaves: Vec<Leaf>) -> Result<String, ReceiptError> {
        let receipt = receipt::Receipt {
            log: self.0.custodian.partner_origin(partner),
            issued: leaves.last().map_or(Timestamp::UNIX_EPOCH, |leaf| leaf.time),
            leaves,
        };
        receipt.sign(&self.0.signer)
    }

    /// Proof that a log (`None`: the main one) at size `old` is the beginning of its `newer` checkpoint. Reads the disk.
    ///
    /// # Errors
    /// The log never had that size, or tiles cannot be read: also where a checkpoint newer than `newer` has come.
    pub fn prove_growth(
        &self,
        log: Option<&PartnerId>,
        old: u64,
        newer: &SignedCheckpoint,
    ) -> Result<Vec<Hash>, ReadError> {
        let folder = log.map_or_else(|| PUBLIC.to_owned(), partner_folder);
        read::prove_growth(&*self.0.disk, &folder, old, newer.checkpoint.size)
    }

    /// Publishes a log's newest checkpoint, which the caller has verified, with cosignatures. `false`: the log has a newer
    /// one by now, or the ledger has ended. Cancel safe.
    pub async fn publish_cosigned(&self, log: Option<&PartnerId>, note: String) -> bool {
        self.0.shared.cosigned(log.cloned(), note).await.unwrap_or(false)
    }

    /// Comes back when the ledger has failed, and never otherwise. The process must then end, without releasing anything
    /// more. Cancel safe.
    pub async fn failed(&self) -> Arc<Failure> {
        let mut failure = self.0.shared.failure();
        let failed = match failure.wait_for(Option::is_some).await {
            Ok(found) => found.clone(),
            // The sender lives as long as `self`.
            Err(_) => None,
        };
        failed.unwrap_or_else(|| Arc::new(Failure::Thread))
    }

    /// Whose ledger it is.
    pub fn custodian(&self) -> &Custodian {
        &self.0.custodian
    }

    /// Origin of the main log.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The key that verifies what this ledger signs, under the custodian's name.
    pub fn verifier(&self) -> &VerifierKey {
        &self.0.verifier
    }

    /// The folder of what is published, laid out as C2SP tlog-tiles has it; partners' logs lie in `p/<partner>` in it.
    pub fn public_dir(&self) -> PathBuf {
        self.0.dir.join(PUBLIC)
    }

    /// The ledger's folder.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    fn submit(&self, matter: Matter, bytes: usize) -> Pending {
        let (answer, receiver) = oneshot::channel();
        match self.0.shared.queue.put(Request {
            matter,
            bytes,
            answer,
        }) {
            Ok(()) => Pending::waiting(receiver),
            Err(why) => Pending::refused(why),
        }
    }

    fn ended(&self) -> CheckpointError {
        self.0
            .shared
            .failed()
            .map_or(CheckpointError::Closed, CheckpointError::Failed)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("dir", &self.0.dir)
            .field("origin", &self.0.origin)
            .finish_non_exhaustive()
    }
}

/// Writes the first entry.
fn begin(committer: &mut Committer, body: String) -> Result<(), OpenError> {
    let (answer, mut receiver) = oneshot::channel();
    let bytes = frame_bytes(payload_bytes(1, body.len().saturating_add(ENTRY_BYTES)));
    match committer.run(vec![Request {
        matter: Matter::Genesis(body),
        bytes,
        answer,
    }]) {
        Outcome::Durable { .. } => Ok(()),
        Outcome::Nothing => {
            let why = receiver
                .try_recv()
                .ok()
                .and_then(Result::err)
                .unwrap_or(NotRecorded::Closed);
            Err(OpenError::Genesis(why))
        }
        Outcome::Failed { failure, .. } => Err(OpenError::Genesis(NotRecorded::Failed(Arc::new(failure)))),
    }
}

fn shared(committer: &Committer, integrator: &Integrator) -> Shared {
    let heads = committer.heads();
    let durable = Durable {
        size: heads.size,
        seq: committer.end().seq,
        partners: heads.partners.clone(),
    };
    let progress = Progress {
        indexed: integrator.main.size(),
        checkpoints: Arc::clone(&integrator.checkpoints),
    };
    Shared::new(durable, progress)
}

/// What callers may append.
fn allowed(drafts: &[Draft]) -> Result<(), NotRecorded> {
    if drafts.is_empty() {
        return Err(NotRecorded::NotYours { what: "nothing" });
    }
    for draft in drafts {
        match draft.kind {
            Kind::Genesis => return Err(NotRecorded::NotYours { what: "`genesis`" }),
            Kind::Census => {
                return Err(NotRecorded::NotYours {
                    what: "`census`: see `append_census`",
                });
            }
            Kind::Erased => {
                return Err(NotRecorded::NotYours {
                    what: "`erased`: see `erase`",
                });
            }
            Kind::Unsealed => {
                return Err(NotRecorded::NotYours {
                    what: "`unsealed`: see `unseal`",
                });
            }
            _ if seal::is_boxed(&draft.record) => {
                return Err(NotRecorded::NotYours {
                    what: "a record that looks like one under seal",
                });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
