//! Views over catalogs that hold values of tables, or passwords: the catalog's own lock is passed by with the view's owner.

use std::rc::Rc;

use super::facts::{CATALOGS, LARGE_OBJECTS};
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::{Node, Reverse, Search};
use super::points::{Callers, Path, Source};
use super::report::Class;
use super::rights::Rights;
use super::snapshot::{Oid, Relation};
use super::source::Dynamic;
use super::states::State;
use super::world::RoleAt;

/// Views of the server's over such catalogs, which show another's only to who runs them with the rights for it: definer functions.
const VIEWS: &[(&str, Class, &str)] = &[
    (
        "pg_stats",
        Class::Facts,
        "shows the most common values of every table",
    ),
    (
        "pg_stats_ext",
        Class::Facts,
        "shows the most common combinations of values",
    ),
    (
        "pg_stat_activity",
        Class::Facts,
        "shows the statements of every session",
    ),
    (
        "pg_user_mappings",
        Class::Grantable,
        "shows the passwords of user mappings",
    ),
];

/// The one that shows each role the statistics of what it may read.
const STATS: &str = "pg_stats";

/// Relations and definer functions that show what a catalog holds, how far that leads, and what it is.
#[derive(Debug)]
pub(crate) struct Shown<'s> {
    pub(crate) nodes: Vec<Node>,
    pub(crate) sources: Vec<Source<'s>>,
    catalog: &'static str,
    class: Class,
    holds: &'static str,
}

impl<'s> Rights<'_, 's> {
    pub(crate) fn shown(&self, reverse: &Reverse<'s>, place: usize) -> Rc<Vec<Shown<'s>>> {
        if let Some(known) = self.shown.borrow().get(&place) {
            return Rc::clone(known);
        }
        let mut found = Vec::new();
        if let Some(here) = self.place(place) {
            for (catalog, class, holds) in CATALOGS.iter().chain(VIEWS) {
                let named = here.relations_named.get(catalog).into_iter().flatten();
                for relation in named.filter(|one| here.schema_name(one.schema) == "pg_catalog") {
                    let nodes = self.nodes(reverse, place, relation, Search::Relations);
                    let sources = self.sources(&nodes).into_iter();
                    let view = VIEWS.iter().any(|(one, ..)| one == catalog);
                    let shows = |source: &Source<'_>| {
                        let owner = self.world.at(source.function.owner);
                        // What runs any text is a path to the relation itself.
                        let meaning = here.meanings.get(&source.function.oid);
                        if meaning.is_some_and(|meaning| meaning.dynamic != Dynamic::No) {
                            return false;
                        }
                        // Whose own tables these are is looked at for each.
                        !view
                            || *catalog == STATS
                            || owner.is_some_and(|owner| self.is_shown_all(place, owner, catalog))
                    };
                    found.push(Shown {
                        sources: sources.filter(|one| one.place == place && shows(one)).collect(),
                        nodes: (nodes.list.into_iter())
                            .filter(|node| node.kind.is_some())
                            .collect(),
                        catalog,
                        class: *class,
                        holds,
                    });
                }
            }
        }
        let found = Rc::new(found);
        self.shown.borrow_mut().insert(place, Rc::clone(&found));
        found
    }

    /// Whether a role is shown by one of the server's views what is another's.
    fn is_shown_all(&self, place: usize, owner: RoleAt, view: &str) -> bool {
        let all = self.world.by_name.get("pg_read_all_stats");
        self.world.superuser(owner)
            || view == "pg_stat_activity" && all.is_some_and(|role| self.tree(place, owner).has(*role))
    }

    /// Paths by views over such catalogs, and by definer functions that read them.
    pub(crate) fn by_catalog_views(
        &self,
        state: &State,
        reverse: &Reverse<'s>,
        target: &Relation,
        found: &mut Vec<Path>,
    ) {
        if self.world.superuser(state.user) {
            return;
        }
        let Some(here) = self.place(state.place) else {
            return;
        };
        let none = Callers::default();
        for shown in self.shown(reverse, state.place).iter() {
            let mut paths = Vec::new();
            let view = VIEWS.iter().any(|(one, ..)| *one == shown.catalog);
            let is_shown = |owner: Oid| {
                let owner = self.world.at(owner);
                owner.is_some_and(|owner| {
                    self.is_shown_all(state.place, owner, shown.catalog)
                        || shown.catalog == STATS && self.selects(state.place, owner, target)
                })
            };
            for node in &shown.nodes {
                // A copy of such a view holds what its owner was shown.
                let copy = |one: &&Relation| !view || one.kind == "m" && is_shown(one.owner);
                if let Some(relation) = here.relation(node.relation).filter(copy) {
                    self.by_node(state, here, node, relation, &mut paths);
                }
            }
            let sources = shown
                .sources
                .iter()
                .filter(|source| !view || is_shown(source.function.owner));
            let sources: Vec<Source<'s>> = sources.cloned().collect();
            self.by_functions(state, &sources, &none, &mut paths);
            let open = paths.into_iter().filter(|path| path.class == Class::Rows);
            let blobs = shown.catalog == LARGE_OBJECTS;
            found.extend(open.map(|mut path| {
                let catalog = path.links.last().map(|link| link.to.clone()).unwrap_or_default();
                path.links
                    .push(Link::new(&catalog, &here.title(target), shown.holds, Hold::Fixed));
                Path {
                    class: if blobs && target.blobs {
                        Class::Rows
                    } else if matches!(shown.catalog, "pg_authid" | "pg_shadow") && !self.has_md5() {
                        Class::Latent
                    } else {
                        shown.class
                    },
                    kind: match shown.catalog {
                        _ if blobs => Kind::LargeObject,
                        "pg_stat_activity" => Kind::Monitoring,
                        _ => Kind::Statistics,
                    },
                    columns: None,
                    ..path
                }
            }));
        }
    }
}
