//! Large objects: they have owners and rights of their own, and what they hold stands in no catalog.

use super::acl::Object;
use super::kinds::Kind;
use super::links::{Hold, Link, name};
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::Relation;
use super::states::State;
use super::trying::counting;
use super::world::Place;

impl<'s> Rights<'_, 's> {
    pub(crate) fn large_objects(&self, state: &State, home: usize, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        if place != home {
            return;
        }
        let Some(here) = self.place(place) else { return };
        self.lo_compat_by_setting(state, here, target, found);
        self.lo_by_functions(state, here, target, found);
        for objects in &here.contents.large_objects {
            let numbers: Vec<String> = match objects.oids.as_slice() {
                [] => vec![objects.first.to_string()],
                all => all.iter().map(u32::to_string).collect(),
            };
            let sql = format!("LARGE OBJECT {}", numbers.join(", "));
            let title = format!("large object {}", objects.first);
            let owned = self.world.at(objects.owner) == Some(user);
            let class = if target.blobs { Class::Rows } else { Class::Latent };
            let why = if target.blobs {
                "the table has a column that can name large objects"
            } else {
                "what large objects hold does not stand in any catalog: look at them"
            };
            let title = if objects.count > 1 {
                format!("{title} and {} like it", objects.count - 1)
            } else {
                title
            };
            if self.world.snapshot.server.lo_compat {
                let link = Link::new(
                    self.world.name(user),
                    &title,
                    "lo_compat_privileges is on",
                    Hold::Sql {
                        place: None,
                        sql: "ALTER SYSTEM SET lo_compat_privileges = off; SELECT pg_reload_conf();"
                            .to_owned(),
                        breaks: Some("clients of before PostgreSQL 9.0".to_owned()),
                    },
                );
                found.push(self.simple(state, class, Kind::LargeObject, vec![link], Some(why)));
                continue;
            }
            let target = self.other(&objects.acl, Object::Blob, objects.owner, sql.clone(), title);
            for way in self.ways(place, user, &target, 'r') {
                let mut links = way.links;
                if owned && let Some(last) = links.last_mut() {
                    let heir = self.superuser().map_or("postgres", |at| self.world.name(at));
                    let each = numbers
                        .iter()
                        .map(|one| format!("ALTER LARGE OBJECT {one} OWNER TO {};", name(heir)));
                    last.hold = Hold::Sql {
                        place: Some(place),
                        sql: each.collect::<Vec<_>>().join(" "),
                        breaks: None,
                    };
                }
                if objects.count > i64::try_from(numbers.len()).unwrap_or(i64::MAX) {
                    self.all_alike(&mut links, objects.count);
                }
                let tries = format!("SELECT 1 WHERE length(pg_catalog.lo_get({})) > 0", objects.first);
                found.push(Path {
                    tries: Some((counting(&tries), true)),
                    ..self.simple(state, class, Kind::LargeObject, links, Some(why))
                });
            }
        }
    }

    /// Definer functions that read large objects which their owner may read, and give them.
    fn lo_by_functions(&self, state: &State, here: &Place<'s>, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        for function in &here.index.blob_readers {
            let Some(owner) = self.world.at(function.owner).filter(|owner| *owner != user) else {
                continue;
            };
            let mut objects = here.contents.large_objects.iter();
            let reads = objects.any(|one| {
                let object = self.other(&one.acl, Object::Blob, one.owner, String::new(), String::new());
                self.may(place, owner, &object, 'r')
            });
            if !reads
                || self.out(here, function) != super::functions::Out::Result
                || !self.usage(place, user, function.schema)
            {
                continue;
            }
            let class = if target.blobs { Class::Rows } else { Class::Latent };
            let object = self.function(place, function);
            for way in self.ways(place, user, &object, 'X') {
                let mut links = way.links;
                let by = format!("reads large objects, as {}", self.world.name(owner));
                links.push(Link::new(&object.title, &here.title(target), &by, Hold::Fixed));
                found.push(self.simple(state, class, Kind::LargeObject, links, None));
            }
        }
    }

    /// Who may set `lo_compat_privileges` reads all large objects (from PostgreSQL 15).
    fn lo_compat_by_setting(
        &self,
        state: &State,
        here: &Place<'s>,
        target: &Relation,
        found: &mut Vec<Path>,
    ) {
        if here.contents.large_objects.is_empty() {
            return;
        }
        if self.begins_with(state, here, "lo_compat_privileges=on") {
            let sql = format!(
                "ALTER ROLE {} RESET lo_compat_privileges;",
                name(self.world.name(state.user))
            );
            let class = if target.blobs { Class::Rows } else { Class::Latent };
            let by = "begins its sessions with lo_compat_privileges = on, so no right is asked for on large objects";
            let links = vec![self.setting_link(state, sql, by)];
            found.push(self.simple(state, class, Kind::LargeObject, links, None));
        }
        let parameters = self.world.snapshot.parameters.iter();
        for parameter in parameters.filter(|one| one.name == "lo_compat_privileges") {
            let object = format!("PARAMETER {}", name(&parameter.name));
            let title = format!("parameter {}", parameter.name);
            let setting = self.other(&parameter.acl, Object::Parameter, 10, object, title.clone());
            let class = if target.blobs {
                Class::Grantable
            } else {
                Class::Latent
            };
            for way in self.ways(state.place, state.user, &setting, 's') {
                let mut links = way.links;
                links.push(Link::new(
                    &title,
                    "all large objects",
                    "set to on, no right is asked for",
                    Hold::Fixed,
                ));
                found.push(self.simple(state, class, Kind::Parameter, links, None));
            }
        }
    }

    /// A great many large objects with the same rights are closed in rounds; the statement names the first of them.
    fn all_alike(&self, links: &mut [Link], count: i64) {
        if let Some(link) = links.last_mut() {
            link.by = format!(
                "{} (and of others like it, {count} in all: closed in rounds)",
                link.by
            );
        }
    }
}
