//! Notices: what is signed is read, and nothing else.

use super::*;

fn key(name: &str) -> SignerKey {
    SignerKey::generate([7; 32], name.parse().unwrap())
}

fn draft() -> Draft {
    let given = |entry| Given {
        entry,
        time: "2026-11-24T23:05:00Z".parse().unwrap(),
        agreement: "state-police-2018".parse().unwrap(),
        officer: Some("d.achterberg".parse().unwrap()),
    };
    Draft {
        custodian: "records.example.org".parse().unwrap(),
        number: CorrectionNumber::from(7),
        partner: "state-police".parse().unwrap(),
        dataset: "people".parse().unwrap(),
        subject_key: "person_id".to_owned(),
        subject: "a\n\"b\"".to_owned(),
        made: "2026-11-25T04:00:00Z".parse().unwrap(),
        ledger_size: 24,
        disclosures: 2,
        listed: vec![given(17), given(23)],
        note: "birth date was 1980-02-01, is 1981-02-01".to_owned(),
    }
}

#[test]
fn a_notice_is_read_as_it_was_signed_and_by_its_custodians_key_alone() {
    let notice = Correction::new(draft()).unwrap();
    let signer = key("records.example.org");
    let file = notice.sign(&signer).unwrap();
    assert_eq!(Correction::open(&file, &signer.verifier()).unwrap(), notice);
    let other = SignerKey::generate([8; 32], "records.example.org".parse().unwrap());
    assert!(Correction::open(&file, &other.verifier()).is_err());
    // The right text under another custodian's name.
    let foreign = key("other.example.org");
    let stolen = notice.sign(&foreign).unwrap();
    assert!(matches!(
        Correction::open(&stolen, &foreign.verifier()),
        Err(CorrectionError::OtherCustodian { .. })
    ));
}

#[test]
fn every_change_of_a_byte_is_refused() {
    let signer = key("records.example.org");
    let file = Correction::new(draft()).unwrap().sign(&signer).unwrap();
    for at in 0..file.len() {
        let mut bytes = file.clone().into_bytes();
        bytes[at] ^= 1;
        if let Ok(text) = String::from_utf8(bytes) {
            assert!(Correction::open(&text, &signer.verifier()).is_err(), "{at}");
        }
    }
}

#[test]
fn what_cannot_stand_in_a_notice_is_refused() {
    let refused = |change: fn(&mut Draft)| {
        let mut draft = draft();
        change(&mut draft);
        Correction::new(draft).unwrap_err()
    };
    assert_eq!(
        refused(|d| d.note = "a\nnote b".to_owned()),
        CorrectionError::Note
    );
    assert_eq!(refused(|d| d.note = "\u{202e}".to_owned()), CorrectionError::Note);
    assert_eq!(refused(|d| d.note = "x".repeat(2_001)), CorrectionError::Note);
    assert_eq!(
        refused(|d| d.subject = "\u{7f}".to_owned()),
        CorrectionError::Subject
    );
    assert_eq!(
        refused(|d| d.subject = "\u{1}".repeat(5_462)),
        CorrectionError::Subject
    );
    assert_eq!(refused(|d| d.listed.clear()), CorrectionError::Listed);
    assert_eq!(refused(|d| d.listed.reverse()), CorrectionError::Listed);
    assert_eq!(refused(|d| d.ledger_size = 23), CorrectionError::Listed);
    assert_eq!(refused(|d| d.disclosures = 3), CorrectionError::Listed);
    assert_eq!(
        refused(|d| d.made = "2026-11-25T04:00:00.5Z".parse().unwrap()),
        CorrectionError::Time
    );
}

#[test]
fn the_longest_notice_fits() {
    let mut long = draft();
    let longest = "a".repeat(63);
    long.subject = "\u{1}".repeat(5_461);
    long.subject_key = long.subject.clone();
    long.note = "x".repeat(MAX_NOTE_LINE_BYTES);
    long.ledger_size = u64::MAX;
    long.disclosures = u64::MAX;
    let given = |at: usize| Given {
        entry: u64::MAX - 1 - u64::try_from(MAX_LISTED - at).unwrap(),
        time: "2026-11-24T23:05:00Z".parse().unwrap(),
        agreement: longest.parse().unwrap(),
        officer: Some(longest.parse().unwrap()),
    };
    long.listed = (0..MAX_LISTED).map(given).collect();
    let signer = key("records.example.org");
    let notice = Correction::new(long).unwrap();
    let file = notice.sign(&signer).unwrap();
    assert_eq!(Correction::open(&file, &signer.verifier()).unwrap(), notice);
}
