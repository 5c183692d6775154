//! `estop init`: a first estate, proposed from what a database holds.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use evidence::id::DatasetId;
use policy::estate::{Estate, Files};
use policy::propose::{Proposal, Wishes};

use crate::cli::Init;
use crate::estate;
use crate::failure::{Exit, Failure};
use crate::files::{self, FileError, Readers};
use crate::output::{Console, Tone};

/// The name of the upstream.
const UPSTREAM: &str = "main";

/// Runs the command.
///
/// # Errors
/// The folder is not empty, the database cannot be read, or the files cannot be written; then none is.
pub(super) async fn run(command: &Init, console: Console) -> Result<Exit, Failure> {
    let place = Place::find(&command.dir)?;
    let (url, had_password) = without_password(&command.upstream)?;
    let outline = control::outline(&command.upstream, &command.schemas)
        .await
        .map_err(|error| failure(&error))?;
    let known = |schema: &&String| outline.relations.iter().any(|one| one.schema == **schema);
    if let Some(unknown) = command.schemas.iter().find(|schema| !known(schema)) {
        return Err(
            Failure::wrong(format!("the database has no relation in a schema `{unknown}`"))
                .help("`--schema` takes a name as the catalog has it; without it all schemas are read"),
        );
    }
    let upstream: DatasetId = UPSTREAM
        .parse()
        .map_err(|error| Failure::absent("no upstream").because(&error))?;
    let wishes = Wishes {
        custodian: command.custodian.clone(),
        url,
        had_password,
        upstream,
    };
    let proposal = Proposal::new(&outline, &wishes);
    // What is written must be an estate; that it is not would be a fault of this program.
    Estate::parse(&read_back(&proposal.files)).map_err(|errors| {
        Failure::absent("the proposal is not right, which is a fault of this program; nothing was written")
            .because(&errors)
            .help(estate::report(&errors, console))
    })?;
    place.write(&proposal.files)?;
    say(command, &proposal, console)?;
    Ok(Exit::Yes)
}

fn failure(error: &control::ControlError) -> Failure {
    let exit = match error {
        control::ControlError::Estate { .. } => Exit::Wrong,
        _ => Exit::Absent,
    };
    Failure::from_error(exit, error)
}

/// The files that reading the folder would find.
fn read_back(files: &Files) -> Files {
    files
        .iter()
        .filter(|(path, _)| estate::belongs(path))
        .map(|(path, text)| (path.clone(), text.clone()))
        .collect()
}

fn say(command: &Init, proposal: &Proposal, console: Console) -> Result<(), Failure> {
    let folder = command.dir.display();
    for dataset in &proposal.datasets {
        let tags: Vec<&str> = dataset.tags.keys().map(String::as_str).collect();
        let key = match &dataset.subject_key {
            Some(key) => format!(", subject key {key}?"),
            None => String::new(),
        };
        let tags = match tags.as_slice() {
            [] => String::new(),
            tags => format!(", {}?", tags.join(" ")),
        };
        console.line(format!(
            "datasets/{}.toml  {} columns of {}{key}{tags}",
            dataset.id, dataset.columns, dataset.relation
        ))?;
    }
    for left in &proposal.left_out {
        console.line(format!(
            "{}: {}: {}",
            console.paint(Tone::Notice, "left out"),
            left.name,
            left.why
        ))?;
    }
    for note in &proposal.notes {
        console.line(format!("{}: {note}", console.paint(Tone::Quiet, "to do")))?;
    }
    console.line(format!(
        "{}: {} data sets in `{folder}`, shared with nobody; `estop --estate {folder} check` reads it",
        console.paint(Tone::Good, "proposed"),
        proposal.datasets.len()
    ))?;
    let paths: Vec<&String> = proposal.files.keys().collect();
    console.document(&serde_json::json!({
        "folder": command.dir,
        "files": paths,
        "datasets": proposal.datasets,
        "left_out": proposal.left_out,
        "notes": proposal.notes,
    }))
}

/// A URL without its password, and whether it had one.
fn without_password(url: &str) -> Result<(String, bool), Failure> {
    let wrong = || {
        Failure::wrong(
            "an upstream's URL begins with `postgres://` or `postgresql://` and has no control characters",
        )
        .help("`--upstream postgresql://reader@/records?host=/run/postgresql`")
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    if !matches!(scheme, "postgres" | "postgresql") || url.chars().any(char::is_control) {
        return Err(wrong());
    }
    let (before, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    // The last `@`: what comes before it is the user, though a password may have one that is not escaped.
    let (user, place) = match before.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, before),
    };
    let mut had = false;
    let mut kept = format!("{scheme}://");
    if let Some(user) = user {
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        had |= !password.is_empty();
        kept.push_str(name);
        kept.push('@');
    }
    kept.push_str(place);
    let settings: Vec<&str> = query.iter().flat_map(|query| query.split('&')).collect();
    let secret = |setting: &&str| setting.split('=').next() == Some("password");
    had |= settings.iter().any(secret);
    let open: Vec<&str> = settings.into_iter().filter(|setting| !secret(setting)).collect();
    if !open.is_empty() {
        kept.push('?');
        kept.push_str(&open.join("&"));
    }
    Ok((kept, had))
}

/// Where the estate is to be written: a folder that is empty, or not there yet.
#[derive(Debug)]
enum Place {
    Absent { folder: PathBuf, parent: PathBuf },
    Empty(PathBuf),
}

impl Place {
    fn find(folder: &Path) -> Result<Self, Failure> {
        match fs::read_dir(folder) {
            Ok(mut entries) => match entries.next() {
                None => Ok(Self::Empty(folder.to_owned())),
                Some(_) => Err(Failure::wrong(format!("`{}` is not empty", folder.display()))
                    .help("name a folder that is empty or not there yet: nothing is ever overwritten")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // `a/b` is beside `a`, and `b` is here.
                let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
                let parent = parent.unwrap_or(Path::new(".")).to_owned();
                if fs::symlink_metadata(folder).is_ok() || folder.file_name().is_none() {
                    return Err(Failure::wrong(format!("`{}` leads nowhere", folder.display())));
                }
                Ok(Self::Absent {
                    folder: folder.to_owned(),
                    parent,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Err(Failure::wrong(format!("`{}` is not a folder", folder.display()))
                    .help("name a folder that is empty or not there yet"))
            }
            Err(error) => Err(FileError::new("list", folder, error).into()),
        }
    }

    /// Writes all files, or none: they are made beside and moved when they are complete.
    fn write(self, files: &Files) -> Result<(), Failure> {
        match self {
            Self::Absent { folder, parent } => {
                fs::create_dir_all(&parent).map_err(|error| FileError::new("create", &parent, error))?;
                let making = making(&parent)?;
                let made = filled(making.path(), files)?;
                fs::rename(&made, &folder).map_err(|error| FileError::new("create", &folder, error).into())
            }
            Self::Empty(folder) => {
                let making = making(&folder)?;
                let made = filled(making.path(), files)?;
                let mut moved = Vec::new();
                move_entries(&made, &folder, &mut moved).map_err(|error| {
                    for path in &moved {
                        let _ = if path.is_dir() {
                            fs::remove_dir_all(path)
                        } else {
                            fs::remove_file(path)
                        };
                    }
                    FileError::new("create", &folder, error).into()
                })
            }
        }
    }
}

/// A folder to make the files in. It goes away when dropped, with what is still in it.
fn making(beside: &Path) -> Result<tempfile::TempDir, Failure> {
    tempfile::Builder::new()
        .prefix(".estop-init-")
        .tempdir_in(beside)
        .map_err(|error| FileError::new("create a folder in", beside, error).into())
}

fn filled(making: &Path, files: &Files) -> Result<PathBuf, Failure> {
    // One level down, so that the folder has the ordinary mode and not a private one.
    let made = making.join("estate");
    fs::create_dir(&made).map_err(|error| FileError::new("create", &made, error))?;
    for (path, text) in files {
        files::create(&made.join(path), text, Readers::All)?;
    }
    Ok(made)
}

fn move_entries(from: &Path, to: &Path, moved: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut names: Vec<OsString> = Vec::new();
    for entry in fs::read_dir(from)? {
        names.push(entry?.file_name());
    }
    for name in names {
        let target = to.join(&name);
        fs::rename(from.join(&name), &target)?;
        moved.push(target);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_left_out_of_urls() {
        let kept = |url: &str| without_password(url).unwrap();
        assert_eq!(
            kept("postgresql://a:b@h:5432/d?host=/run&password=x&port=1"),
            ("postgresql://a@h:5432/d?host=/run&port=1".to_owned(), true)
        );
        assert_eq!(
            kept("postgres://a:p@ss@h/d"),
            ("postgres://a@h/d".to_owned(), true)
        );
        assert_eq!(
            kept("postgresql:///d?password=x"),
            ("postgresql:///d".to_owned(), true)
        );
        assert_eq!(kept("postgresql://a@/d"), ("postgresql://a@/d".to_owned(), false));
        for wrong in ["mysql://a@b/c", "host=/run dbname=d", "postgresql://a\n@/d", ""] {
            assert_eq!(without_password(wrong).unwrap_err().exit, Exit::Wrong);
        }
    }

    #[test]
    fn all_is_written_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = |paths: &[&str]| -> Files {
            paths
                .iter()
                .map(|path| ((*path).to_owned(), "x".to_owned()))
                .collect()
        };
        let there = |path: &Path| fs::read_dir(path).unwrap().count();
        // A file and a folder of one name cannot both be.
        let impossible = files(&["a", "a/b"]);
        let absent = folder.path().join("new/estate");
        assert!(Place::find(&absent).unwrap().write(&impossible).is_err());
        assert!(!absent.exists());
        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert!(Place::find(&empty).unwrap().write(&impossible).is_err());
        assert_eq!(there(&empty), 0);

        for place in [&absent, &empty] {
            Place::find(place).unwrap().write(&files(&["a", "b/c"])).unwrap();
            assert_eq!(there(place), 2);
            assert_eq!(Place::find(place).unwrap_err().exit, Exit::Wrong);
        }
        assert_eq!(Place::find(&empty.join("a")).unwrap_err().exit, Exit::Wrong);
    }
}
