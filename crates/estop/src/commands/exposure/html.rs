//! The findings as one page, with nothing from elsewhere in it: no script, no font, no picture.

use std::fmt::Write as _;

use policy::exposure::{Finding, Report};

use crate::html::escaped;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}\
h1,h2{line-height:1.2}details{border:1px solid #ccc;border-radius:4px;margin:.4em 0;padding:.3em .7em}summary{cursor:pointer}\
code{background:#f4f4f4;padding:.1em .3em;white-space:pre-wrap}.rows{color:#b00020;font-weight:bold}.facts{color:#b35c00;font-weight:bold}\
.grantable{color:#6a1b9a;font-weight:bold}.latent,.blocked{color:#666}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .6em;\
text-align:left}ol{margin:.4em 0}";

/// Relations, and paths, that a page has at most: a browser opens it, and nobody reads more.
const ENTRIES: usize = 2_000;

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut text = String::new();
    let server = &report.server;
    let _ = write!(
        text,
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Exposure</title><style>{STYLE}</style></head><body><h1>Who can read it, and by which path</h1>\
         <p>PostgreSQL {}, database {}, read as {} at {}.</p>",
        server.version / 10_000,
        escaped(&server.database),
        escaped(&server.user),
        escaped(&server.taken)
    );
    text.push_str("<table><tr><th>relation</th><th>rows</th><th>facts</th><th>grantable</th><th>latent</th><th>blocked</th></tr>");
    for looked in report.relation.iter().take(ENTRIES) {
        let _ = write!(text, "<tr><td>{}</td>", escaped(&looked.relation));
        for count in looked.roles {
            let _ = write!(text, "<td>{count}</td>");
        }
        text.push_str("</tr>");
    }
    text.push_str("</table>");
    let mut heading = None;
    for finding in report.findings.iter().take(ENTRIES) {
        let title = (&finding.relation, &finding.role);
        if heading != Some(title) {
            heading = Some(title);
            let _ = write!(
                text,
                "<h2>{} &rarr; {}</h2>",
                escaped(&finding.role),
                escaped(&finding.relation)
            );
        }
        one(finding, &mut text);
    }
    let relations = report.relation.len().saturating_sub(ENTRIES);
    let findings = report.findings.len().saturating_sub(ENTRIES);
    if relations + findings + report.left_out > 0 {
        let _ = write!(
            text,
            "<p>This page is cut: {relations} more relations and {findings} more paths stand in the document that --json prints, and \
             {} are not listed there either.</p>",
            report.left_out
        );
    }
    if !report.unseen.is_empty() {
        text.push_str("<h2>Not seen</h2><ul>");
        for unseen in &report.unseen {
            let _ = write!(
                text,
                "<li>{}: {}. It would take: {}</li>",
                escaped(&unseen.what),
                escaped(&unseen.why),
                escaped(&unseen.needs)
            );
        }
        text.push_str("</ul>");
    }
    text.push_str("</body></html>\n");
    text
}

fn one(finding: &Finding, text: &mut String) {
    let class = finding.class.as_str();
    let tried = match finding.verified {
        Some(true) => "; tried: it reads",
        Some(false) => "; tried: it does not read",
        None => "; not tried",
    };
    let _ = write!(
        text,
        "<details><summary><span class=\"{class}\">{class}</span> {}{tried}</summary><ol>",
        finding.kind.as_str()
    );
    for step in &finding.path {
        let _ = write!(
            text,
            "<li>{} <em>{}</em> {}</li>",
            escaped(&step.from),
            escaped(&step.by),
            escaped(&step.to)
        );
    }
    text.push_str("</ol>");
    if let Some(why) = &finding.why {
        let _ = write!(text, "<p>{}</p>", escaped(why));
    }
    let _ = write!(
        text,
        "<p>Closed, in database {}, by <code>{}</code></p>",
        escaped(&finding.closes_in),
        escaped(&finding.closes)
    );
    if !finding.breaks.is_empty() {
        let _ = write!(
            text,
            "<p>That takes away: {}</p>",
            escaped(&finding.breaks.join("; "))
        );
    }
    let _ = write!(
        text,
        "<p><a href=\"{0}\">{0}</a></p></details>",
        escaped(&finding.doc)
    );
}
