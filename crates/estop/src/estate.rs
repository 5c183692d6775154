//! The estate's folder, read from disk, and where its state lives.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use evidence::hash::sha256;
use miette::{GraphicalReportHandler, GraphicalTheme};
use policy::estate::{Estate, EstateErrors, Files, MAX_ESTATE_BYTES, MAX_FILE_BYTES, MAX_FILES, document};

use crate::failure::Failure;
use crate::files::{self, FileError};
use crate::output::Console;
use crate::urls;

/// The file that makes a folder an estate.
const MAIN: &str = "estop.toml";

/// The folders of an estate, and what files of each belong to it. Anything else in the folder is the custodian's own business.
const FOLDERS: [(&str, &str); 6] = [
    ("datasets", ".toml"),
    ("partners", ".toml"),
    ("agreements", ".toml"),
    ("guardrails", ".cedar"),
    ("authorities", "allowed_signers"),
    ("authorities", "witnesses"),
];

/// Endings of names that nobody takes for a part of the estate: notes, and what editors leave behind.
const NOT_MEANT: [&str; 5] = ["~", ".bak", ".orig", ".md", ".txt"];

/// An estate and where it was read from.
#[derive(Debug, Clone)]
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

    /// The evidence of the proofs that estates rested on when they were put in force: a folder for each manifest.
    #[must_use]
    pub fn proofs(&self) -> PathBuf {
        self.folder.join("proofs")
    }

    /// The custodian's private key. Whoever has it can sign checkpoints and certificates.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join("custodian.key")
    }

    /// The key that subject keys are tagged with in records. Whoever has it can ask the records for a name.
    #[must_use]
    pub fn accounting_key(&self) -> PathBuf {
        self.folder.join("accounting.key")
    }

    /// What officers who do not exist are made up from.
    #[must_use]
    pub fn stand_ins(&self) -> PathBuf {
        self.folder.join("stand-ins.key")
    }

    /// Folder of the index of whom disclosures were about: it can be made anew from the ledger.
    #[must_use]
    pub fn accounting(&self) -> PathBuf {
        self.folder.join("accounting")
    }

    /// The custodian's public key, to be published.
    #[must_use]
    pub fn public_key(&self) -> PathBuf {
        self.folder.join("custodian.vkey")
    }

    /// The folder of the airlocks' clusters, which hold no data.
    #[must_use]
    pub fn airlock(&self) -> PathBuf {
        self.folder.join("airlock")
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
    urls::readable(&estate, &files)?;
    let folder = fs::canonicalize(folder).map_err(|error| FileError::new("find", folder, error))?;
    Ok(Loaded {
        folder,
        estate,
        files,
    })
}

/// The files that make up the estate in a folder, and the hashes of the documents that its agreements name.
///
/// # Errors
/// The folder is no estate, or a file of it lies outside of it, cannot be read, is too long or not UTF-8.
pub fn read(folder: &Path) -> Result<Files, Failure> {
    if !folder.join(MAIN).is_file() {
        return Err(Failure::absent(format!(
            "no estate in `{}`: there is no `{MAIN}`",
            folder.display()
        ))
        .help(
            "say where it is with --estate DIR; `estop init DIR --upstream URL` writes a first one, `estop demo --dir DIR` \
             makes one to look at",
        ));
    }
    let mut reading = Reading {
        root: fs::canonicalize(folder).map_err(|error| FileError::new("find", folder, error))?,
        folder,
        bytes: 0,
        found: Files::new(),
    };
    reading.take(MAIN.to_owned())?;
    reading.look_for_misspelt()?;
    for (name, ending) in FOLDERS {
        reading.take_folder(name, ending)?;
    }
    for path in document::named(&reading.found) {
        reading.take_document(path);
    }
    Ok(reading.found)
}

/// Whether a file of this path, if it were in an estate's folder, would be read as part of it.
#[must_use]
pub fn belongs(path: &str) -> bool {
    path == MAIN
        || FOLDERS.iter().any(|(folder, ending)| {
            path.strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|name| !name.contains('/') && name.ends_with(ending))
        })
}

/// An estate that is being read.
struct Reading<'a> {
    folder: &'a Path,
    /// The same without symbolic links: what is read must be below it.
    root: PathBuf,
    bytes: usize,
    found: Files,
}

impl Reading<'_> {
    /// A folder that is called nearly like one of an estate's would be passed over, and with it what it was to forbid.
    fn look_for_misspelt(&self) -> Result<(), Failure> {
        let bare = |name: &str| name.to_lowercase().trim_end_matches('s').to_owned();
        let entries =
            fs::read_dir(self.folder).map_err(|error| FileError::new("list", self.folder, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| FileError::new("list", self.folder, error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let mut folders = FOLDERS.iter().map(|(folder, _)| *folder);
            if let Some(meant) = folders.find(|folder| *folder != name && bare(folder) == bare(&name)) {
                return Err(
                    Failure::wrong(format!("`{}` is not read", entry.path().display()))
                        .help(format!("call it `{meant}`, or by a name that is not so like it")),
                );
            }
        }
        Ok(())
    }

    fn take_folder(&mut self, name: &str, ending: &str) -> Result<(), Failure> {
        let within = self.folder.join(name);
        let entries = match fs::read_dir(&within) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(FileError::new("list", &within, error).into()),
        };
        for entry in entries {
            let entry = entry.map_err(|error| FileError::new("list", &within, error))?;
            let file = entry.file_name();
            let Some(file) = file.to_str() else {
                return Err(Failure::wrong(format!(
                    "the name of `{}` is not UTF-8",
                    entry.path().display()
                )));
            };
            if entry.path().is_dir() && !file.starts_with('.') {
                return Err(
                    Failure::wrong(format!("`{}` is not read", entry.path().display()))
                        .help(format!("put the files into `{name}` itself")),
                );
            }
            // A name that differs in its case only is taken too: it is refused then, not passed over.
            let lower = file.to_lowercase();
            if file.starts_with('.') {
                continue;
            } else if lower.ends_with(ending) {
                self.take(format!("{name}/{file}"))?;
            } else if ending.starts_with('.') && !NOT_MEANT.iter().any(|end| lower.ends_with(end)) {
                // A statute in a file of a misspelt name would forbid nothing, and nobody would be told.
                return Err(
                    Failure::wrong(format!("`{}` is not read", entry.path().display())).help(format!(
                        "let its name end in `{ending}`, or in `.txt` if it is not meant to be a part of the estate"
                    )),
                );
            }
        }
        Ok(())
    }

    fn take(&mut self, relative: String) -> Result<(), Failure> {
        if self.found.len() >= MAX_FILES {
            let folder = self.folder.display();
            return Err(Failure::wrong(format!(
                "`{folder}` has more than {MAX_FILES} files"
            )));
        }
        let path = self.folder.join(&relative);
        self.check(&path).map_err(|why| {
            Failure::wrong(format!("cannot read `{}`: {why}", path.display()))
                .help("an estate consists of ordinary files in its own folder")
        })?;
        let text = String::from_utf8(files::read_bytes(&path, MAX_FILE_BYTES)?)
            .map_err(|error| not_utf8(&path, error.as_bytes(), error.utf8_error().valid_up_to()))?;
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > MAX_ESTATE_BYTES {
            let folder = self.folder.display();
            return Err(Failure::wrong(format!(
                "the files of `{folder}` are longer than {MAX_ESTATE_BYTES} bytes together"
            )));
        }
        self.found.insert(relative, text);
        Ok(())
    }

    /// Takes a document's hash. That it is not there, or why it cannot be read, is said where it is named.
    fn take_document(&mut self, relative: String) {
        let path = self.folder.join(&relative);
        let entry = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => document::unreadable(&error.to_string()),
            Ok(_) => match self.check(&path) {
                Err(why) => document::unreadable(&why),
                Ok(()) => match files::read_bytes(&path, document::MAX_DOCUMENT_BYTES) {
                    Ok(bytes) => document::found(&sha256(&bytes)),
                    Err(error) => document::unreadable(&Failure::from(error).line()),
                },
            },
        };
        self.found.insert(relative, entry);
    }

    /// Whether a path is an ordinary file below the estate's folder: nothing that blocks, nothing that lies elsewhere.
    fn check(&self, path: &Path) -> Result<(), String> {
        let real = fs::canonicalize(path).map_err(|error| error.to_string())?;
        if !real.starts_with(&self.root) {
            return Err(format!("it lies outside the estate, at `{}`", real.display()));
        }
        let kind = fs::metadata(&real).map_err(|error| error.to_string())?;
        if kind.is_file() {
            Ok(())
        } else {
            Err("it is not an ordinary file".to_owned())
        }
    }
}

/// A file that is no text, with the place of the first byte that is none.
fn not_utf8(path: &Path, bytes: &[u8], valid: usize) -> Failure {
    let before = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let byte = bytes.get(valid).copied().unwrap_or_default();
    Failure::wrong(format!(
        "{}:{line}:{column}: not UTF-8: there is a byte 0x{byte:02x} that belongs to no character",
        path.display()
    ))
    .help("save the file as UTF-8, which every editor can")
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
    if errors.has_more() {
        text.push_str("... and more of them\n");
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
            ("guardrails/README.md", "f"),
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
    fn documents_stand_by_their_hash_and_nothing_outside_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("estate");
        for (path, text) in [
            ("estop.toml", ""),
            ("agreements/a.toml", "[agreement]\ndocument = \"documents/a.pdf\""),
            ("agreements/b.toml", "[agreement]\ndocument = \"documents/b.pdf\""),
            ("agreements/c.toml", "[agreement]\ndocument = \"documents/c.pdf\""),
            ("agreements/d.toml", "[agreement]\ndocument = \"../secret\""),
            ("agreements/e.TOML", "[agreement]"),
            ("documents/a.pdf", "signed"),
            ("../secret", "secret"),
        ] {
            fs::create_dir_all(inside.join(path).parent().unwrap()).unwrap();
            fs::write(inside.join(path), text).unwrap();
        }
        let link =
            |from: &str| std::os::unix::fs::symlink(folder.path().join("secret"), inside.join(from)).unwrap();
        link("documents/b.pdf");
        let found = read(&inside).unwrap();
        assert_eq!(found["documents/a.pdf"], document::found(&sha256(b"signed")));
        assert!(
            found["documents/b.pdf"].contains("outside the estate"),
            "{found:?}"
        );
        assert!(!found.contains_key("documents/c.pdf") && !found.contains_key("../secret"));
        // Taken, so that it is refused.
        assert!(found.contains_key("agreements/e.TOML"));
        link("datasets.toml");
        fs::create_dir(inside.join("datasets")).unwrap();
        link("datasets/x.toml");
        let refused = read(&inside).unwrap_err();
        assert_eq!(refused.exit, Exit::Wrong);
        assert!(
            refused.message.contains("outside the estate"),
            "{}",
            refused.message
        );
    }

    #[test]
    fn nothing_that_was_meant_is_passed_over() {
        for wrong in [
            "agreement/a.toml",
            "Guardrails/a.cedar",
            "datasets/deeper/a.toml",
            "guardrails/a.ceder",
            "agreements/a.toml.off",
            "partners/a",
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(MAIN), "").unwrap();
            let path = folder.path().join(wrong);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
            let refused = read(folder.path()).unwrap_err();
            assert_eq!(refused.exit, Exit::Wrong, "{wrong}");
            assert!(refused.message.ends_with("is not read"), "{}", refused.message);
        }
    }

    #[test]
    fn a_folder_without_an_estate_is_absent_and_a_file_that_is_no_text_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap_err().exit, Exit::Absent);
        fs::write(folder.path().join(MAIN), b"a = 1\nb = \"\xc3\xa9\xff\"").unwrap();
        let refused = read(folder.path()).unwrap_err();
        assert_eq!(refused.exit, Exit::Wrong);
        assert!(
            refused.message.contains("estop.toml:2:7: not UTF-8"),
            "{}",
            refused.message
        );
    }
}
