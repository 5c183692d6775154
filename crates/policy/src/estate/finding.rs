//! What can be wrong with an estate, each with its place and what would be right.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use evidence::id::IdError;
use evidence::signers::SignersError;
use evidence::signers::SignersFault;
use evidence::witness_policy::PolicyFault;
use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};

use super::case_form::CaseFormError;
use super::decimal::DecimalError;
use super::document::DocumentError;
use super::hours::HoursError;
use super::log_in::LogInError;
use super::names::NameError;
use super::retention::RetentionError;
use super::shape::ShareError;
use super::verifier::VerifierTextError;
use super::{Files, MAX_ESTATE_BYTES, MAX_FILE_BYTES, MAX_FILES};
use crate::condition::ConditionError;
use crate::guardrail::GuardrailFault;
use crate::mask::MaskError;
use crate::shared_view::{MAX_SHARES, SharedViewError};

mod help;
mod known;

pub use known::Known;
pub(crate) use known::meant;

/// One thing that is wrong. As a [`Diagnostic`] it brings the lines it is about.
#[derive(Debug, Clone)]
pub struct Finding {
    file: String,
    source: Option<Arc<NamedSource<String>>>,
    span: Range<usize>,
    line: usize,
    column: usize,
    problem: Problem,
}

impl Finding {
    /// A problem at these bytes of this file. Where that is in lines is found out when all are collected.
    pub(crate) fn new(file: &str, span: Range<usize>, problem: impl Into<Problem>) -> Self {
        Self {
            span,
            ..Self::of_file(file, problem.into())
        }
    }

    /// A problem of the folder, or with a file that is not there.
    pub(crate) fn of_file(file: &str, problem: Problem) -> Self {
        Self {
            file: file.to_owned(),
            source: None,
            span: 0..0,
            line: 1,
            column: 1,
            problem,
        }
    }

    fn place(&mut self, text: &str, source: &Arc<NamedSource<String>>) {
        let end = self.span.end.min(text.len());
        self.span = self.span.start.min(end)..end;
        (self.line, self.column) = position(text, self.span.start);
        self.source = Some(Arc::clone(source));
    }

    /// The file, relative to the estate.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Its place, in bytes.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.problem)
    }
}

impl std::error::Error for Finding {}

impl Diagnostic for Finding {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem
            .help()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_deref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source.as_ref()?;
        let label = LabeledSpan::new(Some("here".to_owned()), self.span.start, self.span.len());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Line and column of a byte, both from 1, the column in characters.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.char_indices().take_while(|(index, _)| *index < at);
    before.fold((1, 1), |(line, column), (_, char)| {
        if char == '\n' {
            (line + 1, 1)
        } else {
            (line, column + 1)
        }
    })
}

/// Most findings that are kept: nobody reads more at once, and a broken file could have one for each of its bytes.
pub(super) const MAX_FINDINGS: usize = 100;

/// Everything that is wrong with an estate: at least one thing.
#[derive(Debug, Clone)]
pub struct EstateErrors {
    findings: Vec<Finding>,
    more: bool,
}

impl EstateErrors {
    /// These findings, in the order of files and places, each placed in its file.
    pub(super) fn new(mut findings: Vec<Finding>, files: &Files) -> Self {
        findings.sort_by(|a, b| (&a.file, a.span.start).cmp(&(&b.file, b.span.start)));
        let more = findings.len() > MAX_FINDINGS;
        findings.truncate(MAX_FINDINGS);
        let mut source: Option<Arc<NamedSource<String>>> = None;
        for finding in &mut findings {
            let Some(text) = files
                .get(&finding.file)
                .filter(|text| text.len() <= MAX_FILE_BYTES)
            else {
                continue;
            };
            let known = source.take().filter(|source| source.name() == finding.file);
            let known = known.unwrap_or_else(|| Arc::new(NamedSource::new(&finding.file, text.clone())));
            finding.place(text, &known);
            source = Some(known);
        }
        Self { findings, more }
    }

    /// The findings, in the order of files and places.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether there are more than those.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.more
    }
}

impl fmt::Display for EstateErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.findings.len();
        let more = if self.more { "more than " } else { "" };
        write!(
            f,
            "the estate has {more}{count} {}",
            if count == 1 { "error" } else { "errors" }
        )
    }
}

impl std::error::Error for EstateErrors {}

impl Diagnostic for EstateErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(
            self.findings.iter().map(|finding| finding as &dyn Diagnostic),
        ))
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// More files than the bound.
    #[error("the folder has more than {MAX_FILES} files")]
    TooManyFiles,
    /// Longer files than the bound.
    #[error("the files are longer than {MAX_ESTATE_BYTES} bytes together")]
    TooMuch,
    /// A file longer than the bound.
    #[error("the file is longer than {MAX_FILE_BYTES} bytes")]
    FileTooLong,
    /// A file that has no place in an estate.
    #[error("this file has no place in an estate")]
    UnknownFile,
    /// A file that must be there.
    #[error("the estate has no `{0}`")]
    Missing(&'static str),
    /// Not TOML, or not the TOML that is wanted.
    #[error("{0}")]
    Toml(String),
    /// A guardrail that is none.
    #[error(transparent)]
    Guardrail(#[from] GuardrailFault),
    /// Not a file of allowed signers.
    #[error("{0}")]
    Signers(SignersFault),
    /// Not a policy of witnesses.
    #[error("{0}")]
    Witnesses(PolicyFault),
    /// A text that is no id.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A text that can name nothing in PostgreSQL.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Something is there twice.
    #[error("{what} `{id}` is there twice")]
    Twice {
        /// What.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The id is not the file's name.
    #[error("the id `{id}` is not the file's name `{stem}`")]
    FileName {
        /// The id.
        id: String,
        /// The file's name without its ending.
        stem: String,
    },
    /// Something refers to what is not there.
    #[error("there is no {what} `{id}`{known}")]
    Unknown {
        /// What.
        what: &'static str,
        /// What it is called.
        id: String,
        /// What there is.
        known: Known,
    },
    /// Nothing where something is needed.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// A text that is too long or has characters that would not show.
    #[error("{what} is at most {max} bytes on one line")]
    Line {
        /// What.
        what: &'static str,
        /// Most bytes.
        max: usize,
    },
    /// A number out of range.
    #[error("{what} is from {min} to {max}")]
    Range {
        /// What.
        what: &'static str,
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// No such type.
    #[error("`{0}` is not a type of column that can be shared")]
    ColumnType(String),
    /// A `numeric(P,S)` that conditions could not compare.
    #[error(transparent)]
    Decimal(#[from] DecimalError),
    /// No such isolation.
    #[error("`{0}` is not a way of isolation")]
    Isolation(String),
    /// What is to be done on drift.
    #[error("`{0}` is nothing that can be done when a database was changed")]
    OnDrift(String),
    /// Who is to erase.
    #[error("`{0}` is no way to erase what is kept no longer")]
    Erase(String),
    /// What is to be done with receipts.
    #[error("`{0}` is nothing that can be done with receipts")]
    Receipts(String),
    /// Not a public key.
    #[error("not a public key of overseers: 32 bytes in base64 are 44 characters")]
    OverseersKey,
    /// Not `schema.name`.
    #[error(
        "`{0}` is not a relation: `schema.name` is wanted, a name with a dot or a quote in double quotes"
    )]
    Relation(String),
    /// Not a day.
    #[error("`{0}` is not a day: `2026-11-23` is wanted")]
    Date(String),
    /// The last day comes before the first.
    #[error("the agreement ends on {until}, before it begins on {from}")]
    Window {
        /// First day.
        from: jiff::civil::Date,
        /// Last day.
        until: jiff::civil::Date,
    },
    /// No such time zone.
    #[error("`{0}` is not a time zone")]
    TimeZone(String),
    /// Not an address with a port.
    #[error("`{0}` is not an address and port: `127.0.0.1:6432` is wanted")]
    Listen(String),
    /// Not a URL of PostgreSQL's.
    #[error("an upstream's URL begins with `postgres://` or `postgresql://` and has no control characters")]
    Url,
    /// A path out of the estate's folder's reach.
    #[error("a path is one line and not empty")]
    Path,
    /// A document that cannot be taken.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Sharing onward without a clause.
    #[error("sharing onward is permitted, and no `clause` says so")]
    OnwardClause,
    /// Receivers of what may not be shared onward.
    #[error("`to` lists who may be shared with onward, and `permitted` is false")]
    OnwardForbidden,
    /// The partner itself.
    #[error("`{0}` is the agreement's own partner")]
    OnwardToItself(String),
    /// A subject key that may be NULL.
    #[error("the subject key `{0}` is optional: every row must say whom it is about")]
    SubjectKeyOptional(String),
    /// A mask on a column that the share does not have.
    #[error("the mask is on `{0}`, which is not among the share's columns")]
    MaskNotShared(String),
    /// A mask that is none, or not for this type.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// A condition that is refused.
    #[error("condition: {0}")]
    Condition(ConditionError),
    /// A share whose shape is refused.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A case form that is none.
    #[error(transparent)]
    CaseForm(#[from] CaseFormError),
    /// Hours that are none.
    #[error(transparent)]
    Hours(#[from] HoursError),
    /// A time to keep records that is none.
    #[error(transparent)]
    Retention(#[from] RetentionError),
    /// A verifier that is none.
    #[error(transparent)]
    Verifier(#[from] VerifierTextError),
    /// A public key that is none.
    #[error("not an OpenSSH public key that answers can be checked with")]
    SshKey(#[from] SignersError),
    /// How officers log in.
    #[error(transparent)]
    LogIn(#[from] LogInError),
    /// One data set shared too often for one purpose.
    #[error("data set `{dataset}` has more than {MAX_SHARES} shares for purpose `{purpose}`")]
    TooManyShares {
        /// The data set.
        dataset: String,
        /// The purpose.
        purpose: String,
    },
    /// Two shares whose masks of one column show two types.
    #[error(
        "column `{column}` would be `{first}` by another share of its data set and `{second}` by this one"
    )]
    ShownTypes {
        /// The column.
        column: String,
        /// The first share's type of it.
        first: String,
        /// This one's.
        second: String,
    },
    /// Shares that come to no view.
    #[error("the shares of data set `{dataset}` for purpose `{purpose}`: {error}")]
    View {
        /// The data set.
        dataset: String,
        /// The purpose.
        purpose: String,
        /// Why.
        error: SharedViewError,
    },
    /// A purpose for which nothing is shared.
    #[error("nothing is shared for purpose `{0}`")]
    NothingShared(String),
    /// A purpose whose data sets are in two databases.
    #[error(
        "purpose `{purpose}` has data sets in upstream `{first}` and in `{second}`; one session is in one database"
    )]
    TwoUpstreams {
        /// The purpose.
        purpose: String,
        /// The first data set's.
        first: String,
        /// Another's.
        second: String,
    },
    /// The model made of it is not valid: a fault of ours.
    #[error("the Cedar model of this estate is not valid, which is a fault of this program: {0}")]
    Model(String),
}
