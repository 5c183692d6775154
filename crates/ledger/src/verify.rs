//! Checking a ledger's folder from the outside: everything that is published is computed again from the entries, every
//! entry is held against the rules of the sequence, and the write-ahead log, where it is there, against both.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use evidence::checkpoint::Checkpoint;
use evidence::entry::{EntryView, Kind};
use evidence::erasure::Erased;
use evidence::hash::{self, EMPTY_ROOT, Hash};
use evidence::id::{Custodian, Origin, PartnerId};
use evidence::note::VerifierKey;
use evidence::tile::{EntryBundlePath, MAX_BUNDLE_BYTES, TILE_WIDTH};

use crate::disk::{Disk, RealDisk, read_whole};
use crate::grow::{Files, Tree};
use crate::public::{Outbox, PUBLIC, Published, partner_folder};
use crate::sequence::{Heads, Status, census_lines};

mod recorded;

/// Most findings that are listed; a log that is wrong throughout would give one for each entry.
const MAX_FINDINGS: usize = 100;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Origin of the main log.
    pub origin: Origin,
    /// Entries under the main log's checkpoint.
    pub size: u64,
    /// Root in that checkpoint.
    pub root: Hash,
    /// The partners' logs.
    pub partners: Vec<PartnerReport>,
    /// Entries in the write-ahead log; `None` if there is none, as in a copy of the public folder's parent.
    pub recorded: Option<u64>,
    /// Private records whose keys were destroyed, as the log says.
    pub erased: u64,
    /// Private records under seal that nobody has opened.
    pub under_seal: u64,
    /// What is wrong, at most 100 of all.
    pub findings: Vec<Finding>,
    /// How many findings there are.
    pub found: u64,
}

/// What a check found out about one partner's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerReport {
    /// The partner.
    pub partner: PartnerId,
    /// Origin of the log.
    pub origin: Origin,
    /// Entries under the log's checkpoint.
    pub size: u64,
    /// Entries that the main log has for it.
    pub entries: u64,
    /// Whether it takes entries, after those of the main log.
    pub status: Status,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where: a log, a file, an entry.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl Report {
    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.found == 0
    }
}

/// Why a check could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The key's name is not a custodian's.
    #[error("the key's name `{name}` is not a custodian's name")]
    Key {
        /// The name.
        name: Origin,
    },
    /// There is no published log.
    #[error("`{dir}` holds no published log: `public/checkpoint` is not there")]
    NoLog {
        /// The folder.
        dir: String,
    },
    /// The file system failed.
    #[error("the ledger's files could not be read")]
    Storage(#[from] io::Error),
}

/// Checks all that lies in a ledger's folder, with the custodian's key (under the custodian's name). Reads only; a ledger that
/// is open may go on.
///
/// # Errors
/// The check could not be made. What it finds wrong is in the report.
pub fn verify(dir: &Path, key: &VerifierKey) -> Result<Report, VerifyError> {
    verify_on(
        &(Arc::new(RealDisk::look(dir)) as _),
        &dir.display().to_string(),
        key,
    )
}

pub(crate) fn verify_on(disk: &Arc<dyn Disk>, dir: &str, key: &VerifierKey) -> Result<Report, VerifyError> {
    let custodian: Custodian = key.name().as_str().parse().map_err(|_| VerifyError::Key {
        name: key.name().clone(),
    })?;
    let mut check = Check::new(&**disk, custodian, key);
    // Partners' checkpoints first: the main log's is published before them, so it covers what they cover.
    check.partner_checkpoints()?;
    let origin = check.custodian.main_origin();
    let Some(note) = Published::new(&**disk, PUBLIC).checkpoint()? else {
        return Err(VerifyError::NoLog { dir: dir.to_owned() });
    };
    let Some(checkpoint) = check.open(&note, &origin) else {
        let (size, root, recorded) = (0, Hash::ZERO, None);
        return Ok(check.report(Checkpoint { origin, size, root }, recorded));
    };
    check.main(&checkpoint)?;
    check.absent()?;
    let recorded = recorded::check(&mut check, disk, checkpoint.size)?;
    Ok(check.report(checkpoint, recorded))
}

/// A partner's log as far as it has been computed, up to its checkpoint. Its edge is that of the heads.
struct Branch {
    checkpoint: Checkpoint,
    files: Files,
    size: u64,
    /// The root, once the size is that of the checkpoint.
    root: Hash,
}

struct Check<'a> {
    disk: &'a dyn Disk,
    custodian: Custodian,
    key: &'a VerifierKey,
    heads: Heads,
    branches: BTreeMap<PartnerId, Branch>,
    /// What was erased, by the index of the entry that says so.
    erasures: BTreeMap<u64, Erased>,
    erased: u64,
    /// What overseers opened, as the log says.
    unsealed: Vec<Erased>,
    under_seal: u64,
    findings: Vec<Finding>,
    found: u64,
}

impl<'a> Check<'a> {
    fn new(disk: &'a dyn Disk, custodian: Custodian, key: &'a VerifierKey) -> Self {
        let heads = Heads::empty(custodian.clone());
        Self {
            disk,
            custodian,
            key,
            heads,
            branches: BTreeMap::new(),
            erasures: BTreeMap::new(),
            erased: 0,
            unsealed: Vec::new(),
            under_seal: 0,
            findings: Vec::new(),
            found: 0,
        }
    }

    fn find(&mut self, place: impl fmt::Display, what: impl fmt::Display) {
        self.found = self.found.saturating_add(1);
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding {
                place: place.to_string(),
                what: what.to_string(),
            });
        }
    }

    fn open(&mut self, note: &str, origin: &Origin) -> Option<Checkpoint> {
        match Checkpoint::open(note, &self.key.renamed(origin)) {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) => {
                self.find(format_args!("checkpoint of `{origin}`"), chain(&error));
                None
            }
        }
    }

    fn partner_checkpoints(&mut self) -> Result<(), VerifyError> {
        for name in self.disk.list(&format!("{PUBLIC}/p"))? {
            let Ok(partner) = name.parse::<PartnerId>() else {
                self.find(format_args!("{PUBLIC}/p/{name}"), "no partner has such an id");
                continue;
            };
            let folder = partner_folder(&partner);
            let origin = self.custodian.partner_origin(&partner);
            // Tiles without a checkpoint are on their way.
            let Some(note) = Published::new(self.disk, &folder).checkpoint()? else {
                continue;
            };
            if let Some(checkpoint) = self.open(&note, &origin) {
                self.branches.insert(
                    partner,
                    Branch {
                        checkpoint,
                        files: Files::empty(folder),
                        size: 0,
                        root: EMPTY_ROOT,
                    },
                );
            }
        }
        Ok(())
    }

    /// Computes the main log and, from its entries, the partners'.
    fn main(&mut self, checkpoint: &Checkpoint) -> Result<(), VerifyError> {
        let disk = self.disk;
        let mut tree = Tree::empty(PUBLIC.to_owned());
        let mut outbox = Outbox::default();
        for number in 0..checkpoint.size.div_ceil(TILE_WIDTH.into()) {
            let first = number.saturating_mul(TILE_WIDTH.into());
            let Some(path) = EntryBundlePath::holding(first, checkpoint.size) else {
                break;
            };
            let entries = match Published::new(disk, PUBLIC).bundle(&path) {
                Ok(entries) => entries,
                Err(error) => {
                    self.find(format_args!("{PUBLIC}/{path}"), chain(&*error));
                    return Ok(());
                }
            };
            for bytes in entries.iter() {
                let leaf = hash::leaf(bytes);
                self.one(bytes, leaf, tree.size(), &mut outbox);
                if tree.push(bytes, leaf, &mut outbox).is_err() {
                    self.find(format_args!("entry {}", tree.size()), "too long");
                }
            }
            self.compare(&mut outbox)?;
        }
        tree.partial(&mut outbox);
        self.compare(&mut outbox)?;
        self.root(checkpoint, tree.size(), tree.root());
        let branches = std::mem::take(&mut self.branches);
        for (partner, branch) in &branches {
            branch.files.partial(branch.size, &mut outbox);
            self.compare(&mut outbox)?;
            self.root(&branch.checkpoint, branch.size, branch.root);
            // One that is empty yet is published before the main log tells of it.
            if branch.checkpoint.size > 0 && !self.heads.partners.contains_key(partner) {
                self.find(
                    format_args!("log `{}`", branch.checkpoint.origin),
                    "the main log knows no such log",
                );
            }
        }
        self.branches = branches;
        Ok(())
    }

    /// A partner's log with entries must be published. One that was opened a moment ago may have been published since.
    fn absent(&mut self) -> Result<(), VerifyError> {
        let partners: Vec<_> = self
            .heads
            .partners
            .keys()
            .filter(|one| !self.branches.contains_key(*one))
            .cloned()
            .collect();
        for partner in partners {
            if Published::new(self.disk, &partner_folder(&partner))
                .checkpoint()?
                .is_none()
            {
                let origin = self.custodian.partner_origin(&partner);
                self.find(
                    format_args!("log `{origin}`"),
                    "the main log has entries for it, but it is not published",
                );
            }
        }
        Ok(())
    }

    /// One entry of the main log: the rules of the sequence, and its partner's log.
    fn one(&mut self, bytes: &[u8], leaf: Hash, index: u64, outbox: &mut Outbox) {
        let place = format_args!("entry {index}");
        let entry = match EntryView::parse(bytes) {
            Ok(entry) => entry,
            Err(error) => return self.find(place, chain(&error)),
        };
        // Computed before the entry is taken in.
        let census = (entry.kind == Kind::Census).then(|| census_lines(self.heads.partners.values()));
        let partner = entry.in_log_of();
        let partner = partner.as_ref();
        let mut branch = partner
            .and_then(|partner| self.branches.get_mut(partner))
            .filter(|branch| branch.size < branch.checkpoint.size);
        let replayed = self.heads.replay(&entry, partner, leaf, &mut |node| {
            if let Some(branch) = &mut branch {
                branch.files.node(node, outbox);
            }
        });
        if replayed.is_err() {
            return self.find(place, "does not follow from the entries before it");
        }
        if let (Some(branch), Some(partner)) = (branch, partner) {
            // Never too long: it was read as an entry.
            let _ = branch.files.entry(bytes);
            branch.size = branch.size.saturating_add(1);
            branch.files.full(branch.size, outbox);
            if branch.size == branch.checkpoint.size
                && let Some(head) = self.heads.partners.get(partner)
            {
                branch.root = head.edge.root();
            }
        }
        if (index == 0) != (entry.kind == Kind::Genesis) {
            self.find(place, "the first entry, and no other, is `genesis`");
        }
        self.said(index, &entry);
        if census.is_some_and(|census| census != entry.body.unwrap_or_default()) {
            self.find(place, "the census is not what the entries before it give");
        }
    }

    /// An entry that says what was erased, or opened.
    fn said(&mut self, index: u64, entry: &EntryView<'_>) {
        let place = format_args!("entry {index}");
        let body = entry.body.unwrap_or_default();
        let entries = match entry.kind {
            Kind::Erased => Erased::parse(body),
            Kind::Unsealed => Erased::parse_unsealed(body),
            _ => return,
        };
        match entries {
            Ok(entries) if entries.meets(index, u64::MAX) => {
                let what = format!("says that entries were {} that do not come before it", entry.kind);
                self.find(place, what);
            }
            Ok(entries) if entry.kind == Kind::Erased => drop(self.erasures.insert(index, entries)),
            Ok(entries) => self.unsealed.push(entries),
            Err(error) => self.find(place, error),
        }
    }

    /// Holds files against what they must be.
    fn compare(&mut self, outbox: &mut Outbox) -> Result<(), VerifyError> {
        let limit = u64::try_from(MAX_BUNDLE_BYTES).unwrap_or(u64::MAX);
        for (path, bytes) in outbox.take() {
            let there = read_whole(self.disk, &path, limit)?;
            let agrees = match (&there, path.split_once(".p/")) {
                (Some(there), _) => *there == bytes,
                // A partial file may go once the full one is there, which begins with it.
                (None, Some((full, _))) => {
                    read_whole(self.disk, full, limit)?.is_some_and(|full| full.starts_with(&bytes))
                }
                (None, None) => false,
            };
            if !agrees {
                let what = if there.is_some() {
                    "not what the main log's entries give"
                } else {
                    "not there"
                };
                self.find(path, what);
            }
        }
        Ok(())
    }

    fn root(&mut self, checkpoint: &Checkpoint, size: u64, root: Hash) {
        let place = format!("checkpoint of `{}`", checkpoint.origin);
        if size != checkpoint.size {
            let what = format!(
                "of {} entries, but the main log has {size} for it",
                checkpoint.size
            );
            self.find(place, what);
        } else if root != checkpoint.root {
            self.find(place, "its root is not that of the entries");
        }
    }

    fn report(self, checkpoint: Checkpoint, recorded: Option<u64>) -> Report {
        let partners = self.heads.partners.iter().map(|(partner, head)| PartnerReport {
            partner: partner.clone(),
            origin: head.origin.clone(),
            size: self
                .branches
                .get(partner)
                .map_or(0, |branch| branch.checkpoint.size),
            entries: head.edge.size(),
            status: head.status,
        });
        Report {
            partners: partners.collect(),
            origin: checkpoint.origin,
            size: checkpoint.size,
            root: checkpoint.root,
            recorded,
            erased: self.erased,
            under_seal: self.under_seal,
            findings: self.findings,
            found: self.found,
        }
    }
}

/// An error with what caused it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
