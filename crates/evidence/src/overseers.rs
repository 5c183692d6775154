//! Records under seal: what the custodian may know of them before they are opened, to whom they are sealed, and what is
//! handed to and fro to open them.
//!
//! An entry's opening key is sealed to the public key of some *overseers*; the private half is split among them
//! ([`shares`]), so that only a number of them together opens anything. They open single entries ([`unsealing`]): the
//! custodian asks, they answer with opening keys, and nobody but they ever has their key. `docs/formats.md` gives it all.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::entry::Kind;
use crate::hash::Hash;
use crate::id::{Origin, OverseersId, SessionId};
use crate::record::{
    self, Continuation, Disclosure, Ended, OutcomeRecord, RecordError, Subjects, Unattributed,
};

pub mod shares;
pub mod unsealing;

/// Bytes of an opening key under seal: the key that HPKE encapsulated, then the sealed 32 bytes with their tag.
pub const SEALED_KEY_BYTES: usize = 32 + 32 + 16;

/// What is said of a seal that waits for an order.
const ORDER: &str = "order";

/// What the seal is bound to begins so.
const LABEL: &[u8] = b"estop/under-seal/v1\0";

/// To whom records are sealed, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Under {
    /// The overseers.
    pub overseers: OverseersId,
    /// The time from which on they open it without an order; none: they open it on an order only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Under {
    /// The time, or that there is none, as it stands in signed and sealed things.
    pub fn until_text(&self) -> String {
        self.until
            .map_or_else(|| ORDER.to_owned(), |until| until.to_string())
    }

    /// What a sealed key is bound to, beside its entry's commitment (HPKE's `info`).
    pub fn info(&self, origin: &Origin) -> Vec<u8> {
        let mut info = LABEL.to_vec();
        for part in [origin.as_str(), self.overseers.as_str(), &self.until_text()] {
            info.extend_from_slice(part.as_bytes());
            info.push(0);
        }
        info
    }
}

/// Reads what [`Under::until_text`] writes.
fn until(text: &str) -> Option<Option<Timestamp>> {
    if text == ORDER {
        return Some(None);
    }
    crate::entry::text::parse_time(text).map(Some)
}

/// To whom the records under an agreement are sealed, with the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// To whom, and until when.
    pub under: Under,
    /// Their X25519 public key. In text it is 32 bytes in base64, as a [`Hash`](struct@Hash) is.
    pub key: Hash,
}

impl Seal {
    /// Whether what is recorded now is sealed: its time has not come yet.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.under.until.is_none_or(|until| now < until)
    }
}

/// What the custodian keeps outside of the seal: to whom it is, and what the account of disclosures needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Margin {
    /// To whom it is sealed.
    pub under: Under,
    /// What is known of it.
    pub outline: Outline,
}

/// What is known of a record under seal: whom rows were about, by tags, and which parts belong together. Not who asked, what, and
/// for what case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outline {
    /// The session it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Number of the statement in the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_number: Option<u64>,
    /// Rows released with it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows: u64,
    /// Bytes of these rows: budgets are counted by them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// Whether later parts follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub streaming: bool,
    /// Whom the rows are about, without the columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<Subjects>,
    /// Rows of which that cannot be said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unattributed: Vec<Unattributed>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Outline {
    /// What may be known of the record of an entry of this kind.
    ///
    /// # Errors
    /// It is no record of that kind.
    pub fn of(kind: Kind, record: &[u8]) -> Result<Self, RecordError> {
        let statement = |session, number| Self {
            session: Some(session),
            statement_number: Some(number),
            ..Self::default()
        };
        Ok(match kind {
            Kind::Disclosure => {
                let one: Disclosure = record::decode(record)?;
                Self {
                    rows: one.rows,
                    bytes: one.bytes,
                    streaming: one.outcome == record::Outcome::Streaming,
                    subjects: without_columns(one.subjects),
                    unattributed: one.unattributed,
                    ..statement(one.session, one.statement_number)
                }
            }
            Kind::Continuation => {
                let more: Continuation = record::decode(record)?;
                Self {
                    rows: more.rows,
                    bytes: more.bytes,
                    subjects: without_columns(more.subjects),
                    unattributed: more.unattributed,
                    ..statement(more.session, more.statement_number)
                }
            }
            Kind::Outcome => {
                let ended: OutcomeRecord = record::decode(record)?;
                statement(ended.session, ended.statement_number)
            }
            Kind::Ended => Self {
                session: Some(record::decode::<Ended>(record)?.session),
                ..Self::default()
            },
            _ => Self::default(),
        })
    }

    /// The session and the number of the statement it is part of.
    pub fn statement(&self) -> Option<(SessionId, u64)> {
        Some((self.session.clone()?, self.statement_number?))
    }
}

fn without_columns(mut subjects: Vec<Subjects>) -> Vec<Subjects> {
    for of in &mut subjects {
        of.columns.clear();
    }
    subjects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_says_nothing_of_who_and_what() {
        let record = br#"{"session":"0123456789abcdef","statement_number":1,"partner":"federal-agency","officer":"j.doe","agreement":"federal-2019","purpose":"immigration-enforcement","case":"FA-2026-117","text":{"text":"select name from people where person_id = $1"},"parameters":[{"text":"7"}],"started":"2026-11-23T00:00:02.25Z","rows":1,"bytes":21,"outcome":{"complete":{"tag":"SELECT 1"}},"legal_basis":"b","subjects":[{"dataset":"people","columns":["person_id","name"],"rows":1,"key":"01020304","tags":"AAAAAAAAAAc="}]}"#;
        let outline = Outline::of(Kind::Disclosure, record).unwrap();
        assert_eq!(
            serde_json::to_string(&outline).unwrap(),
            r#"{"session":"0123456789abcdef","statement_number":1,"rows":1,"bytes":21,"subjects":[{"dataset":"people","rows":1,"key":"01020304","tags":"AAAAAAAAAAc="}]}"#
        );
        assert_eq!(Outline::of(Kind::Session, b"{}").unwrap(), Outline::default());
        assert!(Outline::of(Kind::Disclosure, b"{}").is_err());
    }

    #[test]
    fn what_a_key_is_bound_to_tells_dates_overseers_and_logs_apart() {
        let origin: Origin = "records.example.org/audit".parse().unwrap();
        let under = |overseers: &str, until: Option<&str>| Under {
            overseers: overseers.parse().unwrap(),
            until: until.map(|text| text.parse().unwrap()),
        };
        let day = Some("2031-01-01T00:00:00Z");
        assert_eq!(
            under("court", day).info(&origin),
            b"estop/under-seal/v1\0records.example.org/audit\0court\x002031-01-01T00:00:00Z\0"
        );
        assert_eq!(
            under("court", None).info(&origin),
            b"estop/under-seal/v1\0records.example.org/audit\0court\0order\0"
        );
        for one in [under("court", day), under("court", None)] {
            assert_eq!(until(&one.until_text()), Some(one.until));
        }
        assert_eq!(until("orders"), None);
    }
}
