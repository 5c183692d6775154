//! A file system so small that it can be filled: a `tmpfs` in a mount namespace of its own, seen by nobody else.
//!
//! Needs the right to mount: root's, or that of an ordinary user in a user namespace.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{FallocateFlags, fallocate};

/// What is written at a time to fill it: the smaller, the fuller.
const BLOCK: usize = 4096;

/// The file system. It goes with the process that holds its namespace.
pub(crate) struct SmallDisk {
    holder: Child,
    at: PathBuf,
    root: bool,
}

impl SmallDisk {
    /// Mounts one of `bytes` at `at`, holding what `from` holds. `None`: this machine lets nobody mount.
    pub(crate) fn mount(at: &Path, from: &Path, bytes: u64) -> Option<Self> {
        let root = rustix::process::geteuid().is_root();
        let mut unshare = Command::new("unshare");
        unshare.args(if root {
            &["--mount"][..]
        } else {
            &["--user", "--map-root-user", "--mount"]
        });
        let script = "mount -t tmpfs -o mode=0700,size=$1 estop \"$2\" && cp -a \"$3\"/. \"$2\" && echo mounted && exec cat";
        unshare
            .args(["sh", "-c", script, "sh", &bytes.to_string()])
            .arg(at)
            .arg(from);
        let mut holder = unshare
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut said = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut said).ok()?;
        let disk = Self {
            holder,
            at: at.to_owned(),
            root,
        };
        (said == "mounted\n").then_some(disk)
    }

    /// The words before a command that make it see the file system.
    pub(crate) fn within(&self) -> Vec<String> {
        let target = self.holder.id().to_string();
        let rights = if self.root {
            &[][..]
        } else {
            &["--user", "--preserve-credentials"]
        };
        let words = ["nsenter", "--mount", "--target", &target];
        words
            .iter()
            .chain(rights)
            .map(|word| (*word).to_owned())
            .collect()
    }

    /// Where everybody else finds it.
    pub(crate) fn path(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.at.strip_prefix("/").unwrap())
    }

    /// Takes `bytes` of it.
    pub(crate) fn take(&self, bytes: u64) {
        let file = File::create(self.path().join("taken")).unwrap();
        fallocate(&file, FallocateFlags::empty(), 0, bytes).unwrap();
    }

    /// Takes all that is left.
    pub(crate) fn fill(&self) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path().join("filler"))
            .unwrap();
        loop {
            match file.write(&[0x5a; BLOCK]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Gives back all that was taken.
    pub(crate) fn free(&self) {
        for name in ["taken", "filler"] {
            fs::remove_file(self.path().join(name)).unwrap();
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Its standard input closes, so it would end by itself.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
