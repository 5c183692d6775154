//! The paths of one role to one relation, and the findings that are made of them.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::kinds::{Kind, documentation};
use super::links::Link;
use super::nodes::{Nodes, Reverse};
use super::oracles::Oracle;
use super::own_code::Code;
use super::points::{Callers, Path, Source};
use super::question::Question;
use super::report::{Attempt, Class, Finding};
use super::rights::Rights;
use super::snapshot::Relation;
use super::states::{Becoming, State, Useful};
use super::world::{Edge, RoleAt};

/// What makes two findings of a role one: kind, whether it is blocked, class and closing statements.
type Same = (Kind, bool, Option<Class>, String);

/// A relation that is looked at, with all that yields it.
#[derive(Debug)]
pub(crate) struct Target<'s> {
    pub(crate) place: usize,
    pub(crate) relation: &'s Relation,
    pub(crate) nodes: Nodes,
    pub(crate) sources: Vec<Source<'s>>,
    pub(crate) code: Vec<Code<'s>>,
    pub(crate) oracles: Vec<Oracle<'s>>,
}

/// What a search for paths needs, made once for a world.
#[derive(Debug)]
pub(crate) struct Search<'w, 's> {
    pub(crate) rights: &'w Rights<'w, 's>,
    pub(crate) reverse: Reverse<'s>,
    pub(crate) callers: Callers<'s>,
    pub(crate) question: &'w Question,
}

/// Whether a column is generated, and made of another.
fn made_of(relation: &Relation, generated: &str, column: &String) -> bool {
    let mut all = relation.generated.iter().flatten();
    all.any(|(name, of)| name == generated && of.contains(column))
}

/// The class of a path that is walked in a state: none where it need not be told.
pub(crate) fn merged(state: Class, path: Class) -> Option<Class> {
    match (state, path) {
        (Class::Grantable | Class::Latent, Class::Blocked) => None,
        (state, path) => Some(state.max(path)),
    }
}

impl<'s> Search<'_, 's> {
    /// A relation with all that yields it.
    pub(crate) fn target(&self, place: usize, relation: &'s Relation) -> Target<'s> {
        let nodes = self
            .rights
            .nodes(&self.reverse, place, relation, super::nodes::Search::Everything);
        let sources = self.rights.sources(&nodes);
        let code = self.rights.code(&self.reverse, &nodes, place, relation);
        Target {
            place,
            relation,
            nodes,
            sources,
            code,
            oracles: self.rights.oracles(&self.callers, place, relation),
        }
    }

    /// Paths to a target in a state.
    pub(crate) fn of_state(&self, state: &State, target: &Target<'s>) -> Vec<Path> {
        let rights = self.rights;
        let Target {
            place,
            relation,
            nodes,
            sources,
            code,
            oracles,
        } = target;
        let mut found = Vec::new();
        rights.by_nodes(state, nodes, &mut found);
        rights.by_rules(state, &self.reverse, nodes, &mut found);
        rights.by_invoked(state, nodes, &mut found);
        rights.by_refresh(state, nodes, &mut found);
        rights.by_functions(state, sources, &self.callers, &mut found);
        if state.class == Class::Rows {
            rights.by_files(state, *place, relation, &mut found);
            rights.past_the_table(state, (*place, relation), nodes, &mut found);
            if state.place == *place {
                rights.facts(state, relation, &mut found);
                rights.by_oracles(state, relation, oracles, &mut found);
                rights.by_domains(state, relation, &mut found);
                rights.by_catalog_views(state, &self.reverse, relation, &mut found);
                rights.latent(state, relation, &mut found);
                rights.by_alike(state, relation, &mut found);
                rights.by_own_code(state, relation, code, &mut found);
            }
        }
        found
    }

    /// Paths of a role that gets into a database by no door: what it would read there, and what runs as it all the same.
    pub(crate) fn of_shut(&self, state: &State, target: &Target<'s>) -> Vec<(State, Path)> {
        let mut found = Vec::new();
        self.rights.by_nodes(state, &target.nodes, &mut found);
        self.rights
            .by_functions(state, &target.sources, &self.callers, &mut found);
        let mut all = Vec::new();
        self.rights
            .jobs_of(state, (target.place, target.relation), &mut all);
        all.extend(found.into_iter().map(|path| (state.clone(), path)));
        all
    }

    /// Paths by a membership that gives neither rights nor SET ROLE, for who begins in a state.
    pub(crate) fn of_dead(&self, begin: &State, to: RoleAt, target: &Target<'s>) -> Vec<Path> {
        let mut begin = begin.clone();
        begin.user = to;
        // Nobody is that role, so nothing is prepared as it either.
        begin.session = false;
        let mut found = Vec::new();
        self.rights.by_nodes(&begin, &target.nodes, &mut found);
        found.retain(|path| path.class == Class::Rows);
        for path in &mut found {
            path.class = Class::Blocked;
        }
        found
    }

    /// All that a role can become, for a target with these useful roles.
    pub(crate) fn becoming(&self, role: RoleAt, useful: &Useful) -> Rc<Becoming> {
        self.rights.becoming(role, useful)
    }

    fn paths(&self, role: RoleAt, target: &Target<'s>, useful: &Useful) -> Vec<(State, Path)> {
        let becoming = self.becoming(role, useful);
        let mut all = Vec::new();
        for state in &becoming.states {
            let found = self.of_state(state, target);
            all.extend(found.into_iter().map(|path| (state.clone(), path)));
        }
        // What it would read if it got in: grants that lead nowhere.
        for (shut, why) in &becoming.shut {
            all.extend(self.of_shut(&State::shut(*shut, role, Some(why.clone())), target));
        }
        self.dead_memberships(role, target, &becoming.states, &mut all);
        all
    }

    /// Findings of a role, the shortest for each kind unless all are asked for.
    pub(crate) fn of_role(&self, role: RoleAt, target: &Target<'s>, useful: &Useful) -> Vec<Finding> {
        self.findings(
            role,
            (target.place, target.relation),
            self.paths(role, target, useful),
        )
    }

    /// Memberships that give neither rights nor SET ROLE (from PostgreSQL 16).
    fn dead_memberships(
        &self,
        role: RoleAt,
        target: &Target<'s>,
        states: &[State],
        all: &mut Vec<(State, Path)>,
    ) {
        let rights = self.rights;
        let Some(begin) = states
            .iter()
            .find(|state| state.place == target.place && state.user == role)
        else {
            return;
        };
        for edge in rights.world.edges(role, None).filter(Edge::dead) {
            for mut path in self.of_dead(begin, edge.to, target) {
                path.links.insert(
                    0,
                    rights.member_link(
                        role,
                        edge.to,
                        edge.membership,
                        "is a member, without INHERIT, SET or ADMIN, of",
                    ),
                );
                path.kind = Kind::Membership;
                path.why = Some("the membership gives neither rights nor SET ROLE".to_owned());
                path.tries = None;
                let mut state = begin.clone();
                state.user = edge.to;
                state.links.clear();
                all.push((state, path));
            }
        }
    }

    /// Findings of a role, the shortest for each kind unless all are asked for.
    fn findings(
        &self,
        role: RoleAt,
        (place, target): (usize, &Relation),
        paths: Vec<(State, Path)>,
    ) -> Vec<Finding> {
        let mut kept: HashMap<Same, (usize, Finding)> = HashMap::new();
        let mut order: BTreeMap<(Class, Kind, usize, String), Same> = BTreeMap::new();
        for (state, path) in paths {
            let Some(finding) = self.finding(role, (place, target), &state, path) else {
                continue;
            };
            let wanted = self
                .question
                .relation
                .as_ref()
                .and_then(|named| named.column.as_ref());
            if let (Some(column), Some(columns)) = (wanted, &finding.columns)
                && !columns
                    .iter()
                    .any(|one| one == column || made_of(target, one, column))
            {
                continue;
            }
            let closes = if self.question.all {
                format!("{}{}", finding.closes_in, finding.closes)
            } else {
                String::new()
            };
            let key = (
                finding.kind,
                finding.class == Class::Blocked,
                (!self.question.all).then_some(finding.class),
                closes,
            );
            let length = finding.path.len();
            match kept.get(&key) {
                Some((known, first)) if (*known, first.class) <= (length, finding.class) => {}
                _ => {
                    kept.insert(key, (length, finding));
                }
            }
        }
        for (key, (length, finding)) in &kept {
            order.insert(
                (
                    finding.class,
                    finding.kind,
                    *length,
                    finding.closes.clone() + &finding.closes_in,
                ),
                key.clone(),
            );
        }
        order
            .into_values()
            .filter_map(|key| kept.remove(&key))
            .map(|(_, finding)| finding)
            .collect()
    }

    fn finding(
        &self,
        role: RoleAt,
        (place, target): (usize, &Relation),
        state: &State,
        path: Path,
    ) -> Option<Finding> {
        let rights = self.rights;
        let here = rights.place(place)?;
        let class = merged(state.class, path.class)?;
        let became = matches!(state.kind, Some(kind) if kind != Kind::OpenSession);
        let plain = matches!(
            path.kind,
            Kind::TableGrant
                | Kind::ColumnGrant
                | Kind::PublicGrant
                | Kind::Owner
                | Kind::Membership
                | Kind::BypassRls
                | Kind::PredefinedRole
                | Kind::Superuser
        );
        let kind = match (state.kind, state.sets) {
            (Some(kind), _) if became && class != Class::Blocked => kind,
            (Some(Kind::OpenSession), _) => Kind::OpenSession,
            (_, Some(_)) if plain && path.kind != Kind::Superuser => Kind::SetRole,
            _ => path.kind,
        };
        let links: Vec<Link> = state.links.iter().chain(&path.links).cloned().collect();
        let closing = rights.closing(role, &links);
        let mut steps: Vec<_> = links.iter().map(Link::step).collect();
        steps.dedup();
        let known = rights.world.role(role)?;
        let database = rights.place(path.place)?.database.name.clone();
        let attempt = path
            .tries
            .filter(|_| state.plain)
            .map(|(sql, conclusive)| Attempt {
                database: database.clone(),
                login: known.name.clone(),
                sets: path.sets.map(|at| rights.world.name(at).to_owned()),
                sql,
                conclusive,
            });
        let why = match (state.why.clone(), path.why) {
            (Some(state), Some(path)) if class == Class::Blocked => Some(format!("{state}; {path}")),
            (state, path) => path.or(state),
        };
        Some(Finding {
            role: known.name.clone(),
            login: known.login,
            relation: here.title(target),
            columns: path.columns,
            class,
            kind,
            path: steps,
            closes_in: closing.database.unwrap_or_else(|| here.database.name.clone()),
            closes: closing.sql,
            verified: None,
            database: here.database.name.clone(),
            why,
            breaks: closing.breaks,
            doc: documentation(kind, rights.world.version()),
            alike: None,
            attempt,
        })
    }
}

impl<'s> Rights<'_, 's> {
    /// Jobs that run as a role that gets in nowhere.
    fn jobs_of(&self, state: &State, target: (usize, &Relation), all: &mut Vec<(State, Path)>) {
        let mut found = Vec::new();
        self.jobs_as(state, target, &mut found);
        let mut open = state.clone();
        open.class = Class::Rows;
        open.why = None;
        all.extend(found.into_iter().map(|path| (open.clone(), path)));
    }
}
