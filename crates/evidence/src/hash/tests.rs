//! Known hashes, and base64 with one spelling.

use proptest::prelude::*;

use super::*;

#[test]
fn the_empty_root_is_the_hash_of_nothing() {
    assert_eq!(EMPTY_ROOT, sha256(b""));
}

#[test]
fn leaves_and_nodes_are_told_apart_by_their_first_byte() {
    // RFC 6962's empty leaf.
    assert_eq!(
        leaf(b"").to_hex(),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
    let (left, right) = (leaf(b"a"), leaf(b"b"));
    let both: Vec<u8> = [left.0, right.0].concat();
    assert_eq!(node(&left, &right), sha256(&[&[1], both.as_slice()].concat()));
    assert_ne!(node(&left, &right), leaf(&both));
    assert_ne!(node(&left, &right), node(&right, &left));
}

#[test]
fn a_hash_has_one_text() {
    let text = EMPTY_ROOT.to_string();
    assert_eq!(text, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(text.parse(), Ok(EMPTY_ROOT));
    let refused = [
        String::new(),
        text.trim_end_matches('=').to_owned(),
        format!("{text}="),
        format!("{text}\n"),
        format!(" {text}"),
        text.replace('+', "-").replace('/', "_"),
        // The last character's two low bits are not part of the hash: only zeros are canonical.
        text.replace("FU=", "FV="),
        text.replace("FU=", "FW="),
        text.replace("FU=", "FX="),
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuA==".to_owned(),
        "=".repeat(44),
    ];
    for text in refused {
        assert_eq!(text.parse::<Hash>(), Err(HashError), "`{text}`");
    }
}

#[test]
fn width_and_serde_use_the_same_text() {
    assert_eq!(
        serde_json::to_string(&EMPTY_ROOT).unwrap(),
        format!("\"{EMPTY_ROOT}\"")
    );
    assert_eq!(
        serde_json::from_str::<Hash>(&format!("\"{EMPTY_ROOT}\"")).unwrap(),
        EMPTY_ROOT
    );
    assert!(serde_json::from_str::<Hash>("\"AAAA\"").is_err());
}

proptest! {
    #[test]
    fn every_hash_can_be_read_back(bytes: [u8; 32]) {
        prop_assert_eq!(Hash(bytes).to_string().parse(), Ok(Hash(bytes)));
    }

    #[test]
    fn what_parses_is_written_as_it_was(text in "[A-Za-z0-9+/]{43}=") {
        if let Ok(hash) = text.parse::<Hash>() { prop_assert_eq!(hash.to_string(), text) }
    }
}
