//! OpenSSH's `ssh-keygen`, which signs directives: with a key in a file, in an agent or on a security key.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::files::{self, FileError, Readers};

/// Why `ssh-keygen` did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeygenError {
    /// It is not installed.
    #[error("`ssh-keygen` is not installed; on Debian: `apt-get install -y openssh-client`")]
    Missing,
    /// It could not be run.
    #[error("cannot run `ssh-keygen`")]
    Run(#[source] io::Error),
    /// It refused.
    #[error("`ssh-keygen` ended with {status}: {words}")]
    Refused {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        words: String,
    },
}

/// Makes an Ed25519 key without a passphrase, at `path` and `path.pub`. For the demo and for tests.
///
/// # Errors
/// See [`KeygenError`].
pub fn generate(path: &Path, comment: &str) -> Result<(), KeygenError> {
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(path)
        .stdin(Stdio::null());
    run(&mut command).map(drop)
}

/// Signs a file in a namespace (`ssh-keygen -Y sign`). The terminal is left to it: it may ask for a passphrase, or a touch.
/// The armored signature is written to `signature`, which must not be there yet.
///
/// # Errors
/// See [`SignError`].
pub fn sign(file: &Path, key: &Path, namespace: &str, signature: &Path) -> Result<(), SignError> {
    // Signing standard input leaves no second file lying about, and never writes over a signature that is there.
    let text = std::fs::File::open(file).map_err(|source| FileError::new("read", file, source))?;
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-Y", "sign", "-q", "-n", namespace, "-f"])
        .arg(key)
        .stdin(text)
        .stderr(Stdio::inherit());
    Ok(files::create(signature, &run(&mut command)?, Readers::All)?)
}

/// Why a directive was not signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// `ssh-keygen` did not sign.
    #[error(transparent)]
    Keygen(#[from] KeygenError),
}

fn run(command: &mut Command) -> Result<String, KeygenError> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KeygenError::Missing,
        _ => KeygenError::Run(error),
    })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let words = String::from_utf8_lossy(&output.stderr)
            .trim()
            .replace('\n', " | ");
        let words = if words.is_empty() {
            "its own words stand above".to_owned()
        } else {
            words
        };
        Err(KeygenError::Refused {
            status: output.status,
            words,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_signs_and_no_signature_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let (key, file, signature) = (
            folder.path().join("mayor"),
            folder.path().join("order"),
            folder.path().join("order.mayor.sig"),
        );
        generate(&key, "mayor@city.example").unwrap();
        std::fs::write(&file, "an order\n").unwrap();
        sign(&file, &key, "directive@records.example.org", &signature).unwrap();
        let armored = std::fs::read_to_string(&signature).unwrap();
        assert!(
            armored.starts_with("-----BEGIN SSH SIGNATURE-----\n"),
            "{armored}"
        );
        assert!(matches!(
            sign(&file, &key, "directive@records.example.org", &signature),
            Err(SignError::File(_))
        ));
        assert_eq!(std::fs::read_to_string(&signature).unwrap(), armored);
    }

    #[test]
    fn a_key_that_is_not_there_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("order");
        std::fs::write(&file, "an order\n").unwrap();
        let signed = sign(
            &file,
            &folder.path().join("nobody"),
            "directive@a.example",
            &folder.path().join("s"),
        );
        assert!(matches!(
            signed,
            Err(SignError::Keygen(KeygenError::Refused { .. }))
        ));
    }
}
