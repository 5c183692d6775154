//! Client of the admin API: HTTP over the Unix socket that `estop serve` keeps in the state folder. Who may open the socket may
//! ask; what is asked for is decided behind it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use control::Class;
use control::api::ErrorAnswer;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::failure::Failure;
use crate::unix::Reachable;

/// Longest answer that is taken: a certificate of ten thousand cut sessions has about 10 MB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest wait for an answer: a termination waits for gateways to drain and for backends to end.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// The admin API of one `serve`.
#[derive(Debug, Clone)]
pub struct Admin {
    socket: PathBuf,
}

/// Why there is no answer that can be used.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("no answer within {} s", ANSWER_WITHIN.as_secs())]
    Late,
    #[error("the answer cannot be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the connection broke")]
    Connection(#[from] hyper::Error),
    #[error("the request cannot be made")]
    Request(#[from] hyper::http::Error),
    #[error("the request or the answer is not the JSON that this version knows")]
    Json(#[from] serde_json::Error),
}

impl Admin {
    /// The API behind this socket.
    #[must_use]
    pub fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Asks.
    ///
    /// # Errors
    /// Nobody serves there, or the answer is no.
    pub async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Failure> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// Nobody serves there, or the answer is no.
    pub async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        question: &impl Serialize,
    ) -> Result<A, Failure> {
        let body = serde_json::to_vec(question).map_err(|error| self.broken(&error.into()))?;
        self.ask(Method::POST, path, body.into()).await
    }

    async fn ask<A: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<A, Failure> {
        let stream = connect(&self.socket).await?;
        let exchange = tokio::time::timeout(ANSWER_WITHIN, exchange(stream, method, path, body));
        let answer = match exchange.await {
            Ok(answer) => answer,
            Err(_) => Err(Broken::Late),
        };
        let (status, body) = answer.map_err(|error| self.broken(&error))?;
        if status.is_success() {
            serde_json::from_slice(&body).map_err(|error| self.broken(&error.into()))
        } else {
            Err(refusal(status, &body))
        }
    }

    fn broken(&self, error: &Broken) -> Failure {
        Failure::absent(format!(
            "`estop serve` at `{}` did not answer as it should",
            self.socket.display()
        ))
        .because(error)
    }
}

async fn connect(socket: &Path) -> Result<UnixStream, Failure> {
    let connected = match Reachable::to(socket) {
        Ok(way) => UnixStream::connect(way.path()).await,
        Err(error) => Err(error),
    };
    connected.map_err(|error| {
        Failure::absent(format!(
            "`estop serve` is not running: nobody answers at `{}`",
            socket.display()
        ))
        .because(&error)
        .help("start it with `estop serve --estate DIR`, as the same account")
    })
}

async fn exchange(
    stream: UnixStream,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Broken> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Its errors come back through the sender.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "estop")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(Broken::Body)?;
    Ok((status, body.to_bytes()))
}

/// An error of control's, with its own exit code.
fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(ErrorAnswer { error }) => {
            let failure = match error.class {
                Class::No => Failure::no(error.what),
                Class::Wrong => Failure::wrong(error.what),
                Class::Missing => Failure::absent(error.what),
            };
            failure.help(error.right)
        }
        Err(_) => Failure::absent(format!("`estop serve` answered with {status}")),
    }
}
