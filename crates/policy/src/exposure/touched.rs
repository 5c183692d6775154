//! What a definer function calls, reads and writes, by functions with the rights of who calls too: whoever owns one of these puts
//! code there that runs as the function's owner.

use std::collections::HashSet;

use super::nodes::resolve;
use super::rights::Rights;
use super::snapshot::{Function, Oid, Relation};
use super::world::{Place, RoleAt};

/// Calls are followed so deep.
const DEPTH: usize = 6;

/// A function touches at most so many things that are looked at.
const MOST: usize = 256;

/// Something that a definer function touches.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Touched<'s> {
    Calls(&'s Function),
    Reads(&'s Relation),
    Writes(&'s Relation),
}

impl Touched<'_> {
    /// In which schema it is.
    pub(crate) fn schema(&self) -> Oid {
        match self {
            Self::Calls(function) => function.schema,
            Self::Reads(relation) | Self::Writes(relation) => relation.schema,
        }
    }

    /// Whether another than the function's owner may put something there.
    pub(crate) fn may_be_anothers(&self, owner: Oid) -> bool {
        match self {
            Self::Calls(function) => function.owner != owner,
            Self::Reads(relation) => relation.owner != owner,
            Self::Writes(relation) => relation.owner != owner || relation.acl.is_some(),
        }
    }
}

impl<'s> Rights<'_, 's> {
    /// What a function touches.
    pub(crate) fn touched(&self, here: &Place<'s>, function: &'s Function) -> Vec<Touched<'s>> {
        let mut found = Vec::new();
        let mut seen = HashSet::from([function.oid]);
        let mut next = vec![function];
        for _ in 0..DEPTH {
            let mut called = Vec::new();
            for one in next {
                let meaning = here.meanings.get(&one.oid).filter(|_| !one.parsed);
                let path = self.looks_in(one, meaning);
                let path = path.as_deref();
                let named = meaning.into_iter().flat_map(|meaning| &meaning.calls);
                called.extend(named.flat_map(|named| self.functions_named(here, named, path)));
                let parsed = one.calls.iter().flatten();
                called.extend(parsed.filter_map(|oid| here.function(*oid)));
                let Some(meaning) = meaning else { continue };
                let of =
                    |named: &super::source::Named| resolve(here, named.schema.as_deref(), &named.name, path);
                found.extend(meaning.reads.iter().flat_map(of).map(Touched::Reads));
                found.extend(meaning.writes.iter().flat_map(of).map(Touched::Writes));
            }
            called.retain(|one| seen.insert(one.oid));
            found.extend(called.iter().copied().map(Touched::Calls));
            // Another definer function runs as its own owner.
            next = called.into_iter().filter(|one| !one.definer).collect();
            if next.is_empty() || found.len() >= MOST {
                break;
            }
        }
        found.truncate(MOST);
        found
    }

    /// What a definer function touches that `user` may put code into, and how it touches it.
    pub(crate) fn touches_own(
        &self,
        place: usize,
        user: RoleAt,
        function: &Function,
        touched: &[Touched<'s>],
    ) -> Option<String> {
        let here = self.place(place)?;
        let tree = self.tree(place, user);
        let others = |owner: Oid| {
            let owner = Some(owner).filter(|owner| *owner != function.owner);
            owner
                .and_then(|owner| self.world.at(owner))
                .is_some_and(|owner| tree.has(owner))
        };
        let creates = |schema: Oid| {
            let schema = self.schema(place, schema);
            schema.is_some_and(|schema| self.may(place, user, &schema, 'C'))
        };
        let temporary = || {
            let database = self.database(place);
            database.is_some_and(|database| self.may(place, user, &database, 'T'))
        };
        // The owner of a schema may drop what is in it, and put something else there. What is parsed depends on what it was made with.
        let drops = |schema: Oid| {
            let owner = here.schemas.get(&schema).map(|one| one.owner);
            let may = |owner: Oid| others(owner) && self.puts_anew(function, owner);
            !function.parsed && owner.is_some_and(may) && creates(schema)
        };
        touched.iter().find_map(|one| match one {
            Touched::Calls(called)
                if others(called.owner) && self.replaces(place, user, called) || drops(called.schema) =>
            {
                Some(format!("calls {}", here.function_title(called)))
            }
            // A view in place of the table runs its functions as who reads it.
            Touched::Reads(read) if others(read.owner) && creates(read.schema) || drops(read.schema) => {
                Some(format!("reads {}", here.title(read)))
            }
            Touched::Writes(written) => {
                let owns = others(written.owner)
                    || self.touches(place, user, written)
                        && self.world.at(written.owner).is_none_or(|owner| !tree.has(owner))
                        && self.may(place, user, &self.relation(place, written), 't');
                let codes = owns && (self.creates_somewhere(place, user) || temporary());
                codes.then(|| format!("writes {}", here.title(written)))
            }
            _ => None,
        })
    }
}
