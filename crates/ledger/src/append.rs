//! What is appended, and what comes back once it is durable.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use evidence::entry::{EntryError, Kind};
use evidence::id::{AgreementId, PartnerId, PurposeId};
use evidence::overseers::Seal;
use evidence::receipt::Leaf;
use evidence::record::{self, Record, RecordError};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::failure::Failure;

/// An entry to be: what the caller knows of it. Index, time, place in the partner's log and commitment are added when its
/// turn comes.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// What the entry is about. [`Kind::Genesis`] and [`Kind::Census`] are made by the ledger itself.
    pub kind: Kind,
    /// The partner it concerns; needed where [`Kind::in_partner_log`].
    pub partner: Option<PartnerId>,
    /// The agreement it concerns.
    pub agreement: Option<AgreementId>,
    /// The purpose it concerns.
    pub purpose: Option<PurposeId>,
    /// The private record, JSON, stored byte for byte. Empty: there is none, and no commitment.
    pub record: Vec<u8>,
    /// Text for the public, ending in a line feed.
    pub body: Option<String>,
    /// To whom the record is sealed, so that the custodian alone cannot read it.
    pub seal: Option<Box<Seal>>,
}

impl Draft {
    /// A draft that concerns nobody yet.
    pub fn new(kind: Kind, record: Vec<u8>) -> Self {
        Self {
            kind,
            partner: None,
            agreement: None,
            purpose: None,
            record,
            body: None,
            seal: None,
        }
    }

    /// A draft with this record, of its kind.
    ///
    /// # Errors
    /// The record is too long.
    pub fn of<R: Record>(record: &R) -> Result<Self, RecordError> {
        Ok(Self::new(R::KIND, record::encode(record)?))
    }

    /// The same, concerning a partner.
    #[must_use]
    pub fn with_partner(self, partner: PartnerId) -> Self {
        Self {
            partner: Some(partner),
            ..self
        }
    }

    /// The same, under an agreement and for one of its purposes.
    #[must_use]
    pub fn under(self, agreement: AgreementId, purpose: PurposeId) -> Self {
        Self {
            agreement: Some(agreement),
            purpose: Some(purpose),
            ..self
        }
    }

    /// The same, sealed to overseers if there are any.
    #[must_use]
    pub fn sealed_to(self, seal: Option<&Seal>) -> Self {
        Self {
            seal: seal.cloned().map(Box::new),
            ..self
        }
    }

    /// The same, with text for the public.
    #[must_use]
    pub fn with_body(self, body: String) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The record is private and stays out of logs.
        let mut shown = f.debug_struct("Draft");
        shown
            .field("kind", &self.kind)
            .field("partner", &self.partner)
            .field("agreement", &self.agreement);
        shown
            .field("purpose", &self.purpose)
            .field("record_bytes", &self.record.len())
            .finish_non_exhaustive()
    }
}

/// Proof, to other code of this process, that an append is durable. Only the ledger can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    first_index: u64,
    count: u64,
    time: Timestamp,
    leaves: Vec<Leaf>,
}

impl Receipt {
    pub(crate) fn new(first_index: u64, count: u64, time: Timestamp, leaves: Vec<Leaf>) -> Self {
        Self {
            first_index,
            count,
            time,
            leaves,
        }
    }

    /// Those of the entries that are leaves of a partner's log, with their places there: what [`Ledger::sign_receipt`] signs.
    ///
    /// [`Ledger::sign_receipt`]: crate::Ledger::sign_receipt
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Index in the main log of the first entry.
    pub fn first_index(&self) -> u64 {
        self.first_index
    }

    /// How many entries; their indexes follow one another.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The time in the entries, in whole seconds.
    pub fn time(&self) -> Timestamp {
        self.time
    }
}

/// Why an append is not in the ledger. Nothing of it is: an append is there whole or not at all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotRecorded {
    /// Too much is waiting to be written. The caller may try again.
    #[error("the ledger is busy: too many entries are waiting to be written")]
    Busy,
    /// The partner's log is closed.
    #[error("the log of partner `{partner}` is closed")]
    PartnerClosed {
        /// The partner.
        partner: PartnerId,
    },
    /// The partner has no log: none was ever opened.
    #[error("partner `{partner}` has no log yet: append an `opened` entry first")]
    PartnerUnknown {
        /// The partner.
        partner: PartnerId,
    },
    /// There are as many partner logs as a census can list.
    #[error("no log for another partner: a census has room for {limit}")]
    TooManyPartners {
        /// How many there can be.
        limit: usize,
    },
    /// The append is too long.
    #[error("an append of {bytes} bytes: at most {limit} fit")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A draft that cannot become an entry.
    #[error("draft {number} of the append cannot become an entry")]
    Malformed {
        /// Which draft of the append, from 0.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: EntryError,
    },
    /// A kind of entry that only the ledger itself appends, or no drafts at all.
    #[error("not for callers to append: {what}")]
    NotYours {
        /// What was to be appended.
        what: &'static str,
    },
    /// The system gave no random bytes for the opening key.
    #[error("the system's random source failed")]
    Random,
    /// The record could not be sealed.
    #[error("the private record could not be sealed")]
    Keys(#[source] Arc<crate::KeysError>),
    /// The disk is full or refused a write. The next append tries again.
    #[error("the ledger's storage refused the write")]
    Storage(#[source] Arc<io::Error>),
    /// The ledger failed; this process must end, see [`Ledger::failed`](crate::Ledger::failed). Whether the append is in
    /// the ledger will be known when it is opened again.
    #[error("the ledger has failed and must be opened again")]
    Failed(#[source] Arc<Failure>),
    /// The ledger was closed before the append's turn came.
    #[error("the ledger is closed")]
    Closed,
}

/// An append that is on its way. It goes on whether or not this is awaited. Cancel safe.
#[derive(Debug)]
#[must_use = "nothing is recorded until this says so"]
pub struct Pending(State);

#[derive(Debug)]
enum State {
    Waiting(oneshot::Receiver<Result<Receipt, NotRecorded>>),
    Refused(NotRecorded),
}

impl Pending {
    pub(crate) fn waiting(answer: oneshot::Receiver<Result<Receipt, NotRecorded>>) -> Self {
        Self(State::Waiting(answer))
    }

    pub(crate) fn refused(why: NotRecorded) -> Self {
        Self(State::Refused(why))
    }

    /// Waits on a thread of its own. Not to be called from async code, where tokio panics.
    ///
    /// # Errors
    /// See [`NotRecorded`].
    pub fn wait(self) -> Result<Receipt, NotRecorded> {
        match self.0 {
            State::Waiting(answer) => answer.blocking_recv().unwrap_or(Err(NotRecorded::Closed)),
            State::Refused(why) => Err(why),
        }
    }
}

impl Future for Pending {
    type Output = Result<Receipt, NotRecorded>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Waiting(answer) => Pin::new(answer)
                .poll(context)
                .map(|answer| answer.unwrap_or(Err(NotRecorded::Closed))),
            State::Refused(why) => Poll::Ready(Err(why.clone())),
        }
    }
}

/// A value that comes out only with the receipt of its record. Dropped, it takes the value with it; the record may then
/// say more than was released, never less. Awaiting it by reference is cancel safe.
#[must_use = "dropping this drops what is withheld"]
pub struct Withheld<T> {
    /// Gone once it has come out.
    value: Option<T>,
    pending: Pending,
}

impl<T> Withheld<T> {
    pub(crate) fn new(value: T, pending: Pending) -> Self {
        Self {
            value: Some(value),
            pending,
        }
    }
}

impl<T: Unpin> Withheld<T> {
    /// The value, once its record is durable. Not cancel safe: a future dropped before it is ready drops the value.
    ///
    /// # Errors
    /// It is not recorded; the value is gone.
    pub async fn release(self) -> Result<(T, Receipt), NotRecorded> {
        self.await
    }
}

impl<T: Unpin> Future for Withheld<T> {
    type Output = Result<(T, Receipt), NotRecorded>;

    /// After it has been ready once, it is ready with [`NotRecorded::Closed`].
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.value.is_none() {
            return Poll::Ready(Err(NotRecorded::Closed));
        }
        let Poll::Ready(answer) = Pin::new(&mut this.pending).poll(context) else {
            return Poll::Pending;
        };
        let value = this.value.take();
        Poll::Ready(answer.and_then(|receipt| Ok((value.ok_or(NotRecorded::Closed)?, receipt))))
    }
}

impl<T> fmt::Debug for Withheld<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Withheld")
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}
