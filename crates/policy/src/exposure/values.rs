//! Views over catalogs that hold values of tables, or passwords: the catalog's own lock is passed by with the view's owner.

use std::rc::Rc;

use super::facts::CATALOGS;
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::{Node, Reverse, Search};
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::Relation;
use super::states::State;

/// Whether views over one of the catalogs are looked for. `pg_shadow` is a view over another of them itself.
fn is_looked_for((catalog, class, _): &&(&str, Class, &str)) -> bool {
    *class != Class::Latent && *catalog != "pg_shadow"
}

/// A catalog's node, how far it leads, and what it holds.
pub(crate) type Shown = (Node, Class, &'static str);

impl<'s> Rights<'_, 's> {
    pub(crate) fn shown(&self, reverse: &Reverse<'s>, place: usize) -> Rc<Vec<Shown>> {
        if let Some(known) = self.shown.borrow().get(&place) {
            return Rc::clone(known);
        }
        let mut found = Vec::new();
        if let Some(here) = self.place(place) {
            for (catalog, class, holds) in CATALOGS.iter().filter(is_looked_for) {
                let named = here.relations_named.get(catalog).into_iter().flatten();
                for relation in named.filter(|one| here.schema_name(one.schema) == "pg_catalog") {
                    let nodes = self.nodes(reverse, place, relation, Search::Relations).list;
                    let over = nodes.into_iter().filter(|node| node.kind.is_some());
                    found.extend(over.map(|node| (node, *class, *holds)));
                }
            }
        }
        let found = Rc::new(found);
        self.shown.borrow_mut().insert(place, Rc::clone(&found));
        found
    }

    /// Paths by views over such catalogs.
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
        for (node, class, holds) in self.shown(reverse, state.place).iter() {
            let mut paths = Vec::new();
            if let Some(relation) = here.relation(node.relation) {
                self.by_node(state, here, node, relation, &mut paths);
            }
            let open = paths.into_iter().filter(|path| path.class == Class::Rows);
            found.extend(open.map(|mut path| {
                let catalog = path.links.last().map(|link| link.to.clone()).unwrap_or_default();
                path.links
                    .push(Link::new(&catalog, &here.title(target), holds, Hold::Fixed));
                Path {
                    class: *class,
                    kind: Kind::Statistics,
                    columns: None,
                    ..path
                }
            }));
        }
    }
}
