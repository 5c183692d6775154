//! Constants of date and time: computed by Cedar itself, so that they are what Cedar means.

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};
use cedar_policy::{
    Context, Entities, EntityId, EntityUid, EvalResult, Expression, Request, eval_expression,
};
use jiff::SignedDuration;
use jiff::civil::{DateTime, date};

use super::refusal::Reason;

/// First and last year a constant may be in: PostgreSQL writes others in another form.
const YEARS: std::ops::RangeInclusive<i16> = 1..=9999;

/// What is refused, and the text it is about.
type Refused = (&'static str, Reason);

/// The moment that `datetime("..")`, `.offset(duration(".."))` and `.toDate()` of constants give.
pub(super) fn fold(expr: &Expr) -> Result<DateTime, Refused> {
    if let Some(at) = normalized(expr).filter(is_written) {
        return Ok(at);
    }
    let text = constant(expr).ok_or((
        "datetime",
        Reason::Unsupported {
            what: "a date or time computed from a column",
            instead: "compare the column itself with a constant",
        },
    ))?;
    let refused = || ("datetime", Reason::Date(text.clone()));
    let since_1970 = format!("{text}.durationSince(datetime(\"1970-01-01\")).toMilliseconds()");
    let at = evaluate(&since_1970)
        .and_then(since_1970_in_utc)
        .ok_or_else(refused)?;
    if is_written(&at) { Ok(at) } else { Err(refused()) }
}

/// The moment of `datetime("1970-01-01").offset(duration("..ms"))`, the one form in which Cedar's partial evaluation leaves
/// moments: without evaluating it once more.
fn normalized(expr: &Expr) -> Option<DateTime> {
    let Expr::BinaryOp {
        op: BinaryOp::Offset,
        left,
        right,
    } = expr
    else {
        return None;
    };
    let (
        Expr::UnaryOp {
            op: UnaryOp::Datetime,
            expr: epoch,
        },
        Expr::UnaryOp {
            op: UnaryOp::Duration,
            expr: millis,
        },
    ) = (left.as_ref(), right.as_ref())
    else {
        return None;
    };
    let millis = plain(millis)?.strip_suffix("ms")?;
    let digits = millis.strip_prefix('-').unwrap_or(millis);
    if plain(epoch)? != "1970-01-01" || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    since_1970_in_utc(millis.parse().ok()?)
}

/// Not by way of a timestamp: those end a day early, so that each has a date in every time zone.
fn since_1970_in_utc(millis: i64) -> Option<DateTime> {
    date(1970, 1, 1)
        .at(0, 0, 0, 0)
        .checked_add(SignedDuration::from_millis(millis))
        .ok()
}

/// Whether it can be written as a constant.
fn is_written(at: &DateTime) -> bool {
    YEARS.contains(&at.year())
}

/// The expression as text again, if it is made of constants only.
fn constant(expr: &Expr) -> Option<String> {
    match expr {
        Expr::UnaryOp {
            op: UnaryOp::Datetime,
            expr,
        } => Some(format!("datetime(\"{}\")", plain(expr)?)),
        Expr::UnaryOp {
            op: UnaryOp::ToDate,
            expr,
        } => Some(format!("{}.toDate()", constant(expr)?)),
        Expr::BinaryOp {
            op: BinaryOp::Offset,
            left,
            right,
        } => match right.as_ref() {
            Expr::UnaryOp {
                op: UnaryOp::Duration,
                expr,
            } => Some(format!(
                "{}.offset(duration(\"{}\"))",
                constant(left)?,
                plain(expr)?
            )),
            _ => None,
        },
        _ => None,
    }
}

/// A string constant of the characters dates, times and durations are made of: none needs an escape.
fn plain(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(Literal::String(text))
            if text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-+:.".contains(&byte)) =>
        {
            Some(text)
        }
        _ => None,
    }
}

fn evaluate(text: &str) -> Option<i64> {
    let expression: Expression = text.parse().ok()?;
    let anyone = EntityUid::from_type_name_and_id("Nobody".parse().ok()?, EntityId::new(""));
    let request = Request::new(anyone.clone(), anyone.clone(), anyone, Context::empty(), None).ok()?;
    match eval_expression(&request, &Entities::empty(), &expression) {
        Ok(EvalResult::Long(millis)) => Some(millis),
        _ => None,
    }
}
