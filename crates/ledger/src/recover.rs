//! Opening: from what is on the disk to a ledger that goes on exactly where it stopped, or a refusal.
//!
//! Recovery begins at the last intent, if the published files still give its roots; else at the beginning of the
//! write-ahead log, which gives everything again. In both cases the log must bear out every size and root that was
//! published or intended: otherwise the disk has been turned back or the log has lost entries, and going on would give
//! some size a second root.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;

use evidence::checkpoint::{Checkpoint, CheckpointError};
use evidence::entry::EntryView;
use evidence::hash::{self, Hash};
use evidence::id::{Custodian, Origin, PartnerId};
use evidence::note::{SignerKey, VerifierKey};
use evidence::tile::TileHashes;
use evidence::tree::Edge;
use jiff::Timestamp;

use crate::append::NotRecorded;
use crate::clock::Clock;
use crate::committer::Committer;
use crate::disk::{Disk, Fault};
use crate::grow::Tree;
use crate::index::{Index, Rows};
use crate::integrator::{Branch, Checkpoints, Integrator, SignedCheckpoint};
use crate::keys::{Keys, KeysError};
use crate::payload::Appended;
use crate::public::{Outbox, PUBLIC, Published, partner_folder};
use crate::sequence::{Heads, PartnerHead};
use crate::state::State;
use crate::wal::{Position, Reader, ScanFault, Writer, scan, sequenced};

/// Why a ledger was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting is out of bounds.
    #[error("a segment of {bytes} bytes: the bounds are {least} and {most}")]
    SegmentBytes {
        /// What was asked for.
        bytes: u64,
        /// The smallest there can be.
        least: u64,
        /// The largest there can be.
        most: u64,
    },
    /// Somebody else has it open.
    #[error("the ledger in `{dir}` is in use by another process")]
    InUse {
        /// Its folder.
        dir: String,
    },
    /// It belongs to another custodian.
    #[error("the folder holds the log `{found}`, not `{expected}`")]
    OtherLog {
        /// The log asked for.
        expected: Origin,
        /// The log that is there.
        found: Origin,
    },
    /// The file system failed.
    #[error("the ledger's storage failed: {what}")]
    Storage {
        /// What was being done.
        what: &'static str,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// The write-ahead log is damaged.
    #[error("the write-ahead log cannot be recovered")]
    Damaged(#[source] Box<dyn Error + Send + Sync>),
    /// An entry in it makes no sense where it stands.
    #[error("entry {index} of the write-ahead log does not follow from those before it")]
    Misplaced {
        /// Its index.
        index: u64,
    },
    /// A published checkpoint is not one of this log under this key.
    #[error("the published checkpoint of `{origin}` is not one that this custodian's key signed")]
    Checkpoint {
        /// The log.
        origin: Origin,
        /// What is wrong with it.
        #[source]
        source: CheckpointError,
    },
    /// The write-ahead log does not lead to what was published or about to be.
    #[error(
        "log `{origin}` stood at size {size} with another root, or never: the write-ahead log was turned back or lost entries"
    )]
    Contradicted {
        /// The log.
        origin: Origin,
        /// The size that was published or about to be.
        size: u64,
    },
    /// The first entry could not be written.
    #[error("the log's first entry could not be written")]
    Genesis(#[source] NotRecorded),
    /// The key store does not serve.
    #[error("the keys of private records cannot be had")]
    Keys(#[from] KeysError),
    /// An erasure that was cut off could not be finished.
    #[error("an erasure that was begun cannot be carried out")]
    Erasure(#[source] Box<dyn Error + Send + Sync>),
    /// A thread could not be started.
    #[error("could not start a thread")]
    Thread(#[source] io::Error),
}

/// Names what was being done when storage failed.
pub(crate) fn storage(what: &'static str) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Storage { what, source }
}

/// What is needed to recover.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) custodian: Custodian,
    pub(crate) signer: SignerKey,
    pub(crate) segment_bytes: u64,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Where recovery begins.
struct Start {
    position: Position,
    heads: Heads,
    main: Tree,
    branches: BTreeMap<PartnerId, Branch>,
    /// Sizes and roots that the log must still come to.
    claims: Claims,
}

/// Recovers: the two halves of a ledger, still without threads.
pub(crate) fn recover(settings: Settings) -> Result<(Committer, Integrator), OpenError> {
    let disk = &settings.disk;
    let state = State::load(&**disk).map_err(storage("reading the last intent"))?;
    let origin = settings.custodian.main_origin();
    if let Some(state) = state.as_ref().filter(|state| state.origin != origin) {
        return Err(OpenError::OtherLog {
            expected: origin,
            found: state.origin.clone(),
        });
    }
    let checkpoints = published(&settings)?;
    let index = Index::open(&**disk).map_err(storage("opening the index"))?;
    let resumed = state
        .as_ref()
        .and_then(|state| resume(&settings, state, &checkpoints, &index));
    let Start {
        position,
        mut heads,
        main,
        branches,
        mut claims,
    } = match resumed {
        Some(start) => start,
        None => from_nothing(&settings, state.as_ref(), &checkpoints)?,
    };
    let scanned = scan(disk, position, |_, payload| {
        replay(&mut heads, &mut claims, payload)
    })
    .map_err(|fault| match fault {
        ScanFault::Read(fault) => OpenError::Damaged(fault.into()),
        ScanFault::Refused(error) => error,
    })?;
    claims.settle(&settings.custodian)?;
    let writer = Writer::ready(disk, scanned, settings.segment_bytes).map_err(
        |(Fault::Refused(error) | Fault::Unsynced(error))| storage("preparing the write-ahead log")(error),
    )?;
    let keys = Arc::new(Keys::open(disk, heads.size)?);
    let time = heads.time;
    let integrator = Integrator {
        disk: Arc::clone(disk),
        custodian: settings.custodian,
        signer: settings.signer,
        reader: Reader::new(Arc::clone(disk), position),
        main,
        branches,
        time,
        index,
        keys,
        rows: Rows::default(),
        outbox: Outbox::default(),
        checkpoints: Arc::new(checkpoints),
    };
    Ok((Committer::new(writer, heads, settings.clock), integrator))
}

/// The checkpoints that are published, verified.
fn published(settings: &Settings) -> Result<Checkpoints, OpenError> {
    let key = settings.signer.verifier();
    let main = signed(&*settings.disk, PUBLIC, settings.custodian.main_origin(), &key)?;
    let mut partners = BTreeMap::new();
    let names = settings
        .disk
        .list(&format!("{PUBLIC}/p"))
        .map_err(storage("listing the partners' logs"))?;
    for partner in names
        .into_iter()
        .filter_map(|name| name.parse::<PartnerId>().ok())
    {
        let origin = settings.custodian.partner_origin(&partner);
        if let Some(signed) = signed(&*settings.disk, &partner_folder(&partner), origin, &key)? {
            partners.insert(partner, signed);
        }
    }
    Ok(Checkpoints { main, partners })
}

fn signed(
    disk: &dyn Disk,
    folder: &str,
    origin: Origin,
    key: &VerifierKey,
) -> Result<Option<SignedCheckpoint>, OpenError> {
    let note = Published::new(disk, folder)
        .checkpoint()
        .map_err(storage("reading a published checkpoint"))?;
    let Some(note) = note else { return Ok(None) };
    match Checkpoint::open(&note, &key.renamed(&origin)) {
        Ok(checkpoint) => Ok(Some(SignedCheckpoint { checkpoint, note })),
        Err(source) => Err(OpenError::Checkpoint { origin, source }),
    }
}

/// Begins at the last intent. `None` if the published files, the checkpoints or the index do not bear it out: the
/// write-ahead log then decides.
fn resume(settings: &Settings, state: &State, checkpoints: &Checkpoints, index: &Index) -> Option<Start> {
    let disk = &*settings.disk;
    if !reaches(&settings.disk, state, index)? {
        return None;
    }
    let main = tree(
        disk,
        PUBLIC.to_owned(),
        (state.size, state.root),
        checkpoints.main.as_ref(),
    )?;
    let mut heads = Heads::empty(settings.custodian.clone());
    (heads.size, heads.time) = (state.size, Timestamp::from_second(state.time).ok()?);
    let mut branches = BTreeMap::new();
    for (partner, found) in &state.partners {
        let signed = checkpoints.partners.get(partner);
        let tree = tree(disk, partner_folder(partner), (found.size, found.root), signed)?;
        let head = PartnerHead {
            origin: settings.custodian.partner_origin(partner),
            edge: tree.edge().clone(),
            last: found.last,
            status: found.status,
        };
        heads.partners.insert(partner.clone(), head);
        branches.insert(
            partner.clone(),
            Branch {
                tree,
                last: found.last,
                status: found.status,
            },
        );
    }
    let known = checkpoints
        .partners
        .keys()
        .all(|partner| branches.contains_key(partner));
    let claims = Claims::default();
    known.then(|| Start {
        position: state.wal.into(),
        heads,
        main,
        branches,
        claims,
    })
}

/// Whether the write-ahead log has the intent's last entry where the intent says it ends.
fn reaches(disk: &Arc<dyn Disk>, state: &State, index: &Index) -> Option<bool> {
    let last = index.find(state.size.checked_sub(1)?).ok()??;
    let mut reader = Reader::new(Arc::clone(disk), sequenced(&**disk, last).ok()??);
    let (_, payload) = reader.next(u64::MAX).ok()??;
    let whole = Appended::parse(payload)?.end_index() == Some(state.size);
    Some(whole && reader.position() == state.wal.into())
}

/// A log's tree at a size, if its files give that root, and that of the published checkpoint on the way.
fn tree(disk: &dyn Disk, folder: String, at: (u64, Hash), signed: Option<&SignedCheckpoint>) -> Option<Tree> {
    let mut tree = Tree::restore(disk, folder, at.0)
        .ok()
        .filter(|tree| tree.root() == at.1)?;
    tree.published = signed.map_or(0, |signed| signed.checkpoint.size);
    let agrees = match signed {
        None => true,
        Some(SignedCheckpoint { checkpoint, .. }) if checkpoint.size > at.0 => false,
        Some(SignedCheckpoint { checkpoint, .. }) => {
            let hashes = TileHashes::new(Published::new(disk, tree.folder()), at.0);
            Edge::read(checkpoint.size, &hashes).ok()?.root() == checkpoint.root
        }
    };
    agrees.then_some(tree)
}

/// Begins at the beginning of the write-ahead log. The trees do not know what is published, so all of it is held against
/// what they give, and put in place where it is missing.
fn from_nothing(
    settings: &Settings,
    state: Option<&State>,
    checkpoints: &Checkpoints,
) -> Result<Start, OpenError> {
    let mut claims = Claims {
        edge: Some(Edge::empty()),
        open: BTreeMap::new(),
    };
    if let Some(signed) = &checkpoints.main {
        claims.add(settings, None, signed.checkpoint.size, signed.checkpoint.root)?;
    }
    for (partner, signed) in &checkpoints.partners {
        claims.add(
            settings,
            Some(partner),
            signed.checkpoint.size,
            signed.checkpoint.root,
        )?;
    }
    if let Some(state) = state {
        claims.add(settings, None, state.size, state.root)?;
        for (partner, found) in &state.partners {
            claims.add(settings, Some(partner), found.size, found.root)?;
        }
    }
    Ok(Start {
        position: Position::start(settings.custodian.main_origin().as_str()),
        heads: Heads::empty(settings.custodian.clone()),
        main: Tree::empty(PUBLIC.to_owned()),
        branches: BTreeMap::new(),
        claims,
    })
}

/// Takes in one append.
fn replay(heads: &mut Heads, claims: &mut Claims, payload: &[u8]) -> Result<(), OpenError> {
    let misplaced = |index| OpenError::Misplaced { index };
    let appended = Appended::parse(payload).filter(|appended| appended.first_index == heads.size);
    let appended = appended.ok_or(misplaced(heads.size))?;
    for item in appended.items() {
        let entry = EntryView::parse(item.entry).map_err(|_| misplaced(heads.size))?;
        let (leaf, partner) = (hash::leaf(item.entry), entry.in_log_of());
        heads
            .replay(&entry, partner.as_ref(), leaf, &mut |_| {})
            .map_err(|_| misplaced(heads.size))?;
        claims.grown(heads, partner, leaf)?;
    }
    Ok(())
}

/// Sizes and roots that were published or about to be, and that the log must come to.
#[derive(Default)]
struct Claims {
    /// The main log's edge; kept only where the log is read from its beginning, since else nothing is left to check.
    edge: Option<Edge>,
    open: BTreeMap<(Option<PartnerId>, u64), Hash>,
}

impl Claims {
    fn add(
        &mut self,
        settings: &Settings,
        log: Option<&PartnerId>,
        size: u64,
        root: Hash,
    ) -> Result<(), OpenError> {
        match self.open.insert((log.cloned(), size), root) {
            Some(other) if other != root => Err(contradicted(&settings.custodian, log, size)),
            _ => Ok(()),
        }
    }

    /// Checks what became of the logs with one more entry.
    fn grown(&mut self, heads: &Heads, partner: Option<PartnerId>, leaf: Hash) -> Result<(), OpenError> {
        let Some(edge) = &mut self.edge else { return Ok(()) };
        edge.push(leaf, &mut |_| {});
        let branch =
            partner.and_then(|partner| heads.partners.get(&partner).map(|head| (partner, &head.edge)));
        let branch = branch.map(|(partner, edge)| (Some(partner), edge));
        for (log, edge) in [Some((None, &*edge)), branch].into_iter().flatten() {
            if let Some(root) = self.open.remove(&(log.clone(), edge.size()))
                && root != edge.root()
            {
                return Err(contradicted(heads.custodian(), log.as_ref(), edge.size()));
            }
        }
        Ok(())
    }

    /// Everything must have been met.
    fn settle(self, custodian: &Custodian) -> Result<(), OpenError> {
        match self.open.into_keys().next() {
            Some((log, size)) => Err(contradicted(custodian, log.as_ref(), size)),
            None => Ok(()),
        }
    }
}

fn contradicted(custodian: &Custodian, log: Option<&PartnerId>, size: u64) -> OpenError {
    let origin = log.map_or_else(
        || custodian.main_origin(),
        |partner| custodian.partner_origin(partner),
    );
    OpenError::Contradicted { origin, size }
}
