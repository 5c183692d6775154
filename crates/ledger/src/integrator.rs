//! From the write-ahead log to what the public sees: trees, tiles, bundles, checkpoints.
//!
//! The log is read back rather than handed over in memory: what is published is what is on the disk, and a reader that
//! falls behind costs nothing but time.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use evidence::checkpoint::Checkpoint;
use evidence::entry::{EntryView, Kind};
use evidence::hash::{self, Hash};
use evidence::id::{Custodian, Origin, PartnerId};
use evidence::note::SignerKey;
use jiff::Timestamp;

use crate::disk::{Access, Disk, Fault, replace};
use crate::failure::Failure;
use crate::grow::Tree;
use crate::index::{Index, Rows};
use crate::keys::{Keys, KeysError};
use crate::payload::Appended;
use crate::public::{Outbox, PUBLIC, PublishFault, partner_folder};
use crate::sequence::Status;
use crate::state::{PartnerState, State};
use crate::wal::{ReadFault, Reader};

/// A checkpoint with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// Origin, size and root.
    pub checkpoint: Checkpoint,
    /// The signed note, as it is published.
    pub note: String,
}

impl SignedCheckpoint {
    /// Whether a note is of this checkpoint, whatever signatures it has.
    pub(crate) fn same_text(&self, note: &str) -> bool {
        Checkpoint::peek(note).is_ok_and(|checkpoint| checkpoint == self.checkpoint)
    }
}

/// The newest checkpoints of all logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// That of the main log; `None` only before the first.
    pub main: Option<SignedCheckpoint>,
    /// Those of the partners' logs.
    pub partners: BTreeMap<PartnerId, SignedCheckpoint>,
}

/// A partner's log as it grows.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) tree: Tree,
    pub(crate) last: Hash,
    pub(crate) status: Status,
}

/// Why there was no progress.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Storage refused; to be tried again.
    Again(io::Error),
    /// The ledger is at its end.
    Fatal(Failure),
}

impl From<PublishFault> for Trouble {
    fn from(fault: PublishFault) -> Self {
        fault.split().map_or_else(Self::Fatal, Self::Again)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        PublishFault::from(fault).into()
    }
}

impl From<KeysError> for Trouble {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Storage(error) => Self::Again(error),
            KeysError::Unsynced(error) => Self::Fatal(Failure::Unsynced(error)),
            error => Self::Again(io::Error::other(error)),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Again(error)
    }
}

/// Reads the write-ahead log and publishes. One for each ledger.
#[derive(Debug)]
pub(crate) struct Integrator {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) custodian: Custodian,
    pub(crate) signer: SignerKey,
    pub(crate) reader: Reader,
    pub(crate) main: Tree,
    pub(crate) branches: BTreeMap<PartnerId, Branch>,
    /// Time of the last entry.
    pub(crate) time: Timestamp,
    pub(crate) index: Index,
    pub(crate) keys: Arc<Keys>,
    pub(crate) rows: Rows,
    pub(crate) outbox: Outbox,
    pub(crate) checkpoints: Arc<Checkpoints>,
}

impl Integrator {
    /// Takes in all frames below a sequence number. Entries are found through the index once this returns well.
    pub(crate) fn integrate(&mut self, limit: u64) -> Result<(), Trouble> {
        loop {
            if self.outbox.is_full() {
                self.outbox.flush(&*self.disk)?;
            }
            let unreadable = Failure::Unreadable {
                index: self.main.size(),
            };
            let end = self.reader.position().seq;
            let Some((at, payload)) = self
                .reader
                .next(limit)
                .map_err(|fault| read_trouble(fault, self.main.size()))?
            else {
                if end < limit {
                    return Err(Trouble::Fatal(unreadable));
                }
                break;
            };
            let Some(appended) =
                Appended::parse(payload).filter(|appended| appended.first_index == self.main.size())
            else {
                return Err(Trouble::Fatal(unreadable));
            };
            for item in appended.items() {
                if !self.rows.add(self.main.size(), &at) {
                    return Err(Trouble::Fatal(unreadable));
                }
                let grown = grow(&mut self.main, &mut self.branches, &mut self.outbox, item.entry);
                self.time = grown.ok_or(Trouble::Fatal(Failure::Unreadable {
                    index: self.main.size(),
                }))?;
            }
            if self.rows.is_full() {
                self.index.write(&mut self.rows)?;
            }
        }
        self.index.write(&mut self.rows)?;
        Ok(())
    }

    /// Signs and publishes a checkpoint of every log that has grown. In this order, each step durable before the next:
    /// tiles and index, the intent, checkpoints (that of the main log first).
    pub(crate) fn checkpoint(&mut self) -> Result<(), Trouble> {
        let dirty = self.main.is_dirty() || self.branches.values().any(|branch| branch.tree.is_dirty());
        if !dirty {
            return Ok(());
        }
        for tree in self.trees().filter(|tree| tree.is_dirty()) {
            let mut partial = Outbox::default();
            tree.partial(&mut partial);
            partial.flush(&*self.disk)?;
        }
        self.outbox.flush(&*self.disk)?;
        self.index.sync().map_err(Fault::Unsynced)?;
        self.intent()?.store(&*self.disk)?;
        self.publish()
    }

    /// Publishes a log's newest checkpoint with cosignatures. `false`: the log has a newer one.
    pub(crate) fn publish_cosigned(
        &mut self,
        log: Option<&PartnerId>,
        note: String,
    ) -> Result<bool, Trouble> {
        let checkpoints = Arc::make_mut(&mut self.checkpoints);
        let (folder, newest) = match log {
            None => (PUBLIC.to_owned(), checkpoints.main.as_mut()),
            Some(partner) => (partner_folder(partner), checkpoints.partners.get_mut(partner)),
        };
        let Some(newest) = newest.filter(|newest| newest.same_text(&note)) else {
            return Ok(false);
        };
        let path = format!("{folder}/checkpoint");
        replace(&*self.disk, &path, note.as_bytes(), Access::Public)?;
        newest.note = note;
        Ok(true)
    }

    fn trees(&self) -> impl Iterator<Item = &Tree> {
        std::iter::once(&self.main).chain(self.branches.values().map(|branch| &branch.tree))
    }

    /// What is about to be signed.
    fn intent(&self) -> Result<State, Trouble> {
        let new = |tree: &Tree, old: Option<&SignedCheckpoint>| match old {
            Some(SignedCheckpoint { checkpoint, .. })
                if checkpoint.size > tree.size()
                    || (checkpoint.size == tree.size() && checkpoint.root != tree.root()) =>
            {
                Err(Trouble::Fatal(Failure::Forked {
                    origin: checkpoint.origin.clone(),
                    size: checkpoint.size,
                }))
            }
            _ => Ok((tree.size(), tree.root())),
        };
        let (size, root) = new(&self.main, self.checkpoints.main.as_ref())?;
        let mut partners = BTreeMap::new();
        for (partner, Branch { tree, last, status }) in &self.branches {
            let (size, root) = new(tree, self.checkpoints.partners.get(partner))?;
            partners.insert(
                partner.clone(),
                PartnerState {
                    size,
                    root,
                    last: *last,
                    status: *status,
                },
            );
        }
        let (origin, wal) = (self.custodian.main_origin(), self.reader.position().into());
        Ok(State {
            origin,
            wal,
            time: self.time.as_second(),
            size,
            root,
            partners,
        })
    }

    fn publish(&mut self) -> Result<(), Trouble> {
        let Self {
            disk,
            signer,
            main,
            branches,
            checkpoints,
            custodian,
            ..
        } = self;
        for partner in branches
            .keys()
            .filter(|one| !checkpoints.partners.contains_key(*one))
        {
            announce(
                &**disk,
                signer,
                custodian.partner_origin(partner),
                &partner_folder(partner),
            )?;
        }
        if main.is_dirty() {
            let signed = sign(&**disk, signer, custodian.main_origin(), main)?;
            Arc::make_mut(checkpoints).main = Some(signed);
        }
        for (partner, branch) in branches.iter_mut().filter(|(_, branch)| branch.tree.is_dirty()) {
            let signed = sign(
                &**disk,
                signer,
                custodian.partner_origin(partner),
                &mut branch.tree,
            )?;
            Arc::make_mut(checkpoints)
                .partners
                .insert(partner.clone(), signed);
        }
        Ok(())
    }
}

/// Publishes a partner's log that has not been, as the empty log, before the main log tells of it: so wherever the process dies, no log
/// that the main one knows is missing.
fn announce(disk: &dyn Disk, signer: &SignerKey, origin: Origin, folder: &str) -> Result<(), Trouble> {
    let empty = Tree::empty(folder.to_owned());
    let checkpoint = Checkpoint {
        origin,
        size: empty.size(),
        root: empty.root(),
    };
    disk.make_folder(folder, Access::Public)?;
    let path = format!("{folder}/checkpoint");
    // One that was published and cannot be taken back is not written over.
    if disk.open(&path)?.is_none() {
        replace(disk, &path, checkpoint.sign(signer).as_bytes(), Access::Public)?;
    }
    Ok(())
}

/// Signs a checkpoint of the tree, which must be the ledger's intent, and puts it in place.
fn sign(
    disk: &dyn Disk,
    signer: &SignerKey,
    origin: Origin,
    tree: &mut Tree,
) -> Result<SignedCheckpoint, Trouble> {
    let checkpoint = Checkpoint {
        origin,
        size: tree.size(),
        root: tree.root(),
    };
    let note = checkpoint.sign(signer);
    replace(
        disk,
        &format!("{}/checkpoint", tree.folder()),
        note.as_bytes(),
        Access::Public,
    )?;
    for folder in tree.replaced(tree.published) {
        // Left over, it takes space and nothing else.
        drop(disk.remove_folder(&folder));
    }
    tree.published = tree.size();
    Ok(SignedCheckpoint { checkpoint, note })
}

/// Takes one entry into the main log and, where it stands there too, the partner's. Returns its time; `None`: it is no
/// entry.
fn grow(
    main: &mut Tree,
    branches: &mut BTreeMap<PartnerId, Branch>,
    outbox: &mut Outbox,
    bytes: &[u8],
) -> Option<Timestamp> {
    let entry = EntryView::parse(bytes).ok()?;
    let leaf = hash::leaf(bytes);
    main.push(bytes, leaf, outbox).ok()?;
    if let (Some(place), Some(partner)) = (entry.place, entry.in_log_of()) {
        let branch = branches.entry(partner).or_insert_with_key(|partner| Branch {
            tree: Tree::empty(partner_folder(partner)),
            last: Hash::ZERO,
            status: Status::Open,
        });
        if (place.sequence, place.previous) != (branch.tree.size(), branch.last) {
            return None;
        }
        branch.tree.push(bytes, leaf, outbox).ok()?;
        branch.last = leaf;
        branch.status = if entry.kind == Kind::Closed {
            Status::Closed
        } else {
            Status::Open
        };
    }
    Some(entry.time)
}

fn read_trouble(fault: ReadFault, index: u64) -> Trouble {
    match fault {
        ReadFault::Io { source, .. } => Trouble::Again(source),
        _ => Trouble::Fatal(Failure::Unreadable { index }),
    }
}
