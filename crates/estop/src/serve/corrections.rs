//! What the admin API answers about notices of corrections.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /corrections` | list of [`Noticed`](crate::corrections::Noticed) |
//! | `POST /corrections`: a list of signed notices | list of [`Noticed`](crate::corrections::Noticed) |
//! | `POST /corrections/answer`: an [`AcknowledgedRecord`] | [`Answered`](crate::corrections::Answered) |

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{Json, Response};
use axum::routing::{get, post};
use evidence::record::AcknowledgedRecord;
use ledger::Ledger;

use super::routes::blocking;
use crate::corrections::{all, record_answer, record_notices};

/// Longest request: the longest notice for each of some dozen partners, or short ones for thousands.
const BODY_BYTES_MAX: usize = 64 << 20;

pub(super) fn router(ledger: Ledger) -> Router {
    Router::new()
        .route("/corrections", get(list).post(make))
        .route("/corrections/answer", post(answer))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(ledger)
}

async fn list(State(ledger): State<Ledger>) -> Response {
    blocking("GET /corrections", move || all(&ledger)).await
}

async fn make(State(ledger): State<Ledger>, Json(notices): Json<Vec<String>>) -> Response {
    blocking("POST /corrections", move || record_notices(&ledger, &notices)).await
}

async fn answer(State(ledger): State<Ledger>, Json(record): Json<AcknowledgedRecord>) -> Response {
    blocking("POST /corrections/answer", move || record_answer(&ledger, record)).await
}
