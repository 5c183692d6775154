//! The findings for a person: a tree of relations, roles and paths.

use policy::exposure::{Class, Finding, Question, Report};

use super::Difference;
use crate::failure::Failure;
use crate::output::{Console, Tone};

/// Lines of findings that are printed when no relation was named: more nobody reads on a terminal.
const SHOWN: usize = 200;

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
    let mut lines = 0_usize;
    for looked in &report.relation {
        let [rows, facts, grantable, latent, blocked] = looked.roles;
        if question.relation.is_none() && rows + facts + grantable + latent == 0 {
            continue;
        }
        console.line(format!(
            "\n{} {}: roles that read rows: {rows}, facts: {facts}, can give themselves the right: {grantable}, latent: {latent}, blocked: {blocked}",
            console.paint(Tone::Strong, &looked.relation),
            console.paint(Tone::Quiet, format!("(database {})", looked.database)),
        ))?;
        let mut role = None;
        let own = report
            .findings
            .iter()
            .filter(|one| one.relation == looked.relation && one.database == looked.database);
        for finding in own {
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
    if question.relation.is_none() && lines >= SHOWN {
        console.line(format!(
            "\nonly the first {SHOWN} paths are shown: name a relation or a role, or take --json"
        ))?;
    }
    if report.left_out > 0 {
        console.line(format!("{} more findings were left out", report.left_out))?;
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
