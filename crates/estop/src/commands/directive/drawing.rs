//! Drawing directives about a partner up: the file to be signed, the preview beside it, and what is said of both.

use std::path::{Path, PathBuf};

use control::api::{DirectiveDraft, DraftRequest, ReinstatementRequest, ScopeLine, Used};
use evidence::directive::{Particulars, Scope};
use evidence::id::{DatasetId, DirectiveNumber};
use jiff::Timestamp;

use super::preview;
use crate::admin::Admin;
use crate::cli::{Reinstate, ScopeWanted, Words};
use crate::failure::{Exit, Failure};
use crate::files::{self, Readers};
use crate::output::{Console, Tone};
use crate::serve::SessionLine;

/// A directive that was drawn up and lies in a file.
#[derive(Debug)]
pub struct Drawn {
    /// Its number.
    pub number: DirectiveNumber,
    /// Where it lies.
    pub file: PathBuf,
    /// What to sign it in.
    pub namespace: String,
    /// What it would cut.
    pub would_cut: Vec<ScopeLine>,
    /// What it would give back.
    pub would_open: Vec<ScopeLine>,
    /// What it would do, as text; it lies beside the file.
    pub preview: String,
    /// The sessions that it would cut, as they are now.
    pub sessions: Vec<SessionLine>,
    /// What the partner had of late.
    pub used: Option<Used>,
}

/// Draws a termination up over the present ledger, or a suspension if it has an end, and writes it to a file: the named one, or
/// `NUMBER.directive` in `folder`.
///
/// # Errors
/// `serve` refuses or does not run, or the file is there already.
pub async fn draw_up(
    admin: &Admin,
    scope: &ScopeWanted,
    until: Option<Timestamp>,
    words: &Words,
    folder: &Path,
) -> Result<Drawn, Failure> {
    let request = DraftRequest {
        partner: scope.partner.clone(),
        agreement: scope.agreement.clone(),
        purpose: scope.purpose.clone(),
        until,
        basis: words.basis.clone(),
        particulars: particulars(words),
        hours: Some(words.within),
    };
    let draft = admin.post("/directive/draft", &request).await?;
    let mut drawn = written(draft, words, folder)?;
    drawn.sessions = preview::sessions(
        admin,
        &Scope {
            partner: request.partner,
            agreement: request.agreement,
            purpose: request.purpose,
        },
    )
    .await?;
    Ok(drawn)
}

/// Draws the reinstatement of what a directive has ended up, and writes it to a file.
///
/// # Errors
/// As [`draw_up`].
pub async fn draw_up_reinstatement(
    admin: &Admin,
    wanted: &Reinstate,
    folder: &Path,
) -> Result<Drawn, Failure> {
    let words = &wanted.words;
    let request = ReinstatementRequest {
        lifts: wanted.lifts.clone(),
        basis: words.basis.clone(),
        particulars: particulars(words),
        hours: Some(words.within),
    };
    written(admin.post("/reinstatement/draft", &request).await?, words, folder)
}

fn particulars(words: &Words) -> Particulars {
    Particulars {
        services: words.services.clone(),
        grounds: words.grounds.clone(),
        hearing: words.hearing,
        contact: words.contact.clone(),
        notice: words.notice.clone(),
    }
}

fn written(draft: DirectiveDraft, words: &Words, folder: &Path) -> Result<Drawn, Failure> {
    let file = match &words.output {
        Some(file) => file.clone(),
        None => folder.join(format!("{}.directive", draft.number)),
    };
    files::create(&file, &draft.text, Readers::All)?;
    preview::write(&file, &draft.preview)?;
    Ok(Drawn {
        preview: draft.preview,
        sessions: Vec::new(),
        used: draft.used,
        number: draft.number,
        file,
        namespace: draft.namespace,
        would_cut: draft.would_cut,
        would_open: draft.would_open,
    })
}

pub(super) fn say_drawn(
    drawn: &Drawn,
    title: &str,
    estate: &Path,
    console: Console,
) -> Result<Exit, Failure> {
    let file = drawn.file.display();
    console.line(format!(
        "{} drawn up: {file}\n",
        console.paint(Tone::Strong, &drawn.number)
    ))?;
    console.line(title)?;
    for line in drawn.would_cut.iter().chain(&drawn.would_open) {
        let datasets: Vec<_> = line.datasets.iter().map(DatasetId::as_str).collect();
        let stays = if drawn.would_open.is_empty() {
            "ended already by"
        } else {
            "stays closed by"
        };
        let before = line
            .ended_before_by
            .as_ref()
            .map(|number| format!("; {stays} {number}"));
        console.line(format!(
            "  {} for {}: {}{}",
            line.agreement,
            line.purpose,
            datasets.join(", "),
            before.unwrap_or_default()
        ))?;
    }
    console.line(format!("\nWhat is signed for ({file}.preview):\n"))?;
    for line in drawn.preview.lines() {
        console.line(format!("  {line}"))?;
    }
    console.line("")?;
    if drawn.would_open.is_empty() {
        preview::say(&drawn.sessions, drawn.used.as_ref(), console)?;
    }
    console.line("\nNow two authorities read it and sign it, each with their own key:\n")?;
    console.line(format!(
        "  ssh-keygen -Y sign -n {} -f KEY < {file} > {file}.NAME.sig",
        drawn.namespace
    ))?;
    console.line(format!(
        "  estop --estate {} directive submit {file}",
        estate.display()
    ))?;
    console.document(&serde_json::json!({
        "number": drawn.number,
        "file": drawn.file,
        "namespace": drawn.namespace,
        "would_cut": drawn.would_cut,
        "would_open": drawn.would_open,
        "preview": drawn.preview,
        "sessions": drawn.sessions,
        "used": drawn.used,
    }))?;
    Ok(Exit::Yes)
}
