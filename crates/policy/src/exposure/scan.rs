//! The scan: a snapshot and a question in, findings out.

use std::collections::{BTreeMap, HashMap};

use super::kinds::{Kind, documentation};
use super::links::Link;
use super::nodes::{Reverse, Search};
use super::points::{Callers, Path, Source};
pub use super::question::{Named, Question, ScanError};
use super::report::{Attempt, Class, Finding, Looked, Report};
use super::rights::Rights;
use super::snapshot::{Relation, Snapshot, Unseen};
use super::states::{State, Useful};
use super::world::{RoleAt, World};

/// Findings that one answer has at most: more than anyone reads, less than fills a machine.
pub const FINDINGS: usize = 50_000;

/// Pairs of a role and a relation that are looked at closely when no relation is named, so that an answer comes. Of the
/// relations beyond, only numbers are given.
const CLOSELY: usize = 60_000;

/// Scans.
///
/// # Errors
/// What was asked for is not in the snapshot.
pub fn scan(snapshot: &Snapshot, question: &Question) -> Result<Report, ScanError> {
    if snapshot.format != super::snapshot::FORMAT {
        return Err(ScanError::Format(snapshot.format));
    }
    let world = World::new(snapshot);
    let rights = Rights::new(&world);
    let scan = Scan {
        rights: &rights,
        reverse: Reverse::new(&rights),
        callers: Callers::new(&rights),
        question,
    };
    let roles = scan.roles()?;
    let mut report = Report {
        server: snapshot.server.clone(),
        relation: Vec::new(),
        findings: Vec::new(),
        left_out: 0,
        unseen: snapshot.unseen.clone(),
    };
    scan.pending(&mut report);
    let targets = scan.targets()?;
    let closely = match &question.relation {
        Some(_) => targets.len(),
        None => CLOSELY / roles.len().max(1),
    };
    for (place, relation) in targets.iter().take(closely) {
        scan.relation(*place, relation, &roles, &mut report);
    }
    if let Some(rest) = targets.get(closely..).filter(|rest| !rest.is_empty()) {
        let mut summary = super::summary::Summary::new(&rights);
        for (place, relation) in rest {
            let Some(here) = world.places.get(*place) else {
                continue;
            };
            let readers = summary.readers(&rights, &scan.reverse, *place, relation);
            report.relation.push(Looked {
                database: here.database.name.clone(),
                relation: here.title(relation),
                roles: [readers, 0, 0, 0, 0],
            });
        }
        report.unseen.push(Unseen {
            what: format!("{} of {} relations were not looked at closely", rest.len(), targets.len()),
            why: "they are too many: for these, only readers by grants, ownership, membership and views are counted".to_owned(),
            needs: "`--relation` or `--role`".to_owned(),
        });
    }
    report.unseen.sort();
    report.unseen.dedup();
    Ok(report)
}

/// What makes two findings of a role one: kind, whether it is blocked, class and closing statements.
type Same = (Kind, bool, Option<Class>, String);

struct Scan<'w, 's> {
    rights: &'w Rights<'w, 's>,
    reverse: Reverse<'s>,
    callers: Callers<'s>,
    question: &'w Question,
}

impl<'s> Scan<'_, 's> {
    fn roles(&self) -> Result<Vec<RoleAt>, ScanError> {
        let world = self.rights.world;
        match &self.question.role {
            Some(name) => {
                let at = world.by_name.get(name.as_str()).copied();
                at.map(|at| vec![at])
                    .ok_or_else(|| ScanError::NoRole(name.clone()))
            }
            None => {
                let sessions = &world.snapshot.sessions;
                let predefined = |name: &str| name.starts_with("pg_");
                let open = |oid| sessions.iter().any(|one| one.role == oid);
                let asked = world.roles().filter(|(_, role)| {
                    let looked_at = role.login || self.question.relation.is_some() || open(role.oid);
                    looked_at && !predefined(&role.name)
                });
                Ok(asked.map(|(at, _)| at).collect())
            }
        }
    }

    /// Where a search begins: the database that was named.
    fn home(&self) -> Option<usize> {
        let world = self.rights.world;
        world
            .places
            .iter()
            .position(|place| place.database.name == world.snapshot.server.database)
    }

    fn targets(&self) -> Result<Vec<(usize, &'s Relation)>, ScanError> {
        let world = self.rights.world;
        let Some(named) = &self.question.relation else {
            let mut all = Vec::new();
            for (at, place) in world.places.iter().enumerate() {
                let own = place.contents.relations.iter().filter(|relation| {
                    matches!(relation.kind.as_str(), "r" | "p" | "m" | "f")
                        && !relation.temporary
                        && !place.schema_name(relation.schema).starts_with("pg_")
                        && place.schema_name(relation.schema) != "information_schema"
                });
                all.extend(own.map(|relation| (at, relation)));
            }
            return Ok(all);
        };
        let title = format!("{}.{}", named.schema, named.name);
        let missing = || ScanError::NoRelation(title.clone(), world.snapshot.server.database.clone());
        let home = self.home().ok_or_else(missing)?;
        let place = world.places.get(home).ok_or_else(missing)?;
        let found = super::nodes::resolve(place, Some(&named.schema), &named.name, None);
        let relation = *found.first().ok_or_else(missing)?;
        if let Some(column) = &named.column
            && !relation.columns.iter().flatten().any(|known| known == column)
        {
            return Err(ScanError::NoColumn(title, column.clone()));
        }
        Ok(vec![(home, relation)])
    }

    fn relation(&self, place: usize, target: &'s Relation, roles: &[RoleAt], report: &mut Report) {
        let rights = self.rights;
        let Some(here) = rights.place(place) else { return };
        let nodes = rights.nodes(&self.reverse, place, target, Search::Everything);
        if nodes.list.len() >= super::nodes::NODES {
            report.unseen.push(Unseen {
                what: format!("some of what is made from {}", here.title(target)),
                why: format!("more than {} relations are made from it", super::nodes::NODES),
                needs: "a scan of each".to_owned(),
            });
        }
        let sources = rights.sources(&nodes);
        let mut useful = Useful::default();
        for node in &nodes.list {
            if let Some(relation) = rights
                .place(node.place)
                .and_then(|place| place.relation(node.relation))
            {
                let object = rights.relation(node.place, relation);
                rights.hold_something(node.place, &object, &mut useful.roles);
                for (_, items) in relation.column_acls.iter().flatten() {
                    for entry in items.iter().filter_map(|item| rights.world.entry(item)) {
                        if let super::world::Holder::Role(role) = entry.holder {
                            useful.roles.insert(role);
                        }
                    }
                }
            }
        }
        let strong = [
            "pg_read_all_data",
            "pg_execute_server_program",
            "pg_write_server_files",
        ];
        useful
            .roles
            .extend(strong.iter().filter_map(|name| rights.world.by_name.get(name)));
        for source in &sources {
            useful.roles.extend(rights.world.at(source.function.owner));
        }
        let mut counts = [0_u32; 5];
        for &role in roles {
            let mut best = [false; 5];
            let paths = self.paths(role, (place, target), &nodes, &sources, &useful);
            let found = self.findings(role, (place, target), paths);
            for finding in found {
                if let Some(seen) = best.get_mut(finding.class as usize) {
                    *seen = true;
                }
                if report.findings.len() < FINDINGS {
                    report.findings.push(finding);
                } else {
                    report.left_out += 1;
                }
            }
            if let Some(first) = best.iter().position(|seen| *seen)
                && let Some(count) = counts.get_mut(first)
            {
                *count += 1;
            }
        }
        report.relation.push(Looked {
            database: here.database.name.clone(),
            relation: here.title(target),
            roles: counts,
        });
    }

    fn paths(
        &self,
        role: RoleAt,
        (place, target): (usize, &Relation),
        nodes: &super::nodes::Nodes,
        sources: &[Source<'s>],
        useful: &Useful,
    ) -> Vec<(State, Path)> {
        let rights = self.rights;
        let (states, shut) = rights.states(role, useful);
        let mut all = Vec::new();
        for state in &states {
            let mut found = Vec::new();
            rights.by_nodes(state, nodes, &mut found);
            rights.by_rules(state, &self.reverse, nodes, &mut found);
            rights.by_invoked(state, nodes, &mut found);
            rights.by_functions(state, sources, &self.callers, &mut found);
            if state.class == Class::Rows {
                rights.past_the_table(state, (place, target), nodes, &mut found);
                if state.place == place {
                    rights.facts(state, target, &mut found);
                    rights.by_catalog_views(state, &self.reverse, target, &mut found);
                    rights.latent(state, target, &mut found);
                }
            }
            all.extend(found.into_iter().map(|path| (state.clone(), path)));
        }
        // What it would read if it got in: grants that lead nowhere.
        for (shut, why) in shut {
            let state = State {
                place: shut,
                user: role,
                session: false,
                class: Class::Blocked,
                kind: None,
                links: Vec::new(),
                why: Some(why),
                sets: None,
                plain: false,
            };
            let mut found = Vec::new();
            rights.by_nodes(&state, nodes, &mut found);
            rights.by_functions(&state, sources, &self.callers, &mut found);
            rights.jobs_of(&state, (place, target), &mut all);
            all.extend(found.into_iter().map(|path| (state.clone(), path)));
        }
        self.dead_memberships(role, place, nodes, &states, &mut all);
        all
    }

    /// Memberships that give neither rights nor SET ROLE (from PostgreSQL 16).
    fn dead_memberships(
        &self,
        role: RoleAt,
        place: usize,
        nodes: &super::nodes::Nodes,
        states: &[State],
        all: &mut Vec<(State, Path)>,
    ) {
        let rights = self.rights;
        let Some(begin) = states
            .iter()
            .find(|state| state.place == place && state.user == role)
        else {
            return;
        };
        for edge in rights
            .world
            .edges(role, None)
            .filter(|edge| !edge.inherit && !edge.set && !edge.admin)
        {
            let mut begin = begin.clone();
            begin.user = edge.to;
            let mut found = Vec::new();
            rights.by_nodes(&begin, nodes, &mut found);
            for mut path in found.into_iter().filter(|path| path.class == Class::Rows) {
                path.links.insert(
                    0,
                    rights.member_link(
                        role,
                        edge.to,
                        edge.membership,
                        "is a member, without INHERIT, SET or ADMIN, of",
                    ),
                );
                path.class = Class::Blocked;
                path.kind = Kind::Membership;
                path.why = Some("the membership gives neither rights nor SET ROLE".to_owned());
                path.tries = None;
                let mut state = begin.clone();
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
                && !columns.contains(column)
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
        let class = match (state.class, path.class) {
            (Class::Grantable | Class::Latent, Class::Blocked) => return None,
            (state, path) => state.max(path),
        };
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
            attempt,
        })
    }

    /// Prepared transactions that changed catalogs: what they grant cannot be seen.
    fn pending(&self, report: &mut Report) {
        // pg_class, pg_proc, pg_attribute, pg_auth_members, pg_authid: where rights are.
        const RIGHTS: [u32; 5] = [1259, 1255, 1249, 1261, 1260];
        for prepared in &self.rights.world.snapshot.prepared {
            if prepared.locks.iter().any(|lock| RIGHTS.contains(lock)) {
                report.unseen.push(Unseen {
                    what: format!(
                        "prepared transaction `{}` in database {}",
                        prepared.gid, prepared.database
                    ),
                    why: "it has changed catalogs, and what it grants shows only when it is committed"
                        .to_owned(),
                    needs: "COMMIT PREPARED or ROLLBACK PREPARED".to_owned(),
                });
            }
        }
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
