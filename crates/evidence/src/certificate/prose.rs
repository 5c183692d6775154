//! The text for people: made from the machine part alone, so that it can say nothing else.

use std::fmt::Write as _;

use super::story::{Event, Story};
use crate::checkpoint::Checkpoint;
use crate::directive::{self, Directive, Scope, is_deceptive};
use crate::record::{Cut, Drained, RoleEvidence};

/// First line of every certificate.
pub(super) const HEADER: &str = "estop/certificate/v1";

/// The line between the text for people and the machine part. No other line can equal it: those that hold
/// anything from outside are indented.
pub(super) const MARKER: &str = "=== machine part ===";

/// What the text is made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) directive: &'a Directive,
    pub(super) ordered: &'a Scope,
    pub(super) story: &'a Story,
    pub(super) ledger: &'a Checkpoint,
    pub(super) partner_log: &'a Checkpoint,
    pub(super) cosigners: &'a [String],
}

/// The text from the first line to the one before [`MARKER`].
pub(super) fn write(facts: Facts<'_>) -> String {
    let mut page = Page(format!("{HEADER}\n\n"));
    head(&mut page, facts);
    ordered(&mut page, facts);
    sessions(&mut page, facts.story);
    database(&mut page, facts.story);
    log(&mut page, facts);
    page.title("WHAT THIS CERTIFICATE DOES NOT SHOW");
    for limit in not_shown(facts) {
        page.wrapped("- ", &limit);
    }
    how_to_check(&mut page, facts);
    page.0
}

/// What no reader shall take from the certificate, one sentence or two each.
pub(super) fn not_shown(facts: Facts<'_>) -> Vec<String> {
    let partner = &facts.ordered.partner;
    let counted = facts.story.census.entry.time;
    let mut limits = vec![
        format!("That {partner} has deleted, or not passed on, what it had received before it was cut off."),
        format!(
            "Anything after {counted}, the time of the count that it rests on. A later certificate can say that \
             the log is still closed."
        ),
    ];
    limits.extend(facts.directive.until().map(|until| {
        format!("That the suspension lasts: it lapses by itself at {until}, and two authorities can lift it before.")
    }));
    limits.extend([
        "Ways to the data that do not lead through this custodian's gateways: copies, backups, replicas, exports, \
         other systems, and people who administer the database itself."
            .to_owned(),
        "More of the database than it said of itself: what its catalog answered was read and signed by the \
         custodian, and seen by no one else."
            .to_owned(),
        same_for_all(facts.cosigners),
        clocks(facts.cosigners).to_owned(),
    ]);
    limits
}

fn clocks(cosigners: &[String]) -> &'static str {
    if cosigners.is_empty() {
        "The time by any clock but the custodian's own."
    } else {
        "The time by any clock but the custodian's own; those of the witnesses stand in their cosignatures."
    }
}

/// Whether anyone but the custodian stands for the ledger being one.
fn same_for_all(cosigners: &[String]) -> String {
    if cosigners.is_empty() {
        return "That the custodian shows everyone the same ledger. No witness outside the custodian has signed the \
                checkpoint below: compare it with the one that is published."
            .to_owned();
    }
    "That the custodian shows everyone the same ledger, unless enough of the witnesses that are named above are \
     witnesses whom you trust, with keys that you have from elsewhere."
        .to_owned()
}

struct Page(String);

/// Width at which sentences are broken, in characters.
const WIDTH: usize = 100;

impl Page {
    fn title(&mut self, title: &str) {
        let _ = writeln!(self.0, "\n{title}\n");
    }

    fn blank(&mut self) {
        self.0.push('\n');
    }

    /// A line, indented, in which nothing can pretend to be another line.
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.0, "  {}", plain(text));
    }

    /// Sentences, broken between words, the first line after `mark`, the others below its end.
    fn wrapped(&mut self, mark: &str, text: &str) {
        let mut line = format!("  {mark}");
        let indent = " ".repeat(line.len());
        let mut empty = true;
        for word in plain(text).split(' ') {
            if !empty && line.chars().count().saturating_add(word.chars().count()) >= WIDTH {
                let _ = writeln!(self.0, "{line}");
                line.clone_from(&indent);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        let _ = writeln!(self.0, "{line}");
    }
}

/// `text` with every character escaped that would make a line read otherwise than it stands.
pub(super) fn plain(text: &str) -> String {
    let escape = |c: char| {
        if is_deceptive(c) {
            c.escape_unicode().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(escape).collect()
}

fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {many}")
    }
}

fn head(
    page: &mut Page,
    Facts {
        directive,
        ordered,
        story,
        ..
    }: Facts<'_>,
) {
    let until = directive.until();
    let (title, ended) = match until {
        None => ("TERMINATION", "Ended    "),
        Some(_) => ("SUSPENSION", "Suspended"),
    };
    let _ = writeln!(page.0, "CERTIFICATE OF {title}\n");
    page.line(&format!("Custodian   {}", directive.custodian));
    page.line(&format!("Partner     {}", ordered.partner));
    page.line(&format!("Directive   {}", directive.number));
    page.line(&format!("{ended}   {}", story.closed.entry.time));
    page.line(&format!("Counted     {}", story.census.entry.time));
    if let Some(until) = until {
        page.line(&format!("Until       {until}"));
    }
}

fn ordered(
    page: &mut Page,
    Facts {
        directive,
        ordered,
        story,
        ..
    }: Facts<'_>,
) {
    page.title("WHAT WAS ORDERED");
    let ends = match directive.until() {
        None => "ends".to_owned(),
        Some(until) => format!("is suspended until {until}"),
    };
    page.wrapped(
        "",
        &format!(
            "All access of {} to the data of {} {ends}.",
            ordered.partner, directive.custodian
        ),
    );
    page.line(&format!("Basis      {}", directive.basis));
    for (key, value) in directive.particulars.lines() {
        page.line(&format!("{:<11}{value}", titled(key)));
    }
    page.line(&format!(
        "Signed by  {}",
        story.directive.record.people.join(", ")
    ));
    page.line(&format!(
        "Issued     {}, to be carried out before {}",
        directive.issued, directive.expires
    ));
    page.line(&format!(
        "Recorded   {}, as entry {}",
        story.directive.entry.time, story.directive.index
    ));
    let epoch = &story.epoch;
    page.line(&format!(
        "In force   {}, as policy {}, entry {}",
        epoch.entry.time, epoch.record.epoch, epoch.index
    ));
}

/// A key as the first word of a line.
fn titled(key: &str) -> String {
    let mut chars = key.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

fn sessions(page: &mut Page, story: &Story) {
    page.title("SESSIONS THAT WERE CUT");
    let cut = u64::try_from(story.cuts.len()).unwrap_or(u64::MAX);
    if cut == 0 {
        page.line("None: no session was open.");
    } else {
        let were = count(cut, "session was cut", "sessions were cut");
        page.wrapped(
            "",
            &format!("{were}. What each had received from its beginning to its end:"),
        );
    }
    for event in &story.cuts {
        page.line(&cut_line(event));
    }
    page.blank();
    if story.drained.is_empty() {
        page.line("No gateway was at work.");
    }
    for event in &story.drained {
        page.line(&drained_line(event));
    }
}

fn cut_line(Event { record, index, .. }: &Event<Cut>) -> String {
    let Cut {
        session,
        at,
        statements,
        rows,
        bytes,
        in_statement,
        ..
    } = record;
    let running = in_statement.map_or_else(String::new, |number| {
        format!(", while statement {number} was running")
    });
    let (statements, rows) = (
        count(*statements, "statement", "statements"),
        count(*rows, "row", "rows"),
    );
    let bytes = count(*bytes, "byte", "bytes");
    format!("session {session}: {statements}, {rows}, {bytes}; ended {at}{running} (entry {index})")
}

fn drained_line(Event { record, index, .. }: &Event<Drained>) -> String {
    let Drained {
        gateway,
        sessions_cut,
        at,
        ..
    } = record;
    let cut = count(*sessions_cut, "session", "sessions");
    format!(
        "gateway {}: no session left at {at}, {cut} cut (entry {index})",
        gateway.as_str()
    )
}

fn database(page: &mut Page, story: &Story) {
    let Event { record, index, .. } = &story.carried_out;
    page.title("WHAT WAS DONE IN THE DATABASE");
    for step in &record.steps {
        page.line(&format!("{}  {}: {}", step.at, step.what, step.result));
    }
    page.blank();
    if record.roles.is_empty() {
        page.line("No role of the database belonged to the partner.");
    } else {
        page.line(&format!(
            "What the catalog said afterwards, at {} (entry {index}):",
            record.at
        ));
    }
    for line in record.roles.iter().flat_map(role_lines) {
        page.line(&line);
    }
}

fn role_lines(role: &RoleEvidence) -> [String; 4] {
    let RoleEvidence {
        agreement,
        purpose,
        xmin,
        ..
    } = role;
    let can = |able: bool| if able { "can" } else { "cannot" };
    let password = if role.has_password {
        "has a password"
    } else {
        "has no password"
    };
    let relations = count(role.readable_relations, "relation", "relations");
    let ended = count(role.backends_ended, "backend was", "backends were");
    let left = count(role.backends_left, "is", "are");
    let prepared = count(
        role.prepared_rolled_back,
        "prepared transaction was",
        "prepared transactions were",
    );
    let changed = role
        .committed_at
        .map_or_else(String::new, |at| format!(", committed {at}"));
    let (login, connect) = (can(role.can_login), can(role.can_connect));
    [
        format!("role {} (agreement {agreement}, purpose {purpose})", role.role),
        format!("  {login} log in, {password}, {connect} connect, has rights to read {relations};"),
        format!("  {ended} ended, {left} left; {prepared} rolled back;"),
        format!("  last changed by transaction {xmin}{changed}"),
    ]
}

fn log(
    page: &mut Page,
    Facts {
        ordered,
        story,
        ledger,
        partner_log,
        cosigners,
        ..
    }: Facts<'_>,
) {
    page.title("THE PARTNER'S LOG IS CLOSED");
    let last = partner_log.size.saturating_sub(1);
    page.wrapped(
        "",
        &format!(
            "Every disclosure to {} must be a leaf of the log {}; one that is not is a breach, and whoever reads the \
             whole main log can see it. The last leaf of the partner's log is number {last}, and says that the log is closed.",
            ordered.partner, partner_log.origin
        ),
    );
    page.line(&format!(
        "Closed     {}, as entry {} of the main log",
        story.closed.entry.time, story.closed.index
    ));
    page.line(&format!(
        "Counted    {}, by the census in entry {}",
        story.census.entry.time, story.census.index
    ));
    page.line(&format!(
        "Log        {}, {} leaves, root {}",
        partner_log.origin, partner_log.size, partner_log.root
    ));
    page.line(&format!(
        "Main log   {}, {} entries, root {}",
        ledger.origin, ledger.size, ledger.root
    ));
    if !cosigners.is_empty() {
        page.line(&format!("Cosigned   {}", cosigners.join(", ")));
        page.wrapped(
            "",
            "These names stand under both checkpoints. What they say, and when, is seen with their keys: \
             `estop certificate verify --witnesses POLICY` (C2SP tlog-cosignature, tlog-policy).",
        );
    }
}

fn how_to_check(page: &mut Page, Facts { directive, story, .. }: Facts<'_>) {
    page.title("HOW TO CHECK IT");
    page.wrapped(
        "",
        "`estop certificate verify` needs this file and the custodian's public key, nothing else. By hand:",
    );
    let steps = [
        "All up to the last empty line is signed with the custodian's Ed25519 key (C2SP signed-note).".to_owned(),
        "In the machine part below, each section begins with a line `section NAME LENGTH`; then come that many \
         bytes and a line feed."
            .to_owned(),
        "Write the sections `directive`, `signature` (one file each) and `signers` to files and, for each who signed, run:"
            .to_owned(),
    ];
    for (number, step) in (1..).zip(&steps) {
        page.wrapped(&format!("{number}. "), step);
    }
    let namespace = directive::namespace(&directive.custodian);
    for person in &story.directive.record.people {
        page.line(&format!(
            "   ssh-keygen -Y verify -f signers -I {person} -n {namespace} -s signature < directive"
        ));
    }
    let steps = [
        "Each `proof` leads from the SHA-256 of a zero byte and its `entry` to the root in `checkpoint` (RFC 6962): \
         the line `c2sp.org/tlog-proof@v1`, the proof, an empty line and the checkpoint are a C2SP tlog-proof.",
        "Each `record` and its `key` give the commitment in its entry: HMAC-SHA256 under the key over the length of the \
         main log's name (8 bytes), that name, and the record.",
        "The entry of kind `closed` is, by `partner-proof`, the last leaf under `partner-checkpoint`; the entry of kind \
         `census` lists that log with the same size and root.",
    ];
    for (number, step) in (4..).zip(steps) {
        page.wrapped(&format!("{number}. "), step);
    }
    let _ = writeln!(page.0);
}
