//! Statements that try a path: they say whether something is given, and give nothing.

use super::rights::Target;
use super::snapshot::Function;

/// A statement that says whether a query gives a row, without giving it.
pub(crate) fn counting(query: &str) -> String {
    format!("SELECT count(*) FROM (SELECT * FROM ({query}) q LIMIT 1) q")
}

/// A call with made-up arguments, for functions whose text we can read.
pub(crate) fn call(target: &Target, function: &Function) -> Option<String> {
    let source = function.source.as_deref()?;
    // A call that returns nothing shows nothing by running.
    if function.returns == "void"
        || function.kind == "p"
        || !["sql", "plpgsql"].contains(&function.language.as_str())
        || source.contains("dblink")
    {
        return None;
    }
    let name = target
        .object
        .strip_prefix("FUNCTION ")?
        .strip_suffix(&format!("({})", function.arguments))?
        .to_owned();
    let made_up = |kind: &String| match kind.as_str() {
        "text" | "character varying" | "name" => format!("''::{kind}"),
        "integer" | "bigint" | "smallint" | "numeric" => format!("1::{kind}"),
        kind => format!("NULL::{kind}"),
    };
    let arguments: Vec<String> = function.takes.iter().flatten().map(made_up).collect();
    Some(counting(&format!("SELECT {name}({})", arguments.join(", "))))
}
