//! Logging in to the custodian's database as an agreement's own role.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::BytesMut;
use evidence::id::PartnerId;
use ledger::register::{Register, RegisterError};
use policy::estate::SqlName;
use policy::in_force::Permit;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::backend::{self, Authentication, DataRow, ParameterStatus};
use wire::frame::{self, FrameError, Part, Source, Splitter};
use wire::scram::client::{self, AwaitFirst, AwaitLast};
use wire::scram::{NONCE_BYTES, Nonce, Password, ScramError};
use wire::startup::{CancelKey, Version};
use wire::{Malformed, Unencodable, frontend, startup};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::limits::{FULL_LOOK, FULL_LOOKS, RELATIONS, WHOLE_MESSAGE_BYTES};
use crate::transport::{Server, Upstream};
use crate::views::{Found, Views};

/// A database that is shared from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Where its server is.
    pub server: Upstream,
    /// Its name.
    pub name: String,
}

/// Where sessions with an upstream go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One database for all partners.
    Shared(Database),
    /// A server for each partner, on which each role has a database of its own name.
    Airlocks(BTreeMap<PartnerId, Upstream>),
}

/// Where the gateway finds each upstream. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Databases(Arc<RwLock<BTreeMap<String, Place>>>);

impl Databases {
    /// From now on upstreams are found there. Sessions stay where they are.
    pub fn are(&self, places: BTreeMap<String, Place>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = places;
    }

    /// The database that a permitted session works in.
    pub(crate) fn of(&self, permit: &Permit) -> Option<Database> {
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        places.get(permit.upstream())?.of(permit)
    }
}

impl Place {
    /// The database that a permitted session works in.
    pub(crate) fn of(&self, permit: &Permit) -> Option<Database> {
        match self {
            Self::Shared(database) => Some(database.clone()),
            Self::Airlocks(servers) => Some(Database {
                server: servers.get(permit.partner())?.clone(),
                name: permit.role().as_str().to_owned(),
            }),
        }
    }
}

/// The gateways' credential for one role, in the register under `upstream/<role>`.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct Credential {
    password: String,
    /// While it is being renewed: the one before, which is in force until the server has taken the other.
    before: Option<String>,
}

/// How often the register is asked for a credential, if the server takes none that it held: it may have been renewed in
/// between, and that is done once at a time.
const READS: usize = 2;

/// The SQLSTATE of a wrong password.
const WRONG_PASSWORD: &str = "28P01";

/// The server, a database or a role has as many connections as it may have.
const TOO_MANY: &str = "53300";

/// A session with the upstream server, ready for its first statement.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    pub(crate) server: Server,
    /// Bytes that came behind the first `ReadyForQuery`.
    pub(crate) rest: BytesMut,
    /// Settings the server reports, as it reports them.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) cancel: CancelKey,
}

impl LoggedIn {
    /// Asks for the ids of a session's views.
    pub(crate) async fn resolve(&mut self, views: Views, schema: &SqlName) -> Result<Views, UpstreamError> {
        if !views.asks() {
            return Ok(views);
        }
        let mut out = BytesMut::new();
        frontend::query(&mut out, Views::question(schema).as_bytes())?;
        self.server.write_all(&out).await?;
        let mut splitter = Splitter::new(Source::Server, WHOLE_MESSAGE_BYTES);
        let mut found = Vec::new();
        loop {
            let (tag, message) = next(&mut self.server, &mut splitter, &mut self.rest).await?;
            let body = frame::body(&message);
            match tag {
                b'D' if found.len() < RELATIONS => found.push(relation(body)?),
                b'T' | b'C' | b'N' | b'S' => {}
                b'E' => return Err(refused(body)),
                b'Z' => return Ok(views.found(found)),
                _ => return Err(UpstreamError::OutOfPlace(tag)),
            }
        }
    }
}

/// A row of the answer to [`Views::question`].
fn relation(body: &[u8]) -> Result<Found, UpstreamError> {
    let row = DataRow::parse(body)?;
    let mut values = row.values();
    let mut text = || {
        values
            .next()
            .flatten()
            .and_then(|value| std::str::from_utf8(value).ok())
    };
    let (id, name, number, column) = (text(), text(), text(), text());
    let malformed = || UpstreamError::OutOfPlace(b'D');
    let id = id.and_then(|id| id.parse().ok()).ok_or_else(malformed)?;
    let column = match (name, number, column) {
        (None, None, None) => None,
        (Some(name), Some(number), Some(column)) => {
            let number = number.parse().map_err(|_| malformed())?;
            Some((name.to_owned(), number, column.to_owned()))
        }
        _ => return Err(malformed()),
    };
    Ok(Found { id, column })
}

/// Why there is no session with the upstream server. None of this is for the client's eyes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("the connection to the upstream server failed")]
    Io(#[from] io::Error),
    #[error("the register cannot be read")]
    Register(#[from] RegisterError),
    #[error("the register has no credential for the role; apply the estate again")]
    NoCredential,
    #[error("the upstream server sent what cannot be followed")]
    Frame(#[from] FrameError),
    #[error("the upstream server sent a message that cannot be read")]
    Malformed(#[from] Malformed),
    #[error("the start-up message cannot be written")]
    Unencodable(#[from] Unencodable),
    #[error("SCRAM with the upstream server failed")]
    Scram(#[from] ScramError),
    #[error(
        "the server does not ask for a password by SCRAM-SHA-256: `estop check --database` prints the lines for pg_hba.conf"
    )]
    NotScram,
    #[error("the server refuses it with {sqlstate}; its log says why")]
    Refused { sqlstate: String },
    #[error("the upstream server sent message `{}` out of place", .0.escape_ascii())]
    OutOfPlace(u8),
    #[error("no random bytes")]
    Random,
}

/// Logs in as the role of the permit, with `settings` as the session's own: what they return to on RESET.
/// Not cancel safe: dropping it ends the connection.
pub(crate) async fn log_in(
    database: &Database,
    register: &Arc<dyn Register>,
    permit: &Permit,
    settings: &[(String, String)],
) -> Result<LoggedIn, UpstreamError> {
    let role = permit.role().as_str();
    let own = [("user", role), ("database", database.name.as_str())];
    let settings = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let mut start = BytesMut::new();
    startup::encode(&mut start, Version::V3_0, own.into_iter().chain(settings))?;
    let mut seen = None;
    let mut refused = UpstreamError::NoCredential;
    for _ in 0..READS {
        let found = register
            .read(&format!("upstream/{role}"))?
            .ok_or(UpstreamError::NoCredential)?;
        let credential: Credential =
            serde_json::from_slice(&found.value).map_err(|_| UpstreamError::NoCredential)?;
        if seen == Some(found.version) && credential.before.is_none() {
            break;
        }
        seen = Some(found.version);
        for password in [Some(&credential.password), credential.before.as_ref()]
            .into_iter()
            .flatten()
        {
            match attempt(database, &start, &Password::new(password)).await {
                Err(error) if error.is_wrong_password() => refused = error,
                other => return other,
            }
        }
    }
    Err(refused)
}

/// One login with one password. A server that is full by its own count is asked again for a moment: a session that has ended here is
/// counted there until its backend is gone, and by our count there is room.
async fn attempt(database: &Database, start: &[u8], password: &Password) -> Result<LoggedIn, UpstreamError> {
    let mut looks = FULL_LOOKS;
    loop {
        match once(database, start, password).await {
            Err(error) if error.is_full() && looks > 0 => looks -= 1,
            other => return other,
        }
        tokio::time::sleep(FULL_LOOK).await;
    }
}

async fn once(database: &Database, start: &[u8], password: &Password) -> Result<LoggedIn, UpstreamError> {
    let mut stream = Messages {
        server: database.server.connect().await?,
        splitter: Splitter::new(Source::Server, WHOLE_MESSAGE_BYTES),
        buffer: BytesMut::new(),
    };
    stream.server.write_all(start).await?;
    stream.authenticate(password).await?;
    stream.until_ready().await
}

impl UpstreamError {
    /// Whether the client is told which it is, and can do something about it.
    pub(crate) fn is_for_the_client(&self) -> bool {
        self.is_full() || matches!(self, Self::Refused { sqlstate } if sqlstate.starts_with("22"))
    }

    fn is_full(&self) -> bool {
        matches!(self, Self::Refused { sqlstate } if sqlstate == TOO_MANY)
    }

    fn is_wrong_password(&self) -> bool {
        matches!(self, Self::Refused { sqlstate } if sqlstate == WRONG_PASSWORD)
    }
}

/// The exchange with the server, message by message.
struct Messages {
    server: Server,
    splitter: Splitter,
    buffer: BytesMut,
}

/// The parts of a SCRAM exchange, each consumed by the next message.
enum Exchange {
    Begin,
    First(AwaitFirst),
    Last(AwaitLast),
    Proved,
}

impl Messages {
    async fn next(&mut self) -> Result<(u8, BytesMut), UpstreamError> {
        next(&mut self.server, &mut self.splitter, &mut self.buffer).await
    }

    async fn authenticate(&mut self, password: &Password) -> Result<(), UpstreamError> {
        let mut exchange = Exchange::Begin;
        loop {
            let (tag, message) = self.next().await?;
            let body = frame::body(&message);
            match tag {
                b'R' => {}
                b'E' => return Err(refused(body)),
                b'N' => continue,
                _ => return Err(UpstreamError::OutOfPlace(tag)),
            }
            let mut out = BytesMut::new();
            exchange = match (exchange, Authentication::parse(body)?) {
                (Exchange::Begin, Authentication::Sasl(offered)) => {
                    let first = client::begin(offered.iter(), None, Nonce::new(&random()?))?;
                    frontend::sasl_initial(&mut out, first.mechanism(), first.message().as_bytes())?;
                    Exchange::First(first)
                }
                (Exchange::First(first), Authentication::SaslContinue(data)) => {
                    let (last, response) = first.first(data, password, None)?;
                    frontend::sasl_response(&mut out, response.as_bytes())?;
                    Exchange::Last(last)
                }
                (Exchange::Last(last), Authentication::SaslFinal(data)) => {
                    let (_proved, _keys) = last.last(data)?;
                    Exchange::Proved
                }
                (Exchange::Proved, Authentication::Ok) => return Ok(()),
                // A server that asks for nothing, or for the password itself, is not set up as it must be.
                _ => return Err(UpstreamError::NotScram),
            };
            self.server.write_all(&out).await?;
        }
    }

    async fn until_ready(mut self) -> Result<LoggedIn, UpstreamError> {
        let mut settings = Vec::new();
        let mut cancel = None;
        loop {
            let (tag, message) = self.next().await?;
            let body = frame::body(&message);
            match tag {
                b'S' => {
                    let status = ParameterStatus::parse(body)?;
                    settings.push((status.name.to_owned(), status.value.to_owned()));
                }
                b'K' => cancel = Some(backend::parse_key_data(body)?),
                b'N' => {}
                b'E' => return Err(refused(body)),
                b'Z' => {
                    let cancel = cancel.ok_or(UpstreamError::OutOfPlace(b'Z'))?;
                    return Ok(LoggedIn {
                        server: self.server,
                        rest: self.buffer,
                        settings,
                        cancel,
                    });
                }
                _ => return Err(UpstreamError::OutOfPlace(tag)),
            }
        }
    }
}

/// The next message, whole.
async fn next(
    server: &mut Server,
    splitter: &mut Splitter,
    buffer: &mut BytesMut,
) -> Result<(u8, BytesMut), UpstreamError> {
    loop {
        if let Some(piece) = splitter.next(buffer)? {
            let message = buffer.split_to(piece.len);
            return match piece.part {
                Part::Whole => Ok((piece.header.tag, message)),
                _ => Err(UpstreamError::OutOfPlace(piece.header.tag)),
            };
        }
        if server.read_buf(buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

fn refused(body: &[u8]) -> UpstreamError {
    let sqlstate = backend::FieldsRef::parse(body)
        .ok()
        .and_then(|fields| fields.sqlstate());
    UpstreamError::Refused {
        sqlstate: sqlstate.map_or_else(String::new, |code| code.as_str().to_owned()),
    }
}

pub(crate) fn random() -> Result<[u8; NONCE_BYTES], UpstreamError> {
    let mut bytes = [0u8; NONCE_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| UpstreamError::Random)?;
    Ok(bytes)
}

/// Asks the server to cancel what the session with this key is doing. The server answers nothing.
pub(crate) async fn cancel(server: &Upstream, key: &CancelKey) -> io::Result<()> {
    let mut out = BytesMut::new();
    startup::encode_cancel(&mut out, key);
    let mut stream = server.connect().await?;
    stream.write_all(&out).await?;
    // The server closes once it has looked at the request: only then is the cancel under way.
    let mut end = [0u8; 1];
    stream.read(&mut end).await.map(|_| ())
}
