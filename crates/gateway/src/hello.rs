//! The first packets of a connection: encryption, cancel requests, the start-up message.
//!
//! Bytes are read exactly, never ahead: what a client (or somebody in between) sends behind an `SSLRequest` in the
//! clear is taken for the TLS handshake and fails there (CVE-2021-23214).

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use wire::startup::{self, ALPN, CancelKey, Packet, Start, StartupError, TLS_HANDSHAKE};

use crate::transport::Client;

/// Whether clients must encrypt.
#[derive(Clone, Debug)]
pub enum Tls {
    /// Clients must: by asking for it, or directly (PostgreSQL 17, with ALPN).
    Required(Arc<ServerConfig>),
    /// No TLS at all: for a gateway behind a private link, and to measure what TLS costs.
    Off,
}

/// What a connection turned out to be.
#[derive(Debug)]
pub(crate) enum Hello {
    /// A session is to begin.
    Start(Client, Start),
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
        return direct(tcp, tls).await;
    }
    let mut tcp = tcp;
    // Each of the two requests may come once, in any order (libpq asks for GSSAPI first, then for TLS).
    for _ in 0..3 {
        match packet(&mut tcp).await {
            Ok(Packet::GssEncRequest) => tcp.write_all(b"N").await?,
            Ok(Packet::SslRequest) => match tls {
                Tls::Required(config) => {
                    tcp.write_all(b"S").await?;
                    let stream = TlsAcceptor::from(Arc::clone(config)).accept(tcp).await?;
                    return started(Client::Tls(Box::new(stream))).await;
                }
                Tls::Off => tcp.write_all(b"N").await?,
            },
            Ok(Packet::Cancel(key)) => return Ok(Hello::Cancel(key)),
            Ok(Packet::Start(start)) => {
                return match tls {
                    Tls::Required(_) => Err(HelloError::NotEncrypted(Box::new(Client::Plain(tcp)))),
                    Tls::Off => Ok(Hello::Start(Client::Plain(tcp), start)),
                };
            }
            Err(error) => return Err(error.with(Client::Plain(tcp))),
        }
    }
    Err(HelloError::Again)
}

async fn direct(tcp: TcpStream, tls: &Tls) -> Result<Hello, HelloError> {
    let Tls::Required(config) = tls else {
        return Err(io::Error::from(io::ErrorKind::Unsupported).into());
    };
    let stream = TlsAcceptor::from(Arc::clone(config)).accept(tcp).await?;
    if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(HelloError::NoAlpn);
    }
    started(Client::Tls(Box::new(stream))).await
}

/// The packet inside the encrypted connection.
async fn started(mut client: Client) -> Result<Hello, HelloError> {
    match packet(&mut client).await {
        Ok(Packet::Start(start)) => Ok(Hello::Start(client, start)),
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
