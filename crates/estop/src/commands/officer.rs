//! `estop officer`: from a password or a certificate to what a partner's file holds of it.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use wire::scram::{Password, Verifier};
use zeroize::Zeroizing;

use crate::cli::Officer;
use crate::failure::{Exit, Failure};
use crate::output::Console;

/// What PostgreSQL uses unless told otherwise, and RFC 7677 asks for at least.
const ITERATIONS: u32 = 4096;

/// What PostgreSQL uses.
const SALT_BYTES: usize = 16;

/// Shorter ones are guessed from the verifier by anyone who can read the estate.
const PASSWORD_BYTES_MIN: usize = 12;

/// Longer than any password manager makes them.
const PASSWORD_BYTES_MAX: u64 = 1_024;

/// Runs the command.
///
/// # Errors
/// No usable password, or no random bytes.
pub(super) fn run(command: &Officer, console: Console) -> Result<Exit, Failure> {
    match command {
        Officer::Password => password(console),
        Officer::Certificate { file } => certificate(file, console),
    }
}

/// The names of a certificate, each as a partner's file has it.
fn certificate(file: &Path, console: Console) -> Result<Exit, Failure> {
    let certificate = CertificateDer::from_pem_file(file)
        .map_err(|error| Failure::wrong(format!("no certificate in `{}`", file.display())).because(&error))?;
    let names = wire::certificate::names(&certificate)
        .map_err(|error| Failure::wrong(format!("`{}` does not do", file.display())).because(&error))?;
    for name in &names {
        // A JSON text of one line is a TOML text, too.
        console.line(format!("certificate = {}", serde_json::json!(name)))?;
    }
    console.document(&serde_json::json!({ "names": names }))?;
    Ok(if names.is_empty() { Exit::No } else { Exit::Yes })
}

fn password(console: Console) -> Result<Exit, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::wrong(
            "a password is read from standard input, not from a terminal that shows it",
        )
        .help("for example: `pass show partner/officer | estop officer password`"));
    }
    let mut line = Zeroizing::new(String::new());
    std::io::Read::take(stdin.lock(), PASSWORD_BYTES_MAX)
        .read_line(&mut line)
        .map_err(|error| Failure::wrong("cannot read a password from standard input").because(&error))?;
    let password = line.trim_end_matches(['\n', '\r']);
    if password.len() < PASSWORD_BYTES_MIN {
        return Err(Failure::wrong(format!("the password is shorter than {PASSWORD_BYTES_MIN} bytes"))
            .help("whoever can read the estate can try passwords on its verifier: take a random one of 20 characters or more"));
    }
    let verifier = verifier(password)?;
    console.line(format!("scram = \"{}\"", verifier.as_str()))?;
    console.document(&serde_json::json!({ "scram": verifier.as_str() }))?;
    Ok(Exit::Yes)
}

/// The verifier of a password with a random salt.
///
/// # Errors
/// The system gives no random bytes.
pub fn verifier(password: &str) -> Result<Zeroizing<String>, Failure> {
    let mut salt = [0_u8; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| Failure::absent("the system gave no random bytes for a salt"))?;
    Verifier::derive(&Password::new(password), &salt, ITERATIONS)
        .map(|verifier| verifier.to_text())
        .map_err(|error| Failure::from_error(Exit::Wrong, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::estate::ScramVerifierText;

    #[test]
    fn a_verifier_is_what_an_estate_takes_and_never_the_same_twice() {
        let first = verifier("correct horse battery").unwrap();
        assert!(ScramVerifierText::try_from(first.to_string()).is_ok());
        assert_ne!(*first, *verifier("correct horse battery").unwrap());
    }
}
