//! Signed texts of one `key value` a line, read in one order and in no other way.

/// A line is missing, out of order, or has another form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}")]
pub struct LineError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What should stand there.
    pub expected: &'static str,
}

/// What has not been read yet, and the number of the line read last.
pub(crate) struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The lines behind the first, which must be this.
    pub(crate) fn of(text: &'a str, header: &str, expected: &'static str) -> Result<Self, LineError> {
        match text.split_once('\n') {
            Some((line, rest)) if line == header => Ok(Self { rest, number: 1 }),
            _ => Err(LineError { line: 1, expected }),
        }
    }

    /// That the next line is another than this.
    pub(crate) fn expected(&self, expected: &'static str) -> LineError {
        let line = self.number.saturating_add(1);
        LineError { line, expected }
    }

    /// The value of the next line, if it has this key.
    pub(crate) fn value(&mut self, key: &str) -> Option<&'a str> {
        let (line, rest) = self.rest.split_once('\n')?;
        let value = line.strip_prefix(key)?.strip_prefix(' ')?;
        self.rest = rest;
        self.number = self.number.saturating_add(1);
        Some(value)
    }

    /// The next line, which must have this key and a value that can be read.
    pub(crate) fn read<T>(
        &mut self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, LineError> {
        let fault = self.expected(expected);
        self.value(key).and_then(read).ok_or(fault)
    }

    /// That nothing is left.
    pub(crate) fn end(&self) -> Result<(), LineError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.expected("nothing more"))
        }
    }
}
