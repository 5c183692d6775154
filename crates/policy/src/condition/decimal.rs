//! Constants of `decimal`.

use cedar_policy::pst::{Expr, Literal};

use super::refusal::Reason;

/// Digits that a Cedar `decimal` has after the point.
const SCALE: usize = 4;

/// The number that `decimal("..")` of a constant gives, in ten-thousandths.
pub(super) fn fold(argument: &Expr) -> Result<i64, Reason> {
    let Expr::Literal(Literal::String(text)) = argument else {
        return Err(Reason::Unsupported {
            what: "a decimal computed from a column",
            instead: "compare the column itself with a constant",
        });
    };
    ten_thousandths(text).ok_or_else(|| Reason::Decimal(text.to_string()))
}

/// The number as PostgreSQL's `numeric` reads it.
pub(super) fn digits(ten_thousandths: i64) -> String {
    let magnitude = ten_thousandths.unsigned_abs();
    let sign = if ten_thousandths < 0 { "-" } else { "" };
    format!("{sign}{}.{:04}", magnitude / 10_000, magnitude % 10_000)
}

/// Cedar's grammar: a sign or none, digits, a point, one to four digits.
fn ten_thousandths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(digits) || !all_digits(fraction) || fraction.len() > SCALE {
        return None;
    }
    format!("{whole}{fraction:0<SCALE$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluates(cedar: &str) -> bool {
        let anyone: cedar_policy::EntityUid = "Nobody::\"\"".parse().unwrap();
        let context = cedar_policy::Context::empty();
        let request =
            cedar_policy::Request::new(anyone.clone(), anyone.clone(), anyone, context, None).unwrap();
        let entities = cedar_policy::Entities::empty();
        cedar_policy::eval_expression(&request, &entities, &cedar.parse().unwrap()).is_ok()
    }

    #[test]
    fn constants_are_read_as_cedar_reads_them() {
        for (text, expected) in [
            ("1.0", Some("1.0000")),
            ("-0.5", Some("-0.5000")),
            ("-12.3456", Some("-12.3456")),
            ("007.10", Some("7.1000")),
            ("922337203685477.5807", Some("922337203685477.5807")),
            ("-922337203685477.5808", Some("-922337203685477.5808")),
            ("922337203685477.5808", None),
            ("1", None),
            ("1.", None),
            (".1", None),
            ("+1.0", None),
            ("1.00000", None),
            ("1e1.0", None),
            ("NaN", None),
            ("--1.0", None),
            ("١.٠", None),
        ] {
            assert_eq!(ten_thousandths(text).map(digits).as_deref(), expected, "{text}");
            let cedar = format!("decimal(\"{text}\") == decimal(\"{text}\")");
            assert_eq!(evaluates(&cedar), expected.is_some(), "{text}");
        }
    }
}
