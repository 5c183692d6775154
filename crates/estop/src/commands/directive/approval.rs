//! `estop directive new approve`: the approval of an estate, and the summary that lies beside it.

use std::path::{Path, PathBuf};

use control::api::{ApprovalDraft, ApprovalRequest};
use evidence::directive::{self, Directive};
use evidence::hash::sha256;
use evidence::id::DirectiveNumber;
use policy::terms::counted;

use super::{signature_path, submit};
use crate::admin::Admin;
use crate::cli::Approve;
use crate::commands::apply::taken_up;
use crate::estate::Loaded;
use crate::failure::{Exit, Failure};
use crate::files::{self, Readers};
use crate::output::{Console, Tone};
use crate::ssh;

/// Longest summary that is read: one of the largest imagined custodian's first estate (1,000 agreements of 20 data sets).
const MAX_SUMMARY_BYTES: usize = 64 << 20;

/// An approval that was drawn up and lies in a file, its summary beside it.
#[derive(Debug)]
pub struct Approval {
    /// What control drew up.
    pub draft: ApprovalDraft,
    /// Where it lies.
    pub file: PathBuf,
}

/// Draws up the approval of the estate as it stands in its folder, which must be the one served, and writes it to a file: the
/// named one, or `NUMBER.directive` in `folder`.
///
/// # Errors
/// `serve` refuses, does not run or serves other files, or a file is there already.
pub async fn draw_up_approval(
    admin: &Admin,
    loaded: &Loaded,
    wanted: &Approve,
    folder: &Path,
) -> Result<Approval, Failure> {
    taken_up(admin, loaded).await?;
    let request = ApprovalRequest {
        basis: wanted.basis.clone(),
        hours: Some(wanted.within),
    };
    let draft: ApprovalDraft = admin.post("/approval/draft", &request).await?;
    let file = match &wanted.output {
        Some(file) => file.clone(),
        None => folder.join(format!("{}.directive", draft.number)),
    };
    files::create(&file, &draft.text, Readers::All)?;
    files::create(&summary_path(&file), &draft.summary, Readers::All)?;
    Ok(Approval { draft, file })
}

/// Draws up, signs with these keys, and hands in: for the demo, and wherever one person plays all the parts.
///
/// # Errors
/// It is refused, or a file cannot be written.
pub async fn approve(
    admin: &Admin,
    loaded: &Loaded,
    folder: &Path,
    keys: &[PathBuf],
) -> Result<DirectiveNumber, Failure> {
    let wanted = Approve {
        basis: "the agreements as signed".to_owned(),
        within: 24,
        output: None,
    };
    let Approval { draft, file } = draw_up_approval(admin, loaded, &wanted, folder).await?;
    let mut signatures = Vec::new();
    for key in keys {
        let signature = signature_path(&file, key)?;
        ssh::sign(&file, key, &draft.namespace, &signature)
            .map_err(|error| Failure::from_error(Exit::Absent, &error))?;
        signatures.push(signature);
    }
    submit(admin, &file, &signatures).await?;
    Ok(draft.number)
}

pub(super) fn say_drawn(approval: &Approval, estate: &Path, console: Console) -> Result<Exit, Failure> {
    let Approval { draft, file } = approval;
    let summary = summary_path(file);
    console.line(format!(
        "{} drawn up: {}\nwhat it changes: {}\n",
        console.paint(Tone::Strong, &draft.number),
        file.display(),
        summary.display()
    ))?;
    for change in &draft.changes {
        console.line(change.to_string().trim_end())?;
    }
    console.line(format!("\n{}", counted(&draft.changes)))?;
    if draft.first {
        console.line(console.paint(
            Tone::Notice,
            "\nNo estate was approved before: this one's own `authorities/allowed_signers` says who may approve it.",
        ))?;
    }
    let (file, estate) = (file.display(), estate.display());
    console.line(format!(
        "\nNow two of these people read both files and sign, each with their own key: {}\n",
        draft.may_sign.join(", ")
    ))?;
    console.line(format!(
        "  ssh-keygen -Y sign -n {} -f KEY < {file} > {file}.NAME.sig",
        draft.namespace
    ))?;
    console.line(format!("  estop --estate {estate} directive submit {file}"))?;
    console.line(format!("  estop --estate {estate} apply"))?;
    console.document(&serde_json::json!({
        "number": draft.number,
        "file": approval.file,
        "summary_file": summary,
        "namespace": draft.namespace,
        "changes": draft.changes,
        "may_sign": draft.may_sign,
        "first": draft.first,
    }))?;
    Ok(Exit::Yes)
}

fn summary_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".summary");
    name.into()
}

/// The summary of an approval, from the file beside it; none of another directive. Nobody shall read another text than the
/// one that is signed for.
pub(super) fn summary_beside(file: &Path, order: &Directive) -> Result<Option<String>, Failure> {
    let Some(terms) = order.terms() else {
        return Ok(None);
    };
    let path = summary_path(file);
    let summary = files::read(&path, MAX_SUMMARY_BYTES).map_err(|error| {
        Failure::from(error).help(
            "an approval is read with the summary that was drawn up with it: put it beside the directive",
        )
    })?;
    if sha256(summary.as_bytes()) != terms.summary {
        return Err(Failure::no(format!(
            "`{}` is not the summary that directive {} is signed over",
            path.display(),
            order.number
        ))
        .help(format!(
            "sign nothing; have it drawn up anew (`{}`)",
            directive::namespace(&order.custodian)
        )));
    }
    Ok(Some(summary))
}
