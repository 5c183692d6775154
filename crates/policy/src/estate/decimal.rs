//! `numeric(P,S)`: the numbers that a Cedar `decimal` can hold.

use std::fmt;

/// Most digits after the point: a Cedar `decimal` has four.
const MAX_SCALE: u8 = 4;

/// Most digits before the point. A Cedar `decimal` goes to 922337203685477.5807: all numbers of 14 digits, not all of 15.
const MAX_WHOLE: u8 = MAX_PRECISION - MAX_SCALE;

/// Most digits in all.
const MAX_PRECISION: u8 = 18;

/// A `numeric` with so many digits, so many of them after the point, that a Cedar `decimal` holds every number of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal {
    precision: u8,
    scale: u8,
}

/// Why a text that looks like `numeric(P,S)` is no [`Decimal`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` has more digits than conditions can compare, or is not written `numeric(P,S)`")]
pub struct DecimalError(pub(super) String);

impl Decimal {
    /// This many digits, this many of them after the point. `None` if a Cedar `decimal` does not hold all such numbers.
    #[must_use]
    pub const fn new(precision: u8, scale: u8) -> Option<Self> {
        if precision == 0 || scale > precision || scale > MAX_SCALE || precision - scale > MAX_WHOLE {
            return None;
        }
        Some(Self { precision, scale })
    }

    /// Digits in all.
    #[must_use]
    pub fn precision(self) -> u8 {
        self.precision
    }

    /// Digits after the point.
    #[must_use]
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// Reads `numeric(P,S)`, `numeric(P)`, and both with `decimal`, as PostgreSQL does. `None`: it has no parenthesis, so
    /// that it is another type.
    pub(super) fn parse(text: &str) -> Option<Result<Self, DecimalError>> {
        let (name, rest) = text.split_once('(')?;
        if !matches!(name.trim_end(), "numeric" | "decimal") {
            return None;
        }
        let digits = |text: &str| text.trim().parse::<u8>().ok();
        let parsed = rest.strip_suffix(')').and_then(|inner| {
            let (precision, scale) = inner.split_once(',').unwrap_or((inner, "0"));
            Self::new(digits(precision)?, digits(scale)?)
        });
        Some(parsed.ok_or_else(|| DecimalError(text.to_owned())))
    }
}

impl fmt::Display for Decimal {
    /// As PostgreSQL's `format_type` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "numeric({},{})", self.precision, self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cedar_decimal_holds_is_taken() {
        let parse = |text: &str| Decimal::parse(text).map(|parsed| parsed.map(|decimal| decimal.to_string()));
        for (text, expected) in [
            ("numeric(10,2)", "numeric(10,2)"),
            ("decimal(10, 2)", "numeric(10,2)"),
            ("numeric (4)", "numeric(4,0)"),
            ("numeric(18,4)", "numeric(18,4)"),
            ("numeric(14,0)", "numeric(14,0)"),
            ("numeric(4,4)", "numeric(4,4)"),
        ] {
            assert_eq!(parse(text), Some(Ok(expected.to_owned())), "{text}");
        }
        for text in [
            "numeric(19,4)",
            "numeric(15,0)",
            "numeric(10,5)",
            "numeric(0,0)",
            "numeric(3,4)",
            "numeric(3,-1)",
            "numeric()",
            "numeric(10,2",
            "numeric(10,2)[]",
            "numeric(1,2,3)",
            "numeric(300,2)",
        ] {
            assert_eq!(parse(text), Some(Err(DecimalError(text.to_owned()))), "{text}");
        }
        assert_eq!(parse("numeric"), None);
        assert_eq!(parse("varchar(10)"), None);
    }
}
