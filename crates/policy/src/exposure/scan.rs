//! The scan: a snapshot and a question in, findings out.

use super::counting::Counting;
pub use super::counting::Work;
use super::nodes::{NODES, Reverse};
use super::paths::{Search, Target};
use super::points::Callers;
pub use super::question::{Named, Question, ScanError};
use super::report::{Class, Finding, Looked, Report};
use super::rights::Rights;
use super::snapshot::{Relation, Snapshot, Unseen};
use super::states::Useful;
use super::world::{RoleAt, World};

/// Findings that an answer about a whole server lists at most: more than anyone reads, less than fills a machine.
pub const FINDINGS: usize = 50_000;

/// Findings that an answer about one relation or one role lists at most.
pub const FINDINGS_OF_ONE: usize = 400_000;

/// Scans.
///
/// # Errors
/// What was asked for is not in the snapshot.
pub fn scan(snapshot: &Snapshot, question: &Question) -> Result<Report, ScanError> {
    measured(snapshot, question).map(|(report, _)| report)
}

/// Scans, and says how much work that was.
///
/// # Errors
/// What was asked for is not in the snapshot.
pub fn measured(snapshot: &Snapshot, question: &Question) -> Result<(Report, Work), ScanError> {
    if snapshot.format != super::snapshot::FORMAT {
        return Err(ScanError::Format(snapshot.format));
    }
    let world = World::new(snapshot);
    let rights = Rights::new(&world);
    let scan = Scan {
        search: Search {
            rights: &rights,
            reverse: Reverse::new(&rights),
            callers: Callers::new(&rights),
            question,
        },
    };
    let roles = scan.roles()?;
    let mut report = Report {
        server: snapshot.server.clone(),
        relation: Vec::new(),
        roles: Vec::new(),
        findings: Vec::new(),
        left_out: 0,
        unseen: snapshot.unseen.clone(),
    };
    scan.pending(&mut report);
    let targets = scan.targets()?;
    let mut work = Work::default();
    if question.relation.is_none() && question.role.is_none() {
        work = Counting::new(&scan.search, &roles).whole(&targets, &mut report);
    } else {
        for (place, relation) in &targets {
            let target = scan.search.target(*place, relation);
            scan.search
                .relation(&target, &roles, FINDINGS_OF_ONE, &mut report);
        }
    }
    report.unseen.sort();
    report.unseen.dedup();
    let asked: u64 = world.places.iter().map(|place| place.asked.get()).sum();
    work.questions = asked + rights.asked.get();
    Ok((report, work))
}

struct Scan<'w, 's> {
    search: Search<'w, 's>,
}

impl<'s> Scan<'_, 's> {
    fn world(&self) -> &World<'s> {
        self.search.rights.world
    }

    fn roles(&self) -> Result<Vec<RoleAt>, ScanError> {
        let world = self.world();
        let question = self.search.question;
        match &question.role {
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
                    let looked_at = role.login || question.relation.is_some() || open(role.oid);
                    looked_at && !predefined(&role.name)
                });
                Ok(asked.map(|(at, _)| at).collect())
            }
        }
    }

    /// Where a search begins: the database that was named.
    fn home(&self) -> Option<usize> {
        let world = self.world();
        world
            .places
            .iter()
            .position(|place| place.database.name == world.snapshot.server.database)
    }

    fn targets(&self) -> Result<Vec<(usize, &'s Relation)>, ScanError> {
        let world = self.world();
        let Some(named) = &self.search.question.relation else {
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

    /// Prepared transactions that changed catalogs: what they grant cannot be seen.
    fn pending(&self, report: &mut Report) {
        // pg_class, pg_proc, pg_attribute, pg_auth_members, pg_authid: where rights are.
        const RIGHTS: [u32; 5] = [1259, 1255, 1249, 1261, 1260];
        for prepared in &self.world().snapshot.prepared {
            // A GRANT keeps no lock on a relation.
            if prepared.locks.is_empty() || prepared.locks.iter().any(|lock| RIGHTS.contains(lock)) {
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

/// The worst class among findings.
fn worst(findings: &[Finding]) -> Option<Class> {
    findings.iter().map(|finding| finding.class).min()
}

impl<'s> Search<'_, 's> {
    /// All findings of these roles for a target, and how many roles stand how.
    pub(crate) fn relation(&self, target: &Target<'s>, roles: &[RoleAt], most: usize, report: &mut Report) {
        self.cut_short(target, report);
        let useful = self.useful(target);
        let mut counts = [0_u32; 5];
        for &role in roles {
            let found = self.of_role(role, target, &useful);
            if let Some(count) = worst(&found).and_then(|class| counts.get_mut(class as usize)) {
                *count += 1;
            }
            let room = most.saturating_sub(report.findings.len());
            report.left_out += found.len().saturating_sub(room);
            report.findings.extend(found.into_iter().take(room));
        }
        report.relation.push(self.looked(target, counts));
    }

    pub(crate) fn looked(&self, target: &Target<'s>, roles: [u32; 5]) -> Looked {
        let here = self.rights.place(target.place);
        Looked {
            database: here.map(|here| here.database.name.clone()).unwrap_or_default(),
            relation: here.map(|here| here.title(target.relation)).unwrap_or_default(),
            roles,
        }
    }

    /// Says so where more is made of a relation than is looked at.
    pub(crate) fn cut_short(&self, target: &Target<'s>, report: &mut Report) {
        if target.nodes.list.len() >= NODES
            && let Some(here) = self.rights.place(target.place)
        {
            report.unseen.push(Unseen {
                what: format!("some of what is made from {}", here.title(target.relation)),
                why: format!("more than {NODES} relations are made from it"),
                needs: "a scan of each".to_owned(),
            });
        }
    }

    /// Roles that hold something which leads to a target.
    pub(crate) fn useful(&self, target: &Target<'s>) -> Useful {
        let rights = self.rights;
        let mut useful = Useful::strong(rights);
        for node in &target.nodes.list {
            if let Some(relation) = rights
                .place(node.place)
                .and_then(|place| place.relation(node.relation))
            {
                let object = rights.relation(node.place, relation);
                rights.hold_something(&object, &mut useful.roles);
                let columns = rights.column_entries(node.place, relation);
                let entries = columns.iter().flat_map(|(_, entries)| entries);
                useful
                    .roles
                    .extend(entries.filter_map(|entry| entry.holder.role()));
            }
        }
        for source in &target.sources {
            useful.roles.extend(rights.world.at(source.function.owner));
        }
        useful
    }
}
