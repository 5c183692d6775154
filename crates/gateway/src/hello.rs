//! The first packets of a connection: encryption, cancel requests, the start-up message.
//!
//! Bytes are read exactly, never ahead: what a client (or somebody in between) sends behind an `SSLRequest` in the
//! clear is taken for the TLS handshake and fails there (CVE-2021-23214).

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use wire::certificate;
use wire::scram::EndPoint;
use wire::startup::{self, ALPN, CancelKey, Packet, Start, StartupError, TLS_HANDSHAKE};

use crate::transport::Client;

/// Whether clients must encrypt.
#[derive(Clone, Debug)]
pub enum Tls {
    /// Clients must: by asking for it, or directly (PostgreSQL 17, with ALPN).
    Required(ServerTls),
    /// No TLS at all: for a gateway behind a private link, and to measure what TLS costs.
    Off,
}

/// How the gateway encrypts.
#[derive(Clone, Debug)]
pub struct ServerTls(Arc<RwLock<Served>>);

#[derive(Clone, Debug)]
struct Served {
    config: Arc<ServerConfig>,
    end_point: Option<EndPoint>,
}

impl ServerTls {
    /// With this configuration, whose certificate this is (DER): logins can be bound to it, if its signature names a hash
    /// function (`wire::certificate::end_point`). Clients of PostgreSQL 17 and later begin with ALPN; those who begin with another
    /// protocol than PostgreSQL's are refused.
    #[must_use]
    pub fn new(config: ServerConfig, certificate: &[u8]) -> Self {
        Self(Arc::new(RwLock::new(Served::new(config, certificate))))
    }

    /// Connections are encrypted so from now on: with another certificate, other authorities or revocations.
    pub fn becomes(&self, config: ServerConfig, certificate: &[u8]) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Served::new(config, certificate);
    }

    fn now(&self) -> Served {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Served {
    fn new(mut config: ServerConfig, certificate: &[u8]) -> Self {
        config.alpn_protocols = vec![ALPN.to_vec()];
        Self {
            config: Arc::new(config),
            end_point: certificate::end_point(certificate),
        }
    }
}

/// What a connection turned out to be.
#[derive(Debug)]
pub(crate) enum Hello {
    /// A session is to begin. Logins can be bound to the end point, if there is one.
    Start(Client, Start, Option<EndPoint>),
    /// A statement of another session is to be cancelled. There is no answer.
    Cancel(CancelKey),
}

/// Why a connection ended before its start-up message was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelloError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the first packet cannot be read")]
    Packet(#[source] StartupError, Box<Client>),
    #[error("the client does not encrypt")]
    NotEncrypted(Box<Client>),
    #[error("the client asked for encryption twice")]
    Again,
    #[error("the client began TLS directly, but without ALPN `postgresql`")]
    NoAlpn,
}

/// Reads up to the start-up message. Not cancel safe: dropping it ends the connection.
pub(crate) async fn hello(tcp: TcpStream, tls: &Tls) -> Result<Hello, HelloError> {
    let mut first = [0u8; 1];
    if tcp.peek(&mut first).await? == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    if first == [TLS_HANDSHAKE] {
        return match tls {
            Tls::Required(tls) => encrypted(tls.now(), tcp, true).await,
            Tls::Off => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
        };
    }
    let mut tcp = tcp;
    // Each of the two requests may come once, in any order (libpq asks for GSSAPI first, then for TLS).
    for _ in 0..3 {
        match packet(&mut tcp).await {
            Ok(Packet::GssEncRequest) => tcp.write_all(b"N").await?,
            Ok(Packet::SslRequest) => match tls {
                Tls::Required(tls) => {
                    tcp.write_all(b"S").await?;
                    return encrypted(tls.now(), tcp, false).await;
                }
                Tls::Off => tcp.write_all(b"N").await?,
            },
            Ok(Packet::Cancel(key)) => return Ok(Hello::Cancel(key)),
            Ok(Packet::Start(start)) => {
                return match tls {
                    Tls::Required(_) => Err(HelloError::NotEncrypted(Box::new(Client::Plain(tcp)))),
                    Tls::Off => Ok(Hello::Start(Client::Plain(tcp), start, None)),
                };
            }
            Err(error) => return Err(error.with(Client::Plain(tcp))),
        }
    }
    Err(HelloError::Again)
}

/// What comes encrypted. Who begins directly must name the protocol: else bytes meant for another server could come in.
async fn encrypted(tls: Served, tcp: TcpStream, direct: bool) -> Result<Hello, HelloError> {
    let stream = TlsAcceptor::from(tls.config).accept(tcp).await?;
    if direct && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(HelloError::NoAlpn);
    }
    let mut client = Client::Tls(Box::new(stream));
    match packet(&mut client).await {
        Ok(Packet::Start(start)) => Ok(Hello::Start(client, start, tls.end_point)),
        Ok(Packet::Cancel(key)) => Ok(Hello::Cancel(key)),
        Ok(Packet::SslRequest | Packet::GssEncRequest) => Err(HelloError::Again),
        Err(error) => Err(error.with(client)),
    }
}

/// Why no packet could be read.
#[derive(Debug)]
enum Unread {
    Io(io::Error),
    Packet(StartupError),
}

impl Unread {
    fn with(self, client: Client) -> HelloError {
        match self {
            Self::Io(error) => HelloError::Io(error),
            Self::Packet(error) => HelloError::Packet(error, Box::new(client)),
        }
    }
}

async fn packet<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Packet, Unread> {
    let mut bytes = Vec::with_capacity(256);
    let mut wanted = 4;
    loop {
        let mut more = stream.take(u64::try_from(wanted).unwrap_or(0));
        if more.read_to_end(&mut bytes).await.map_err(Unread::Io)? < wanted {
            return Err(Unread::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        if let Some((packet, _)) = startup::parse(&bytes).map_err(Unread::Packet)? {
            return Ok(packet);
        }
        // Only the length word is there, and it is within its bounds: the rest of the packet.
        let stated = bytes
            .first_chunk::<4>()
            .map_or(0, |word| u32::from_be_bytes(*word));
        wanted = usize::try_from(stated).unwrap_or(0).saturating_sub(bytes.len());
        if wanted == 0 {
            return Err(Unread::Packet(StartupError::Layout));
        }
    }
}
