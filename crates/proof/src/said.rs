//! Policies taken apart once: which environments each has a say in, what it says, and under which agreement alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{Policy, PolicyId, PolicySet};
use serde_json::Value;

/// What a policy says.
#[derive(Debug)]
pub(crate) struct Said {
    /// In Cedar's JSON form, without annotations, which have no say. `None`: it cannot be looked into.
    pub(crate) json: Option<Value>,
    /// The one agreement under which it can have a say, if that is plain.
    pub(crate) pin: Option<String>,
}

impl Said {
    /// What a policy says.
    pub(crate) fn of(policy: &Policy) -> Self {
        let mut json = policy.to_json().ok();
        if let Some(fields) = json.as_mut().and_then(Value::as_object_mut) {
            fields.remove("annotations");
        }
        Self {
            pin: json.as_ref().and_then(pinned_to),
            json,
        }
    }
}

/// Policies of a text, each looked into when it is first asked for: Cedar reads a policy's text again for that, which takes
/// longer than all else that is done with it here.
#[derive(Debug)]
pub(crate) struct OfText {
    policies: HashMap<PolicyId, Policy>,
    said: Mutex<HashMap<PolicyId, Arc<Said>>>,
}

impl OfText {
    pub(crate) fn new(set: &PolicySet) -> Self {
        let policies = set.policies();
        Self {
            policies: policies
                .map(|policy| (policy.id().clone(), policy.clone()))
                .collect(),
            said: Mutex::default(),
        }
    }

    fn get(&self, id: &PolicyId) -> Option<Arc<Said>> {
        let policy = self.policies.get(id)?;
        let known = || self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = known().get(id) {
            return Some(Arc::clone(said));
        }
        // Not under the lock: environments are looked at side by side, and their policies are others.
        let said = Arc::new(Said::of(policy));
        known().insert(id.clone(), Arc::clone(&said));
        Some(said)
    }
}

/// What the policies of some texts say, by their ids, which differ.
#[derive(Debug, Clone)]
pub(crate) struct Sayings(pub(crate) Vec<Arc<OfText>>);

impl Sayings {
    /// What a policy says.
    pub(crate) fn get(&self, id: &PolicyId) -> Option<Arc<Said>> {
        self.0.iter().find_map(|text| text.get(id))
    }
}

/// The policies of some texts, by the environments in which they can have a say, and what they say.
#[derive(Debug)]
pub(crate) struct Apart {
    /// In the order of the model's environments.
    pub(crate) relevant: Vec<PolicySet>,
    pub(crate) said: Sayings,
}

/// The one agreement under which a policy can have a say: `context.agreement == Agreement::".."` stands in one of its `when`
/// clauses, alone or joined to others by `&&`.
fn pinned_to(json: &Value) -> Option<String> {
    let conditions = json.get("conditions")?.as_array()?;
    conditions
        .iter()
        .filter(|condition| condition.get("kind").and_then(Value::as_str) == Some("when"))
        .find_map(|condition| pins(condition.get("body")?))
}

fn pins(expression: &Value) -> Option<String> {
    if let Some(both) = expression.get("&&") {
        return pins(both.get("left")?).or_else(|| pins(both.get("right")?));
    }
    let equal = expression.get("==")?;
    let access = equal.get("left")?.get(".")?;
    let of_context = access.get("left")?.get("Var")?.as_str()? == "context";
    let entity = equal.get("right")?.get("Value")?.get("__entity")?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    (of_context
        && text(access, "attr").as_deref() == Some("agreement")
        && text(entity, "type").as_deref() == Some("Agreement"))
    .then(|| text(entity, "id"))
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned_of(condition: &str) -> Option<String> {
        let text = format!("permit (principal, action, resource) {condition};");
        Said::of(&Policy::parse(None, text).unwrap()).pin
    }

    #[test]
    fn only_what_must_hold_pins_a_policy_to_an_agreement() {
        let pin = "context.agreement == Agreement::\"a\"";
        for pinning in [
            format!("when {{ {pin} }}"),
            format!(
                "when {{ context.masked }} when {{ context.n < 1 && ({pin} && context.masked) && true }}"
            ),
        ] {
            assert_eq!(pinned_of(&pinning).as_deref(), Some("a"), "{pinning}");
        }
        for loose in [
            format!("unless {{ {pin} }}"),
            format!("when {{ {pin} || context.masked }}"),
            format!("when {{ !({pin}) }}"),
            format!("when {{ if {pin} then true else true }}"),
            "when { context.other == Agreement::\"a\" }".to_owned(),
            "when { resource.agreement == Agreement::\"a\" }".to_owned(),
            "when { context.agreement != Agreement::\"a\" }".to_owned(),
        ] {
            assert_eq!(pinned_of(&loose), None, "{loose}");
        }
    }
}
