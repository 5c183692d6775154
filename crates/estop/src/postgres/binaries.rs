//! Where PostgreSQL's programs are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PostgresError;

/// Debian keeps one directory for each major version here.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A directory that has both `initdb` and `postgres`.
#[derive(Debug, Clone)]
pub struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// Looks at `pg_config --bindir`, then `/usr/lib/postgresql/*/bin` from the newest version down, then `PATH`.
    ///
    /// # Errors
    /// [`PostgresError::Missing`], which names the command that installs it.
    pub fn find() -> Result<Self, PostgresError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        pg_config()
            .into_iter()
            .chain(newest_first(Path::new(DEBIAN)))
            .chain(std::env::split_paths(&path))
            .find(|directory| {
                ["initdb", "postgres"]
                    .iter()
                    .all(|program| directory.join(program).is_file())
            })
            .map(|directory| Self { directory })
            .ok_or(PostgresError::Missing)
    }

    /// The path of one of its programs.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// What `pg_config` says, where there is one. Its answer may name a directory without a server (client packages).
fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim_end()))
}

/// The `bin` directories below `top`, by version number, highest first.
fn newest_first(top: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(top)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, directory)| directory).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_and_the_highest_is_first() {
        let top = tempfile::tempdir().unwrap();
        for name in ["9", "15", "18", "README", "100"] {
            fs::create_dir(top.path().join(name)).unwrap();
        }
        let found = newest_first(top.path());
        let expected: Vec<_> = ["100", "18", "15", "9"]
            .iter()
            .map(|v| top.path().join(v).join("bin"))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn no_directory_gives_nothing() {
        assert!(newest_first(Path::new("/nonexistent/postgresql")).is_empty());
    }
}
