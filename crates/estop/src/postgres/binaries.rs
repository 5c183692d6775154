//! Where PostgreSQL's programs are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PostgresError;

/// Names a directory with PostgreSQL's programs that is to be taken and no other, as when several versions are tried.
const CHOSEN: &str = "ESTOP_POSTGRES_BIN";

/// Debian keeps one directory for each major version here.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A directory that has both `initdb` and `postgres`.
#[derive(Debug, Clone)]
pub struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// The directory that the variable `ESTOP_POSTGRES_BIN` names, and only that; without it `pg_config --bindir`, then
    /// `/usr/lib/postgresql/*/bin` from the newest version down, then `PATH`.
    ///
    /// # Errors
    /// [`PostgresError::Missing`], which names the command that installs it.
    pub fn find() -> Result<Self, PostgresError> {
        if let Some(chosen) = std::env::var_os(CHOSEN) {
            return Self::first_of([PathBuf::from(chosen)]);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let known = pg_config().into_iter().chain(newest_first(Path::new(DEBIAN)));
        Self::first_of(known.chain(std::env::split_paths(&path)))
    }

    fn first_of(places: impl IntoIterator<Item = PathBuf>) -> Result<Self, PostgresError> {
        let complete = |directory: &PathBuf| {
            ["initdb", "postgres"]
                .iter()
                .all(|program| directory.join(program).is_file())
        };
        let found = places.into_iter().find(complete);
        found
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
    fn a_directory_without_both_programs_is_passed_over() {
        let top = tempfile::tempdir().unwrap();
        let place = |name: &str, programs: &[&str]| {
            let place = top.path().join(name);
            fs::create_dir(&place).unwrap();
            for program in programs {
                fs::write(place.join(program), "").unwrap();
            }
            place
        };
        let client = place("client", &["initdb"]);
        let whole = place("whole", &["initdb", "postgres"]);
        assert!(Binaries::first_of([client.clone()]).is_err());
        let found = Binaries::first_of([client, whole.clone()]).unwrap();
        assert_eq!(found.program("initdb"), whole.join("initdb"));
    }

    #[test]
    fn no_directory_gives_nothing() {
        assert!(newest_first(Path::new("/nonexistent/postgresql")).is_empty());
    }
}
