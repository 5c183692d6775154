//! Which policies can err at run time at all, once Cedar's strict validation has accepted them.
//!
//! The validator is modelled in Lean by Cedar's authors, and proved sound: a policy that it accepts errs on a request that
//! fits the schema only where a number leaves its bounds, a constructor of an extension type refuses its text, or an entity is
//! not there. The constructors here have constant texts, which validation looks at; entities are there in what the encoder
//! calls a request. What is left is arithmetic.

use serde_json::Value;

use crate::said::Said;

/// Operators that cannot err on what strict validation lets through. All others are put to solvers.
const TOTAL: [&str; 24] = [
    "!",
    "&&",
    ".",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "!=",
    "||",
    "contains",
    "containsAll",
    "containsAny",
    "greaterThan",
    "greaterThanOrEqual",
    "has",
    "if-then-else",
    "in",
    "is",
    "isEmpty",
    "lessThan",
    "lessThanOrEqual",
    "like",
    "Set",
];

/// Makers of values from a constant text, which validation reads.
const MAKERS: [&str; 3] = ["datetime", "decimal", "duration"];

/// Whether a policy has an operator of which validation alone does not say that it cannot err. What cannot be looked into
/// has one.
pub(crate) fn computes(said: &Said) -> bool {
    let Some(Value::Array(conditions)) = said.json.as_ref().and_then(|json| json.get("conditions")) else {
        return true;
    };
    !conditions
        .iter()
        .all(|condition| condition.get("body").is_some_and(total))
}

/// An expression in Cedar's JSON form is an object with one key, its operator.
fn total(expression: &Value) -> bool {
    let Value::Object(fields) = expression else {
        return false;
    };
    let mut fields = fields.iter();
    let (Some((operator, operands)), None) = (fields.next(), fields.next()) else {
        return false;
    };
    match (operator.as_str(), operands) {
        ("Value" | "Var", _) => true,
        ("Record", Value::Object(values)) => values.values().all(total),
        ("Set", Value::Array(items)) => items.iter().all(total),
        (maker, Value::Array(operands)) if MAKERS.contains(&maker) => match operands.as_slice() {
            [Value::Object(only)] => only.len() == 1 && only.get("Value").is_some_and(Value::is_string),
            _ => false,
        },
        (operator, Value::Array(operands)) if TOTAL.contains(&operator) => operands.iter().all(total),
        (operator, Value::Object(operands)) if TOTAL.contains(&operator) => {
            operands.iter().all(|(role, operand)| match role.as_str() {
                "left" | "right" | "arg" | "if" | "then" | "else" => total(operand),
                "attr" | "entity_type" => operand.is_string(),
                "pattern" => true,
                "in" => total(operand),
                _ => false,
            })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    fn of(condition: &str) -> bool {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        computes(&Said::of(&Policy::parse(None, text).unwrap()))
    }

    #[test]
    fn what_validation_settles_goes_to_no_solver() {
        for condition in [
            "resource.n < 5 && !(resource has o) || resource.o >= 3",
            "if resource has t then resource.t > datetime(\"2024-01-01\") else true",
            "context.p == P::\"x\" && resource.s like \"a*\" && [1, 2].contains(resource.n)",
            "resource.d.lessThan(decimal(\"1.5\")) && resource is Row && {a: 1}.a == 1",
            "resource.tags.containsAny([\"x\"]) && !resource.tags.isEmpty()",
            "resource in R::\"x\" && context.n != 3",
        ] {
            assert!(!of(condition), "{condition}");
        }
    }

    #[test]
    fn what_computes_is_found_wherever_it_stands() {
        for condition in [
            "resource.n + 1 > 2",
            "resource.n - 1 > 2",
            "resource.n * 2 > 2",
            "-resource.n > 2",
            "if resource.b then [resource.n + 1].contains(3) else true",
            "{a: {b: resource.n * 2}}.a.b == 3",
            "resource.t.offset(duration(\"1d\")) > datetime(\"2024-01-01\")",
            "resource.t.toDate() > datetime(\"2024-01-01\")",
            "resource.t.durationSince(context.now) > duration(\"1d\")",
            "datetime(resource.s) > datetime(\"2024-01-01\")",
            "decimal(context.s).lessThan(decimal(\"1.0\"))",
            "resource.hasTag(\"x\") && resource.getTag(\"x\") == 1",
        ] {
            assert!(of(condition), "{condition}");
        }
    }
}
