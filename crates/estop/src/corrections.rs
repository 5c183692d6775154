//! Notices of corrections: made for everyone who was given a record, recorded before they are handed out, and answered.

use std::collections::BTreeMap;

use evidence::correction::{self, AnswerError, Correction, CorrectionError, Draft, Given, MAX_LISTED};
use evidence::entry::{EntryError, Kind};
use evidence::id::{CorrectionNumber, OfficerId, PartnerId};
use evidence::note::SignerKey;
use evidence::record::{self, AcknowledgedRecord, Answer, CorrectionRecord, RecordError};
use evidence::signers::{AllowedSigners, SignersError};
use jiff::Timestamp;
use ledger::{Ledger, NotRecorded, ReadError};
use serde::{Deserialize, Serialize};

use crate::accounting::Account;
use crate::estate::Loaded;
use crate::failure::{Exit, Failure};

/// Most notices that are recorded at once. A record is given to as many partners as there are, at most.
pub const NOTICES_MAX: usize = 4_096;

/// A notice as it was recorded, and how it was answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Noticed {
    /// Its number.
    pub number: CorrectionNumber,
    /// Who is told.
    pub partner: PartnerId,
    /// Index of its entry.
    pub entry: u64,
    /// The time of its entry.
    pub made: Timestamp,
    /// The notice, byte for byte.
    pub notice: String,
    /// How it was answered; open if it was not.
    pub answered: Option<Answered>,
}

/// An answer as it was recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answered {
    /// Index of its entry.
    pub entry: u64,
    /// When it was handed in.
    pub at: Timestamp,
    /// How.
    pub answer: Answer,
}

/// Why a notice or an answer is not recorded, or none can be read.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Read(#[from] ReadError),
    /// An entry cannot be.
    #[error("an entry of the ledger cannot be read")]
    Entry(#[from] EntryError),
    /// A record cannot be read or made.
    #[error("the record of a notice cannot be read or made")]
    Record(#[from] RecordError),
    /// It was not recorded.
    #[error("it could not be recorded")]
    NotRecorded(#[from] NotRecorded),
    /// It is no notice of this custodian.
    #[error("the notice is not one of this custodian's")]
    Notice(#[from] CorrectionError),
    /// It has none, or too many.
    #[error("{0} notices: 1 to {NOTICES_MAX} are recorded at once")]
    Count(usize),
    /// There is none with that number.
    #[error("there is no notice {0}")]
    Unknown(CorrectionNumber),
    /// It was answered before.
    #[error("notice {number} was answered already, in entry {entry}")]
    Again {
        /// Its number.
        number: CorrectionNumber,
        /// The answer's entry.
        entry: u64,
    },
    /// The officer's key is none.
    #[error("the officer's key cannot be read")]
    Key(#[from] SignersError),
    /// The answer is none.
    #[error("the answer is not the partner's")]
    Answer(#[from] AnswerError),
    /// The signature is another officer's.
    #[error("the signature is not by the key of officer `{0}`")]
    OtherOfficer(OfficerId),
}

/// Writes and signs a notice for each partner that an account names.
///
/// # Errors
/// The note cannot stand in a notice, or the account names nobody.
pub fn draw_up(
    loaded: &Loaded,
    account: &Account,
    note: &str,
    now: Timestamp,
    key: &SignerKey,
) -> Result<Vec<String>, Failure> {
    let wrong = |error: &dyn std::error::Error| Failure::from_error(Exit::Wrong, error);
    // A partner that was shown a pseudonym is told by that: what it stands for, it does not learn.
    let mut partners: BTreeMap<(PartnerId, String), Vec<Given>> = BTreeMap::new();
    let shown = |entry: u64| account.shown_as.get(&entry).unwrap_or(&account.subject).clone();
    for given in &account.disclosures {
        let partner = given.partner.id.parse().map_err(|error| wrong(&error))?;
        let called = (partner, shown(given.entry));
        partners.entry(called).or_default().push(Given {
            entry: given.entry,
            time: evidence::entry::whole_second(given.at),
            agreement: given.agreement.parse().map_err(|error| wrong(&error))?,
            officer: Some(given.officer.id.parse().map_err(|error| wrong(&error))?),
        });
    }
    // Whom the record was given to under seal is told, too: the partner's id is public, and knows it anyway.
    for sealed in &account.sealed_entries {
        let (Some(partner), Some(agreement)) = (&sealed.public.partner, &sealed.public.agreement) else {
            continue;
        };
        let called = (partner.clone(), shown(sealed.entry));
        partners.entry(called).or_default().push(Given {
            entry: sealed.entry,
            time: sealed.public.time,
            agreement: agreement.clone(),
            officer: None,
        });
    }
    for listed in partners.values_mut() {
        listed.sort_by_key(|given| given.entry);
    }
    let draft = |((partner, subject), mut listed): ((PartnerId, String), Vec<Given>)| {
        let disclosures = u64::try_from(listed.len()).unwrap_or(u64::MAX);
        listed.drain(..listed.len().saturating_sub(MAX_LISTED));
        let notice = Correction::new(Draft {
            custodian: loaded.estate.custodian().name.clone(),
            number: random()?,
            partner,
            dataset: account.dataset.id.parse().map_err(|error| wrong(&error))?,
            subject_key: account.subject_key.clone(),
            subject,
            made: evidence::entry::whole_second(now),
            ledger_size: account.covers.entries,
            disclosures,
            listed,
            note: note.to_owned(),
        });
        let signed = notice.and_then(|notice| notice.sign(key));
        signed.map_err(|error| wrong(&error))
    };
    partners.into_iter().map(draft).collect()
}

fn random() -> Result<CorrectionNumber, Failure> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|_| Failure::absent("the system gave no random bytes for a number"))?;
    Ok(CorrectionNumber::from(u64::from_be_bytes(bytes)))
}

/// Records notices that this ledger's custodian has signed, all or none. Blocks.
///
/// # Errors
/// One is none, or they cannot be recorded.
pub fn record_notices(ledger: &Ledger, notices: &[String]) -> Result<Vec<Noticed>, NoticeError> {
    if notices.is_empty() || notices.len() > NOTICES_MAX {
        return Err(NoticeError::Count(notices.len()));
    }
    let key = ledger.verifier().renamed(&ledger.custodian().key_name());
    let opened = notices
        .iter()
        .map(|file| Correction::open(file, &key))
        .collect::<Result<Vec<_>, _>>()?;
    let draft = |(opened, file): (&Correction, &String)| {
        ledger::Draft::of(&CorrectionRecord {
            number: opened.get().number.clone(),
            partner: opened.get().partner.clone(),
            notice: file.clone(),
        })
    };
    let drafts: Result<Vec<_>, _> = opened.iter().zip(notices).map(draft).collect();
    let receipt = ledger.append(drafts?).wait()?;
    let noticed = |((opened, file), entry): ((&Correction, &String), u64)| Noticed {
        number: opened.get().number.clone(),
        partner: opened.get().partner.clone(),
        entry,
        made: receipt.time(),
        notice: file.clone(),
        answered: None,
    };
    let places = opened.iter().zip(notices).zip(receipt.first_index()..);
    Ok(places.map(noticed).collect())
}

/// Every notice there is, in order of the ledger. Reads all of it. Blocks for the disk.
///
/// # Errors
/// An entry cannot be read.
pub fn all(ledger: &Ledger) -> Result<Vec<Noticed>, NoticeError> {
    let mut all: Vec<Noticed> = Vec::new();
    let mut places: BTreeMap<CorrectionNumber, usize> = BTreeMap::new();
    for stored in ledger.entries(0..ledger.size())? {
        let stored = stored?;
        let entry = stored.parse()?;
        if stored.erased_by.is_some() {
            // What it was about is not known any more, nor whom it was to be told.
            continue;
        }
        match entry.kind {
            Kind::Correction => {
                let record: CorrectionRecord = record::decode(&stored.record)?;
                places.insert(record.number.clone(), all.len());
                all.push(Noticed {
                    number: record.number,
                    partner: record.partner,
                    entry: stored.index,
                    made: entry.time,
                    notice: record.notice,
                    answered: None,
                });
            }
            Kind::Acknowledged => {
                let record: AcknowledgedRecord = record::decode(&stored.record)?;
                let place = places.get(&record.number);
                if let Some(noticed) = place.and_then(|place| all.get_mut(*place)) {
                    noticed.answered.get_or_insert(Answered {
                        entry: stored.index,
                        at: record.at,
                        answer: record.answer,
                    });
                }
            }
            _ => {}
        }
    }
    Ok(all)
}

/// Records an answer, if it is one to a notice that is open. Blocks.
///
/// # Errors
/// There is no such notice, it was answered before, the signature is not the officer's, or it cannot be recorded.
pub fn record_answer(ledger: &Ledger, record: AcknowledgedRecord) -> Result<Answered, NoticeError> {
    let mut known = all(ledger)?.into_iter();
    let noticed = known
        .find(|noticed| noticed.number == record.number)
        .ok_or_else(|| NoticeError::Unknown(record.number.clone()))?;
    if let Some(answered) = noticed.answered {
        return Err(NoticeError::Again {
            number: record.number,
            entry: answered.entry,
        });
    }
    if let Answer::Signed {
        officer,
        key,
        signature,
    } = &record.answer
    {
        let signers = AllowedSigners::parse(&format!("{officer} {key}\n"))?;
        let custodian = ledger.custodian();
        let person = correction::answered(&noticed.notice, signature, &signers, custodian, record.at)?;
        if person.as_str() != officer.as_str() {
            return Err(NoticeError::OtherOfficer(officer.clone()));
        }
    }
    let receipt = ledger.append(vec![ledger::Draft::of(&record)?]).wait()?;
    Ok(Answered {
        entry: receipt.first_index(),
        at: record.at,
        answer: record.answer,
    })
}

/// What a signature over a notice says: which officer of the partner answered, as the estate knows them.
///
/// # Errors
/// No officer of the partner has a key, or the signature is not by one of them over this notice.
pub fn signed_answer(
    loaded: &Loaded,
    noticed: &Noticed,
    signature: &str,
    now: Timestamp,
) -> Result<Answer, Failure> {
    let estate = &loaded.estate;
    let partner = estate.partners().get(&noticed.partner);
    let officers = partner
        .map(|partner| partner.officers.as_slice())
        .unwrap_or_default();
    let keys = officers
        .iter()
        .filter_map(|officer| Some((&officer.id, officer.ssh_key.as_ref()?)));
    let lines: String = keys.map(|(id, key)| format!("{id} {key}\n")).collect();
    let wrong = |error: &dyn std::error::Error| Failure::from_error(Exit::Wrong, error);
    if lines.is_empty() {
        return Err(Failure::wrong(format!(
            "no officer of partner `{}` has an `ssh_key` in the estate",
            noticed.partner
        ))
        .help(format!(
            "put it into partners/{}.toml and apply it, or record what you know of the answer with --word",
            noticed.partner
        )));
    }
    let signers = AllowedSigners::parse(&lines).map_err(|error| wrong(&error))?;
    let person = correction::answered(
        &noticed.notice,
        signature,
        &signers,
        &estate.custodian().name,
        now,
    )
    .map_err(|error| Failure::from_error(Exit::No, &error))?;
    let officer = officers
        .iter()
        .find(|officer| officer.id.as_str() == person.as_str());
    let found = officer.and_then(|officer| Some((officer, officer.ssh_key.clone()?)));
    let (officer, key) = found.ok_or_else(|| Failure::no("the signature is nobody's of the partner"))?;
    Ok(Answer::Signed {
        officer: officer.id.clone(),
        key,
        signature: signature.to_owned(),
    })
}
