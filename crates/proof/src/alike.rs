//! Policies that are alike but for names: what is proved of one holds for the others.
//!
//! Cedar compares ids of entities and does nothing else with them, and the encoder's requests and entities are arbitrary: exchange the
//! ids of a type throughout, one for one, in policies, request and entities, and everything is decided as before. So if two
//! permits differ only in ids that nothing else of the question names, one has a counterexample exactly if the other has.
//! What a schema fixes is left alone: actions, and types whose ids it lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::said::Said;

/// Ids by type and id.
pub(crate) type Ids = BTreeSet<(String, String)>;

/// The ids that policies name. `None`: one of them cannot be looked into.
pub(crate) fn named(policies: impl IntoIterator<Item = Option<Arc<Said>>>) -> Option<Ids> {
    let mut ids = Ids::new();
    for policy in policies {
        let mut json = policy?.json.clone()?;
        each_entity(&mut json, &mut |entity| {
            if let Some(id) = type_and_id(entity) {
                ids.insert(id);
            }
        });
    }
    Some(ids)
}

/// Whether names may be exchanged at all: the schema lists the ids of no type.
pub(crate) fn exchangeable(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            !matches!(fields.get("enum"), Some(Value::Array(_))) && fields.values().all(exchangeable)
        }
        Value::Array(items) => items.iter().all(exchangeable),
        _ => true,
    }
}

/// What policies say, with each id that is free written as a number, in the order in which they come. Lists of policies with
/// one form differ in nothing but free ids, one for one. `None`: one of them cannot be looked into.
pub(crate) fn form(policies: impl IntoIterator<Item = Option<Arc<Said>>>, fixed: &Ids) -> Option<String> {
    let mut numbers: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut form = String::new();
    for policy in policies {
        let mut json = policy?.json.clone()?;
        each_entity(&mut json, &mut |entity| {
            let Some(id) = type_and_id(entity) else {
                return;
            };
            if is_action(&id.0) || fixed.contains(&id) {
                return;
            }
            let next = numbers.len();
            let number = *numbers.entry(id).or_insert(next);
            // A number is no id, so it can be taken for none.
            entity.insert("id".to_owned(), number.into());
        });
        form.push_str(&json.to_string());
        form.push('\n');
    }
    Some(form)
}

fn is_action(kind: &str) -> bool {
    kind == "Action" || kind.ends_with("::Action")
}

fn type_and_id(entity: &Map<String, Value>) -> Option<(String, String)> {
    let text = |key: &str| entity.get(key)?.as_str().map(str::to_owned);
    Some((text("type")?, text("id")?))
}

/// Visits every entity: in Cedar's JSON form `{"__entity": {"type": T, "id": I}}` in conditions, `"entity": {..}` in heads.
fn each_entity(json: &mut Value, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match json {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::Object(entity)
                        if (key == "__entity" || key == "entity")
                            && entity.len() == 2
                            && type_and_id(entity).is_some() =>
                    {
                        visit(entity);
                    }
                    Value::Array(items) if key == "entities" => {
                        for item in items {
                            match item {
                                Value::Object(entity) if type_and_id(entity).is_some() => visit(entity),
                                other => each_entity(other, visit),
                            }
                        }
                    }
                    other => each_entity(other, visit),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                each_entity(item, visit);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    fn policy(text: &str) -> Arc<Said> {
        Arc::new(Said::of(&Policy::parse(None, text).unwrap()))
    }

    fn forms(fixed: &Ids, texts: [&str; 2]) -> [String; 2] {
        texts.map(|text| form([Some(policy(text))], fixed).unwrap())
    }

    #[test]
    fn names_that_nothing_else_names_are_exchanged() {
        let [a, b] = forms(
            &Ids::new(),
            [
                r#"@id("1") permit (principal, action == Action::"read", resource == A::"x") when { principal.p == P::"k" && context.a == A::"x" };"#,
                r#"@id("2") permit (principal, action == Action::"read", resource == A::"y") when { principal.p == P::"l" && context.a == A::"y" };"#,
            ],
        );
        assert_eq!(a, b);
    }

    #[test]
    fn what_differs_in_more_than_names_stays_apart() {
        let pairs = [
            // The same name twice, and two names.
            [
                r#"permit (principal, action, resource == A::"x") when { context.a == A::"x" };"#,
                r#"permit (principal, action, resource == A::"x") when { context.a == A::"y" };"#,
            ],
            // A name is no text.
            [
                r#"permit (principal, action, resource) when { context.t == "x" };"#,
                r#"permit (principal, action, resource) when { context.t == "y" };"#,
            ],
            [
                r#"permit (principal, action, resource) when { context.r == {type: "A", id: "x"} };"#,
                r#"permit (principal, action, resource) when { context.r == {type: "A", id: "y"} };"#,
            ],
            [
                r#"permit (principal, action, resource) when { context.r == {"entity": {type: "A", id: "x"}} };"#,
                r#"permit (principal, action, resource) when { context.r == {"entity": {type: "A", id: "y"}} };"#,
            ],
            [
                r#"permit (principal, action, resource) when { context.a == A::"x" };"#,
                r#"permit (principal, action, resource) when { context.a == B::"x" };"#,
            ],
            [
                r#"permit (principal, action == Action::"a", resource);"#,
                r#"permit (principal, action == Action::"b", resource);"#,
            ],
            [
                r#"permit (principal, action, resource) when { context.n < 1 };"#,
                r#"permit (principal, action, resource) when { context.n < 2 };"#,
            ],
        ];
        for pair in pairs {
            let [a, b] = forms(&Ids::new(), pair);
            assert_ne!(a, b, "{pair:?}");
        }
    }

    #[test]
    fn a_name_that_the_rules_name_is_not_exchanged() {
        let rule = policy(r#"forbid (principal, action, resource) when { principal.p == P::"k" };"#);
        let fixed = named([Some(rule)]).unwrap();
        let [a, b] = forms(
            &fixed,
            [
                r#"permit (principal, action, resource) when { principal.p == P::"k" };"#,
                r#"permit (principal, action, resource) when { principal.p == P::"l" };"#,
            ],
        );
        assert_ne!(a, b);
    }

    #[test]
    fn a_schema_that_lists_ids_exchanges_none() {
        let of = |text: &str| {
            let (fragment, _) = cedar_policy::SchemaFragment::from_cedarschema_str(text).unwrap();
            exchangeable(&fragment.to_json_value().unwrap())
        };
        assert!(of("entity A; entity B = { e: String };"));
        assert!(!of("entity A enum [\"x\"]; entity B;"));
        assert!(!of("namespace N { entity A enum [\"x\"]; }"));
    }
}
