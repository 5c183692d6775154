//! What a case reference must look like.

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseFormError {
    /// Too long.
    #[error("the pattern is longer than {} bytes", CaseForm::MAX_PATTERN_BYTES)]
    TooLong,
    /// Not a regular expression, or one that is too big.
    #[error("not a regular expression: {0}")]
    Syntax(String),
}

/// The form of a case reference: a regular expression (syntax of the `regex` crate, linear time) that must match all of it.
#[derive(Debug, Clone)]
pub struct CaseForm {
    pattern: String,
    whole: regex::Regex,
}

impl CaseForm {
    /// Longest pattern, in bytes.
    pub const MAX_PATTERN_BYTES: usize = 500;
    /// Longest case reference, in bytes.
    pub const MAX_CASE_BYTES: usize = 200;
    /// Memory a compiled pattern may take, in bytes: `\d` and repetitions included, not `(.{100}){100}`.
    const MAX_COMPILED_BYTES: usize = 1 << 20;

    /// The form that this regular expression describes.
    ///
    /// # Errors
    /// The pattern is too long or not a regular expression.
    pub fn new(pattern: &str) -> Result<Self, CaseFormError> {
        if pattern.len() > Self::MAX_PATTERN_BYTES {
            return Err(CaseFormError::TooLong);
        }
        // Compiled alone first: `a)|(b` must not become right by what it is wrapped in.
        let syntax = |error: regex::Error| CaseFormError::Syntax(error.to_string());
        let build = |text: &str| {
            regex::RegexBuilder::new(text)
                .size_limit(Self::MAX_COMPILED_BYTES)
                .build()
                .map_err(syntax)
        };
        build(pattern)?;
        let whole = build(&format!(r"\A(?:{pattern})\z"))?;
        Ok(Self {
            pattern: pattern.to_owned(),
            whole,
        })
    }

    /// Whether this is a case reference of that form.
    #[must_use]
    pub fn matches(&self, case: &str) -> bool {
        case.len() <= Self::MAX_CASE_BYTES && self.whole.is_match(case)
    }

    /// The regular expression as it was written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

impl PartialEq for CaseForm {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for CaseForm {}
