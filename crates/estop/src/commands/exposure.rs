//! `estop exposure`: who can really read it, by every path.

use std::collections::HashSet;
use std::io::{IsTerminal, Write as _};
use std::path::Path;

use control::exposure::Original;
use policy::exposure::scan::{Named, ScanError};
use policy::exposure::{Class, Finding, Question, Report, Snapshot, scan};

use crate::cli::{Exposure, FailOn};
use crate::failure::{Exit, Failure};
use crate::files::{self, Readers};
use crate::output::{Console, Tone};

mod graph;
mod html;
mod server_tls;
mod tree;

/// The largest snapshot that is read.
const SNAPSHOT_BYTES: usize = 1 << 30;

/// Runs the command.
///
/// # Errors
/// The call is wrong, or the server or a file cannot be read.
pub(super) async fn run(command: &Exposure, console: Console) -> Result<Exit, Failure> {
    let named = command.relation.as_deref().map(relation).transpose()?;
    let question = Question {
        relation: named,
        role: command.role.clone(),
        all: command.all,
    };
    let waiting = Waiting {
        terminal: std::io::stderr().is_terminal(),
    };
    let (snapshot, way) = match (&command.url, &command.snapshot) {
        (_, Some(file)) => (load(file)?, None),
        (Some(url), None) => {
            let way = server_tls::way(url)?;
            let original = question.relation.as_ref().map(|named| Original {
                schema: named.schema.clone(),
                name: named.name.clone(),
            });
            let snapshot = way.snapshot(original.as_ref(), &|what| waiting.say(what)).await;
            (snapshot.map_err(|error| failed(&error))?, Some(way))
        }
        (None, None) => return Err(Failure::wrong("neither a URL nor `--snapshot FILE` was given")),
    };
    if let Some(file) = &command.save {
        let text = serde_json::to_string(&snapshot)
            .map_err(|error| Failure::absent("the snapshot cannot be written").because(&error))?;
        files::create(file, &text, Readers::Owner)?;
    }
    waiting.say("paths");
    let mut report = scan(&snapshot, &question).map_err(|error| wrong(&error, &snapshot))?;
    if command.verify
        && let Some(way) = &way
    {
        way.verify(&mut report, &|what| waiting.say(what))
            .await
            .map_err(|error| failed(&error))?;
    }
    waiting.done();
    write(command, &report, console)?;
    let earlier = match &command.diff {
        Some(file) => {
            let earlier = load(file)?;
            Some(scan(&earlier, &question).map_err(|error| wrong(&error, &earlier))?)
        }
        None => None,
    };
    let compared = earlier.map(|earlier| Difference::between(&earlier, &report));
    match &compared {
        Some(difference) => {
            tree::difference(difference, console)?;
            let mut document = serde_json::to_value(&report).unwrap_or_default();
            if let Some(fields) = document.as_object_mut() {
                fields.insert("appeared".to_owned(), serde_json::json!(difference.appeared));
                fields.insert("gone".to_owned(), serde_json::json!(difference.gone));
            }
            console.document(&document)?;
        }
        None => {
            tree::show(&report, &question, command.verify, console)?;
            console.document(&report)?;
        }
    }
    let appeared = compared.is_some_and(|difference| {
        difference
            .appeared
            .iter()
            .any(|finding| finding.class != Class::Blocked)
    });
    let found = command
        .fail_on
        .is_some_and(|worst| report.findings.iter().any(|finding| fails(finding.class, worst)));
    Ok(if appeared || found { Exit::No } else { Exit::Yes })
}

fn fails(class: Class, worst: FailOn) -> bool {
    match worst {
        FailOn::Rows => class == Class::Rows,
        FailOn::Facts => class <= Class::Facts,
        FailOn::Latent => class <= Class::Latent,
    }
}

/// What makes paths of two reports the same.
type Key<'f> = (&'f str, &'f str, Class, policy::exposure::Kind, &'f str);

fn key(finding: &Finding) -> Key<'_> {
    (
        &finding.role,
        &finding.relation,
        finding.class,
        finding.kind,
        &finding.closes,
    )
}

/// Paths that are in one report and not in the other.
struct Difference {
    appeared: Vec<Finding>,
    gone: Vec<Finding>,
}

impl Difference {
    fn between(earlier: &Report, now: &Report) -> Self {
        let before: HashSet<Key<'_>> = earlier.findings.iter().map(key).collect();
        let appeared = now
            .findings
            .iter()
            .filter(|one| !before.contains(&key(one)))
            .cloned()
            .collect();
        let after: HashSet<Key<'_>> = now.findings.iter().map(key).collect();
        let gone = earlier
            .findings
            .iter()
            .filter(|one| !after.contains(&key(one)))
            .cloned()
            .collect();
        Self { appeared, gone }
    }
}

/// Says on a terminal what is being done, in one line that the next replaces.
struct Waiting {
    terminal: bool,
}

impl Waiting {
    fn say(&self, what: &str) {
        if self.terminal {
            let shown: String = what.chars().take(100).collect();
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K{shown} ...");
        }
    }

    fn done(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}

fn load(file: &Path) -> Result<Snapshot, Failure> {
    let text = files::read(file, SNAPSHOT_BYTES)?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::wrong(format!("`{}` is no snapshot", file.display()))
            .because(&error)
            .help("`estop exposure URL --save FILE` makes one")
    })
}

fn write(command: &Exposure, report: &Report, console: Console) -> Result<(), Failure> {
    let mut cut = None;
    if let Some(file) = &command.dot {
        let drawing = graph::dot(report);
        files::create(file, &drawing.text, Readers::Owner)?;
        cut = drawing.cut;
    }
    if let Some(file) = &command.svg {
        let drawing = graph::svg(report)?;
        files::create(file, &drawing.text, Readers::Owner)?;
        cut = drawing.cut;
    }
    if let Some(file) = &command.html {
        files::create(file, &html::page(report), Readers::Owner)?;
    }
    if let Some(cut) = cut {
        console.line(format!("{}: {cut}", console.paint(Tone::Notice, "the drawing")))?;
    }
    Ok(())
}

fn failed(error: &control::ControlError) -> Failure {
    let exit = match error.class() {
        control::Class::No => Exit::No,
        control::Class::Wrong => Exit::Wrong,
        control::Class::Missing => Exit::Absent,
    };
    Failure::from_error(exit, error).help(error.remedy())
}

fn wrong(error: &ScanError, snapshot: &Snapshot) -> Failure {
    let help = match error.meant(snapshot) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "names are as the catalogs have them, in the database that the URL names".to_owned(),
    };
    Failure::wrong(error.to_string()).help(help)
}

/// Takes `schema.table[.column]` apart, folding what is not in double quotes as PostgreSQL does.
fn relation(text: &str) -> Result<Named, Failure> {
    let mut parts: Vec<String> = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            letter => {
                if let Some(part) = parts.last_mut() {
                    if quoted {
                        part.push(letter)
                    } else {
                        part.extend(letter.to_lowercase())
                    }
                }
            }
        }
    }
    let wrong = || {
        Failure::wrong(format!("`{text}` is no relation"))
            .help("SCHEMA.TABLE or SCHEMA.TABLE.COLUMN, such as records.people.name")
    };
    if quoted || parts.iter().any(String::is_empty) {
        return Err(wrong());
    }
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(schema), Some(name), column, None) => Ok(Named { schema, name, column }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_and_quoted() {
        let named = relation("Records.\"Odd.Table\".Name").unwrap();
        assert_eq!(
            (
                named.schema.as_str(),
                named.name.as_str(),
                named.column.as_deref()
            ),
            ("records", "Odd.Table", Some("name"))
        );
        for wrong in ["people", "", "a..b", "a.b.c.d", "a.\"b"] {
            assert!(relation(wrong).is_err(), "{wrong}");
        }
    }
}
