//! One line of an `allowed_signers` file.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use super::{AllowedKey, Person, SignersFault};

/// How much of a refused text a message repeats, in characters.
const SHOWN_CHARS: usize = 80;

/// `ssh-ed25519` and the like: what a field that is not an option begins with.
const KEY_TYPE_PREFIXES: [&str; 3] = ["ssh-", "ecdsa-", "sk-"];

/// What stands before an SSH application name in a security key that was made by OpenSSH (PROTOCOL.u2f). A
/// key of any other application was made for another use, such as logging in to a web site.
const SSH_APPLICATION: &str = "ssh:";

/// First byte of an uncompressed point (SEC 1 section 2.3.3), the only form OpenSSH writes.
const UNCOMPRESSED: u8 = 4;

/// What a line's options say.
#[derive(Default)]
struct Options {
    namespaces: Option<Vec<String>>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

/// The beginning of `text`, fit to be shown.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .take(SHOWN_CHARS)
        .flat_map(char::escape_debug)
        .collect()
}

/// Reads a line that is neither empty nor a comment.
pub(super) fn parse(line: usize, content: &str) -> Result<AllowedKey, SignersFault> {
    let (principal, rest) = field(content).ok_or(SignersFault::Incomplete)?;
    let person: Person = principal.parse()?;
    let (options, rest) = if KEY_TYPE_PREFIXES.iter().any(|prefix| rest.starts_with(prefix)) {
        (Options::default(), rest)
    } else {
        options(rest)?
    };
    let (key_type, rest) = field(rest).ok_or(SignersFault::Incomplete)?;
    let base64 = rest.split(' ').next().unwrap_or(rest);
    let key = key(key_type, base64)?;
    let Options {
        namespaces,
        valid_after,
        valid_before,
    } = options;
    if let (Some(after), Some(before)) = (valid_after, valid_before)
        && after >= before
    {
        return Err(SignersFault::NeverValid);
    }
    Ok(AllowedKey {
        person,
        key,
        namespaces,
        valid_after,
        valid_before,
        line,
    })
}

/// What two keys that are one secret have in common: the public point. A security key's application name is
/// left out, since it can be changed without changing the key.
pub(super) fn secret_of(key: &KeyData) -> Vec<u8> {
    match key {
        KeyData::Ed25519(key) => key.0.to_vec(),
        KeyData::SkEd25519(key) => key.public_key().0.to_vec(),
        KeyData::Ecdsa(key) => key.as_sec1_bytes().to_vec(),
        // `key` below lets no other kind in.
        _ => Vec::new(),
    }
}

/// The first field, and what comes after the spaces behind it; `None` if nothing does.
fn field(text: &str) -> Option<(&str, &str)> {
    let (field, rest) = text.split_once(' ')?;
    let rest = rest.trim_start_matches(' ');
    (!field.is_empty() && !rest.is_empty()).then_some((field, rest))
}

fn options(text: &str) -> Result<(Options, &str), SignersFault> {
    let mut options = Options::default();
    let mut rest = text;
    loop {
        let end = rest.find([',', ' ', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end).ok_or(SignersFault::Incomplete)?;
        let Some(value) = after.strip_prefix('=') else {
            return Err(bare_option(name));
        };
        let (value, after) = quoted(value).ok_or_else(|| SignersFault::Quotes(shown(name)))?;
        options.set(name, value)?;
        if let Some(more) = after.strip_prefix(',') {
            rest = more;
        } else {
            let rest = after.strip_prefix(' ').ok_or(SignersFault::Incomplete)?;
            return Ok((options, rest.trim_start_matches(' ')));
        }
    }
}

fn bare_option(name: &str) -> SignersFault {
    if name.eq_ignore_ascii_case("cert-authority") {
        SignersFault::CertAuthority
    } else {
        SignersFault::Option(shown(name))
    }
}

/// What stands between the quotation marks that `text` begins with, and what comes after them.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let (value, after) = text.strip_prefix('"')?.split_once('"')?;
    (!value.contains('\\')).then_some((value, after))
}

impl Options {
    fn set(&mut self, name: &str, value: &str) -> Result<(), SignersFault> {
        // OpenSSH takes option names in any case.
        match name.to_ascii_lowercase().as_str() {
            "namespaces" => once("namespaces", &mut self.namespaces, namespaces(value)?),
            "valid-after" => once("valid-after", &mut self.valid_after, time("valid-after", value)?),
            "valid-before" => once(
                "valid-before",
                &mut self.valid_before,
                time("valid-before", value)?,
            ),
            _ => Err(SignersFault::Option(shown(name))),
        }
    }
}

fn once<T>(name: &'static str, place: &mut Option<T>, value: T) -> Result<(), SignersFault> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(SignersFault::Twice(name)),
    }
}

fn namespaces(value: &str) -> Result<Vec<String>, SignersFault> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"*?!".contains(&byte);
    let names: Vec<_> = value.split(',').map(str::to_owned).collect();
    if names
        .iter()
        .all(|name| !name.is_empty() && name.bytes().all(plain))
    {
        Ok(names)
    } else {
        Err(SignersFault::Namespaces(shown(value)))
    }
}

fn time(option: &'static str, value: &str) -> Result<Timestamp, SignersFault> {
    utc(value).ok_or_else(|| SignersFault::Time {
        option,
        value: shown(value),
    })
}

/// `YYYYMMDDZ`, `YYYYMMDDHHMMZ` or `YYYYMMDDHHMMSSZ`.
fn utc(value: &str) -> Option<Timestamp> {
    let digits = value.strip_suffix('Z')?;
    if ![8, 12, 14].contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| match digits.get(from..to) {
        Some(part) => part.parse::<i8>().ok(),
        // Hours, minutes and seconds may be left out.
        None => Some(0),
    };
    let year = digits.get(..4)?.parse().ok()?;
    let civil = DateTime::new(
        year,
        number(4, 6)?,
        number(6, 8)?,
        number(8, 10)?,
        number(10, 12)?,
        number(12, 14)?,
        0,
    )
    .ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn key(key_type: &str, base64: &str) -> Result<KeyData, SignersFault> {
    if !["ssh-ed25519", "ecdsa-sha2-nistp256", "sk-ssh-ed25519@openssh.com"].contains(&key_type) {
        return Err(SignersFault::KeyType(shown(key_type)));
    }
    let refused = || SignersFault::Key(key_type.to_owned());
    let text = format!("{key_type} {base64}");
    let public = PublicKey::from_openssh(&text).map_err(|_| refused())?;
    // One key has one spelling, so that a file's bytes say all there is to say.
    if public.to_openssh().ok().as_deref() != Some(text.as_str()) || !is_sound(public.key_data()) {
        return Err(refused());
    }
    Ok(public.key_data().clone())
}

/// Whether a key is of an accepted kind and binds its signatures to one secret.
fn is_sound(key: &KeyData) -> bool {
    match key {
        KeyData::Ed25519(key) => is_strong(&key.0),
        KeyData::SkEd25519(key) => {
            is_strong(&key.public_key().0) && key.application().starts_with(SSH_APPLICATION)
        }
        KeyData::Ecdsa(key) => key.as_sec1_bytes().first() == Some(&UNCOMPRESSED),
        _ => false,
    }
}

/// Whether these bytes are a point, and not one of the few of small order, under which a signature can be
/// made that fits many messages.
fn is_strong(point: &[u8; 32]) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(point).is_ok_and(|key| !key.is_weak())
}
