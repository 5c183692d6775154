//! Whom the server runs as: ourselves, or an ordinary account where we are root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::PostgresError;
use crate::files::FileError;

/// Accounts tried when started by root, in this order: PostgreSQL's own, then the one that every system has.
const ORDINARY: [&str; 2] = ["postgres", "nobody"];

/// An account of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    name: String,
    uid: u32,
    gid: u32,
    /// Whether a change of account is needed to act as it.
    other: bool,
}

impl Account {
    /// The account to run PostgreSQL as.
    ///
    /// # Errors
    /// [`PostgresError::NoAccount`] for root on a machine that has neither `postgres` nor `nobody`.
    pub fn choose() -> Result<Self, PostgresError> {
        let uid = rustix::process::geteuid();
        if uid.is_root() {
            let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
            ORDINARY
                .iter()
                .find_map(|name| Self::in_passwd(&passwd, name))
                .ok_or(PostgresError::NoAccount)
        } else {
            let gid = rustix::process::getegid();
            Ok(Self {
                name: format!("uid {}", uid.as_raw()),
                uid: uid.as_raw(),
                gid: gid.as_raw(),
                other: false,
            })
        }
    }

    /// The account's line in the text of `/etc/passwd` (passwd(5): name:password:uid:gid:...). Never root's.
    fn in_passwd(passwd: &str, name: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next()? != name {
                return None;
            }
            let uid: u32 = fields.nth(1)?.parse().ok()?;
            let gid: u32 = fields.next()?.parse().ok()?;
            (uid != 0).then(|| Self {
                name: name.to_owned(),
                uid,
                gid,
                other: true,
            })
        })
    }

    /// Its name, or its number where it is our own.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number.
    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// Lets a command run as this account, in a process group of its own: a Ctrl-C at the terminal is ours to hand on in order.
    pub(crate) fn runs<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.process_group(0);
        if self.other {
            // The standard library drops the supplementary groups with the uid.
            command.gid(self.gid).uid(self.uid);
        }
        command
    }

    /// Gives it a file or directory that we have made.
    pub(crate) fn takes(&self, path: &Path) -> Result<(), PostgresError> {
        if !self.other {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(|source| FileError::new("hand over", path, source).into())
    }

    /// Whether it may enter every directory on the way to `path`, by their modes.
    pub(crate) fn reaches(&self, path: &Path) -> bool {
        path.ancestors().all(|directory| {
            fs::metadata(directory).is_ok_and(|meta| {
                let bit = if meta.uid() == self.uid {
                    0o100
                } else if meta.gid() == self.gid {
                    0o010
                } else {
                    0o001
                };
                meta.is_dir() && meta.mode() & bit != 0
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n\
                          postgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\ntoor:x:0:0::/:/bin/sh\nshort:x:7\n";

    #[test]
    fn an_account_is_read_from_its_line() {
        let account = Account::in_passwd(PASSWD, "postgres").unwrap();
        assert_eq!((account.uid, account.gid, account.name()), (101, 104, "postgres"));
    }

    #[test]
    fn root_by_any_name_is_no_ordinary_account() {
        assert_eq!(Account::in_passwd(PASSWD, "root"), None);
        assert_eq!(Account::in_passwd(PASSWD, "toor"), None);
    }

    #[test]
    fn an_absent_or_broken_line_is_no_account() {
        assert_eq!(Account::in_passwd(PASSWD, "postgre"), None);
        assert_eq!(Account::in_passwd(PASSWD, "short"), None);
    }

    #[test]
    fn a_directory_closed_to_others_is_not_reached() {
        use std::os::unix::fs::PermissionsExt;
        let top = tempfile::tempdir().unwrap();
        let below = top.path().join("below");
        fs::create_dir(&below).unwrap();
        let stranger = Account {
            name: "stranger".to_owned(),
            uid: 4_000_001,
            gid: 4_000_001,
            other: true,
        };
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(stranger.reaches(&below));
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!stranger.reaches(&below));
    }
}
