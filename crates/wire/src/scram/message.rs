//! The attributes of SCRAM messages: one letter, `=`, a value, divided by commas.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{MESSAGE_BYTES_MAX, ScramError};

/// What a client says about channel binding, at the start of its first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag<'a> {
    /// `n`: it cannot.
    Cannot,
    /// `y`: it could, but believes that the server cannot.
    Could,
    /// `p=NAME`: it does, by this kind.
    Uses(&'a str),
}

/// The text of a message of acceptable length.
pub(super) fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(ScramError::Malformed("longer than 1024 bytes"));
    }
    let text = std::str::from_utf8(message).map_err(|_| ScramError::Malformed("not UTF-8"))?;
    if text.contains('\0') {
        Err(ScramError::Malformed("zero byte"))
    } else {
        Ok(text)
    }
}

/// The value of the attribute that must come next, and what follows its comma (nothing, if it was the last).
pub(super) fn attribute<'a>(
    rest: &'a str,
    name: &str,
    missing: &'static str,
) -> Result<(&'a str, Option<&'a str>), ScramError> {
    let value = rest
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('='))
        .ok_or(ScramError::Malformed(missing))?;
    Ok(match value.split_once(',') {
        Some((value, rest)) => (value, Some(rest)),
        None => (value, None),
    })
}

/// The first message of a client: GS2 header, the rest ("bare"), and the client's nonce in it.
pub(super) struct First<'a> {
    pub(super) flag: Flag<'a>,
    /// As sent, with both commas: it comes back in the last message.
    pub(super) header: &'a str,
    pub(super) bare: &'a str,
    pub(super) nonce: &'a str,
}

impl<'a> First<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, ScramError> {
        let message = text(message)?;
        let (flag, rest) = message
            .split_once(',')
            .ok_or(ScramError::Malformed("no channel binding flag"))?;
        let flag = match flag {
            "n" => Flag::Cannot,
            "y" => Flag::Could,
            other => Flag::Uses(
                other
                    .strip_prefix("p=")
                    .ok_or(ScramError::Malformed("unknown channel binding flag"))?,
            ),
        };
        let (identity, bare) = rest
            .split_once(',')
            .ok_or(ScramError::Malformed("no user name"))?;
        if !identity.is_empty() {
            return Err(ScramError::Malformed("authorization identity is not supported"));
        }
        let header = message
            .strip_suffix(bare)
            .ok_or(ScramError::Malformed("no user name"))?;
        if bare.starts_with("m=") {
            return Err(ScramError::Malformed("mandatory extension is not supported"));
        }
        let (_user, rest) = attribute(bare, "n", "no user name")?;
        let (nonce, extensions) = attribute(rest.unwrap_or_default(), "r", "no nonce")?;
        if !printable(nonce) {
            return Err(ScramError::Malformed("unprintable nonce"));
        }
        extensions.map_or(Ok(()), check_extensions)?;
        Ok(Self {
            flag,
            header,
            bare,
            nonce,
        })
    }
}

/// The last message of a client.
pub(super) struct Last<'a> {
    /// GS2 header and binding data, decoded.
    pub(super) binding: Vec<u8>,
    pub(super) nonce: &'a str,
    pub(super) proof: Vec<u8>,
    pub(super) without_proof: &'a str,
}

impl<'a> Last<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, ScramError> {
        let message = text(message)?;
        let (without_proof, proof) = message
            .rsplit_once(",p=")
            .ok_or(ScramError::Malformed("no proof"))?;
        let (binding, rest) = attribute(without_proof, "c", "no channel binding data")?;
        let (nonce, extensions) = attribute(rest.unwrap_or_default(), "r", "no nonce")?;
        extensions.map_or(Ok(()), check_extensions)?;
        Ok(Self {
            binding: decode(binding, "channel binding data is not base64")?,
            nonce,
            proof: decode(proof, "proof is not base64")?,
            without_proof,
        })
    }
}

/// Optional extensions are ignored, but they must look like attributes.
fn check_extensions(rest: &str) -> Result<(), ScramError> {
    let shaped = |extension: &str| {
        let mut bytes = extension.bytes();
        bytes.next().is_some_and(|name| name.is_ascii_alphabetic()) && bytes.next() == Some(b'=')
    };
    if rest.split(',').all(shaped) {
        Ok(())
    } else {
        Err(ScramError::Malformed("malformed extension"))
    }
}

pub(super) fn decode(text: &str, what: &'static str) -> Result<Vec<u8>, ScramError> {
    STANDARD.decode(text).map_err(|_| ScramError::Malformed(what))
}

/// RFC 5802's `printable`: ASCII 0x21 to 0x7e without the comma. The empty nonce is not one.
pub(super) fn printable(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}
