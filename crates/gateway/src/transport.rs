//! Byte streams to clients (TCP, with TLS or without) and to the upstream server (Unix socket or TCP).

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::limits::NOT_SENT_BYTES;

/// Where the custodian's PostgreSQL listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// A Unix socket: the folder and the port that its name ends in.
    Unix {
        /// Folder of the socket.
        dir: PathBuf,
        /// Port number in the socket's name.
        port: u16,
    },
    /// TCP, for a server on the same host or behind a private link: nothing is encrypted on this leg yet.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

/// A client's connection.
#[derive(Debug)]
pub(crate) enum Client {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The connection to the upstream server.
#[derive(Debug)]
pub(crate) enum Server {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Upstream {
    pub(crate) async fn connect(&self) -> io::Result<Server> {
        match self {
            Self::Unix { dir, port } => Ok(Server::Unix(
                UnixStream::connect(dir.join(format!(".s.PGSQL.{port}"))).await?,
            )),
            Self::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Ok(Server::Tcp(stream))
            }
        }
    }
}

/// Sets what every client connection needs before its first byte.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(NOT_SENT_BYTES)
}

impl Client {
    /// The names of the client's certificate, whose chain was checked by then: see `wire::certificate::names`. None, if it has shown
    /// none, or one with names that cannot be read.
    pub(crate) fn certificate_names(&self) -> Vec<String> {
        let Self::Tls(tls) = self else {
            return Vec::new();
        };
        let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
        shown
            .and_then(|shown| wire::certificate::names(shown).ok())
            .unwrap_or_default()
    }

    /// Makes closing the connection a reset: what the kernel still holds is thrown away.
    pub(crate) fn reset_on_close(&self) {
        let tcp = match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        };
        // A socket that refuses the option is one that is gone already.
        let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
    }
}

macro_rules! delegate {
    ($name:ident { $($variant:ident),+ }) => {
        impl AsyncRead for $name {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $(Self::$variant(stream) => Pin::new(stream).poll_read(cx, buf),)+
                }
            }
        }

        impl AsyncWrite for $name {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                match self.get_mut() {
                    $(Self::$variant(stream) => Pin::new(stream).poll_write(cx, buf),)+
                }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $(Self::$variant(stream) => Pin::new(stream).poll_flush(cx),)+
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match self.get_mut() {
                    $(Self::$variant(stream) => Pin::new(stream).poll_shutdown(cx),)+
                }
            }
        }
    };
}

delegate!(Client { Plain, Tls });
delegate!(Server { Unix, Tcp });
