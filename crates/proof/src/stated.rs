//! Permits that ask in so many words for all that a permit of the other side asks for: what they permit, the other side permits, and
//! no solver need say so.
//!
//! A permit is satisfied only if each of its conditions is, and `a && b` is true only if both are. So a permit among whose conditions
//! stand, as they are, all of another's is satisfied only where the other is. Of `context.p == a || context.p == b` one is enough: that
//! the other can be evaluated follows from that one. Cedar decides by the same words alike: what is compared is what Cedar has read,
//! without annotations.

use std::collections::{BTreeSet, HashSet};

use cedar_policy::{Effect, Policy, PolicySet};
use serde_json::Value;

use crate::said::{Said, Sayings};

/// The fields of a policy's head in Cedar's JSON form.
const HEAD: [&str; 3] = ["principal", "action", "resource"];

/// Whether every forbid of the right stands on the left, too: where the left permits, none of them forbids then.
pub(crate) fn forbids_stand(
    (left, of_left): (&PolicySet, &Sayings),
    (right, of_right): (&PolicySet, &Sayings),
) -> bool {
    let forbids = |set: &PolicySet, said: &Sayings| -> Option<HashSet<String>> {
        let forbids = set.policies().filter(|policy| policy.effect() == Effect::Forbid);
        forbids
            .map(|policy| Some(said.get(policy.id())?.json.as_ref()?.to_string()))
            .collect()
    };
    match (forbids(left, of_left), forbids(right, of_right)) {
        (Some(left), Some(right)) => right.is_subset(&left),
        _ => false,
    }
}

/// Texts of permits. A permit of the same text is the same permit.
pub(crate) fn texts(set: &PolicySet) -> HashSet<String> {
    let permits = set.policies().filter(|policy| policy.effect() == Effect::Permit);
    permits.map(Policy::to_string).collect()
}

/// What a permit asks for.
pub(crate) struct Asked<'a> {
    json: &'a Value,
    /// What must be true, each as a text.
    known: BTreeSet<String>,
    /// What must not be.
    denied: BTreeSet<String>,
}

impl<'a> Asked<'a> {
    /// `None`: it cannot be looked into.
    pub(crate) fn of(said: &'a Said) -> Option<Self> {
        let json = said.json.as_ref()?;
        let mut asked = Self {
            json,
            known: BTreeSet::new(),
            denied: BTreeSet::new(),
        };
        for (kind, body) in conditions(json)? {
            if kind == "when" {
                each(body, "&&", &mut |part| {
                    asked.known.insert(part.to_string());
                });
            } else {
                asked.denied.insert(body.to_string());
            }
        }
        Some(asked)
    }

    /// Whether this asks for all that another permit does.
    pub(crate) fn states(&self, other: &Said) -> bool {
        let Some(json) = &other.json else {
            return false;
        };
        let in_room = HEAD.iter().all(|field| {
            let other = json.get(*field);
            other.and_then(|head| head.get("op")).and_then(Value::as_str) == Some("All")
                || (other.is_some() && other == self.json.get(*field))
        });
        let Some(conditions) = conditions(json) else {
            return false;
        };
        let mut conditions = conditions.into_iter();
        in_room
            && json.get("effect").and_then(Value::as_str) == Some("permit")
            && conditions.all(|(kind, body)| match kind {
                "when" => {
                    let mut all = true;
                    each(body, "&&", &mut |part| all = all && self.is_true(part));
                    all
                }
                _ => self.denied.contains(&body.to_string()),
            })
    }

    /// Whether an expression is true wherever this permit is satisfied, by its words alone.
    fn is_true(&self, expression: &Value) -> bool {
        let known = |part: &Value| self.known.contains(&part.to_string());
        if known(expression) {
            return true;
        }
        let mut parts = Vec::new();
        each(expression, "||", &mut |part| parts.push(part));
        let one = parts.iter().find(|part| known(part)).and_then(|part| sides(part));
        one.is_some_and(|one| {
            let here = |side: &Value| {
                side.get("Value").is_some() || side.get("Var").is_some() || one.contains(&side)
            };
            // Comparing for equality errs only where a side does, and the sides are constants or are evaluated in what is true.
            parts
                .iter()
                .all(|part| sides(part).is_some_and(|sides| sides.into_iter().all(here)))
        })
    }
}

/// What is compared for equality.
fn sides(expression: &Value) -> Option<[&Value; 2]> {
    let equal = expression.get("==")?;
    Some([equal.get("left")?, equal.get("right")?])
}

/// The conditions of a policy, each `when` or `unless`. `None`: there is something else.
fn conditions(json: &Value) -> Option<Vec<(&str, &Value)>> {
    let conditions = json.get("conditions")?.as_array()?.iter();
    conditions
        .map(|condition| {
            let kind = condition.get("kind")?.as_str()?;
            (kind == "when" || kind == "unless").then_some(())?;
            Some((kind, condition.get("body")?))
        })
        .collect()
}

/// Visits what an operator joins, however deep.
fn each<'v>(expression: &'v Value, operator: &str, visit: &mut impl FnMut(&'v Value)) {
    let mut left = vec![expression];
    while let Some(next) = left.pop() {
        let sides = next
            .get(operator)
            .and_then(|both| Some((both.get("left")?, both.get("right")?)));
        match sides {
            Some((one, other)) => left.extend([other, one]),
            None => visit(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        Said::of(&Policy::parse(None, text).unwrap())
    }

    fn states(left: &str, right: &str) -> bool {
        let left = said(left);
        Asked::of(&left).unwrap().states(&said(right))
    }

    const LEFT: &str = r#"@id("a/x") @basis("ISA") permit (principal is Officer, action == Action::"read", resource is Row)
        when { principal.partner == Partner::"p" && (context.purpose == Purpose::"x" && context.n >= 1) && context.n < 5 }
        when { context.column == "id" || context.column == "name" } unless { resource.sealed };"#;

    #[test]
    fn what_stands_among_its_conditions_is_stated() {
        for right in [
            "permit (principal, action, resource);",
            r#"@id("other") permit (principal is Officer, action, resource) when { context.n < 5 && principal.partner == Partner::"p" };"#,
            r#"permit (principal, action, resource) when { context.purpose == Purpose::"z" || context.purpose == Purpose::"x" || context.purpose == Purpose::"y" };"#,
            r#"permit (principal, action == Action::"read", resource is Row) when { context.column == "id" || context.column == "name" } unless { resource.sealed };"#,
            LEFT,
        ] {
            assert!(states(LEFT, right), "{right}");
        }
    }

    #[test]
    fn what_is_more_or_other_is_not() {
        for right in [
            // A bound that is nearer, one that is farther: that is for solvers to say.
            "permit (principal, action, resource) when { context.n < 4 };",
            "permit (principal, action, resource) when { context.n < 6 };",
            "permit (principal, action, resource) when { context.n < 5 && context.masked };",
            r#"permit (principal, action, resource) when { context.column == "id" };"#,
            r#"permit (principal, action, resource) when { context.purpose == Purpose::"y" || context.purpose == Purpose::"z" };"#,
            // One alternative that can err can keep the whole from being true.
            r#"permit (principal, action, resource) when { context.other == Purpose::"y" || context.purpose == Purpose::"x" };"#,
            r#"permit (principal, action, resource) when { context.n + 1 > 0 || context.purpose == Purpose::"x" };"#,
            "permit (principal, action, resource) unless { context.n < 5 };",
            "permit (principal, action, resource) when { resource.sealed };",
            "permit (principal, action, resource) unless { resource.closed };",
            r#"permit (principal == Officer::"k", action, resource);"#,
            r#"permit (principal, action == Action::"connect", resource);"#,
            "permit (principal, action, resource is Other);",
            "forbid (principal, action, resource);",
        ] {
            assert!(!states(LEFT, right), "{right}");
        }
        // What stands under `||`, `!`, `if` or `unless` is not known to be true.
        for left in [
            "permit (principal, action, resource) when { context.n < 5 || context.masked };",
            "permit (principal, action, resource) when { !(context.n < 5) };",
            "permit (principal, action, resource) when { if context.n < 5 then true else true };",
            "permit (principal, action, resource) unless { context.n < 5 };",
        ] {
            assert!(
                !states(
                    left,
                    "permit (principal, action, resource) when { context.n < 5 };"
                ),
                "{left}"
            );
        }
        // A head that leaves more room than the other's.
        assert!(!states(
            "permit (principal, action, resource);",
            "permit (principal is Officer, action, resource);"
        ));
    }
}
