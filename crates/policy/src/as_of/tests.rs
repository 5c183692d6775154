//! The fold, event by event, where a process died in between too.

use evidence::directive::{Draft, EstateTerms, Nonce, Order, Reinstatement, Scope, Suspension};
use evidence::hash::Hash;
use evidence::record::{EstateRecord, Record, encode};

use super::*;
use crate::estate::{Estate, fixture};

struct Told {
    fold: Fold,
    index: u64,
}

fn at(second: u64) -> Timestamp {
    // Within the fixture's agreements' time.
    let start: Timestamp = "2019-06-03T15:00:00Z".parse().unwrap();
    Timestamp::from_second(start.as_second() + i64::try_from(second).unwrap()).unwrap()
}

fn number(n: u32) -> DirectiveNumber {
    format!("D-2019-{n:04}").parse().unwrap()
}

impl Told {
    fn new() -> Self {
        Self {
            fold: Fold::default(),
            index: 0,
        }
    }

    fn take<R: Record>(&mut self, record: &R) {
        let entry = Entry {
            kind: R::KIND,
            time: at(self.index),
            partner: None,
            agreement: None,
            purpose: None,
            place: None,
            commitment: None,
            body: None,
        };
        self.fold
            .take(self.index, &entry, &encode(record).unwrap())
            .unwrap();
        self.index += 1;
    }

    fn directive(&mut self, n: u32, order: Order, estate: Option<EstateRecord>) {
        let directive = Directive::new(Draft {
            custodian: "records.example.org".parse().unwrap(),
            number: number(n),
            order,
            basis: "Order".to_owned(),
            particulars: evidence::directive::Particulars::default(),
            preview: None,
            issued: at(0),
            expires: at(3600),
            nonce: Nonce::new([u8::try_from(n).unwrap(); 16]),
            ledger_size: 0,
            ledger_root: Hash::ZERO,
        });
        self.take(&DirectiveRecord {
            number: number(n),
            text: directive.unwrap().encode(),
            signatures: Vec::new(),
            signers_file: String::new(),
            people: Vec::new(),
            estate,
        });
    }

    fn approve(&mut self, n: u32) {
        let files = fixture::files();
        let estate = Estate::parse(&files).unwrap();
        let terms = serde_json::to_string(&Terms::of(&estate, &files, &[])).unwrap();
        let order = Order::Approve(EstateTerms {
            estate: Hash::ZERO,
            signers: Hash::ZERO,
            summary: Hash::ZERO,
        });
        let signers_file = String::new();
        self.directive(n, order, Some(EstateRecord { signers_file, terms }));
    }

    fn applied(&mut self, epoch: u64, approval: u32) {
        self.take(&Applied {
            at: at(self.index),
            estate_sha256: String::new(),
            statements: Vec::new(),
            epoch: Epoch(epoch),
            approval: Some(number(approval)),
            proof: None,
        });
    }

    fn epoch(&mut self, epoch: u64, approval: Option<u32>, directive: Option<u32>) {
        self.epoch_lifting(epoch, approval, directive, &[]);
    }

    fn epoch_lifting(&mut self, epoch: u64, approval: Option<u32>, directive: Option<u32>, lifted: &[u32]) {
        self.take(&EpochRecord {
            epoch: Epoch(epoch),
            directive: directive.map(number),
            at: at(self.index),
            gateways: Vec::new(),
            approval: approval.map(number),
            lifted: lifted.iter().copied().map(number).collect(),
        });
    }

    /// One estate, approved and put in force.
    fn with_an_estate() -> Self {
        let mut told = Self::new();
        told.approve(1);
        told.applied(1, 1);
        told.epoch(1, Some(1), None);
        told
    }

    fn drift(&mut self, held: &[&str]) {
        self.take(&DriftRecord {
            unfinished: None,
            at: at(self.index),
            upstream: "main".into(),
            fingerprint: "f".to_owned(),
            differences: Vec::new(),
            count: 0,
            opens: true,
            done: "cut".into(),
            held: held.iter().map(|id| id.parse().unwrap()).collect(),
        });
    }

    fn now(&self) -> AsOf {
        self.fold.answer(at(self.index))
    }

    fn readers(&self) -> BTreeSet<String> {
        let now = self.now();
        let readable = now
            .agreements
            .iter()
            .filter(|agreement| agreement.purposes.iter().any(|purpose| purpose.readable));
        readable.map(|agreement| agreement.partner.to_string()).collect()
    }
}

/// The partner of the fixture that reads first, and all that do.
fn fixture_readers() -> (String, BTreeSet<String>) {
    let told = Told::with_an_estate();
    let all = told.readers();
    (all.first().unwrap().clone(), all)
}

#[test]
fn nothing_is_in_force_until_an_epoch_says_so() {
    let mut told = Told::new();
    assert_eq!((told.now().begins, told.now().approval), (None, None));
    told.approve(1);
    assert_eq!(told.readers(), BTreeSet::new());
    told.applied(1, 1);
    assert_eq!(told.readers(), BTreeSet::new());
    assert_eq!(told.now().under_way, Some(number(1)));
    told.epoch(1, Some(1), None);
    assert_eq!(told.now().under_way, None);
    assert_eq!(told.now().approval, Some(number(1)));
    assert!(!told.readers().is_empty());
    let officers = told
        .now()
        .agreements
        .iter()
        .map(|agreement| agreement.officers.len())
        .sum::<usize>();
    assert!(officers > 0);
}

#[test]
fn an_application_that_died_is_under_way_until_it_is_done() {
    let (_, all) = fixture_readers();
    let mut told = Told::with_an_estate();
    told.approve(2);
    // It dies here; what comes next with the same number is a hold, of the estate that was in force.
    told.applied(2, 2);
    told.drift(&[]);
    told.epoch(2, Some(1), None);
    assert_eq!(told.now().approval, Some(number(1)));
    assert_eq!(told.now().under_way, Some(number(2)));
    told.applied(3, 2);
    told.epoch(3, Some(2), None);
    assert_eq!(
        (told.now().approval, told.now().under_way),
        (Some(number(2)), None)
    );
    // The same policy by another estate: no epoch.
    told.approve(3);
    told.applied(3, 3);
    assert_eq!(
        (told.now().approval, told.now().under_way),
        (Some(number(3)), None)
    );
    assert_eq!(told.readers(), all);
}

#[test]
fn what_a_directive_ended_stays_ended_and_a_hold_is_lifted() {
    let (first, all) = fixture_readers();
    let mut told = Told::with_an_estate();
    let others: BTreeSet<String> = all.iter().filter(|one| **one != first).cloned().collect();
    // Recorded, and not in force yet.
    told.drift(&[&first]);
    assert_eq!(told.readers(), all);
    told.epoch(2, Some(1), None);
    assert_eq!(told.readers(), others);
    assert!(
        told.now()
            .agreements
            .iter()
            .any(|agreement| agreement.standing == Standing::Held)
    );
    told.drift(&[]);
    told.applied(3, 1);
    told.epoch(3, Some(1), None);
    assert_eq!(told.readers(), all);
    let scope = Scope {
        partner: first.parse().unwrap(),
        agreement: None,
        purpose: None,
    };
    told.directive(9, Order::Terminate(scope), None);
    assert_eq!(told.readers(), all, "ordered, and not in force yet");
    told.epoch(4, Some(1), Some(9));
    assert_eq!(told.readers(), others);
    told.approve(2);
    told.applied(5, 2);
    told.epoch(5, Some(2), None);
    assert_eq!(told.readers(), others, "no approval revives it");
    let mut now = told.now();
    now.keep(Some(&first.parse().unwrap()), None);
    let purposes: Vec<&PurposeThen> = now
        .agreements
        .iter()
        .flat_map(|agreement| &agreement.purposes)
        .collect();
    assert!(!purposes.is_empty() && purposes.iter().all(|purpose| purpose.ended_by == Some(number(9))));
    // The register was lost, and no estate approved: nothing is in force.
    told.epoch(6, None, Some(9));
    assert_eq!((told.now().approval, told.now().agreements.len()), (None, 0));
}

#[test]
fn what_lapses_or_is_lifted_can_be_read_again_and_a_hold_stays() {
    let (first, all) = fixture_readers();
    let mut told = Told::with_an_estate();
    let others: BTreeSet<String> = all.iter().filter(|one| **one != first).cloned().collect();
    let scope = || Scope {
        partner: first.parse().unwrap(),
        agreement: None,
        purpose: None,
    };
    let suspended = || {
        Order::Suspend(Suspension {
            scope: scope(),
            until: at(10_000),
        })
    };
    told.directive(3, suspended(), None);
    told.epoch(2, Some(1), Some(3));
    assert_eq!(told.readers(), others);
    // Its time alone changes nothing: it lapses when that is recorded.
    let later = told.fold.answer(at(20_000));
    let theirs = |agreement: &&AgreementThen| agreement.partner.as_str() == first;
    let mut purposes = later.agreements.iter().filter(theirs).flat_map(|a| &a.purposes);
    assert!(purposes.all(|purpose| purpose.ended_by == Some(number(3))));
    told.epoch_lifting(3, Some(1), None, &[3]);
    assert_eq!(told.readers(), all);
    // Ended twice; what lifts the one leaves the other.
    told.directive(4, suspended(), None);
    told.epoch(4, Some(1), Some(4));
    told.directive(5, Order::Terminate(scope()), None);
    told.epoch(5, Some(1), Some(5));
    let reinstated = |lifts| {
        Order::Reinstate(Reinstatement {
            partner: first.parse().unwrap(),
            lifts: number(lifts),
        })
    };
    told.directive(6, reinstated(5), None);
    assert_eq!(told.readers(), others, "ordered, and not in force yet");
    told.epoch_lifting(6, Some(1), Some(6), &[5]);
    assert_eq!(told.readers(), others);
    // A hold that is recorded and not in force does not come into force by a lapse.
    told.drift(&[others.first().unwrap()]);
    told.epoch_lifting(7, Some(1), None, &[4]);
    assert_eq!(told.readers(), all);
}

#[test]
fn time_alone_changes_what_stands() {
    let told = Told::with_an_estate();
    let standing = |time: &str| {
        let answer = told.fold.answer(time.parse().unwrap());
        answer
            .agreements
            .iter()
            .map(|agreement| agreement.standing)
            .collect::<Vec<_>>()
    };
    assert!(
        standing("1990-01-01T00:00:00Z")
            .iter()
            .all(|one| *one == Standing::NotYet)
    );
    assert!(
        standing("2190-01-01T00:00:00Z")
            .iter()
            .all(|one| *one == Standing::Over)
    );
    // A Sunday night, and a Monday noon.
    assert!(standing("2019-06-02T07:00:00Z").contains(&Standing::OutsideHours));
    assert!(!standing("2019-06-03T17:00:00Z").contains(&Standing::OutsideHours));
}

#[test]
fn a_record_that_cannot_be_read_is_named() {
    let mut fold = Fold::default();
    let entry = Entry {
        kind: Kind::Epoch,
        time: at(0),
        partner: None,
        agreement: None,
        purpose: None,
        place: None,
        commitment: None,
        body: None,
    };
    let error = fold.take(5, &entry, b"{}").unwrap_err();
    assert!(
        error.to_string().contains("entry 5, which is of kind `epoch`"),
        "{error}"
    );
}
