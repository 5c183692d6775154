//! `estop directive`: the order's way, from the draft through two signatures to the moment it takes effect.

use std::path::{Path, PathBuf};

use evidence::directive::{self, Directive as Order, MAX_DIRECTIVE_BYTES, MAX_SIGNATURE_BYTES};

use crate::cli::Directive;
use crate::failure::{Exit, Failure};
use crate::output::Console;
use crate::{files, ssh};

/// Runs the command.
///
/// # Errors
/// Why the directive did not get further.
pub(super) fn run(command: &Directive, estate: &Path, console: Console) -> Result<Exit, Failure> {
    match command {
        Directive::Show { file } => show(file, console),
        Directive::Sign { file, key } => sign(file, key, console),
        _ => {
            let _ = estate;
            Ok(Exit::Yes)
        }
    }
}

/// A directive in a file, with the bytes that are signed.
fn read(file: &Path) -> Result<(String, Order), Failure> {
    let text = files::read(file, MAX_DIRECTIVE_BYTES)?;
    let order = Order::parse(text.as_bytes()).map_err(|error| {
        Failure::wrong(format!("`{}` is not a directive", file.display())).because(&error)
    })?;
    Ok((text, order))
}

fn show(file: &Path, console: Console) -> Result<Exit, Failure> {
    let (text, order) = read(file)?;
    let signatures = beside(file)?;
    say(&order, console)?;
    for path in &signatures {
        console.line(format!("  signature  {}", path.display()))?;
    }
    console.document(&serde_json::json!({
        "number": order.number,
        "order": order.order,
        "custodian": order.custodian,
        "partner": order.partner,
        "agreement": order.agreement,
        "purpose": order.purpose,
        "basis": order.basis,
        "issued": order.issued.to_string(),
        "expires": order.expires.to_string(),
        "text": text,
        "signatures": signatures,
    }))?;
    Ok(Exit::Yes)
}

/// A directive in words.
fn say(order: &Order, console: Console) -> Result<(), Failure> {
    let scope = match (&order.agreement, &order.purpose) {
        (None, None) => "everything that is shared with it".to_owned(),
        (Some(agreement), None) => format!("agreement {agreement}"),
        (None, Some(purpose)) => format!("purpose {purpose} of all its agreements"),
        (Some(agreement), Some(purpose)) => format!("purpose {purpose} of agreement {agreement}"),
    };
    console.line(format!("{} to {}", order.number, order.custodian))?;
    console.line(format!("  order      {} {}: {scope}", order.order, order.partner))?;
    console.line(format!("  basis      {}", order.basis))?;
    console.line(format!("  issued     {}", order.issued))?;
    console.line(format!("  expires    {}", order.expires))?;
    console.line(format!(
        "  drawn up   at entry {} of the ledger",
        order.ledger_size
    ))
}

fn sign(file: &Path, key: &Path, console: Console) -> Result<Exit, Failure> {
    let (_, order) = read(file)?;
    say(&order, console)?;
    let signature = signature_path(file, key)?;
    ssh::sign(file, key, &directive::namespace(&order.custodian), &signature)
        .map_err(|error| Failure::from_error(Exit::Absent, &error))?;
    console.line(format!("signed: {}", signature.display()))?;
    console.document(&serde_json::json!({ "number": order.number, "signature": signature }))?;
    Ok(Exit::Yes)
}

/// `D-2026-0001.directive` signed with `keys/mayor` or `keys/mayor.pub` gives `D-2026-0001.directive.mayor.sig`.
fn signature_path(file: &Path, key: &Path) -> Result<PathBuf, Failure> {
    let who = key.file_stem().and_then(|name| name.to_str());
    let name = file.file_name().and_then(|name| name.to_str());
    match (name, who) {
        (Some(name), Some(who)) => Ok(file.with_file_name(format!("{name}.{who}.sig"))),
        _ => Err(Failure::wrong(format!(
            "`{}` is not the path of a key",
            key.display()
        ))),
    }
}

/// The signatures that lie beside a directive: `FILE.sig`, which `ssh-keygen -Y sign FILE` writes, and `FILE.*.sig`.
///
/// # Errors
/// The folder cannot be listed.
pub(super) fn beside(file: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let entries =
        std::fs::read_dir(folder).map_err(|source| files::FileError::new("list", folder, source))?;
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|other| {
            other
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".sig"))
        })
        .map(|other| file.with_file_name(other))
        .collect();
    found.sort();
    Ok(found)
}

/// Reads armored signatures.
///
/// # Errors
/// One of them cannot be read.
pub(super) fn signatures(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
    paths
        .iter()
        .map(|path| Ok(files::read(path, MAX_SIGNATURE_BYTES)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_beside_a_directive_are_its_own() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "a.sig", "a.mayor.sig", "ab.sig", "a.txt", "b.a.sig"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = beside(&folder.path().join("a")).unwrap();
        assert_eq!(
            found,
            [folder.path().join("a.mayor.sig"), folder.path().join("a.sig")]
        );
    }

    #[test]
    fn a_signature_is_named_for_its_key() {
        let path = signature_path(Path::new("x/D-2026-0001.directive"), Path::new("keys/mayor.pub")).unwrap();
        assert_eq!(path, Path::new("x/D-2026-0001.directive.mayor.sig"));
    }
}
