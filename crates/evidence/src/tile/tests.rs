//! Paths as the specification gives them, which files a growing log writes, bundles, and hashes read through
//! tiles.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::hash::leaf;
use crate::tree::{self, Edge};

fn tile(level: u8, index: u64, width: u16) -> TilePath {
    TilePath::new(level, index, width).unwrap()
}

#[test]
fn paths_are_those_of_the_specification() {
    let tiles = [
        (tile(0, 0, 256), "tile/0/000"),
        (tile(0, 1_234_067, 256), "tile/0/x001/x234/067"),
        (tile(0, 1_234, 7), "tile/0/x001/234.p/7"),
        (tile(63, 999, 255), "tile/63/999.p/255"),
        (tile(1, 1_000, 256), "tile/1/x001/000"),
        (
            tile(2, u64::MAX, 1),
            "tile/2/x018/x446/x744/x073/x709/x551/615.p/1",
        ),
    ];
    for (path, text) in tiles {
        assert_eq!(path.to_string(), text);
        assert_eq!(text.parse(), Ok(path));
    }
    let bundle = EntryBundlePath::new(1_234_067, 9).unwrap();
    assert_eq!(bundle.to_string(), "tile/entries/x001/x234/067.p/9");
    assert_eq!("tile/entries/x001/x234/067.p/9".parse(), Ok(bundle));
}

#[test]
fn other_spellings_are_no_paths() {
    let refused = [
        "",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/00a",
        "tile/0/+00",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/entries/000",
        "tile/8/0/000",
        "tile/0/x000/000",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x001/",
        "tile/0/x01/000",
        "tile/0//000",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000.p/0",
        "tile/0/000.p/00",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000.p/1.p/1",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/0/../000",
    ];
    for text in refused {
        assert!(text.parse::<TilePath>().is_err(), "`{text}`");
    }
    for text in [
        "tile/0/000",
        "tile/entries/0",
        "tile/entries/x000/000",
        "tile/entries/000.p/256",
        "tile/data/000",
    ] {
        assert!(text.parse::<EntryBundlePath>().is_err(), "`{text}`");
    }
}

#[test]
fn widths_and_levels_are_bounded() {
    assert!(TilePath::new(64, 0, 1).is_none());
    assert!(TilePath::new(0, 0, 0).is_none());
    assert!(TilePath::new(0, 0, 257).is_none());
    assert!(EntryBundlePath::new(0, 0).is_none());
    assert!(EntryBundlePath::new(0, 257).is_none());
}

#[test]
fn a_tree_of_70_000_has_the_tiles_of_the_specifications_example() {
    let tiles: Vec<TilePath> = new_tiles(0, 70_000).collect();
    let count = |level, partial| {
        tiles
            .iter()
            .filter(|t| t.level == level && t.is_partial() == partial)
            .count()
    };
    assert_eq!((count(0, false), count(0, true)), (273, 1));
    assert_eq!((count(1, false), count(1, true)), (1, 1));
    assert_eq!((count(2, false), count(2, true)), (0, 1));
    assert!(tiles.iter().all(|tile| tile.level <= 2));
    assert!(tiles.contains(&tile(0, 273, 112)));
    assert!(tiles.contains(&tile(1, 1, 17)));
    assert!(tiles.contains(&tile(2, 0, 1)));
    let of_256: Vec<TilePath> = new_tiles(0, 256).collect();
    assert_eq!(of_256, [tile(0, 0, 256), tile(1, 0, 1)]);
}

#[test]
fn growing_writes_what_is_wider_than_before_and_nothing_else() {
    assert_eq!(new_tiles(0, 0).count(), 0);
    assert_eq!(new_tiles(300, 300).count(), 0);
    assert_eq!(new_tiles(300, 200).count(), 0);
    assert_eq!(
        new_tiles(255, 256).collect::<Vec<_>>(),
        [tile(0, 0, 256), tile(1, 0, 1)]
    );
    assert_eq!(new_tiles(256, 257).collect::<Vec<_>>(), [tile(0, 1, 1)]);
    assert_eq!(
        new_tiles(250, 520).collect::<Vec<_>>(),
        [tile(0, 0, 256), tile(0, 1, 256), tile(0, 2, 8), tile(1, 0, 2)]
    );
    let bundles: Vec<String> = new_bundles(250, 520).map(|bundle| bundle.to_string()).collect();
    assert_eq!(
        bundles,
        ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/8"]
    );
    // Neither first nor last size makes it panic or run away.
    assert_eq!(new_tiles(u64::MAX - 1, u64::MAX).count(), 1);
    assert_eq!(new_bundles(u64::MAX - 1, u64::MAX).count(), 1);
}

#[test]
fn the_file_that_holds_a_thing_is_as_wide_as_the_log_makes_it() {
    assert_eq!(EntryBundlePath::holding(256, 257), EntryBundlePath::new(1, 1));
    assert_eq!(EntryBundlePath::holding(255, 257), EntryBundlePath::new(0, 256));
    assert_eq!(EntryBundlePath::holding(257, 257), None);
    assert_eq!(EntryBundlePath::new(3, 1).unwrap().first_entry(), 768);
    assert_eq!(TilePath::holding(0, 256, 257), TilePath::new(0, 1, 1));
    assert_eq!(TilePath::holding(7, 1, 257), TilePath::new(0, 0, 256));
    assert_eq!(TilePath::holding(8, 0, 257), TilePath::new(1, 0, 1));
    assert_eq!(TilePath::holding(0, 257, 257), None);
    assert_eq!(TilePath::holding(8, 1, 257), None);
    assert_eq!(TilePath::holding(255, 0, u64::MAX), None);
    assert_eq!(TilePath::within(0, 2, 512), None);
    assert_eq!(TilePath::within(255, 0, u64::MAX), None);
}

#[test]
fn a_tile_is_its_hashes_and_nothing_else() {
    let hashes: Vec<Hash> = (0_u8..5).map(|n| leaf(&[n])).collect();
    let bytes = encode_tile(&hashes);
    assert_eq!(bytes.len(), 5 * 32);
    assert_eq!(decode_tile(&bytes, 5), Ok(hashes));
    let short = TileError::TileLength { width: 5, bytes: 159 };
    assert_eq!(decode_tile(&bytes[..159], 5), Err(short));
    assert!(decode_tile(&bytes, 4).is_err());
    assert_eq!(
        decode_tile(&bytes[..129], 4),
        Err(TileError::TileLength { width: 4, bytes: 129 })
    );
    assert!(decode_tile(&bytes, 6).is_err());
}

#[test]
fn a_bundle_is_its_entries_with_their_lengths() {
    let bytes = encode_bundle(&[&b"ab"[..], b"", b"c"]).unwrap();
    assert_eq!(bytes, b"\x00\x02ab\x00\x00\x00\x01c");
    assert_eq!(decode_bundle(&bytes, 3), Ok(vec![&b"ab"[..], b"", b"c"]));
    assert_eq!(
        decode_bundle(&bytes, 2),
        Err(TileError::Count { width: 2, found: 3 })
    );
    assert_eq!(
        decode_bundle(&bytes, 4),
        Err(TileError::Count { width: 4, found: 3 })
    );
    // Reading stops at the first entry too many.
    let many = encode_bundle(&[b""; 9]).unwrap();
    assert_eq!(
        decode_bundle(&many, 2),
        Err(TileError::Count { width: 2, found: 3 })
    );
    assert_eq!(decode_bundle(&bytes[..8], 3), Err(TileError::Cut { at: 2 }));
    assert_eq!(decode_bundle(&bytes[..1], 3), Err(TileError::Cut { at: 0 }));
    assert_eq!(decode_bundle(&[], 0), Ok(Vec::new()));
    let longest = vec![0; MAX_ENTRY_BYTES];
    assert_eq!(encode_bundle(&[&longest]).unwrap().len(), 2 + MAX_ENTRY_BYTES);
    let too_long = vec![0; MAX_ENTRY_BYTES + 1];
    assert_eq!(
        encode_bundle(&[&too_long]),
        Err(TileError::EntryLength {
            bytes: MAX_ENTRY_BYTES + 1
        })
    );
    assert_eq!(
        encode_bundle(&vec![b""; 257]),
        Err(TileError::Count {
            width: 256,
            found: 257
        })
    );
}

/// Files by name, as a log of a given size publishes them.
struct Files(BTreeMap<String, Vec<u8>>);

impl TileReader for &Files {
    fn read_tile(&self, path: &TilePath) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        self.0
            .get(&path.to_string())
            .cloned()
            .ok_or_else(|| format!("no `{path}`").into())
    }
}

/// A log's tiles, written as it grew from one size to the next.
fn publish(leaves: &[Hash], sizes: &[usize]) -> Files {
    let mut levels: BTreeMap<u8, Vec<Hash>> = BTreeMap::new();
    let mut files = Files(BTreeMap::new());
    let mut edge = Edge::empty();
    for &size in sizes {
        let old = edge.size();
        for leaf in &leaves[usize::try_from(old).unwrap()..size] {
            edge.push(*leaf, &mut |node| {
                levels.entry(node.level).or_default().push(node.hash)
            });
        }
        for path in new_tiles(old, edge.size()) {
            let start = usize::try_from(path.index()).unwrap() * 256;
            let hashes = &levels[&(path.level() * 8)][start..start + usize::from(path.width())];
            files.0.insert(path.to_string(), encode_tile(hashes));
        }
    }
    files
}

#[test]
fn proofs_made_from_tiles_hold() {
    let leaves: Vec<Hash> = (0_u32..66_000).map(|n| leaf(&n.to_be_bytes())).collect();
    let sizes = [1, 2, 255, 256, 257, 700, 5_000, 65_535, 65_536, 65_537, 66_000];
    let files = publish(&leaves, &sizes);
    let roots: Vec<Hash> = sizes
        .iter()
        .map(|&size| {
            Edge::read(size as u64, &TileHashes::new(&files, size as u64))
                .unwrap()
                .root()
        })
        .collect();
    let mut edge = Edge::empty();
    for leaf in &leaves {
        edge.push(*leaf, &mut |_| ());
    }
    assert_eq!(roots.last(), Some(&edge.root()));
    for (at, &size) in sizes.iter().enumerate() {
        let hashes = TileHashes::new(&files, size as u64);
        for index in [0, size / 3, size / 2, size - 1] {
            let proof = tree::prove_inclusion(index as u64, size as u64, &hashes).unwrap();
            tree::check_inclusion(index as u64, size as u64, &leaves[index], &roots[at], &proof).unwrap();
        }
        for (older, &old) in sizes[..at].iter().enumerate() {
            let proof = tree::prove_consistency(old as u64, size as u64, &hashes).unwrap();
            tree::check_consistency(old as u64, &roots[older], size as u64, &roots[at], &proof).unwrap();
        }
    }
}

#[test]
fn a_missing_or_short_tile_is_an_error() {
    let leaves: Vec<Hash> = (0_u32..300).map(|n| leaf(&n.to_be_bytes())).collect();
    let mut files = publish(&leaves, &[300]);
    files.0.insert("tile/0/001.p/44".to_owned(), vec![0; 44 * 32 - 1]);
    files.0.remove("tile/1/000.p/1");
    let hashes = TileHashes::new(&files, 300);
    assert!(hashes.read(0, 255).is_ok());
    assert!(hashes.read(0, 256).is_err());
    assert!(hashes.read(8, 0).is_err());
    assert!(hashes.read(0, 300).is_err());
    assert!(hashes.read(255, u64::MAX).is_err());
}

proptest! {
    #[test]
    fn every_path_can_be_read_back(level in 0_u8..64, index: u64, width in 1_u16..=256) {
        let path = tile(level, index, width);
        prop_assert_eq!(path.to_string().parse(), Ok(path));
        let bundle = EntryBundlePath::new(index, width).unwrap();
        prop_assert_eq!(bundle.to_string().parse(), Ok(bundle));
    }

    #[test]
    fn what_parses_is_written_as_it_was(text in "tile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,3}[0-9]{3}(\\.p/[0-9]{1,3})?") {
        if let Ok(path) = text.parse::<TilePath>() { prop_assert_eq!(path.to_string(), text.clone()) }
        if let Ok(path) = text.parse::<EntryBundlePath>() { prop_assert_eq!(path.to_string(), text) }
    }

    #[test]
    fn bundles_can_be_read_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..=256)) {
        let bytes = encode_bundle(&entries).unwrap();
        let width = u16::try_from(entries.len()).unwrap();
        let read = decode_bundle(&bytes, width).unwrap();
        prop_assert_eq!(&read, &entries);
    }

    #[test]
    fn no_bytes_make_a_bundle_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), width in 0_u16..300) {
        if let Ok(entries) = decode_bundle(&bytes, width) {
            prop_assert_eq!(encode_bundle(&entries).unwrap(), bytes);
        }
    }

    #[test]
    fn no_size_makes_a_path_panic(level: u8, index: u64, size: u64) {
        if let Some(path) = TilePath::holding(level, index, size) {
            prop_assert_eq!(Some(path), TilePath::within(path.level(), path.index(), size));
        }
        let _ = EntryBundlePath::holding(index, size);
        let _ = new_tiles(size.saturating_sub(3), size).count();
    }
}
