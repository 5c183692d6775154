//! What a ledger says was released: for each marked statement its rows, and whether it came to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use evidence::entry::{Entry, Kind};
use evidence::record::{self, Continuation, Disclosure, Outcome, OutcomeRecord, Parameter, Subjects};
use evidence::subject::Tag;
use ledger::Ledger;

use super::partners::Received;

/// What the ledger tells of one statement.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Rows of its disclosure and its continuations.
    pub(crate) rows: u64,
    pub(crate) complete: bool,
    /// Whom they were about.
    pub(crate) people: BTreeSet<Tag>,
}

impl Told {
    fn add(&mut self, subjects: &[Subjects]) {
        let tags = subjects.iter().flat_map(|subjects| subjects.tags.tags());
        self.people.extend(tags);
    }
}

/// Opens the ledger in `ledger` with the key of the estate in `folder`, and reads all of it. The key's folder is `state`.
pub(crate) fn told(folder: &Path, state: PathBuf) -> BTreeMap<String, Told> {
    let loaded = estop::estate::load(folder).unwrap();
    let state = estop::estate::State::at(state);
    let custodian = loaded.estate.custodian().name.clone();
    let signer = estop::custodian::key(&state, &custodian).unwrap();
    let config = ledger::Config::new(state.ledger(), custodian, signer, estop::serve::wall_clock());
    let ledger = Ledger::open(config).unwrap();
    let mut marks = BTreeMap::new();
    let mut all = BTreeMap::<_, Told>::new();
    for stored in ledger.entries(0..ledger.size()).unwrap() {
        let stored = stored.unwrap();
        match Entry::parse(&stored.entry).unwrap().kind {
            Kind::Disclosure => {
                let one: Disclosure = record::decode(&stored.record).unwrap();
                let Some(marker) = marker(&one) else { continue };
                let mut told = Told {
                    rows: one.rows,
                    complete: matches!(one.outcome, Outcome::Complete { .. }),
                    people: BTreeSet::new(),
                };
                told.add(&one.subjects);
                assert!(
                    all.insert(marker.clone(), told).is_none(),
                    "{marker}: recorded twice"
                );
                marks.insert((one.session.to_string(), one.statement_number), marker);
            }
            Kind::Continuation => {
                let more: Continuation = record::decode(&stored.record).unwrap();
                let marker = marks.get(&(more.session.to_string(), more.statement_number));
                if let Some(told) = marker.and_then(|marker| all.get_mut(marker)) {
                    told.rows += more.rows;
                    told.add(&more.subjects);
                }
            }
            Kind::Outcome => {
                let ended: OutcomeRecord = record::decode(&stored.record).unwrap();
                let marker = marks.get(&(ended.session.to_string(), ended.statement_number));
                if let Some(told) = marker.and_then(|marker| all.get_mut(marker)) {
                    told.complete = matches!(ended.outcome, Outcome::Complete { .. });
                    assert_eq!(told.rows, ended.rows, "the parts and the whole: {marker:?}");
                }
            }
            _ => {}
        }
    }
    all
}

/// Of whom rows were received is in the ledger, too. How many people, over all statements.
pub(crate) fn whose_rows(state: PathBuf, told: &BTreeMap<String, Told>, received: &[Received]) -> u64 {
    let state = estop::estate::State::at(state);
    let key = estop::custodian::known_accounting_key(&state).unwrap().unwrap();
    let tagger = key.tagger(&"people".parse().unwrap());
    let mut people = 0;
    for one in received {
        let told = told.get(&one.marker).unwrap();
        let recorded = |person: &&i32| told.people.contains(&tagger.tag(person.to_string().as_bytes()));
        let accounted = one.people.iter().filter(recorded).count();
        assert_eq!(
            accounted,
            one.people.len(),
            "{}: received, and nobody could be told of it",
            one.marker
        );
        people += accounted as u64;
    }
    people
}

/// The marker in the text or, where that has none, in a parameter.
fn marker(one: &Disclosure) -> Option<String> {
    let parameters = one.parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Text(text) => Some(text.as_str()),
        _ => None,
    });
    std::iter::once(one.text.text())
        .chain(parameters)
        .find_map(|text| {
            let from = text.find("mark:")?;
            let marked = text.get(from..)?;
            Some(marked.split(['\'', '"', ' ']).next()?.to_owned())
        })
}
