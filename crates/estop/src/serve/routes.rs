//! What the admin API answers beside control's own requests: who is connected, and what the ledger holds.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /estate` | [`EstateAnswer`] |
//! | `POST /estate`: the files are taken up as they are | [`EstateAnswer`] |
//! | `GET /sessions` | list of [`SessionLine`] |
//! | `GET /activity` | [`ActivityAnswer`] |
//! | `GET /ledger/entries/{from}/{count}` | list of [`EntryLine`] |
//! | `GET /ledger/proof/{index}` | [`ProofAnswer`] |
//! | `GET /ledger/opening/{index}` | [`OpeningAnswer`] |
//! | `POST /ledger/erase` [`EraseRequest`] | [`EraseAnswer`](erasing::EraseAnswer) |
//! | `POST /ledger/unseal` [`UnsealRequest`] | [`UnsealAnswer`](unsealing::UnsealAnswer) |
//! | `GET /ledger/as-of/{time}` | [`policy::as_of::AsOf`] |

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use control::Class;
use control::api::{ErrorAnswer, ErrorText};
use evidence::id::{Epoch, OverseersId};
use evidence::opening::Opening;
use evidence::overseers::Under;
use gateway::SessionList;
use jiff::Timestamp;
use ledger::{Ledger, ReadError, Stored};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::erasing::{self, EraseRequest};
use super::unsealing::{self, UnsealRequest};
use crate::failure::Exit;
use crate::serve::GATEWAY;
use crate::serve::desk::Desk;

/// Most entries in one answer: what a person reads, and far below the longest answer that is taken.
pub const ENTRIES_MAX: u64 = 10_000;

/// Which estate is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EstateAnswer {
    /// [`control::estate_sha256`] of the files that are served.
    pub sha256: String,
}

/// Who is connected to a gateway, and what each is at. Texts of statements stand in it: it is for who runs the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityAnswer {
    /// Which gateway.
    pub gateway: String,
    /// Its sessions.
    pub sessions: Vec<ActivityLine>,
}

/// One session, as [`gateway::Activity`] writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityLine {
    /// Who, and what it has done so far.
    #[serde(flatten)]
    pub session: SessionLine,
    /// The newest policy that it has acted on.
    pub epoch: Epoch,
    /// What runs.
    pub running: Option<RunningLine>,
}

/// A statement that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningLine {
    /// Its number in its session.
    pub statement: u64,
    /// Since when.
    pub since: Timestamp,
    /// Its beginning; nothing where its record is under seal.
    pub text: Option<String>,
    /// Whether the text goes on.
    pub longer: bool,
}

/// One session, as [`gateway::SessionInfo`] writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLine {
    /// Its number in the ledger.
    pub session: String,
    /// Whose officer.
    pub partner: String,
    /// Who.
    pub officer: String,
    /// Under which agreement.
    pub agreement: String,
    /// For which purpose.
    pub purpose: String,
    /// On which case.
    pub case: Option<String>,
    /// From where.
    pub client: String,
    /// With what program, as it says.
    pub application: Option<String>,
    /// Since when.
    pub since: String,
    /// Statements begun.
    pub statements: u64,
    /// Rows handed over.
    pub rows: u64,
    /// Bytes of rows handed over.
    pub bytes: u64,
    /// What it is doing.
    pub state: String,
}

/// An entry of the main log with its private record. What opens its commitment stays in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryLine {
    /// Index in the main log.
    pub index: u64,
    /// The entry, as it is published.
    pub entry: String,
    /// The private record; nothing if there is none, or none any more.
    pub record: Option<Value>,
    /// The entry by which the record was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_by: Option<u64>,
    /// To whom the record is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_seal: Option<Under>,
}

/// A proof that an entry is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofAnswer {
    /// C2SP tlog-proof.
    pub proof: String,
    /// The entry that it proves, as it is published.
    pub entry: String,
}

/// An entry, opened: see [`Opening`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpeningAnswer {
    /// Its text.
    pub opening: String,
}

impl fmt::Debug for OpeningAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpeningAnswer(..)")
    }
}

#[derive(Clone)]
struct Served {
    desk: Arc<Desk>,
    sessions: SessionList,
    ledger: Ledger,
}

pub(super) fn router(desk: Arc<Desk>, sessions: SessionList, ledger: Ledger) -> Router {
    Router::new()
        .route("/estate", get(estate).post(take_up))
        .route("/sessions", get(list))
        .route("/activity", get(activity))
        .route("/ledger/entries/{from}/{count}", get(entries))
        .route("/ledger/proof/{index}", get(proof))
        .route("/ledger/opening/{index}", get(opening))
        .route("/ledger/erase", post(erase))
        .route("/ledger/unseal", post(unseal))
        .route("/ledger/as-of/{time}", get(as_of))
        .with_state(Served {
            desk,
            sessions,
            ledger,
        })
}

async fn estate(State(served): State<Served>) -> Response {
    Json(EstateAnswer {
        sha256: served.desk.estate_sha256(),
    })
    .into_response()
}

async fn take_up(State(served): State<Served>) -> Response {
    let desk = Arc::clone(&served.desk);
    // Half an exchange would be worse than one nobody waits for.
    let taken = tokio::spawn(async move { desk.take_up().await }).await;
    match taken {
        Ok(Ok(())) => estate(State(served)).await,
        Ok(Err(failure)) => {
            let (status, class) = match failure.exit {
                Exit::Absent => (StatusCode::SERVICE_UNAVAILABLE, Class::Missing),
                Exit::No => (StatusCode::CONFLICT, Class::No),
                _ => (StatusCode::BAD_REQUEST, Class::Wrong),
            };
            let error = ErrorText {
                what: failure.line(),
                place: "POST /estate".to_owned(),
                right: failure.help.unwrap_or_default(),
                class,
                exit_code: class.exit_code(),
            };
            (status, Json(ErrorAnswer { error })).into_response()
        }
        Err(error) => refused("POST /estate", &error),
    }
}

async fn list(State(served): State<Served>) -> Response {
    Json(served.sessions.now()).into_response()
}

async fn activity(State(served): State<Served>) -> Response {
    let answer = serde_json::json!({ "gateway": GATEWAY, "sessions": served.sessions.activity() });
    Json(answer).into_response()
}

async fn entries(State(served): State<Served>, Path((from, count)): Path<(u64, u64)>) -> Response {
    let place = "GET /ledger/entries";
    blocking(place, move || read_entries(&served.ledger, from, count)).await
}

async fn proof(State(served): State<Served>, Path(index): Path<u64>) -> Response {
    let place = "GET /ledger/proof";
    blocking(place, move || read_proof(&served.ledger, index)).await
}

async fn opening(State(served): State<Served>, Path(index): Path<u64>) -> Response {
    let place = "GET /ledger/opening";
    blocking(place, move || read_opening(&served.ledger, index)).await
}

async fn erase(State(served): State<Served>, Json(asked): Json<EraseRequest>) -> Response {
    let place = "POST /ledger/erase";
    blocking(place, move || erasing::erase(&served.ledger, &asked)).await
}

async fn unseal(State(served): State<Served>, Json(asked): Json<UnsealRequest>) -> Response {
    let place = "POST /ledger/unseal";
    blocking(place, move || unsealing::unseal(&served.ledger, &asked)).await
}

async fn as_of(State(served): State<Served>, Path(time): Path<Timestamp>) -> Response {
    let place = "GET /ledger/as-of";
    blocking(place, move || control::as_of(&served.ledger, time)).await
}

/// Entries from one on, at most [`ENTRIES_MAX`]. Blocks for the disk.
///
/// # Errors
/// They cannot be read.
pub fn read_entries(ledger: &Ledger, from: u64, count: u64) -> Result<Vec<EntryLine>, ReadError> {
    let end = from.saturating_add(count.min(ENTRIES_MAX)).min(ledger.size());
    if from >= end {
        return Ok(Vec::new());
    }
    ledger
        .entries(from..end)?
        .map(|stored| stored.map(|stored| line(&stored)))
        .collect()
}

/// Proof of one entry under the newest checkpoint. Blocks for the disk.
///
/// # Errors
/// There is no such entry, or no checkpoint covers it yet.
pub fn read_proof(ledger: &Ledger, index: u64) -> Result<ProofAnswer, ReadError> {
    let stored = ledger.entry(index)?;
    let proof = ledger.prove(index)?.to_string();
    Ok(ProofAnswer {
        proof,
        entry: String::from_utf8_lossy(&stored.entry).into_owned(),
    })
}

/// Why an entry cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is nothing behind it.
    #[error("entry {0} has no private record: all of it is public")]
    NoRecord(u64),
    /// It is sealed to others.
    #[error(
        "the private record of entry {index} is under seal: only the overseers `{overseers}` together can open it"
    )]
    UnderSeal {
        /// Which entry.
        index: u64,
        /// To whom.
        overseers: OverseersId,
    },
    /// There was, and its key was destroyed.
    #[error(
        "the private record of entry {index} was erased at {time}, as entry {by} says: nobody can open it"
    )]
    Erased {
        /// Which entry.
        index: u64,
        /// The entry that says so.
        by: u64,
        /// When.
        time: Timestamp,
    },
}

/// One entry, opened. Blocks for the disk.
///
/// # Errors
/// There is no such entry, it has no private record, or no checkpoint covers it yet.
pub fn read_opening(ledger: &Ledger, index: u64) -> Result<OpeningAnswer, OpenError> {
    let Stored {
        key,
        record,
        entry,
        erased_by,
        under_seal,
        ..
    } = ledger.entry(index)?;
    if let Some(by) = erased_by {
        let time = ledger
            .entry(by)?
            .parse()
            .map_or(Timestamp::UNIX_EPOCH, |entry| entry.time);
        return Err(OpenError::Erased { index, by, time });
    }
    if let Some(sealed) = under_seal {
        let overseers = sealed.margin.under.overseers;
        return Err(OpenError::UnderSeal { index, overseers });
    }
    let opening = Opening {
        key: key.ok_or(OpenError::NoRecord(index))?,
        record,
        entry,
        proof: ledger.prove(index)?,
    };
    Ok(OpeningAnswer {
        opening: String::from_utf8_lossy(&opening.encode()).into_owned(),
    })
}

fn line(stored: &Stored) -> EntryLine {
    EntryLine {
        index: stored.index,
        entry: String::from_utf8_lossy(&stored.entry).into_owned(),
        record: serde_json::from_slice(&stored.record).ok(),
        erased_by: stored.erased_by,
        under_seal: stored
            .under_seal
            .as_ref()
            .map(|sealed| sealed.margin.under.clone()),
    }
}

pub(super) async fn blocking<A: Serialize + Send + 'static, E: std::error::Error + Send + 'static>(
    place: &str,
    work: impl FnOnce() -> Result<A, E> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(error)) => refused(place, &error),
        Err(error) => refused(place, &error),
    }
}

fn refused(place: &str, error: &dyn std::error::Error) -> Response {
    let class = Class::Wrong;
    let error = ErrorText {
        what: error.to_string(),
        place: place.to_owned(),
        right: "`estop ledger show` tells which entries there are".to_owned(),
        class,
        exit_code: class.exit_code(),
    };
    (StatusCode::BAD_REQUEST, Json(ErrorAnswer { error })).into_response()
}
