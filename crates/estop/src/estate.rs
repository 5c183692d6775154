//! The estate's folder, read from disk, and where its state lives.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use miette::{GraphicalReportHandler, GraphicalTheme};
use policy::estate::{Estate, EstateErrors, Files, MAX_FILE_BYTES, MAX_FILES};

use crate::failure::Failure;
use crate::files::{self, FileError};
use crate::output::Console;

/// The file that makes a folder an estate.
const MAIN: &str = "estop.toml";

/// The folders of an estate, and what files of each belong to it. Anything else in the folder is the custodian's own business.
const FOLDERS: [(&str, &str); 5] = [
    ("datasets", ".toml"),
    ("partners", ".toml"),
    ("agreements", ".toml"),
    ("guardrails", ".cedar"),
    ("authorities", "allowed_signers"),
];

/// An estate and where it was read from.
#[derive(Debug)]
pub struct Loaded {
    /// The folder.
    pub folder: PathBuf,
    /// What it says.
    pub estate: Estate,
    /// The files as they were read.
    pub files: Files,
}

impl Loaded {
    /// The folder of ledger, register, key and admin socket.
    #[must_use]
    pub fn state(&self) -> State {
        State::at(self.folder.join(&self.estate.state().dir))
    }

    /// A path of the estate's, which is relative to its folder.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.join(relative)
    }
}

/// The folder in which Estop keeps what it needs to go on.
#[derive(Debug, Clone)]
pub struct State {
    folder: PathBuf,
}

impl State {
    /// The state kept in this folder.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The ledger's folder.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.folder.join("ledger")
    }

    /// The register's file.
    #[must_use]
    pub fn register(&self) -> PathBuf {
        self.folder.join("register.sqlite")
    }

    /// The custodian's private key. Whoever has it can sign checkpoints and certificates.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join("custodian.key")
    }

    /// The custodian's public key, to be published.
    #[must_use]
    pub fn public_key(&self) -> PathBuf {
        self.folder.join("custodian.vkey")
    }

    /// The admin API's Unix socket.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.folder.join("admin.sock")
    }
}

/// Reads and checks an estate.
///
/// # Errors
/// Exit 3 when the folder is no estate, exit 2 with every finding when something in it is wrong.
pub fn load(folder: &Path) -> Result<Loaded, Failure> {
    let files = read(folder)?;
    let estate = Estate::parse(&files).map_err(|errors| wrong(folder, &errors))?;
    let folder = fs::canonicalize(folder).map_err(|error| FileError::new("find", folder, error))?;
    Ok(Loaded {
        folder,
        estate,
        files,
    })
}

/// The files that make up the estate in a folder.
///
/// # Errors
/// The folder is no estate, or a file of it cannot be read, is too long or not UTF-8.
pub fn read(folder: &Path) -> Result<Files, Failure> {
    if !folder.join(MAIN).is_file() {
        return Err(Failure::absent(format!(
            "no estate in `{}`: there is no `{MAIN}`",
            folder.display()
        ))
        .help("say where it is with --estate DIR; `estop demo --dir DIR` makes one to look at"));
    }
    let mut found = Files::new();
    take(folder, MAIN.to_owned(), &mut found)?;
    for (name, ending) in FOLDERS {
        let within = folder.join(name);
        let entries = match fs::read_dir(&within) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(FileError::new("list", &within, error).into()),
        };
        for entry in entries {
            let entry = entry.map_err(|error| FileError::new("list", &within, error))?;
            let file = entry.file_name().to_string_lossy().into_owned();
            if file.ends_with(ending) && !file.starts_with('.') {
                take(folder, format!("{name}/{file}"), &mut found)?;
            }
        }
    }
    Ok(found)
}

fn take(folder: &Path, relative: String, found: &mut Files) -> Result<(), Failure> {
    let path = folder.join(&relative);
    if found.len() >= MAX_FILES {
        return Err(Failure::wrong(format!(
            "`{}` has more than {MAX_FILES} files",
            folder.display()
        )));
    }
    let text = files::read(&path, MAX_FILE_BYTES)?;
    found.insert(relative, text);
    Ok(())
}

fn wrong(folder: &Path, errors: &EstateErrors) -> Failure {
    let places = errors.findings().iter().map(ToString::to_string).collect();
    let failure = Failure::wrong(format!("the estate in `{}` is not right", folder.display()));
    Failure {
        causes: places,
        ..failure
    }
    .help("`estop check` shows each place in its file")
}

/// Everything that is wrong with an estate, each with the lines around its place.
#[must_use]
pub fn report(errors: &EstateErrors, console: Console) -> String {
    let theme = if console.is_coloured() {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme);
    let mut text = String::new();
    for finding in errors.findings() {
        // Writing to a string cannot fail.
        let _ = handler.render_report(&mut text, finding);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    fn files(pairs: &[(&str, &str)]) -> Files {
        pairs
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn only_the_files_of_an_estate_are_read() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("estop.toml", "a"),
            ("datasets/people.toml", "b"),
            ("datasets/people.toml~", "c"),
            ("datasets/.hidden.toml", "d"),
            ("state/custodian.key", "secret"),
            ("authorities/allowed_signers", "e"),
        ] {
            fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
            fs::write(folder.path().join(path), text).unwrap();
        }
        let read = read(folder.path()).unwrap();
        let expected = [
            ("authorities/allowed_signers", "e"),
            ("datasets/people.toml", "b"),
            ("estop.toml", "a"),
        ];
        assert_eq!(read, files(&expected));
    }

    #[test]
    fn a_folder_without_an_estate_is_absent_and_a_file_that_is_no_text_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap_err().exit, Exit::Absent);
        fs::write(folder.path().join(MAIN), [0xff, 0xfe]).unwrap();
        assert_eq!(read(folder.path()).unwrap_err().exit, Exit::Wrong);
    }
}
