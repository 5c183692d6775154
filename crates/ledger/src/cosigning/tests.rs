//! A ledger and its witnesses: what is published, and what happens if either is an old copy.

use std::path::Path;

use evidence::checkpoint::Checkpoint;
use evidence::cosignature::CosignerKey;
use evidence::entry::Kind;
use evidence::note::SignerKey;

use super::*;
use crate::append::Draft;
use crate::clock::Clock;
use crate::ledger::Config;
use crate::register::SqliteRegister;
use crate::witness::{Witness as Server, WitnessError, Witnessed};

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-11-23T10:00:00Z".parse().unwrap()
    }
}

/// Witnesses by URL, called without a network; a URL that is not there is one that cannot be reached.
#[derive(Debug, Default)]
struct Near(BTreeMap<String, Server>);

impl Submit for Near {
    fn submit<'a>(&'a self, url: &'a str, body: String) -> Submitted<'a> {
        let answer = self.0.get(url).map(|server| match server.add_checkpoint(&body) {
            Ok(body) => answer(200, false, body),
            Err(WitnessError::Refused(evidence::witness::Refusal::OtherSize { size })) => {
                answer(409, true, format!("{size}\n"))
            }
            Err(WitnessError::Refused(refusal)) => answer(refusal.status(), false, refusal.to_string()),
            Err(error) => answer(500, false, error.to_string()),
        });
        Box::pin(async move { answer.ok_or(io::ErrorKind::ConnectionRefused.into()) })
    }
}

fn answer(status: u16, is_size: bool, body: String) -> Answer {
    Answer {
        status,
        is_size,
        body,
    }
}

fn signer() -> SignerKey {
    SignerKey::generate([7; 32], "records.example.org".parse().unwrap())
}

fn cosigner(number: u8) -> CosignerKey {
    CosignerKey::generate([number; 32], format!("w{number}.example").parse().unwrap())
}

fn server(file: &Path, number: u8) -> Server {
    let register = Arc::new(SqliteRegister::open(file).unwrap());
    let witnessed = vec![Witnessed::Custodian(signer().verifier())];
    Server::new(register, cosigner(number), witnessed, Arc::new(Still))
}

fn policy() -> WitnessPolicy {
    let lines: String = (1..=3)
        .map(|number| {
            format!(
                "witness w{number} {} http://w{number}\n",
                cosigner(number).witness()
            )
        })
        .collect();
    WitnessPolicy::parse(&(lines + "group two 2 w1 w2 w3\nquorum two\n")).unwrap()
}

fn ledger(dir: &Path) -> Ledger {
    let custodian = "records.example.org".parse().unwrap();
    let mut config = Config::new(dir.to_owned(), custodian, signer(), Arc::new(Still));
    config.segment_bytes = crate::MIN_SEGMENT_BYTES;
    // Checkpoints are made when the test asks.
    config.checkpoint_every = Duration::from_secs(3600);
    Ledger::open(config).unwrap()
}

async fn grow(ledger: &Ledger, partner: &str) {
    let kind = match ledger.partner(&partner.parse().unwrap()) {
        None => Kind::Opened,
        Some(_) => Kind::Disclosure,
    };
    let draft = Draft::new(kind, b"record".to_vec()).with_partner(partner.parse().unwrap());
    ledger.append(vec![draft]).await.unwrap();
    ledger.checkpoint().await.unwrap();
}

fn near(dir: &Path, numbers: &[u8]) -> Arc<Near> {
    let servers = numbers.iter().map(|number| {
        let file = dir.join(format!("w{number}"));
        (format!("http://w{number}"), server(&file, *number))
    });
    Arc::new(Near(servers.collect()))
}

/// What a published checkpoint says, and who has cosigned it.
fn published(ledger: &Ledger, folder: &str) -> (Checkpoint, usize) {
    let note = std::fs::read_to_string(ledger.public_dir().join(folder).join("checkpoint")).unwrap();
    let checkpoint = Checkpoint::peek(&note).unwrap();
    let key = signer().verifier().renamed(&checkpoint.origin);
    let by = cosigned_places(&policy(), &note).len();
    (Checkpoint::open(&note, &key).unwrap(), by)
}

#[tokio::test]
async fn a_checkpoint_is_published_with_all_cosignatures_that_can_be_had() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(&dir.path().join("ledger"));
    grow(&ledger, "county").await;
    let cosigning = Cosigning::new(ledger.clone(), policy(), near(dir.path(), &[1, 2]));
    for size in 2..6 {
        for log in [None, Some("county".parse().unwrap())] {
            let round = cosigning.cosign(log.as_ref()).await.unwrap();
            assert_eq!(round.quorum.unwrap().by.len(), 2, "at size {size}");
            assert!(matches!(round.witnesses[2].1, Err(Fault::Unreachable(_))));
            assert!(round.published);
        }
        assert_eq!(
            published(&ledger, ""),
            (ledger.checkpoints().main.clone().unwrap().checkpoint, 2)
        );
        assert_eq!(published(&ledger, "p/county").1, 2);
        grow(&ledger, "county").await;
        assert_eq!(published(&ledger, "").1, 0);
    }
    let proof = ledger.prove(1).unwrap();
    assert_eq!(cosigned_places(&policy(), &proof.checkpoint).len(), 0);
    cosigning.cosign(None).await.unwrap();
    assert_eq!(
        cosigned_places(&policy(), &ledger.prove(1).unwrap().checkpoint).len(),
        2
    );
    assert!(cosigning.cosign(Some(&"nobody".parse().unwrap())).await.is_none());
}

#[tokio::test]
async fn a_ledger_opened_again_goes_on_with_its_witnesses() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger");
    let first = ledger(&path);
    grow(&first, "county").await;
    let cosigning = Cosigning::new(first.clone(), policy(), near(dir.path(), &[1, 2, 3]));
    assert_eq!(cosigning.cosign(None).await.unwrap().quorum.unwrap().by.len(), 3);
    drop((first, cosigning));
    let again = ledger(&path);
    assert_eq!(published(&again, "").1, 3);
    grow(&again, "county").await;
    let cosigning = Cosigning::new(again, policy(), near(dir.path(), &[1, 2, 3]));
    assert_eq!(cosigning.cosign(None).await.unwrap().quorum.unwrap().by.len(), 3);
}

#[tokio::test]
async fn a_ledger_from_a_backup_is_told_that_it_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let (path, backup) = (dir.path().join("ledger"), dir.path().join("backup"));
    let first = ledger(&path);
    grow(&first, "county").await;
    drop(first);
    copy(&path, &backup);
    let first = ledger(&path);
    grow(&first, "county").await;
    let cosigning = Cosigning::new(first.clone(), policy(), near(dir.path(), &[1, 2, 3]));
    cosigning.cosign(None).await.unwrap();
    drop((first, cosigning));
    let back = ledger(&backup);
    let cosigning = Cosigning::new(back.clone(), policy(), near(dir.path(), &[1, 2, 3]));
    let round = cosigning.cosign(None).await.unwrap();
    let accused = |round: &Round| {
        let faults = round
            .witnesses
            .iter()
            .filter_map(|(_, outcome)| outcome.as_ref().err());
        faults.filter(|fault| fault.accuses_the_log()).count()
    };
    assert_eq!(accused(&round), 3);
    assert!(round.quorum.is_err() && !round.published);
    // It grows past what the witnesses know, another way.
    for _ in 0..3 {
        grow(&back, "city").await;
    }
    let round = cosigning.cosign(None).await.unwrap();
    assert!(
        matches!(round.witnesses[0].1, Err(Fault::Forked { .. })),
        "{:?}",
        round.witnesses[0]
    );
    assert_eq!(accused(&round), 3);
}

#[tokio::test]
async fn a_witness_from_a_backup_is_not_counted_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = ledger(&dir.path().join("ledger"));
    grow(&ledger, "county").await;
    let cosigning = Cosigning::new(ledger.clone(), policy(), near(dir.path(), &[1]));
    cosigning.cosign(None).await.unwrap();
    // Closed, so that all of it is in the one file.
    drop(cosigning);
    std::fs::copy(dir.path().join("w1"), dir.path().join("old")).unwrap();
    grow(&ledger, "county").await;
    let cosigning = Cosigning::new(ledger.clone(), policy(), near(dir.path(), &[1]));
    cosigning.cosign(None).await.unwrap();
    drop(cosigning);
    std::fs::rename(dir.path().join("old"), dir.path().join("w1")).unwrap();
    let cosigning = Cosigning::new(ledger.clone(), policy(), near(dir.path(), &[1]));
    let outcome = |round: Option<Round>| round.unwrap().witnesses.remove(0).1;
    grow(&ledger, "county").await;
    let fault = outcome(cosigning.cosign(None).await).unwrap_err();
    assert!(
        matches!(fault, Fault::WitnessTurnedBack { cosigned: 3, says: 2 }),
        "{fault}"
    );
    // It was shown what it had cosigned, and has stopped.
    grow(&ledger, "county").await;
    let fault = outcome(cosigning.cosign(None).await).unwrap_err();
    assert!(matches!(fault, Fault::Refused { status: 500, .. }), "{fault}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
