//! The routes of the admin API.

use std::future::Future;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use evidence::id::DirectiveNumber;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;

use super::{
    ApplyRequest, ApprovalRequest, CertificateAnswer, CertificateRequest, Class, DraftRequest, ErrorAnswer,
    ErrorText, PlanAnswer, ReinstatementRequest, Submission,
};
use crate::error::ControlError;
use crate::served::Served;

/// Longest request body: a directive with sixteen of the longest signatures takes a fraction.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// Serves the admin API and `extra` routes on this listener until it fails or the future is dropped. Work that has begun
/// goes on when its client, or this future, goes away.
///
/// # Errors
/// The listener failed.
pub async fn serve_admin(listener: UnixListener, served: Served, extra: Router) -> std::io::Result<()> {
    axum::serve(listener, router(served).merge(extra)).await
}

fn router(served: Served) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/status", get(status))
        .route("/plan", get(plan))
        .route("/apply", post(apply))
        .route("/directive/draft", post(draft))
        .route("/reinstatement/draft", post(reinstatement))
        .route("/approval/draft", post(approval))
        .route("/directive", post(directive))
        .route("/directives", get(directives))
        .route("/certificate/{number}", post(certificate))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(served)
}

/// Where a request went, for errors.
struct Place(String);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Place {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self(format!("{} {}", parts.method, parts.uri.path())))
    }
}

async fn health(State(served): State<Served>, place: Place) -> Response {
    answer(served.now().health(), place)
}

async fn status(State(served): State<Served>, place: Place) -> Response {
    answer(served.now().status(), place)
}

async fn plan(State(served): State<Served>, place: Place) -> Response {
    let control = served.now();
    let planned = control.plan().await.and_then(|plans| {
        Ok(PlanAnswer {
            plans,
            access: control.gives_and_takes()?,
            approval: control.approval(),
            unfinished: control.unfinished()?,
        })
    });
    answer(planned, place)
}

async fn apply(State(served): State<Served>, place: Place, body: Result<Bytes, BytesRejection>) -> Response {
    match request::<ApplyRequest>(body) {
        Ok(request) => {
            let work = async move {
                let control = served.now();
                let applied = control.apply(&request.shown).await?;
                served.applied(control);
                Ok(applied)
            };
            answer(finished(work).await, place)
        }
        Err(error) => refusal(&error, place),
    }
}

async fn draft(State(served): State<Served>, place: Place, body: Result<Bytes, BytesRejection>) -> Response {
    match request::<DraftRequest>(body) {
        Ok(request) => answer(served.now().draw_up(request).await, place),
        Err(error) => refusal(&error, place),
    }
}

async fn reinstatement(
    State(served): State<Served>,
    place: Place,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match request::<ReinstatementRequest>(body) {
        Ok(request) => answer(served.now().draw_up_reinstatement(request).await, place),
        Err(error) => refusal(&error, place),
    }
}

async fn approval(
    State(served): State<Served>,
    place: Place,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match request::<ApprovalRequest>(body) {
        Ok(request) => answer(served.now().draw_up_approval(request).await, place),
        Err(error) => refusal(&error, place),
    }
}

async fn directive(
    State(served): State<Served>,
    place: Place,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let submission = match request::<Submission>(body) {
        Ok(submission) => submission,
        Err(error) => return refusal(&error, place),
    };
    let work = async move {
        let signatures: Vec<&str> = submission.signatures.iter().map(String::as_str).collect();
        let despite = submission.despite.as_deref();
        served
            .now()
            .submit_despite(submission.text.as_bytes(), &signatures, despite)
            .await
    };
    answer(finished(work).await, place)
}

async fn directives(State(served): State<Served>) -> Response {
    Json(served.now().directives()).into_response()
}

async fn certificate(
    State(served): State<Served>,
    place: Place,
    Path(number): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let asked = match request::<CertificateRequest>(body) {
        Ok(asked) => asked,
        Err(error) => return refusal(&error, place),
    };
    let number: DirectiveNumber = match number.parse() {
        Ok(number) => number,
        Err(error) => {
            let error = ControlError::Request {
                what: "the directive's number",
                source: Box::new(error),
            };
            return refusal(&error, place);
        }
    };
    let made = served.now().certificate(&number, asked.until).await;
    answer(
        made.map(|certificate| CertificateAnswer { number, certificate }),
        place,
    )
}

/// Runs work to its end even if the client goes away: half a termination is worse than one nobody waits for.
async fn finished<T: Send + 'static>(
    work: impl Future<Output = Result<T, ControlError>> + Send + 'static,
) -> Result<T, ControlError> {
    tokio::spawn(work)
        .await
        .map_err(ControlError::ledger("doing what was asked"))?
}

fn request<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, ControlError> {
    let wrong = |source: Box<dyn std::error::Error + Send + Sync>| ControlError::Request {
        what: "the body",
        source,
    };
    let body = body.map_err(|rejection| wrong(Box::new(rejection)))?;
    let json: &[u8] = if body.is_empty() { b"{}" } else { &body };
    serde_json::from_slice(json).map_err(|error| wrong(Box::new(error)))
}

fn answer<T: Serialize>(result: Result<T, ControlError>, place: Place) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => refusal(&error, place),
    }
}

fn refusal(error: &ControlError, place: Place) -> Response {
    let status = match error.class() {
        Class::No => StatusCode::CONFLICT,
        Class::Wrong => StatusCode::BAD_REQUEST,
        Class::Missing => StatusCode::SERVICE_UNAVAILABLE,
    };
    (
        status,
        Json(ErrorAnswer {
            error: ErrorText::new(error, place.0),
        }),
    )
        .into_response()
}
