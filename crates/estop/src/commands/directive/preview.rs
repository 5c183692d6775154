//! The preview of a directive: the file beside it whose hash is signed, and what is shown with it of the moment.

use std::fs;
use std::path::{Path, PathBuf};

use control::api::Used;
use evidence::directive::{Directive, Scope};
use evidence::hash::sha256;

use crate::admin::Admin;
use crate::demo::report::grouped;
use crate::failure::Failure;
use crate::files::{self, FileError};
use crate::output::Console;
use crate::serve::SessionLine;

/// Longest preview that is read: a line of a hundred bytes for each of some thousands of purposes.
const MAX_PREVIEW_BYTES: usize = 1 << 20;

/// Most sessions that are listed; the others are counted.
const SESSIONS_SHOWN: usize = 20;

fn path_of(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".preview");
    path.into()
}

/// Writes the preview beside its directive. One of a directive before it under this name is replaced: it could not be taken
/// for this one's.
pub(super) fn write(file: &Path, preview: &str) -> Result<(), Failure> {
    let path = path_of(file);
    fs::write(&path, preview).map_err(|source| FileError::new("write", &path, source).into())
}

/// The preview beside a directive, if it is signed over one and the file is there.
///
/// # Errors
/// It is another than the directive is signed over: nobody shall read another text than the one that is signed for.
pub(super) fn beside(file: &Path, order: &Directive) -> Result<Option<String>, Failure> {
    let path = path_of(file);
    let Some(signed) = order.preview.filter(|_| path.exists()) else {
        return Ok(None);
    };
    let preview = files::read(&path, MAX_PREVIEW_BYTES)?;
    if sha256(preview.as_bytes()) == signed {
        return Ok(Some(preview));
    }
    Err(Failure::no(format!(
        "`{}` is not the preview that directive {} is signed over",
        path.display(),
        order.number
    ))
    .help("sign nothing; have it drawn up anew"))
}

/// Sessions in a scope, as they are now.
pub(super) async fn sessions(admin: &Admin, scope: &Scope) -> Result<Vec<SessionLine>, Failure> {
    let mut all: Vec<SessionLine> = admin.get("/sessions").await?;
    let is = |ours: Option<&str>, theirs: &str| ours.is_none_or(|ours| ours == theirs);
    all.retain(|one| {
        scope.partner.as_str() == one.partner
            && is(scope.agreement.as_ref().map(AsRef::as_ref), &one.agreement)
            && is(scope.purpose.as_ref().map(AsRef::as_ref), &one.purpose)
    });
    Ok(all)
}

/// What is shown beside the preview: it is of this moment, and not part of what is signed.
pub(super) fn say(sessions: &[SessionLine], used: Option<&Used>, console: Console) -> Result<(), Failure> {
    console.line(match sessions.len() {
        0 => "Now no session is open in it.".to_owned(),
        1 => "Now 1 session is open in it:".to_owned(),
        more => format!("Now {more} sessions are open in it:"),
    })?;
    for one in sessions.iter().take(SESSIONS_SHOWN) {
        console.line(format!(
            "  {} {} for {}{}: {}, {} statements, {} rows, since {}",
            one.officer,
            one.agreement,
            one.purpose,
            one.case
                .as_ref()
                .map(|case| format!(", case {case}"))
                .unwrap_or_default(),
            one.state,
            grouped(one.statements),
            grouped(one.rows),
            one.since
        ))?;
    }
    if sessions.len() > SESSIONS_SHOWN {
        console.line("  and more: `estop sessions`")?;
    }
    if let Some(used) = used {
        console.line(format!(
            "Since {}: {} statements with {} rows.",
            used.since,
            grouped(used.statements),
            grouped(used.rows)
        ))?;
    }
    Ok(())
}
