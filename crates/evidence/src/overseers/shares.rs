//! A secret of 32 bytes split so that any `k` of `n` shares give it back and fewer say nothing of it: Shamir's scheme over
//! GF(256), byte by byte, and the file that one share is.
//!
//! The field is that of AES (polynomial `x^8 + x^4 + x^3 + x + 1`). Share number `x` (1 to 255) holds, for each byte of the
//! secret, the value at `x` of a polynomial of degree `k - 1` whose value at 0 is that byte and whose other coefficients are
//! random. Nothing branches on, or looks up by, what is secret.

use std::fmt::{self, Display};

use zeroize::{Zeroize as _, Zeroizing};

use crate::hash::{Hash, decode_base64};
use crate::id::{Custodian, HolderId, OverseersId};
use crate::lines::{LineError, Lines};

/// Most shares, and so most overseers. A share's number is one byte and not zero; more people than this do not meet.
pub const MAX_SHARES: u8 = 32;

/// Bytes of a secret.
pub const SECRET_BYTES: usize = 32;

/// Longest file of a share that is read.
pub const MAX_SHARE_BYTES: usize = 4096;

const HEADER: &str = "estop/overseers-share/v1";

/// A secret that cannot be split or put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SharesError {
    /// One alone could open, or more would be needed than there are.
    #[error(
        "of {count} shares at least 2 and at most {count} are needed to open, not {threshold}; there are at most {MAX_SHARES}"
    )]
    Numbers {
        /// How many open.
        threshold: u8,
        /// How many there are.
        count: u8,
    },
    /// Fewer than are needed.
    #[error("{given} of the {threshold} shares that are needed")]
    TooFew {
        /// How many there are.
        given: usize,
        /// How many are needed.
        threshold: u8,
    },
    /// The same share twice.
    #[error("two of the shares are the same one: number {0}")]
    Twice(u8),
    /// Of different secrets.
    #[error("the shares are not of one key: that of {0} is another's")]
    Mixed(HolderId),
    /// A share's file is none.
    #[error("not a share of an overseers' key")]
    Line(#[from] LineError),
}

/// One share of a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Share {
    /// Whose records are sealed to the key.
    pub custodian: Custodian,
    /// Whose key it is.
    pub overseers: OverseersId,
    /// Their public key.
    pub key: Hash,
    /// How many shares open.
    pub threshold: u8,
    /// Who has this one.
    pub holder: HolderId,
    /// Its number, from 1.
    pub number: u8,
    /// What it holds.
    pub value: Zeroizing<[u8; SECRET_BYTES]>,
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("overseers", &self.overseers)
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}

/// The product in GF(256), in the same time whatever is multiplied.
fn times(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut product) = (a, b, 0_u8);
    for _ in 0..8 {
        // All ones where the lowest bit of `b` is set.
        product ^= a & (b & 1).wrapping_neg();
        let carry = (a >> 7).wrapping_neg();
        a = (a << 1) ^ (0x1b & carry);
        b >>= 1;
    }
    product
}

/// The inverse in GF(256): the power 254. That of zero is zero.
fn inverse(a: u8) -> u8 {
    // 254 = 2 + 4 + 8 + 16 + 32 + 64 + 128
    let (mut power, mut inverse) = (a, 1);
    for _ in 0..7 {
        power = times(power, power);
        inverse = times(inverse, power);
    }
    inverse
}

/// Splits a secret into shares number 1 to `count`. `random`: the coefficients, one array for each power from 1 to
/// `threshold - 1`, from the system's random source and used for this alone.
///
/// # Errors
/// The numbers do not fit one another, or the coefficients them.
pub fn split(
    secret: &[u8; SECRET_BYTES],
    threshold: u8,
    count: u8,
    random: &[Zeroizing<[u8; SECRET_BYTES]>],
) -> Result<Vec<Zeroizing<[u8; SECRET_BYTES]>>, SharesError> {
    let fits = (2..=count).contains(&threshold) && count <= MAX_SHARES;
    if !fits || random.len() != usize::from(threshold).saturating_sub(1) {
        return Err(SharesError::Numbers { threshold, count });
    }
    let at = |x: u8| {
        let mut value = Zeroizing::new([0; SECRET_BYTES]);
        // Horner's rule, the highest power first.
        let powers = random.iter().rev().map(|coefficient| &**coefficient);
        for power in powers.chain([secret]) {
            for (to, coefficient) in value.iter_mut().zip(power) {
                *to = times(*to, x) ^ coefficient;
            }
        }
        value
    };
    Ok((1..=count).map(at).collect())
}

/// The secret of these shares: of as many as are needed, or more. Whether it is the right one only its public key tells.
///
/// # Errors
/// They are too few, one is there twice, or they are of different keys.
pub fn combine(shares: &[Share]) -> Result<Zeroizing<[u8; SECRET_BYTES]>, SharesError> {
    let Some(first) = shares.first() else {
        return Err(SharesError::TooFew {
            given: 0,
            threshold: 2,
        });
    };
    let same = |share: &&Share| {
        (&share.custodian, &share.overseers, &share.key, share.threshold)
            == (&first.custodian, &first.overseers, &first.key, first.threshold)
    };
    if let Some(other) = shares.iter().find(|share| !same(share)) {
        return Err(SharesError::Mixed(other.holder.clone()));
    }
    let mut numbers: Vec<u8> = shares.iter().map(|share| share.number).collect();
    numbers.sort_unstable();
    let mut pairs = numbers.iter().zip(numbers.iter().skip(1));
    if let Some((twice, _)) = pairs.find(|(one, next)| one == next) {
        return Err(SharesError::Twice(*twice));
    }
    if shares.len() < usize::from(first.threshold) {
        return Err(SharesError::TooFew {
            given: shares.len(),
            threshold: first.threshold,
        });
    }
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    for share in shares {
        // Lagrange's coefficient of this share at 0. Subtraction is addition here.
        let others = numbers.iter().filter(|number| **number != share.number);
        let coefficient = others.fold(1, |product, other| {
            times(product, times(*other, inverse(other ^ share.number)))
        });
        for (to, value) in secret.iter_mut().zip(share.value.iter()) {
            *to ^= times(*value, coefficient);
        }
    }
    Ok(secret)
}

impl Share {
    /// The share as a file. It is secret.
    pub fn text(&self) -> Zeroizing<String> {
        let value = Zeroizing::new(Hash(*self.value).to_string());
        let line = |key: &str, value: &dyn Display| format!("{key} {value}\n");
        Zeroizing::new(
            [
                format!("{HEADER}\n"),
                line("custodian", &self.custodian),
                line("overseers", &self.overseers),
                line("key", &self.key),
                line("threshold", &self.threshold),
                line("holder", &self.holder),
                line("number", &self.number),
                line("share", &value.as_str()),
            ]
            .concat(),
        )
    }

    /// Reads a share's file.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, SharesError> {
        let mut lines = Lines::of(text, HEADER, "`estop/overseers-share/v1`")?;
        let small = |text: &str| {
            text.parse::<u8>()
                .ok()
                .filter(|number| number.to_string() == text)
        };
        let share = Self {
            custodian: lines.read("custodian", "`custodian` and its name", |text| text.parse().ok())?,
            overseers: lines.read("overseers", "`overseers` and their id", |text| text.parse().ok())?,
            key: lines.read("key", "`key` and a public key", |text| text.parse().ok())?,
            threshold: lines.read("threshold", "`threshold` and a number from 2 on", |text| {
                small(text).filter(|number| (2..=MAX_SHARES).contains(number))
            })?,
            holder: lines.read("holder", "`holder` and their id", |text| text.parse().ok())?,
            number: lines.read("number", "`number` and a number from 1 on", |text| {
                small(text).filter(|number| (1..=MAX_SHARES).contains(number))
            })?,
            value: lines.read("share", "`share` and 32 bytes in base64", |text| {
                let mut bytes = decode_base64::<SECRET_BYTES>(text)?;
                let value = Zeroizing::new(bytes);
                bytes.zeroize();
                Some(value)
            })?,
        };
        lines.end()?;
        Ok(share)
    }
}

#[cfg(test)]
mod tests;
