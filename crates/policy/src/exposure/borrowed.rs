//! Definer functions that run their caller's statements or code as their owner.

use super::acl::Object;
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::rights::Rights;
use super::snapshot::Function;
use super::source::Dynamic;
use super::world::RoleAt;

impl<'s> Rights<'_, 's> {
    /// SECURITY DEFINER functions of a database by which `user` runs statements of its own as their owner.
    pub(crate) fn borrowed(&self, place: usize, user: RoleAt) -> Vec<(&'s Function, Kind, Vec<Link>)> {
        let Some(here) = self.place(place) else {
            return Vec::new();
        };
        let definers = here.contents.functions.iter().filter(|function| {
            function.definer
                && function.source.is_some()
                && !function.parsed
                && self.world.at(function.owner) != Some(user)
        });
        let mut found = Vec::new();
        for function in definers {
            let Some(meaning) = here.meanings.get(&function.oid) else {
                continue;
            };
            let fired = ["trigger", "event_trigger"].contains(&function.returns.as_str());
            let target = self.function(place, function);
            if fired || !self.may(place, user, &target, 'X') || !self.usage(place, user, function.schema) {
                continue;
            }
            let hijacked = self.hijackable(place, user, function);
            let dynamic = meaning.dynamic == Dynamic::Anything;
            if !dynamic && !hijacked {
                continue;
            }
            for way in self.ways(place, user, &target, 'X') {
                let to = self
                    .world
                    .at(function.owner)
                    .map_or("?", |at| self.world.name(at));
                let mut linked = |kind: Kind, by: &str| {
                    let mut links = way.links.clone();
                    links.push(Link::new(&target.title, to, by, Hold::Fixed));
                    found.push((function, kind, links));
                };
                if dynamic {
                    linked(Kind::DefinerDynamic, "runs what it is handed as its owner");
                } else {
                    linked(
                        Kind::SearchPath,
                        "can be made to run the caller's code as its owner",
                    );
                }
            }
        }
        found
    }

    /// Whether a definer function looks up names where `user` can put something.
    fn hijackable(&self, place: usize, user: RoleAt, function: &Function) -> bool {
        let Some(here) = self.place(place) else {
            return false;
        };
        let Some(meaning) = here.meanings.get(&function.oid) else {
            return false;
        };
        if ![
            "sql",
            "plpgsql",
            "plperl",
            "plperlu",
            "plpython3u",
            "pltcl",
            "pltclu",
        ]
        .contains(&function.language.as_str())
        {
            return false;
        }
        let codes = here.contents.languages.iter().any(|language| {
            let target = self.other(
                &language.acl,
                Object::Language,
                language.owner,
                String::new(),
                String::new(),
            );
            language.trusted && self.may(place, user, &target, 'U')
        });
        if !codes {
            return false;
        }
        let right = |letter| {
            self.database(place)
                .is_some_and(|target| self.may(place, user, &target, letter))
        };
        match super::nodes::search_path(function.config.as_deref()) {
            None => {
                (meaning.bare_call || meaning.bare_relation) && self.creates_somewhere(place, user)
                    || meaning.bare_relation && right('T')
            }
            Some(path) => {
                let own_call = || {
                    meaning.calls.iter().any(|called| {
                        called.schema.is_none() && here.functions_named.contains_key(called.name.as_str())
                    })
                };
                let creates = path.iter().any(|one| {
                    let schema = if one == "$user" {
                        self.world.name(user)
                    } else {
                        one
                    };
                    here.contents.schemas.iter().any(|known| {
                        known.name == schema
                            && self
                                .schema(place, known.oid)
                                .is_some_and(|target| self.may(place, user, &target, 'C'))
                    })
                });
                creates && (meaning.bare_relation || own_call())
                    || meaning.bare_relation && right('T') && !path.iter().any(|one| one == "pg_temp")
            }
        }
    }
}
