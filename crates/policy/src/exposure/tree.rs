//! Whose rights a role has by inheritance, and by which memberships.

use std::collections::HashSet;

use super::world::{Edge, RoleAt};

/// Roles whose rights a role has without doing anything, and how it comes to them.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(super) nodes: Vec<(RoleAt, Option<usize>, Option<usize>)>,
    /// Roles in their order, each with its place among the nodes.
    sorted: Vec<(RoleAt, usize)>,
}

impl Tree {
    pub(super) fn of(user: RoleAt, edges: impl Fn(RoleAt) -> Vec<Edge>) -> Self {
        let mut nodes = vec![(user, None, None)];
        let mut seen = HashSet::from([user]);
        let mut at = 0;
        while let Some(&(role, ..)) = nodes.get(at) {
            for edge in edges(role).into_iter().filter(|edge| edge.inherit) {
                if seen.insert(edge.to) {
                    nodes.push((edge.to, Some(at), edge.membership));
                }
            }
            at += 1;
        }
        let mut sorted: Vec<_> = nodes
            .iter()
            .enumerate()
            .map(|(at, (role, ..))| (*role, at))
            .collect();
        sorted.sort_unstable();
        Self { nodes, sorted }
    }

    pub(super) fn position(&self, role: RoleAt) -> Option<usize> {
        let found = self.sorted.binary_search_by_key(&role, |(role, _)| *role).ok()?;
        self.sorted.get(found).map(|(_, at)| *at)
    }

    pub(crate) fn has(&self, role: RoleAt) -> bool {
        self.position(role).is_some()
    }

    pub(crate) fn roles(&self) -> impl Iterator<Item = RoleAt> {
        self.nodes.iter().map(|(role, ..)| *role)
    }
}
