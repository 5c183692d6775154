//! `estop witness`: HTTP before a witness's key and memory (C2SP tlog-witness).
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /add-checkpoint` | 200 and a signature line; 400, 403, 404, 409, 422 as the specification has them; 500 if it must not go on |
//! | `GET /<hex SHA-256 of the origin>/checkpoint` | the newest checkpoint that was cosigned here |

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use evidence::cosignature::{CosignerKey, WitnessKey};
use evidence::witness::{MAX_REQUEST_BYTES, Refusal};
use ledger::register::SqliteRegister;
use ledger::witness::{Witness, WitnessError, Witnessed};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::cli;
use crate::commands::certificate::public_key;
use crate::custodian::KEY_BYTES_MAX;
use crate::failure::{Exit, Failure};
use crate::files::{self, FileError, Readers};
use crate::output::{Console, Tone};
use crate::serve::wall_clock;
use crate::signals::Signals;

/// Requests that are worked on at a time; more wait. Each writes to the disk.
const AT_ONCE: usize = 16;

/// What a witness of ours is asked for and by how many at a time.
#[derive(Debug, Clone)]
struct Served {
    witness: Arc<Witness>,
    permits: Arc<Semaphore>,
}

pub(super) async fn run(command: &cli::Witness, console: Console) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let witnessed = witnessed(command)?;
    let dir = &command.dir;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| FileError::new("create", dir, source))?;
    let key = key(command)?;
    let public = key.witness();
    let register = SqliteRegister::open(&dir.join("cosigned.sqlite"))
        .map_err(|error| Failure::absent("what the witness has cosigned cannot be opened").because(&error))?;
    let listener = TcpListener::bind(command.listen).await.map_err(|error| {
        Failure::absent(format!("cannot listen on {}", command.listen))
            .because(&error)
            .help("--listen names another address")
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::absent("cannot tell where it listens").because(&error))?;
    say(&public, address, &witnessed, console)?;
    let served = Served {
        witness: Arc::new(Witness::new(Arc::new(register), key, witnessed, wall_clock())),
        permits: Arc::new(Semaphore::new(AT_ONCE)),
    };
    tokio::select! {
        () = signals.received() => Ok(Exit::Yes),
        ended = async { axum::serve(listener, router(served)).await } => {
            let failure = Failure::absent("the witness cannot listen any more");
            Err(match ended {
                Ok(()) => failure,
                Err(error) => failure.because(&error),
            })
        }
    }
}

fn say(
    public: &WitnessKey,
    address: std::net::SocketAddr,
    witnessed: &[Witnessed],
    console: Console,
) -> Result<(), Failure> {
    console.line(format!(
        "{} {}",
        console.paint(Tone::Strong, "witness"),
        public.name()
    ))?;
    console.line(format!("  listens     http://{address}"))?;
    console.line(format!("  public key  {public}"))?;
    for one in witnessed {
        console.line(match one {
            Witnessed::Custodian(key) => format!("  cosigns     all logs of {}", key.name()),
            Witnessed::Log(key) => format!("  cosigns     {}", key.name()),
        })?;
    }
    console.document(&serde_json::json!({
        "name": public.name(),
        "url": format!("http://{address}"),
        "public_key": public.to_string(),
    }))
}

fn witnessed(command: &cli::Witness) -> Result<Vec<Witnessed>, Failure> {
    let mut witnessed = Vec::new();
    for typed in &command.custodian {
        witnessed.push(Witnessed::Custodian(public_key(typed)?));
    }
    for typed in &command.log {
        witnessed.push(Witnessed::Log(public_key(typed)?));
    }
    if witnessed.is_empty() {
        return Err(Failure::wrong("a witness of nobody's logs")
            .help("say whose with --custodian KEY, or which with --log KEY"));
    }
    Ok(witnessed)
}

/// The witness's key; a new one where there is none yet, and nothing cosigned either.
fn key(command: &cli::Witness) -> Result<CosignerKey, Failure> {
    let path = command.dir.join("witness.key");
    if !path.exists() {
        return make(command, &path);
    }
    let text = Zeroizing::new(files::read(&path, KEY_BYTES_MAX)?);
    let key = CosignerKey::parse(text.trim()).map_err(|error| {
        Failure::wrong(format!("`{}` does not hold a witness's key", path.display())).because(&error)
    })?;
    match &command.name {
        Some(name) if name != key.name() => Err(Failure::wrong(format!(
            "`{}` holds the key of `{}`, not of `{name}`",
            path.display(),
            key.name()
        ))
        .help("a witness under another name needs another key: another --dir")),
        _ if command.ml_dsa && !key.is_ml_dsa() => Err(Failure::wrong(format!(
            "`{}` holds a key of Ed25519, not of ML-DSA-44",
            path.display()
        ))
        .help("a witness of another kind needs another key, and another name: another --dir")),
        _ => Ok(key),
    }
}

fn make(command: &cli::Witness, path: &Path) -> Result<CosignerKey, Failure> {
    let name = command.name.clone().ok_or_else(|| {
        Failure::wrong("a new witness needs a name")
            .help("--name, such as witness.example.org/w1: it stands beside everything that it cosigns")
    })?;
    if command.dir.join("cosigned.sqlite").exists() {
        return Err(Failure::wrong(format!("`{}` is gone", path.display()))
            .help("restore the key, or begin a new witness in an empty folder, under another name"));
    }
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(seed.as_mut())
        .map_err(|_| Failure::absent("the system gave no random bytes for a key"))?;
    let key = if command.ml_dsa {
        CosignerKey::generate_ml_dsa(*seed, name)
            .map_err(|error| Failure::absent("no key for the witness").because(&error))?
    } else {
        CosignerKey::generate(*seed, name)
    };
    let text = Zeroizing::new(format!("{}\n", key.encode().as_str()));
    files::create(path, &text, Readers::Owner)?;
    let public = command.dir.join("witness.vkey");
    files::create(&public, &format!("{}\n", key.witness()), Readers::All)?;
    Ok(key)
}

fn router(served: Served) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add))
        .route("/{origin}/checkpoint", get(newest))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(served)
}

async fn add(State(served): State<Served>, body: Bytes) -> Response {
    let Ok(_permit) = served.permits.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let witness = Arc::clone(&served.witness);
    let work = move || match std::str::from_utf8(&body) {
        Ok(body) => witness.add_checkpoint(body),
        Err(error) => Err(Refusal::Malformed(error.to_string()).into()),
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(lines)) => lines.into_response(),
        Ok(Err(WitnessError::Refused(Refusal::OtherSize { size }))) => {
            let kind = [(header::CONTENT_TYPE, "text/x.tlog.size")];
            (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response()
        }
        Ok(Err(WitnessError::Refused(refusal))) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            (status, format!("{refusal}\n")).into_response()
        }
        Ok(Err(error @ WitnessError::TurnedBack { .. })) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
        }
        // Nothing of the machine's insides for those who ask.
        Ok(Err(WitnessError::Busy)) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn newest(State(served): State<Served>, UrlPath(origin): UrlPath<String>) -> Response {
    let Ok(_permit) = served.permits.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let witness = Arc::clone(&served.witness);
    match tokio::task::spawn_blocking(move || witness.newest(&origin)).await {
        Ok(Ok(Some(note))) => note.into_response(),
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
