//! What definer functions open without reading it, for who holds a part of the right already; and what their writing tells.

use super::nodes::{Node, Nodes};
use super::rights::Rights;
use super::row_security::RowSecurity;
use super::snapshot::{Function, Oid};
use super::source::{Meaning, Opens};
use super::states::State;
use super::world::{Place, RoleAt};

/// What a function opens of a relation, and what who calls must have.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    relation: Oid,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Row security: who may SELECT reads.
    Rows,
    /// USAGE on its schema: who may SELECT reads.
    Usage,
    /// It goes into another schema.
    Moves,
    /// It becomes a part of this one: who may SELECT that reads.
    Joins(Oid),
    /// It holds nothing yet: who may SELECT reads what it is filled with.
    Fills,
}

impl Opened {
    /// What it does.
    pub(crate) fn by(&self) -> &'static str {
        match self.how {
            How::Rows => "changes row security of",
            How::Usage => "grants USAGE on the schema of",
            How::Moves => "puts into another schema",
            How::Joins(_) => "makes a part of another table of",
            How::Fills => "fills",
        }
    }

    /// Whether it is a grant, which is to some.
    pub(crate) fn is_grant(&self) -> bool {
        self.how == How::Usage
    }

    /// The relation that is read instead, where that is another.
    pub(crate) fn through(&self) -> Option<Oid> {
        match self.how {
            How::Joins(parent) => Some(parent),
            How::Rows | How::Usage | How::Moves | How::Fills => None,
        }
    }
}

impl<'s> Rights<'_, 's> {
    /// What a text opens of a target's nodes, where who runs it may.
    pub(crate) fn opened<'n>(
        &self,
        nodes: &'n Nodes,
        (place, here): (usize, &Place<'s>),
        meaning: &Meaning,
        path: Option<&[String]>,
        runner: RoleAt,
    ) -> Option<(&'n Node, Opened)> {
        let may = |node: &&Node| {
            let relation = here.relation(node.relation);
            relation.is_some_and(|relation| self.may_grant(place, runner, relation))
        };
        meaning.opens.iter().find_map(|opens| {
            if let Opens::Usage(schema) = opens {
                let schema = here.contents.schemas.iter().find(|one| one.name == *schema)?;
                let opener = self.world.superuser(runner) || self.owns_schema(place, runner, schema.oid);
                let inside = |node: &&Node| {
                    let relation = here.relation(node.relation);
                    node.place == place && relation.is_some_and(|one| one.schema == schema.oid)
                };
                let node = nodes.list.iter().find(inside).filter(|_| opener)?;
                let (relation, how) = (node.relation, How::Usage);
                return Some((node, Opened { relation, how }));
            }
            if let Opens::Fills(named) = opens {
                let views = super::nodes::resolve(here, named.schema.as_deref(), &named.name, path);
                let view = views
                    .into_iter()
                    .find(|one| one.unfilled && self.maintains(place, runner, one))?;
                let node = nodes.of(place, view.oid).next()?;
                let (relation, how) = (view.oid, How::Fills);
                return Some((node, Opened { relation, how }));
            }
            let found = self.named(nodes, (place, here), opens.relation()?, path, runner, false);
            let node = found.into_iter().find(may)?;
            let how = match opens {
                Opens::Rows(_) => How::Rows,
                Opens::Joins(_, parent) => {
                    let parent = super::nodes::resolve(here, parent.schema.as_deref(), &parent.name, path);
                    How::Joins(parent.first()?.oid)
                }
                Opens::Moves(_) | Opens::Usage(_) | Opens::Fills(_) => How::Moves,
            };
            let relation = node.relation;
            Some((node, Opened { relation, how }))
        })
    }

    /// Whether what is opened is open for who calls then.
    pub(crate) fn opens_for(&self, state: &State, here: &Place<'s>, opened: &Opened) -> bool {
        let (place, user) = (state.place, state.user);
        let Some(relation) = here.relation(opened.relation) else {
            return false;
        };
        let selects = self.selects(place, user, relation);
        let usage = self.usage(place, user, relation.schema);
        match opened.how {
            How::Rows => selects && usage && self.row_security(place, user, relation) == RowSecurity::Nothing,
            How::Usage | How::Moves => selects && !usage,
            How::Fills => selects && usage,
            How::Joins(parent) => here.relation(parent).is_some_and(|parent| {
                self.selects(place, user, parent) && self.usage(place, user, parent.schema)
            }),
        }
    }

    /// Whether what is granted to some is granted to who calls.
    pub(crate) fn is_among(&self, state: &State, to: Option<&[String]>) -> bool {
        let Some(to) = to else { return true };
        let login = self.session_of(state);
        to.iter().any(|name| {
            let role = self.world.by_name.get(name.as_str());
            login == Some(name) || role.is_some_and(|role| self.member(state.user, *role))
        })
    }

    /// What a text tells of the target by writing it: whether a value is there, or how many rows.
    pub(crate) fn answers<'n>(
        &self,
        nodes: &'n Nodes,
        (place, here): (usize, &Place<'s>),
        function: &Function,
        (meaning, path): (&Meaning, Option<&[String]>),
        runner: RoleAt,
    ) -> Option<(&'n Node, &'static str)> {
        let gives = function.returns != "void" && function.kind != "p";
        let written = |all: &[super::source::Named], letters: &str, unique: bool| {
            let mut named = all
                .iter()
                .flat_map(|one| self.named(nodes, (place, here), one, path, runner, false));
            named.find(|node| {
                let relation = here.relation(node.relation).filter(|_| node.kind.is_none());
                relation.is_some_and(|one| {
                    let target = self.relation(place, one);
                    (!unique || one.unique)
                        && letters
                            .chars()
                            .any(|right| self.may(place, runner, &target, right))
                })
            })
        };
        // Only what the caller says itself is asked for.
        let asked = function.takes.as_ref().is_some_and(|takes| !takes.is_empty());
        let refused = (asked && (!meaning.catches || gives))
            .then(|| written(&meaning.inserts, "a", true))
            .flatten();
        if let Some(node) = refused {
            return Some((
                node,
                "a value that is there already is refused, and the error or its result says so",
            ));
        }
        let counts = meaning.counts_changes && (gives || meaning.answers || meaning.tells);
        let node = counts.then(|| written(&meaning.changes, "wd", false)).flatten()?;
        Some((node, "it says whether, or how many, rows it has changed"))
    }
}
