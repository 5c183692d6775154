//! How a command ends when it does not end with "yes": what is wrong, where, what would be right, and the exit code.

use std::error::Error;
use std::io;

/// The exit codes of the program. Other programs are written against them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Yes, done, holds.
    Yes = 0,
    /// A finding, refused, does not verify.
    No = 1,
    /// The call or a file is wrong.
    Wrong = 2,
    /// Something needed is not there: a server, a program, a file that another command makes.
    Absent = 3,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Yes => Self::SUCCESS,
            Exit::No => Self::from(1),
            Exit::Wrong => Self::from(2),
            Exit::Absent => Self::from(3),
        }
    }
}

/// Why a command did not succeed, in words for the person who typed it.
#[derive(Debug)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// What is wrong, and where. Lower case, no full stop.
    pub message: String,
    /// The causes below it, outermost first.
    pub causes: Vec<String>,
    /// What would be right.
    pub help: Option<String>,
    /// Whether the reader of our output has gone, which is nothing to complain of.
    pub reader_gone: bool,
}

impl Failure {
    /// A plain "no".
    #[must_use]
    pub fn no(message: impl Into<String>) -> Self {
        Self::of(Exit::No, message.into())
    }

    /// The call or a file is wrong.
    #[must_use]
    pub fn wrong(message: impl Into<String>) -> Self {
        Self::of(Exit::Wrong, message.into())
    }

    /// Something needed is not there.
    #[must_use]
    pub fn absent(message: impl Into<String>) -> Self {
        Self::of(Exit::Absent, message.into())
    }

    /// The same, with an error's text and its chain of causes below.
    #[must_use]
    pub fn because(mut self, error: &dyn Error) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    /// The same, with what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Message and causes on one line.
    #[must_use]
    pub fn line(&self) -> String {
        let parts = std::iter::once(&self.message).chain(&self.causes);
        parts.map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    /// An error as the message itself, its causes below.
    #[must_use]
    pub fn from_error(exit: Exit, error: &dyn Error) -> Self {
        let mut failure = Self::of(exit, error.to_string());
        if let Some(source) = error.source() {
            failure = failure.because(source);
        }
        failure
    }

    fn of(exit: Exit, message: String) -> Self {
        Self {
            exit,
            message,
            causes: Vec::new(),
            help: None,
            reader_gone: false,
        }
    }
}

/// Failures of standard output only: every other file operation says which file it was.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let mut failure = Self::absent("cannot write to standard output").because(&error);
        failure.reader_gone = error.kind() == io::ErrorKind::BrokenPipe;
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn causes_are_listed_once_each_from_the_outside_in() {
        let error = Outer(io::Error::other("inner"));
        let failure = Failure::from_error(Exit::No, &error);
        assert_eq!(
            (failure.message.as_str(), failure.causes),
            ("outer", vec!["inner".to_owned()])
        );
        let failure = Failure::wrong("top").because(&error);
        assert_eq!(failure.causes, ["outer", "inner"]);
    }

    #[test]
    fn only_a_broken_pipe_is_no_complaint() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).reader_gone);
        assert!(!Failure::from(io::Error::from(io::ErrorKind::StorageFull)).reader_gone);
    }
}
