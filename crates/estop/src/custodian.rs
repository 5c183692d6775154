//! The custodian's keys: made once, kept in the state folder. The one that signs has its public half beside it; the other
//! tags subject keys in records.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use evidence::id::Custodian;
use evidence::note::{SignerKey, VerifierKey};
use evidence::subject::{AccountingKey, KEY_BYTES};
use zeroize::{Zeroize as _, Zeroizing};

use crate::estate::State;
use crate::failure::{Exit, Failure};
use crate::files::{self, FileError, Readers};

/// One line.
pub const KEY_BYTES_MAX: usize = 4_096;

/// The custodian's key; a new one where there is none yet, which is the custodian's identity from then on.
///
/// # Errors
/// The file is not a key of this custodian, is open to others, or cannot be made.
pub fn key(state: &State, custodian: &Custodian) -> Result<SignerKey, Failure> {
    let path = state.key();
    if !path.exists() {
        return make(state, custodian);
    }
    let text = private(&path)?;
    let key = SignerKey::parse(text.trim()).map_err(|error| {
        Failure::wrong(format!("`{}` does not hold a custodian's key", path.display())).because(&error)
    })?;
    if *key.name() != custodian.key_name() {
        return Err(Failure::wrong(format!(
            "`{}` holds the key of `{}`, and the estate is `{custodian}`'s",
            path.display(),
            key.name()
        )));
    }
    Ok(key)
}

/// The key that subject keys of rows are tagged with in records; a new one where there is none yet.
///
/// # Errors
/// The file is not such a key, is open to others, or cannot be made.
pub fn accounting_key(state: &State) -> Result<AccountingKey, Failure> {
    let path = state.accounting_key();
    if let Some(key) = known_accounting_key(state)? {
        return Ok(key);
    }
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| Failure::absent("the system gave no random bytes for a key"))?;
    let key = AccountingKey::new(bytes);
    bytes.zeroize();
    let text = Zeroizing::new(format!("{}\n", hexadecimal(key.reveal()).as_str()));
    files::create(&path, &text, Readers::Owner)?;
    // Records are made with it from now on: it must not be lost where they are not.
    fs::File::open(state.folder())
        .and_then(|folder| folder.sync_all())
        .map_err(|source| FileError::new("write", state.folder(), source))?;
    Ok(key)
}

/// The same, if there is one.
///
/// # Errors
/// The file is not such a key, or is open to others.
pub fn known_accounting_key(state: &State) -> Result<Option<AccountingKey>, Failure> {
    let path = state.accounting_key();
    if !path.exists() {
        return Ok(None);
    }
    let text = private(&path)?;
    match unhexadecimal::<KEY_BYTES>(text.trim()) {
        Some(bytes) => Ok(Some(AccountingKey::new(bytes))),
        None => Err(Failure::wrong(format!(
            "`{}` does not hold an accounting key: 32 hexadecimal digits",
            path.display()
        ))),
    }
}

/// Bytes of what officers who do not exist are made up from.
const STAND_IN_BYTES: usize = 32;

/// What officers who do not exist are made up from, at a login: kept, so that theirs do not look new after each start. Made where
/// there is none yet.
///
/// # Errors
/// The file does not hold it, is open to others, or cannot be made.
pub fn stand_ins(state: &State) -> Result<[u8; STAND_IN_BYTES], Failure> {
    let path = state.stand_ins();
    if !path.exists() {
        let mut bytes = Zeroizing::new([0; STAND_IN_BYTES]);
        getrandom::fill(bytes.as_mut())
            .map_err(|_| Failure::absent("the system gave no random bytes for a key"))?;
        let text = Zeroizing::new(format!("{}\n", hexadecimal(bytes.as_slice()).as_str()));
        files::create(&path, &text, Readers::Owner)?;
    }
    let text = private(&path)?;
    unhexadecimal(text.trim()).ok_or_else(|| {
        Failure::wrong(format!(
            "`{}` does not hold 64 hexadecimal digits; without it another one is made",
            path.display()
        ))
    })
}

/// So many bytes of digits, in small letters.
fn unhexadecimal<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digits: Zeroizing<Vec<u8>> = text
        .as_bytes()
        .as_chunks::<2>()
        .0
        .iter()
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())
        .collect::<Option<Vec<u8>>>()
        .map(Zeroizing::new)?;
    let bytes = <[u8; BYTES]>::try_from(digits.as_slice()).ok()?;
    (hexadecimal(&bytes).as_str() == text).then_some(bytes)
}

fn hexadecimal(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |at: u8| DIGITS.get(usize::from(at)).copied().map_or(' ', char::from);
    // As long as it gets, so that no copy is left where it was shorter.
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(2)));
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
    text
}

/// The text of a file that nobody else may read.
fn private(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mode = fs::metadata(path)
        .map_err(|source| FileError::new("read", path, source))?
        .mode();
    if mode & 0o077 != 0 {
        return Err(Failure::wrong(format!(
            "`{}` can be read by other accounts (mode {:o})",
            path.display(),
            mode & 0o777
        ))
        .help(format!("if nobody has: chmod 600 {}", path.display())));
    }
    Ok(Zeroizing::new(files::read(path, KEY_BYTES_MAX)?))
}

/// The custodian's public key, from the state folder.
///
/// # Errors
/// It is not there, because `serve` has never run, or is not a key.
pub fn public_key(state: &State) -> Result<VerifierKey, Failure> {
    let path = state.public_key();
    if !path.exists() {
        return Err(Failure::absent(format!("no public key at `{}`", path.display()))
            .help("`estop serve` makes the custodian's key when it first runs"));
    }
    files::read(&path, KEY_BYTES_MAX)?
        .trim()
        .parse()
        .map_err(|error| {
            Failure::wrong(format!("`{}` does not hold a public key", path.display())).because(&error)
        })
}

fn make(state: &State, custodian: &Custodian) -> Result<SignerKey, Failure> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(seed.as_mut())
        .map_err(|_| Failure::absent("the system gave no random bytes for a key"))?;
    let key = SignerKey::generate(*seed, custodian.key_name());
    let secret = Zeroizing::new(format!("{}\n", key.encode().as_str()));
    files::create(&state.key(), &secret, Readers::Owner)?;
    files::create(
        &state.public_key(),
        &format!("{}\n", key.verifier()),
        Readers::All,
    )
    .map_err(|error| Failure::from_error(Exit::Wrong, &error))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn custodian(name: &str) -> Custodian {
        name.parse().unwrap()
    }

    #[test]
    fn the_key_is_made_once_and_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path().join("state"));
        let office = custodian("records.city.example");
        let first = key(&state, &office).unwrap();
        assert_eq!(fs::metadata(state.key()).unwrap().mode() & 0o777, 0o600);
        assert_eq!(key(&state, &office).unwrap().verifier(), first.verifier());
        assert_eq!(public_key(&state).unwrap(), first.verifier());
    }

    #[test]
    fn the_accounting_key_is_made_once_and_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path().join("state"));
        assert!(known_accounting_key(&state).unwrap().is_none());
        let first = accounting_key(&state).unwrap();
        let path = state.accounting_key();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(accounting_key(&state).unwrap().id(), first.id());
        fs::write(&path, "7").unwrap();
        assert_eq!(accounting_key(&state).unwrap_err().exit, Exit::Wrong);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(known_accounting_key(&state).unwrap_err().exit, Exit::Wrong);
    }

    #[test]
    fn a_key_of_another_or_open_to_others_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::at(folder.path().to_owned());
        key(&state, &custodian("records.city.example")).unwrap();
        assert_eq!(
            key(&state, &custodian("other.example")).unwrap_err().exit,
            Exit::Wrong
        );
        fs::set_permissions(state.key(), fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(
            key(&state, &custodian("records.city.example")).unwrap_err().exit,
            Exit::Wrong
        );
    }
}
