//! Functions that let out what they read by a helper, which says or keeps what it is handed.

use std::collections::HashMap;

use super::snapshot::{Contents, Function, Oid};
use super::source::{Meaning, Named};

/// Helpers of helpers are followed so deep.
const DEPTH: usize = 4;

/// Marks what says or keeps by a helper what it hands over, or calls one that says what it has read itself.
pub(crate) fn mark(
    contents: &Contents,
    named: &HashMap<&str, Vec<&Function>>,
    meanings: &mut HashMap<Oid, Meaning>,
) {
    let schemas: HashMap<Oid, &str> = contents
        .schemas
        .iter()
        .map(|one| (one.oid, one.name.as_str()))
        .collect();
    let is = |name: &Named, function: &Function| {
        let of = schemas.get(&function.schema);
        name.schema.as_deref().is_none_or(|schema| of == Some(&schema))
    };
    for _ in 0..DEPTH {
        let mut new = Vec::new();
        for function in &contents.functions {
            let Some(meaning) = meanings.get(&function.oid) else {
                continue;
            };
            let (mut tells, mut writes) = (false, Vec::new());
            for called in &meaning.calls {
                let hands = meaning.hands.contains(called);
                let helpers = named.get(called.name.as_str()).into_iter().flatten();
                for helper in helpers.filter(|one| one.oid != function.oid && is(called, one)) {
                    let Some(said) = meanings.get(&helper.oid) else {
                        continue;
                    };
                    tells |= (said.raises || said.tells) && hands || said.tells && !said.reads.is_empty();
                    let kept = said
                        .inserts
                        .iter()
                        .filter(|one| hands && !meaning.writes.contains(one));
                    writes.extend(kept.cloned());
                }
            }
            if tells && !meaning.tells || !writes.is_empty() {
                new.push((function.oid, tells, writes));
            }
        }
        if new.is_empty() {
            return;
        }
        for (oid, tells, writes) in new {
            if let Some(meaning) = meanings.get_mut(&oid) {
                meaning.tells |= tells;
                meaning.writes.extend(writes);
            }
        }
    }
}
