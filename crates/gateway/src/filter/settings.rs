//! Which settings a partner may set, and to what: by SET, RESET, the options of a transaction, and `set_config`.
//!
//! Refused is everything that is not listed: settings that change how a text is read (`standard_conforming_strings`,
//! `client_encoding`, `backslash_quote`), that make the server say more (`debug_print_plan`, `client_min_messages`), that
//! lift a limit, or that make hidden rows easier to time (`enable_*`, `work_mem`).

use std::time::Duration;

use pg_query::NodeEnum;
use pg_query::protobuf::{AConst, FuncCall, Node, VariableSetKind, VariableSetStmt, a_const};

use super::Limits;
use super::statement::{Judged, unknown};
use super::verdict::{CASE, Refused, Rule, Set, StatementKind};

/// Which values of a setting are taken.
#[derive(Debug, Clone, Copy)]
enum Values {
    /// All that the server takes.
    Any,
    /// One of these words.
    Words(&'static [&'static str]),
    /// The name of the encoding UTF-8.
    Utf8,
    /// "On", in any of PostgreSQL's spellings.
    On,
    /// A time up to the filter's limit.
    Timeout,
}

/// The settings, sorted by name. The case reference is another matter: the gateway checks it.
const SETTINGS: &[(&str, Values)] = &[
    ("application_name", Values::Any),
    ("bytea_output", Values::Any),
    ("client_encoding", Values::Utf8),
    // Lower levels show plans and the texts of others' functions.
    (
        "client_min_messages",
        Values::Words(&["notice", "warning", "error"]),
    ),
    ("datestyle", Values::Any),
    ("default_transaction_deferrable", Values::Any),
    ("default_transaction_isolation", Values::Any),
    ("default_transaction_read_only", Values::Any),
    ("escape_string_warning", Values::Any),
    ("extra_float_digits", Values::Any),
    ("intervalstyle", Values::Any),
    ("jit", Values::Any),
    ("lock_timeout", Values::Any),
    ("quote_all_identifiers", Values::Any),
    ("row_security", Values::On),
    ("search_path", Values::Any),
    ("standard_conforming_strings", Values::On),
    ("statement_timeout", Values::Timeout),
    ("timezone", Values::Any),
    ("transaction_deferrable", Values::Any),
    ("transaction_isolation", Values::Any),
    ("transaction_read_only", Values::Any),
    ("xmloption", Values::Any),
];

/// Settings that may be reset but not set: a driver's reset of its session names them.
const RESET_ONLY: &[&str] = &["role", "session_authorization"];

fn values(name: &str) -> Option<Values> {
    SETTINGS
        .binary_search_by(|(known, _)| known.cmp(&name))
        .ok()
        .and_then(|place| SETTINGS.get(place))
        .map(|(_, values)| *values)
}

fn refused_setting(name: &str) -> Refused {
    let message = format!("setting `{name}` cannot be changed here");
    // Only pg_dump sets it, and would lock each relation next, which holds up others.
    let message = match name {
        "synchronize_seqscans" => format!(
            "{message}: pg_dump cannot dump what is shared; COPY (SELECT ...) TO STDOUT, psql's \\copy and every query can read it"
        ),
        _ => message,
    };
    Refused::by(Rule::Settings, message)
}

/// SET and RESET.
pub(super) fn judge(stmt: &VariableSetStmt, limits: &Limits) -> Result<Judged, Refused> {
    let VariableSetStmt {
        kind,
        name,
        args,
        jumble_args: _,
        is_local,
        location: _,
    } = stmt;
    let kind = VariableSetKind::try_from(*kind).map_err(|_| unknown())?;
    // PostgreSQL does not tell upper and lower case apart in names of settings.
    let name = name.to_ascii_lowercase();
    match kind {
        VariableSetKind::VarResetAll => Ok(Judged::of(StatementKind::ResetAll)),
        VariableSetKind::VarSetMulti => multiple(&name, args, limits),
        VariableSetKind::VarReset | VariableSetKind::VarSetDefault => {
            if name == CASE || values(&name).is_some() || RESET_ONLY.contains(&name.as_str()) {
                case_for_session(&name, *is_local)?;
                Ok(Judged::of(StatementKind::Reset).with(Set { name, value: None }))
            } else {
                Err(refused_setting(&name))
            }
        }
        VariableSetKind::VarSetValue => {
            case_for_session(&name, *is_local)?;
            let value = listed(args).ok_or_else(|| refused_setting(&name))?;
            if name != CASE {
                check(&name, Some(&value), limits)?;
            }
            Ok(Judged::of(StatementKind::Set).with(Set {
                name,
                value: Some(value),
            }))
        }
        VariableSetKind::VarSetCurrent | VariableSetKind::Undefined => Err(refused_setting(&name)),
    }
}

/// The gateway follows the case reference by statements; it could not follow the end of a transaction.
fn case_for_session(name: &str, is_local: bool) -> Result<(), Refused> {
    if name == CASE && is_local {
        return Err(Refused::by(
            Rule::Case,
            format!("`SET LOCAL {CASE}` is not taken; write `SET {CASE}`"),
        ));
    }
    Ok(())
}

/// SET TRANSACTION and SET SESSION CHARACTERISTICS.
fn multiple(name: &str, args: &[Node], limits: &Limits) -> Result<Judged, Refused> {
    match name {
        "transaction" | "session characteristics" => {
            transaction_options(args, limits)?;
            Ok(Judged::of(StatementKind::Set))
        }
        "transaction snapshot" => Err(Refused::by(
            Rule::Settings,
            "a transaction cannot take another's snapshot here",
        )),
        _ => Err(refused_setting(name)),
    }
}

/// The modes of a transaction.
pub(super) fn transaction_options(options: &[Node], limits: &Limits) -> Result<(), Refused> {
    for option in options {
        let Some(NodeEnum::DefElem(option)) = &option.node else {
            return Err(unknown());
        };
        let value = option.arg.as_deref().and_then(constant).ok_or_else(unknown)?;
        check(&option.defname.to_ascii_lowercase(), Some(&value), limits)?;
    }
    Ok(())
}

/// A call of `set_config`: the name must stand there, and where not every value is taken, the value too.
pub(super) fn judge_set_config(call: &FuncCall, limits: &Limits) -> Result<(), Refused> {
    let [name, value, _is_local] = call.args.as_slice() else {
        return Err(Refused::by(
            Rule::Settings,
            "set_config must have its three arguments here, without names",
        ));
    };
    if call.func_variadic
        || [name, value]
            .iter()
            .any(|arg| matches!(arg.node, Some(NodeEnum::NamedArgExpr(_))))
    {
        return Err(Refused::by(
            Rule::Settings,
            "set_config must have its three arguments here, without names",
        ));
    }
    let name = constant(name)
        .ok_or_else(|| {
            Refused::by(
                Rule::Settings,
                "the first argument of set_config must be a constant here",
            )
        })?
        .to_ascii_lowercase();
    if name == CASE {
        return Err(Refused::by(
            Rule::Case,
            format!("`{CASE}` is set by SET, not by set_config"),
        ));
    }
    check(&name, constant(value).as_deref(), limits)
}

/// Whether `name` may be set to `value`; `None` is a value that is not known before the statement runs.
fn check(name: &str, value: Option<&str>, limits: &Limits) -> Result<(), Refused> {
    let allowed = values(name).ok_or_else(|| refused_setting(name))?;
    if matches!(allowed, Values::Any)
        || matches!(allowed, Values::Timeout) && limits.statement_timeout_max.is_none()
    {
        return Ok(());
    }
    let value = value.ok_or_else(|| {
        Refused::by(
            Rule::Values,
            format!("the value of setting `{name}` must be a constant here"),
        )
    })?;
    let (taken, wanted) = match allowed {
        Values::Any => (true, String::new()),
        Values::Words(words) => (
            words.contains(&value.to_ascii_lowercase().as_str()),
            words.join(", "),
        ),
        Values::Utf8 => (is_utf8(value), "UTF8".to_owned()),
        Values::On => (is_on(value), "on".to_owned()),
        Values::Timeout => {
            let max = limits.statement_timeout_max.unwrap_or(Duration::MAX);
            (
                timeout(value).is_some_and(|time| !time.is_zero() && time <= max),
                format!("1 ms to {} ms", max.as_millis()),
            )
        }
    };
    if taken {
        return Ok(());
    }
    Err(Refused::by(
        Rule::Values,
        format!("setting `{name}` cannot have this value here; it may be: {wanted}"),
    ))
}

/// PostgreSQL compares names of encodings by their letters and digits.
fn is_utf8(value: &str) -> bool {
    let name: String = value
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    matches!(name.as_str(), "utf8" | "unicode")
}

fn is_on(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "on" | "true" | "yes" | "1" | "t" | "y" | "tr" | "tru" | "ye"
    )
}

/// A time as PostgreSQL reads one for `statement_timeout`: milliseconds if no unit stands behind the number. `None` for
/// what is not plainly a time; the server may take more spellings, the filter does not.
fn timeout(value: &str) -> Option<Duration> {
    let value = value.trim();
    let digits = value
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(digits)?;
    // PostgreSQL takes numbers with a leading zero for octal ones, which are smaller: to count them as decimal is safe.
    let number: u64 = number.parse().ok()?;
    let factor = match unit.trim() {
        "us" => return Some(Duration::from_millis(number.div_ceil(1000))),
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor).map(Duration::from_millis)
}

/// The values of a SET, joined as PostgreSQL joins them; `None` if one is not a constant.
fn listed(args: &[Node]) -> Option<String> {
    let values: Option<Vec<String>> = args.iter().map(constant).collect();
    values.map(|values| values.join(", "))
}

/// The text of a constant, also of one with a cast (`interval '1' hour`).
fn constant(node: &Node) -> Option<String> {
    match node.node.as_ref()? {
        NodeEnum::AConst(constant) => literal(constant),
        NodeEnum::TypeCast(cast) => match cast.arg.as_deref()?.node.as_ref()? {
            NodeEnum::AConst(constant) => literal(constant),
            _ => None,
        },
        NodeEnum::String(text) => Some(text.sval.clone()),
        NodeEnum::Integer(number) => Some(number.ival.to_string()),
        _ => None,
    }
}

fn literal(constant: &AConst) -> Option<String> {
    match constant.val.as_ref()? {
        a_const::Val::Ival(number) => Some(number.ival.to_string()),
        a_const::Val::Fval(number) => Some(number.fval.clone()),
        a_const::Val::Boolval(truth) => Some(truth.boolval.to_string()),
        a_const::Val::Sval(text) => Some(text.sval.clone()),
        a_const::Val::Bsval(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_sorted_and_without_repetition() {
        assert!(SETTINGS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn times_are_read_as_postgresql_reads_them() {
        let times = [
            ("0", 0),
            ("5", 5),
            (" 5 s ", 5_000),
            ("1min", 60_000),
            ("2 h", 7_200_000),
            ("1d", 86_400_000),
            ("1us", 1),
        ];
        for (text, milliseconds) in times {
            assert_eq!(timeout(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "-1",
            "1.5s",
            "1e3",
            "5 parsecs",
            "99999999999999999999",
            "18446744073709551615 d",
            "0x10",
        ] {
            assert_eq!(timeout(text), None, "{text}");
        }
    }
}
