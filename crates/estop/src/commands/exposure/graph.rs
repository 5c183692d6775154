//! The paths as a graph: in Graphviz' language, and drawn by it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use policy::exposure::{Class, Report};

use crate::failure::Failure;

/// Steps that are drawn: more is a carpet.
const EDGES: usize = 2_000;

/// A drawing, and what it says of itself where it is not whole.
pub(super) struct Drawing {
    pub(super) text: String,
    pub(super) cut: Option<String>,
}

/// The report as a directed graph. Blocked paths are left out.
pub(super) fn dot(report: &Report) -> Drawing {
    let mut text = String::from(
        "digraph exposure {\n  rankdir=LR; node [shape=box, fontname=\"sans-serif\"]; edge [fontname=\"sans-serif\", fontsize=9];\n",
    );
    let mut edges = BTreeSet::new();
    let mut nodes = BTreeSet::new();
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.class != Class::Blocked)
    {
        nodes.insert((quoted(&finding.role), "ellipse", "lightblue"));
        nodes.insert((quoted(&finding.relation), "cylinder", "lightyellow"));
        for step in &finding.path {
            edges.insert((
                quoted(&step.from),
                quoted(&step.to),
                quoted(&step.by),
                colour(finding.class),
            ));
        }
    }
    for (name, shape, colour) in nodes.iter().take(EDGES) {
        let _ = writeln!(
            text,
            "  {name} [shape={shape}, style=filled, fillcolor={colour}];"
        );
    }
    for (from, to, by, colour) in edges.iter().take(EDGES) {
        let _ = writeln!(text, "  {from} -> {to} [label={by}, color={colour}];");
    }
    let cut = (edges.len() > EDGES).then(|| {
        format!(
            "only {EDGES} of {} steps are drawn, the first by name: name a relation or a role, or take --json",
            edges.len()
        )
    });
    if let Some(cut) = &cut {
        let _ = writeln!(
            text,
            "  labelloc=t; fontname=\"sans-serif\"; label={};",
            quoted(cut)
        );
    }
    text.push_str("}\n");
    Drawing { text, cut }
}

fn colour(class: Class) -> &'static str {
    match class {
        Class::Rows => "red3",
        Class::Facts => "darkorange",
        Class::Grantable => "purple",
        Class::Latent | Class::Blocked => "gray50",
    }
}

fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(120).collect();
    format!(
        "\"{}\"",
        shown
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', " ")
    )
}

/// The graph as Graphviz draws it.
pub(super) fn svg(report: &Report) -> Result<Drawing, Failure> {
    let absent = || {
        Failure::absent("Graphviz' `dot` is not there")
            .help("install it (Debian: apt-get install graphviz), or take --dot FILE or --html FILE")
    };
    let mut drawing = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| absent().because(&error))?;
    let Drawing { text, cut } = dot(report);
    let input = drawing.stdin.take();
    // Written beside the reading, so that neither waits for the other.
    let writer = std::thread::spawn(move || input.map(|mut input| input.write_all(text.as_bytes())));
    let output = drawing
        .wait_with_output()
        .map_err(|error| absent().because(&error))?;
    let _ = writer.join();
    if !output.status.success() {
        return Err(
            Failure::absent("Graphviz' `dot` failed").help("take --dot FILE and see what it says of that")
        );
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|error| Failure::absent("Graphviz' `dot` gave no text").because(&error))?;
    Ok(Drawing { text, cut })
}

#[cfg(test)]
mod tests {
    use policy::exposure::{Finding, Kind, Step};

    use super::*;

    fn report(roles: usize) -> Report {
        let finding = |at: usize| Finding {
            role: format!("r{at}"),
            login: true,
            relation: "s.t".to_owned(),
            columns: None,
            class: Class::Rows,
            kind: Kind::TableGrant,
            path: vec![Step {
                from: format!("r{at}"),
                to: "s.t".to_owned(),
                by: "SELECT".to_owned(),
            }],
            closes_in: "d".to_owned(),
            closes: String::new(),
            verified: None,
            database: "d".to_owned(),
            why: None,
            breaks: Vec::new(),
            doc: String::new(),
            alike: None,
            attempt: None,
        };
        Report {
            server: policy::exposure::snapshot::Server::default(),
            relation: Vec::new(),
            roles: Vec::new(),
            findings: (0..roles).map(finding).collect(),
            left_out: 0,
            unseen: Vec::new(),
        }
    }

    #[test]
    fn a_drawing_that_is_cut_says_how_much_is_missing() {
        let edges = |drawing: &Drawing| drawing.text.lines().filter(|line| line.contains(" -> ")).count();
        let whole = dot(&report(EDGES));
        assert_eq!((edges(&whole), &whole.cut), (EDGES, &None));
        let cut = dot(&report(EDGES + 1));
        assert_eq!(edges(&cut), EDGES);
        let said = cut.cut.clone().unwrap_or_default();
        assert!(said.starts_with("only 2000 of 2001 steps are drawn"), "{said}");
        assert!(cut.text.contains(&said), "the drawing says so itself");
    }
}
