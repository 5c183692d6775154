//! Standard output: lines for a person, or one JSON document for a program; colour only on a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::clock;
use crate::failure::Failure;

/// What a piece of text means. Colour never carries it alone: the words or the mark say it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Done, holds.
    Good,
    /// Failed, refused where it must not be.
    Bad,
    /// Worth a second look.
    Notice,
    /// A heading.
    Strong,
    /// Less important.
    Quiet,
}

impl Tone {
    /// Select Graphic Rendition (ECMA-48, 8.3.117).
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Notice => "33",
            Self::Strong => "1",
            Self::Quiet => "2",
        }
    }
}

/// Entries between two words to somebody who waits.
const NEWS_EVERY: u64 = 100_000;

/// Who reads what a command says.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    json: bool,
    colour: bool,
    terminal: bool,
}

impl Console {
    /// For a program when `json`; else for a person, in colour on a terminal unless `NO_COLOR` is set (<https://no-color.org>).
    #[must_use]
    pub fn new(json: bool) -> Self {
        let terminal =
            io::stdout().is_terminal() && clock::variable("TERM").is_none_or(|term| term != "dumb");
        Self {
            json,
            terminal: !json && terminal,
            colour: !json && terminal && clock::variable("NO_COLOR").is_none(),
        }
    }

    /// Whether one JSON document is wanted instead of lines.
    #[must_use]
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether colours are shown.
    #[must_use]
    pub fn is_coloured(self) -> bool {
        self.colour
    }

    /// Whether a person looks at a screen, which can be drawn anew.
    #[must_use]
    pub fn is_screen(self) -> bool {
        self.terminal
    }

    /// Whether whoever waits can be shown how far the work is: lines are wanted, and standard error is a terminal.
    #[must_use]
    pub fn shows_progress(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// Says now and then how many entries of a ledger have been read, to whoever waits at a terminal.
    pub fn news(self) -> impl FnMut(u64) {
        let mut next = NEWS_EVERY;
        move |entries| {
            if self.shows_progress() && entries >= next {
                next = entries.saturating_add(NEWS_EVERY);
                progress(&format!("{entries} entries read"));
            }
        }
    }

    /// Colours a text, on a terminal.
    #[must_use]
    pub fn paint(self, tone: Tone, text: impl Display) -> String {
        if self.colour {
            format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
        } else {
            text.to_string()
        }
    }

    /// One line for a person; nothing when a document is wanted.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn line(self, text: impl Display) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// Text as it is, such as a file's content, whoever reads.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn verbatim(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// The one document, when one is wanted.
    ///
    /// # Errors
    /// Standard output cannot be written to.
    pub fn document(self, document: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        serde_json::to_writer_pretty(&mut out, document).map_err(io::Error::from)?;
        writeln!(out)?;
        Ok(out.flush()?)
    }

    /// Says why a command failed: on standard error for a person, as the document for a program.
    pub fn failure(self, failure: &Failure) {
        if failure.reader_gone {
            return;
        }
        if self.json {
            let document = serde_json::json!({
                "error": { "message": failure.message, "causes": failure.causes, "help": failure.help }
            });
            // Nobody is left to tell if this cannot be written either.
            let _ = self.document(&document);
        } else {
            let _ = write_failure(&mut io::stderr().lock(), failure);
        }
    }
}

/// Says on standard error how far the work is.
pub(crate) fn progress(text: &str) {
    // Who does not see it waits all the same.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says on standard error what whoever runs `serve` must know.
pub(crate) fn alarm(text: &str) {
    // There is nobody else to tell. A line is one alarm, whatever names stand in it.
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let _ = writeln!(io::stderr().lock(), "estop: alarm: {line}");
}

fn write_failure(out: &mut impl Write, failure: &Failure) -> io::Result<()> {
    let colour = io::stderr().is_terminal() && clock::variable("NO_COLOR").is_none();
    let (on, off) = if colour {
        ("\u{1b}[1;31m", "\u{1b}[0m")
    } else {
        ("", "")
    };
    writeln!(out, "{on}error:{off} {}", failure.message)?;
    for cause in &failure.causes {
        writeln!(out, "  because: {cause}")?;
    }
    for line in failure.help.iter().flat_map(|help| help.lines()) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}
