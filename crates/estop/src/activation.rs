//! What a service manager gives and is told (sd_listen_fds(3), sd_notify(3)): a socket that it holds open, so that clients wait while
//! `serve` is exchanged; that `serve` is ready, and that it is ending.

use std::io;
use std::net::TcpListener as Blocking;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::net::TcpListener;

use crate::failure::{Exit, Failure};
use crate::output::alarm;

/// The socket that was given, if one was.
///
/// # Errors
/// There are several, or it is none that clients can come to over TCP.
pub fn listener() -> Result<Option<TcpListener>, Failure> {
    let mut given = ListenFd::from_env();
    if given.len() > 1 {
        return Err(Failure::wrong(format!(
            "the service manager gives {} sockets, and the gateway listens on one",
            given.len()
        ))
        .help("leave one `ListenStream=` in the socket unit"));
    }
    let listening = |socket: Blocking| {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    };
    let taken = given.take_tcp_listener(0);
    taken
        .and_then(|socket| socket.map(listening).transpose())
        .map_err(|error: io::Error| {
            Failure::from_error(Exit::Wrong, &error)
                .help("the socket unit must listen for TCP: `ListenStream=ADDRESS:PORT`")
        })
}

/// Clients are let in from now on.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// No more clients are let in; statements in flight may end.
pub fn ending() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        alarm(&format!("the service manager cannot be told: {error}"));
    }
}
