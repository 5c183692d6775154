//! A log's tree as it grows: tiles and entry bundles, full ones as they fill, partial ones when a checkpoint needs them.

use std::error::Error;

use evidence::hash::Hash;
use evidence::tile::{
    EntryBundlePath, TILE_HEIGHT, TILE_WIDTH, TileHashes, TilePath, TileReader as _, append_to_bundle,
    decode_tile, encode_tile,
};
use evidence::tree::{Edge, Node};

use crate::disk::Disk;
use crate::public::{Outbox, Published};

/// One log: its edge, and what of it does not fill a file yet.
#[derive(Debug)]
pub(crate) struct Tree {
    edge: Edge,
    files: Files,
    /// Size of the newest published checkpoint.
    pub(crate) published: u64,
}

/// What of a log does not fill a file yet. Memory: at most 255 hashes a level, and 255 entries.
#[derive(Debug)]
pub(crate) struct Files {
    folder: String,
    /// For each level of tiles the hashes after the last full tile.
    levels: Vec<Vec<Hash>>,
    /// The entries after the last full bundle, as a bundle.
    bundle: Vec<u8>,
}

/// An entry that is too long for a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Tree {
    pub(crate) fn empty(folder: String) -> Self {
        Self {
            edge: Edge::empty(),
            files: Files::empty(folder),
            published: 0,
        }
    }

    /// The tree at a size for which a checkpoint was prepared, from its published files. Nothing is authenticated: compare
    /// the root.
    pub(crate) fn restore(
        disk: &dyn Disk,
        folder: String,
        size: u64,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let files = Published::new(disk, &folder);
        let edge = Edge::read(size, &TileHashes::new(files.clone(), size))?;
        let mut levels = Vec::new();
        for level in 0.. {
            let Some(count) = size
                .checked_shr(u32::from(level).saturating_mul(TILE_HEIGHT.into()))
                .filter(|n| *n > 0)
            else {
                break;
            };
            let hashes = match TilePath::within(level, count / u64::from(TILE_WIDTH), size) {
                Some(path) => decode_tile(&files.read_tile(&path)?, path.width())?,
                None => Vec::new(),
            };
            levels.push(hashes);
        }
        let mut bundle = Vec::new();
        let over = size % u64::from(TILE_WIDTH);
        if let Some(path) = EntryBundlePath::new(size / u64::from(TILE_WIDTH), u16::try_from(over)?) {
            for entry in files.bundle(&path)?.iter() {
                append_to_bundle(&mut bundle, entry)?;
            }
        }
        let files = Files {
            folder,
            levels,
            bundle,
        };
        Ok(Self {
            edge,
            files,
            published: 0,
        })
    }

    /// Appends an entry, whose hash as a leaf is known; files that fill go to the outbox.
    pub(crate) fn push(&mut self, entry: &[u8], leaf: Hash, outbox: &mut Outbox) -> Result<(), TooLong> {
        let Self { edge, files, .. } = self;
        files.entry(entry)?;
        edge.push(leaf, &mut |node| files.node(node, outbox));
        files.full(edge.size(), outbox);
        Ok(())
    }

    /// The partial files that a checkpoint of the present size needs.
    pub(crate) fn partial(&self, outbox: &mut Outbox) {
        self.files.partial(self.edge.size(), outbox);
    }

    /// Folders of partial files that full ones have replaced since a checkpoint of size `old`.
    pub(crate) fn replaced(&self, old: u64) -> Vec<String> {
        let mut folders = Vec::new();
        let mut note =
            |path: Option<String>| folders.extend(path.map(|path| format!("{}/{path}.p", self.files.folder)));
        for level in 0..u8::try_from(self.files.levels.len()).unwrap_or(u8::MAX) {
            let full = |size: u64| (size >> (u32::from(level) * 8)) / u64::from(TILE_WIDTH);
            for index in full(old)..full(self.edge.size()) {
                note(TilePath::new(level, index, TILE_WIDTH).map(|path| path.to_string()));
                if level == 0 {
                    note(EntryBundlePath::new(index, TILE_WIDTH).map(|path| path.to_string()));
                }
            }
        }
        folders
    }

    pub(crate) fn size(&self) -> u64 {
        self.edge.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.edge.root()
    }

    pub(crate) fn edge(&self) -> &Edge {
        &self.edge
    }

    pub(crate) fn folder(&self) -> &str {
        &self.files.folder
    }

    /// Whether there is something that no published checkpoint covers.
    pub(crate) fn is_dirty(&self) -> bool {
        self.published != self.edge.size()
    }
}

impl Files {
    pub(crate) fn empty(folder: String) -> Self {
        Self {
            folder,
            levels: Vec::new(),
            bundle: Vec::new(),
        }
    }

    /// Takes an entry into the bundle.
    pub(crate) fn entry(&mut self, entry: &[u8]) -> Result<(), TooLong> {
        append_to_bundle(&mut self.bundle, entry).map_err(|_| TooLong)
    }

    /// Takes a node that the log's edge completed.
    pub(crate) fn node(&mut self, node: Node, outbox: &mut Outbox) {
        if !node.level.is_multiple_of(TILE_HEIGHT) {
            return;
        }
        let (level, place) = (node.level / TILE_HEIGHT, usize::from(node.level / TILE_HEIGHT));
        if self.levels.len() <= place {
            self.levels.resize(place.saturating_add(1), Vec::new());
        }
        let Some(hashes) = self.levels.get_mut(place) else {
            return;
        };
        hashes.push(node.hash);
        if hashes.len() == usize::from(TILE_WIDTH) {
            let path = TilePath::new(level, node.index / u64::from(TILE_WIDTH), TILE_WIDTH);
            outbox.extend(path.map(|path| (format!("{}/{path}", self.folder), encode_tile(hashes))));
            hashes.clear();
        }
    }

    /// Lets the bundle go once it is full, where the log now has that size.
    pub(crate) fn full(&mut self, size: u64, outbox: &mut Outbox) {
        if size.is_multiple_of(TILE_WIDTH.into()) {
            let path = EntryBundlePath::new((size / u64::from(TILE_WIDTH)).saturating_sub(1), TILE_WIDTH);
            let room = self.bundle.len();
            let bytes = std::mem::replace(&mut self.bundle, Vec::with_capacity(room));
            outbox.extend(path.map(|path| (format!("{}/{path}", self.folder), bytes)));
        }
    }

    /// The partial files that a checkpoint of that size, which the log has, needs.
    pub(crate) fn partial(&self, size: u64, outbox: &mut Outbox) {
        for (level, hashes) in (0_u8..).zip(&self.levels) {
            let count = size
                .checked_shr(u32::from(level).saturating_mul(TILE_HEIGHT.into()))
                .unwrap_or(0);
            let path =
                TilePath::within(level, count / u64::from(TILE_WIDTH), size).filter(|_| !hashes.is_empty());
            outbox.extend(path.map(|path| (format!("{}/{path}", self.folder), encode_tile(hashes))));
        }
        let over = u16::try_from(size % u64::from(TILE_WIDTH)).unwrap_or(0);
        let path = EntryBundlePath::new(size / u64::from(TILE_WIDTH), over);
        outbox.extend(path.map(|path| (format!("{}/{path}", self.folder), self.bundle.clone())));
    }
}
