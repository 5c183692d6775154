//! Copies of a relation in other databases of the cluster.

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::nodes::Node;
use super::rights::Rights;
use super::snapshot::Relation;
use super::world::Place;

impl<'s> Rights<'_, 's> {
    /// Copies in other databases, found by their values.
    pub(crate) fn copied_elsewhere(&self, node: &Node, here: &Place<'s>, relation: &Relation) -> Vec<Node> {
        let database = &here.database.name;
        let copies = self.world.snapshot.copies.iter().filter(|one| {
            one.of == node.relation && one.of_database == *database && one.database != *database
        });
        let found = copies.filter_map(|copied| {
            let places = &self.world.places;
            let at = places
                .iter()
                .position(|place| place.database.name == copied.database)?;
            let there = self.place(at)?;
            let from = format!(
                "{} in {}",
                there.title(there.relation(copied.relation)?),
                copied.database
            );
            let by = format!("has {} values in common with", copied.shared);
            let mut links = vec![Link::new(&from, &here.title(relation), &by, Hold::Fixed)];
            links.extend(node.links.iter().cloned());
            Some(Node {
                place: at,
                relation: copied.relation,
                links,
                columns: None,
                kind: Some(Kind::Copy),
                needs: Vec::new(),
                executes: Vec::new(),
                why: Some("the same values stand in its statistics: see whether it is a copy".to_owned()),
                ..node.clone()
            })
        });
        found.collect()
    }
}
