//! Unix sockets under paths of any length: the system takes 107 bytes, a folder may lie deeper.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Longest path of a Unix socket: `sun_path` has 108 bytes, one of them the closing zero (unix(7)).
pub const SOCKET_PATH_MAX: usize = 107;

/// A way to a socket that is short enough. It holds as long as it lives: longer than the call that uses it.
#[derive(Debug)]
pub struct Reachable {
    path: PathBuf,
    /// The socket's folder, held open where the path leads through it.
    _folder: Option<File>,
}

impl Reachable {
    /// The path itself, or one through the open folder (proc(5), `/proc/self/fd`).
    ///
    /// # Errors
    /// The folder cannot be opened, or the name alone is too long.
    pub fn to(socket: &Path) -> io::Result<Self> {
        if socket.as_os_str().len() <= SOCKET_PATH_MAX {
            return Ok(Self {
                path: socket.to_owned(),
                _folder: None,
            });
        }
        let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let folder = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
        Ok(Self {
            path,
            _folder: Some(folder),
        })
    }

    /// A path that the system takes.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_socket_deep_down_is_bound_and_reached() {
        let top = tempfile::tempdir().unwrap();
        let deep = top.path().join("a".repeat(120)).join("b".repeat(120));
        std::fs::create_dir_all(&deep).unwrap();
        let socket = deep.join("admin.sock");
        assert!(UnixListener::bind(&socket).is_err());
        let _listener = UnixListener::bind(Reachable::to(&socket).unwrap().path()).unwrap();
        assert!(UnixStream::connect(Reachable::to(&socket).unwrap().path()).is_ok());
    }
}
