//! What a case reference must look like.

use regex_syntax::hir::literal::{ExtractKind, Extractor};

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
    beginning: String,
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
            beginning: beginning(pattern),
        })
    }

    /// Whether this is a case reference of that form.
    #[must_use]
    pub fn matches(&self, case: &str) -> bool {
        case.len() <= Self::MAX_CASE_BYTES && self.whole.is_match(case)
    }

    /// What every case reference of this form begins with: what of the form policies can ask for. Empty if they begin in
    /// several ways, or in more than it is worth looking into.
    #[must_use]
    pub fn beginning(&self) -> &str {
        &self.beginning
    }

    /// The regular expression as it was written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}

/// The longest text that everything begins with that a pattern matches from its start.
fn beginning(pattern: &str) -> String {
    let Ok(parsed) = regex_syntax::parse(pattern) else {
        return String::new();
    };
    let beginnings = Extractor::new().kind(ExtractKind::Prefix).extract(&parsed);
    let common = beginnings.longest_common_prefix().unwrap_or_default();
    // Of a character that is cut, as of one among several that begin with the same byte, nothing is left.
    let whole = common.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    whole.to_owned()
}

impl PartialEq for CaseForm {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for CaseForm {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_what_all_references_begin_with() {
        for (pattern, expected) in [
            (r"^W-\d+$", "W-"),
            (r"W-\d+", "W-"),
            (r"^(IL|IN)-\d+$", "I"),
            (r"^[A-Z]{2}-\d+$", ""),
            (r"(?i)w-\d+", ""),
            (r"^W?-\d+$", ""),
            (r"W|", ""),
            (r".*W", ""),
            (r"^2026-é\*", "2026-é*"),
            // Both begin with the byte 0xc3.
            (r"^x[éè]$", "x"),
            (r"a{3}", "aaa"),
        ] {
            let form = CaseForm::new(pattern).unwrap();
            assert_eq!(form.beginning(), expected, "{pattern}");
        }
    }

    const PARTS: [&str; 18] = [
        "^", "W", "IL", "(a|ab)", "[A-C]", "é", "(?i)x", "-", r"\d", "?", "+", "*", "{2}", "|", "$", "(?:",
        ")", r"\b",
    ];

    proptest::proptest! {
        #[test]
        fn what_matches_begins_so(
            parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..7),
            case in "[WILaAbBCéxX0-1-]{0,5}",
        ) {
            if let Ok(form) = CaseForm::new(&parts.concat()) && form.matches(&case) {
                proptest::prop_assert!(case.starts_with(form.beginning()), "{parts:?} {case:?} {:?}", form.beginning());
            }
        }
    }
}
