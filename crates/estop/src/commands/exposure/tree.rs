//! The findings for a person: a tree of relations, roles and paths.

use std::collections::HashMap;

use policy::exposure::{Class, Finding, Looked, Question, Reach, Report};

use super::Difference;
use crate::failure::Failure;
use crate::output::{Console, Tone};

/// Lines of findings that are printed when no relation was named: more nobody reads on a terminal.
const SHOWN: usize = 200;

/// Relations and roles that are listed for a whole server.
const RELATIONS: usize = 200;
const ROLES: usize = 40;

/// Shows a report.
pub(super) fn show(
    report: &Report,
    question: &Question,
    tried: bool,
    console: Console,
) -> Result<(), Failure> {
    let server = &report.server;
    console.line(format!(
        "PostgreSQL {}, read as {}{} at {}; paths {}",
        server.version / 10_000,
        server.user,
        if server.superuser { ", a superuser," } else { "" },
        server.taken,
        if tried {
            "tried where they can be"
        } else {
            "not tried (--verify tries them)"
        },
    ))?;
    reaches(report, console)?;
    let mut of_relation: HashMap<(&str, &str), Vec<&Finding>> = HashMap::new();
    for finding in &report.findings {
        let key = (finding.database.as_str(), finding.relation.as_str());
        of_relation.entry(key).or_default().push(finding);
    }
    let mut lines = 0_usize;
    let open = |looked: &&Looked| {
        let [rows, facts, grantable, latent, _] = looked.roles;
        question.relation.is_some() || rows + facts + grantable + latent > 0
    };
    let most = if question.relation.is_none() && question.role.is_none() {
        RELATIONS
    } else {
        usize::MAX
    };
    for looked in report.relation.iter().filter(open).take(most) {
        let [rows, facts, grantable, latent, blocked] = looked.roles;
        console.line(format!(
            "\n{} {}: roles that read rows: {rows}, facts: {facts}, can give themselves the right: {grantable}, latent: {latent}, blocked: {blocked}",
            console.paint(Tone::Strong, &looked.relation),
            console.paint(Tone::Quiet, format!("(database {})", looked.database)),
        ))?;
        let mut role = None;
        let own = of_relation.get(&(looked.database.as_str(), looked.relation.as_str()));
        for finding in own.into_iter().flatten().copied() {
            if question.relation.is_none() && question.role.is_none() && finding.class >= Class::Latent {
                continue;
            }
            if question.relation.is_none() && lines >= SHOWN {
                continue;
            }
            lines += 1;
            if role != Some(&finding.role) {
                role = Some(&finding.role);
                let login = if finding.login { "" } else { " (NOLOGIN)" };
                console.line(format!("  {}{login}", console.paint(Tone::Strong, &finding.role)))?;
            }
            one(finding, console)?;
        }
    }
    let relations = report.relation.iter().filter(open).count();
    if relations > most {
        console.line(format!(
            "\n{} more relations are open to somebody: name one or a role, or take --json",
            relations - most
        ))?;
    }
    if question.relation.is_none() && lines >= SHOWN {
        console.line(format!(
            "\nonly the first {SHOWN} paths are shown: name a relation or a role, or take --json"
        ))?;
    }
    if report.left_out > 0 {
        let what = if report.findings.iter().any(|one| one.alike.is_some()) {
            "pairs of a role and a relation that have paths are not listed"
        } else {
            "more findings were left out"
        };
        console.line(format!("{} {what}", report.left_out))?;
    }
    if report.findings.is_empty() {
        console.line(console.paint(Tone::Good, "no path was found"))?;
    }
    for unseen in &report.unseen {
        console.line(format!(
            "{} {}: {}; it would take: {}",
            console.paint(Tone::Notice, "unseen:"),
            unseen.what,
            unseen.why,
            unseen.needs
        ))?;
    }
    Ok(())
}

/// The roles that read most, where a whole server was asked about.
fn reaches(report: &Report, console: Console) -> Result<(), Failure> {
    let mut open: Vec<&Reach> = report.roles.iter().collect();
    open.retain(|reach| reach.relations.iter().take(4).any(|count| *count > 0));
    open.sort_by_key(|reach| {
        let [rows, facts, grantable, ..] = reach.relations;
        std::cmp::Reverse((rows, facts, grantable))
    });
    for reach in open.iter().take(ROLES) {
        let [rows, facts, grantable, latent, _] = reach.relations;
        console.line(format!(
            "{} reads rows of {rows} relations, has facts of {facts}, can give itself {grantable}, latent: {latent}",
            console.paint(Tone::Strong, &reach.role)
        ))?;
    }
    if open.len() > ROLES {
        console.line(format!("{} more roles reach something", open.len() - ROLES))?;
    }
    Ok(())
}

fn one(finding: &Finding, console: Console) -> Result<(), Failure> {
    let tone = match finding.class {
        Class::Rows => Tone::Bad,
        Class::Facts | Class::Grantable => Tone::Notice,
        Class::Latent | Class::Blocked => Tone::Quiet,
    };
    let tried = match finding.verified {
        Some(true) => ", tried: it reads",
        Some(false) => ", tried: it does not read",
        None => "",
    };
    let columns = finding
        .columns
        .as_ref()
        .map_or(String::new(), |columns| format!(" ({})", columns.join(", ")));
    console.line(format!(
        "    {} {}{columns}{tried}",
        console.paint(tone, finding.class.as_str()),
        finding.kind.as_str()
    ))?;
    if let Some(alike) = finding.alike {
        console.line(format!(
            "      for {} roles and {} relations that stand alike",
            alike.roles, alike.relations
        ))?;
    }
    for step in &finding.path {
        console.line(format!("      {} -- {} -> {}", step.from, step.by, step.to))?;
    }
    if let Some(why) = &finding.why {
        console.line(format!("      {why}"))?;
    }
    let elsewhere = if finding.closes_in == finding.database {
        String::new()
    } else {
        format!(" (in database {})", finding.closes_in)
    };
    console.line(format!("      closes{elsewhere}: {}", finding.closes))?;
    if !finding.breaks.is_empty() {
        console.line(console.paint(
            Tone::Quiet,
            format!("      takes away: {}", finding.breaks.join("; ")),
        ))?;
    }
    console.line(console.paint(Tone::Quiet, format!("      {}", finding.doc)))
}

/// Shows what has changed.
pub(super) fn difference(difference: &Difference, console: Console) -> Result<(), Failure> {
    for (mark, tone, findings) in [
        ("+", Tone::Bad, &difference.appeared),
        ("-", Tone::Good, &difference.gone),
    ] {
        for finding in findings {
            let title = format!(
                "{mark} {} {} {}",
                finding.role,
                finding.relation,
                finding.class.as_str()
            );
            console.line(console.paint(tone, title))?;
            one(finding, console)?;
        }
    }
    if difference.appeared.is_empty() && difference.gone.is_empty() {
        console.line(console.paint(Tone::Good, "the same paths as in the earlier snapshot"))?;
    }
    Ok(())
}
