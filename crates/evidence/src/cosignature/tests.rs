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
    let checkpoint = crate::checkpoint::Checkpoint {
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
    assert_eq!(cosigner(7, "w").cosign(&consistent, at(-1)), Err(BeforeEpoch));
}
