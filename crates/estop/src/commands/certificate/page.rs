//! A certificate as a page for a court's file: what it says, what came of checking it, and the file itself.
//!
//! The page holds nothing from elsewhere and no script. It proves nothing by itself; it says so, and holds the file that does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidence::certificate::{Check, Finding, Report};
use evidence::hash::sha256;
use evidence::note::VerifierKey;
use jiff::Timestamp;

use crate::html::escaped;

/// Longest certificate that the page holds as a file: one of ten thousand cut sessions is longer, and lies beside the page.
const HELD_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What ends the text for people.
const MARKER: &str = "\n=== machine part ===\n";

const STYLE: &str = "body{font:16px/1.5 serif;max-width:60em;margin:3em auto;padding:0 1em}\
                     pre{font:13px/1.4 monospace;white-space:pre-wrap;overflow-wrap:anywhere}\
                     table{border-collapse:collapse}td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:top}\
                     code{overflow-wrap:anywhere}";

/// The page of a certificate that holds, checked with this key at this time.
pub(super) fn page(file: &[u8], report: &Report, key: &VerifierKey, now: Timestamp) -> String {
    let text = String::from_utf8_lossy(file);
    let prose = text.split(MARKER).next().unwrap_or_default();
    let title = escaped(&format!(
        "{} of {}: {}",
        report.directive, report.custodian, report.partner
    ));
    let checks: String = report.checks.iter().map(row).collect();
    let digest = sha256(file).to_hex();
    let held = if file.len() <= HELD_BYTES_MAX {
        format!(
            "<p>This page holds the file: <a download=\"{name}.certificate\" href=\"data:text/plain;base64,{bytes}\">save it</a>. \
             What is saved must have the SHA-256 above.</p>\n",
            name = escaped(report.directive.as_str()),
            bytes = STANDARD.encode(file),
        )
    } else {
        "<p>The file is too long for this page, and belongs beside it.</p>\n".to_owned()
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>{STYLE}</style></head>\n\
         <body>\n<h1>{title}</h1>\n\
         <p>This page shows a certificate and what came of checking it at {now}. It proves nothing by itself: the certificate does, \
         to whoever checks it with the custodian's public key, which must come from elsewhere than from this page.</p>\n\
         <table>\n<tr><th>Certificate</th><td>{length} bytes, SHA-256 <code>{digest}</code></td></tr>\n\
         <tr><th>Checked with</th><td><code>{key}</code></td></tr>\n\
         <tr><th>Reaches to</th><td>{counted}</td></tr>\n</table>\n{held}\
         <h2>What it says</h2>\n<pre>{prose}</pre>\n\
         <h2>What was checked</h2>\n<table>\n{checks}</table>\n</body></html>\n",
        length = file.len(),
        key = escaped(&key.to_string()),
        counted = escaped(&report.counted.to_string()),
        prose = escaped(prose),
    )
}

fn row(check: &Check) -> String {
    let found = match &check.finding {
        Finding::Holds => "holds".to_owned(),
        Finding::Fails(why) | Finding::NotReached(why) => why.clone(),
    };
    format!(
        "<tr><th>{}</th><td>{}</td><td>{}</td></tr>\n",
        escaped(&check.name.to_string()),
        escaped(check.compared),
        escaped(&found)
    )
}
