//! Cosignatures: another implementation's, our own, and what must not count as one.

use super::*;
use crate::hash::sha256;
use crate::note::SignerKey;
use crate::witness::{AddCheckpoint, consider};

/// The example of C2SP tlog-cosignature: the note, and the key that its cosignature's id is of is not given there, so
/// only its form can be read.
const EXAMPLE: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn cosigner(seed: u8, name: &str) -> CosignerKey {
    CosignerKey::generate([seed; 32], name.parse().unwrap())
}

/// A first checkpoint of a log, as a witness that knows nothing of it takes it.
pub(crate) fn first(size: u64) -> (String, Consistent) {
    let key = SignerKey::generate([1; 32], "log.example/audit".parse().unwrap());
    let checkpoint = Checkpoint {
        origin: key.name().clone(),
        size,
        root: sha256(&size.to_be_bytes()),
    };
    let request = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        checkpoint: checkpoint.sign(&key),
    };
    let consistent = consider(&request, &key.verifier(), None).unwrap();
    (request.checkpoint, consistent)
}

#[test]
fn the_specifications_example_can_be_read() {
    let note = Note::parse(EXAMPLE).unwrap();
    let name: Origin = "witness.example.com/w1".parse().unwrap();
    let (_, id) = note
        .signers()
        .find(|(signer, _)| *signer == name.as_str())
        .unwrap();
    let timed = note.signatures_by(&name, id).next().unwrap();
    assert_eq!(timed.len(), TIME_BYTES + 64);
    let (time, _) = timed.split_first_chunk().unwrap();
    assert_eq!(u64::from_be_bytes(*time), 1_679_315_147);
}

#[test]
fn a_cosignature_verifies_and_says_when() {
    let key = cosigner(7, "witness.example/w1");
    let (note, consistent) = first(10);
    let line = key.cosign(&consistent, at(1_700_000_000)).unwrap();
    let (note, time) = with_cosignature(&note, &line, &key.witness()).unwrap();
    assert_eq!(time, at(1_700_000_000));
    let note = Note::parse(&note).unwrap();
    assert_eq!(key.witness().cosigned(&note).unwrap(), Some(at(1_700_000_000)));
    assert_eq!(
        cosigner(8, "witness.example/w1").witness().cosigned(&note),
        Ok(None)
    );
    assert_eq!(
        cosigner(7, "witness.example/w2").witness().cosigned(&note),
        Ok(None)
    );
}

#[test]
fn a_later_cosignature_takes_the_place_of_an_earlier_one_and_of_no_other() {
    let (one, two) = (
        cosigner(7, "witness.example/w1"),
        cosigner(8, "witness.example/w2"),
    );
    let (mut note, consistent) = first(10);
    let log_line = note.lines().last().unwrap().to_owned();
    for (key, seconds) in [(&one, 5), (&two, 6), (&one, 7)] {
        let line = key.cosign(&consistent, at(seconds)).unwrap();
        note = with_cosignature(&note, &line, &key.witness()).unwrap().0;
    }
    let read = Note::parse(&note).unwrap();
    assert_eq!(one.witness().cosigned(&read), Ok(Some(at(7))));
    assert_eq!(two.witness().cosigned(&read), Ok(Some(at(6))));
    assert_eq!(read.signers().count(), 3);
    assert!(note.contains(&log_line));
}

#[test]
fn what_does_not_verify_spoils_the_note() {
    let key = cosigner(7, "witness.example/w1");
    let (note, consistent) = first(10);
    let line = key.cosign(&consistent, at(5)).unwrap();
    let good = with_cosignature(&note, &line, &key.witness()).unwrap().0;
    let (other, _) = first(11);
    let moved = format!("{other}{line}");
    let bad = Err(NoteError::BadSignature(key.name().clone()));
    assert_eq!(key.witness().cosigned(&Note::parse(&moved).unwrap()), bad);
    assert!(with_cosignature(&other, &line, &key.witness()).is_err());
    // Each byte of the line's blob matters: time and signature.
    let blob = good.trim_end().rsplit(' ').next().unwrap().to_owned();
    for place in (8..blob.len() - 2).step_by(5) {
        let mut changed = blob.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = good.replace(&blob, std::str::from_utf8(&changed).unwrap());
        let Ok(read) = Note::parse(&changed) else { continue };
        assert_ne!(key.witness().cosigned(&read), Ok(Some(at(5))), "{place}");
    }
}

#[test]
fn an_answer_cannot_bring_a_text_of_its_own() {
    let key = cosigner(7, "witness.example/w1");
    let (note, _) = first(10);
    let (other, consistent) = first(11);
    let line = key.cosign(&consistent, at(5)).unwrap();
    let smuggled = format!("{}\n\n{line}", other.split_once("\n\n").unwrap().0);
    for lines in [smuggled.as_str(), "", "\n", "no line\n", line.trim_end()] {
        assert!(
            with_cosignature(&note, lines, &key.witness()).is_err(),
            "{lines:?}"
        );
    }
}

#[test]
fn keys_are_read_as_they_are_written_and_not_as_logs_keys() {
    let key = cosigner(7, "witness.example/w1");
    let witness = key.witness();
    assert_eq!(witness.to_string().parse::<WitnessKey>().unwrap(), witness);
    assert_eq!(CosignerKey::parse(&key.encode()).unwrap().witness(), witness);
    assert_eq!(format!("{key:?}"), "CosignerKey(witness.example/w1, ..)");
    let log = SignerKey::generate([7; 32], "witness.example/w1".parse().unwrap());
    assert!(log.verifier().to_string().parse::<WitnessKey>().is_err());
    assert!(CosignerKey::parse(&log.encode()).is_err());
    assert!(SignerKey::parse(&key.encode()).is_err());
    let other = witness.to_string().replace("/w1+", "/w2+");
    assert_eq!(other.parse::<WitnessKey>(), Err(KeyError::Id));
}

#[test]
fn a_clock_before_1970_is_refused() {
    let (_, consistent) = first(10);
    assert_eq!(
        cosigner(7, "w").cosign(&consistent, at(-1)),
        Err(NotCosigned::Time)
    );
}

/// A checkpoint cosigned with ML-DSA-44 by tlog-scales, and the key, which is that of the seed 00 01 .. 1f.
const ELSEWHERE: &str = include_str!("../../tests/vectors/ml-dsa/checkpoint");
const ELSEWHERES_KEY: &str = include_str!("../../tests/vectors/ml-dsa/witness.vkey");

fn ml_dsa(seed: [u8; 32], name: &str) -> CosignerKey {
    CosignerKey::generate_ml_dsa(seed, name.parse().unwrap()).unwrap()
}

#[test]
fn what_another_implementation_cosigned_with_ml_dsa_verifies_and_has_our_key() {
    let seed = std::array::from_fn(|at| u8::try_from(at).unwrap());
    let key = ml_dsa(seed, "witness.example.org/w1");
    assert_eq!(format!("{}\n", key.witness()), ELSEWHERES_KEY);
    let parsed: WitnessKey = ELSEWHERES_KEY.trim_end().parse().unwrap();
    assert_eq!(parsed, key.witness());
    assert_eq!(parsed.as_bytes().len(), ML_DSA_KEY);
    let note = Note::parse(ELSEWHERE).unwrap();
    assert_eq!(parsed.cosigned(&note), Ok(Some(at(1_795_392_000))));
    // The same name with an Ed25519 key is another witness.
    assert_eq!(
        cosigner(7, "witness.example.org/w1").witness().cosigned(&note),
        Ok(None)
    );
}

#[test]
fn an_ml_dsa_cosignature_is_bound_to_all_that_it_says() {
    let key = ml_dsa([7; 32], "witness.example/w1");
    let (note, consistent) = first(10);
    let line = key.cosign(&consistent, at(1_700_000_000)).unwrap();
    let (signed, time) = with_cosignature(&note, &line, &key.witness()).unwrap();
    assert_eq!(time, at(1_700_000_000));
    let read = Note::parse(&signed).unwrap();
    assert_eq!(key.witness().cosigned(&read), Ok(Some(at(1_700_000_000))));
    let timed = read.signatures_by(key.name(), key.id()).next().unwrap().to_vec();
    assert_eq!(timed.len(), TIME_BYTES + ML_DSA_SIGNATURE);
    let text = read.text().to_owned();
    let root = consistent.checkpoint().root.to_string();
    for other in [
        text.replacen("log.example", "lag.example", 1),
        text.replacen("\n10\n", "\n11\n", 1),
        text.replacen(&root, &sha256(b"other").to_string(), 1),
        // What it does not cover is not taken on its word.
        format!("{text}more\n"),
    ] {
        assert_ne!(other, text);
        assert_eq!(key.witness().verify(&other, &timed), None, "{other}");
    }
    for place in [0, 7, 8, 500, timed.len() - 1] {
        let mut changed = timed.clone();
        changed[place] ^= 1;
        assert_eq!(key.witness().verify(&text, &changed), None, "byte {place}");
    }
    assert_eq!(key.witness().verify(&text, &timed[..timed.len() - 1]), None);
    assert_eq!(
        ml_dsa([8; 32], "witness.example/w1")
            .witness()
            .verify(&text, &timed),
        None
    );
    let named = WitnessKey {
        name: "witness.example/w2".parse().unwrap(),
        ..key.witness()
    };
    assert_eq!(named.verify(&text, &timed), None);
    assert_eq!(key.cosign(&consistent, at(-1)), Err(NotCosigned::Time));
}

#[test]
fn ml_dsa_keys_are_read_as_they_are_written() {
    let key = ml_dsa([7; 32], "witness.example/w1");
    let again = CosignerKey::parse(&key.encode()).unwrap();
    assert!(again.is_ml_dsa() && again.witness() == key.witness());
    let public = key.witness().to_string();
    assert_eq!(public.parse::<WitnessKey>().unwrap(), key.witness());
    assert_eq!(
        public.replacen("w1+", "w2+", 1).parse::<WitnessKey>(),
        Err(KeyError::Id)
    );
    let cut = public.get(..public.len() - 4).unwrap();
    assert!(cut.parse::<WitnessKey>().is_err());
    // A seed of one kind is no key of the other.
    let ed25519 = cosigner(7, "witness.example/w1");
    assert!(!ed25519.is_ml_dsa() && ed25519.witness() != key.witness());
    let mixed = key.encode().replacen("PRIVATE+KEY+", "", 1);
    assert!(CosignerKey::parse(&mixed).is_err());
}
