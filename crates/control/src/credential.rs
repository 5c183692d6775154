//! Passwords of share roles: drawn here, kept by the gateways, known to the database only as a SCRAM verifier.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::ControlError;

/// Bytes of a password before encoding: nobody guesses 256 bits.
const PASSWORD_BYTES: usize = 32;

/// Bytes of a SCRAM salt, as PostgreSQL draws them (`SCRAM_DEFAULT_SALT_LEN`).
const SALT_BYTES: usize = 16;

/// SCRAM iterations, PostgreSQL's own number (`SCRAM_SHA_256_DEFAULT_ITERATIONS`). The password is random: more would buy
/// nothing.
const ITERATIONS: u32 = 4096;

/// Most iterations of a stored verifier that are computed to compare: a planted one must not keep us busy.
const MAX_ITERATIONS: u32 = 100_000;

/// What the register holds under `upstream/<role>`: JSON `{"password": "..."}`, and `"before"` beside it while it is being
/// renewed: until the database has committed the new password, that one is in force, and whoever is killed in between
/// leaves both.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    password: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(..)")
    }
}

impl Credential {
    /// A new one, at random.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn draw() -> Result<Self, ControlError> {
        let mut bytes = Zeroizing::new([0_u8; PASSWORD_BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(|_| ControlError::Random)?;
        Ok(Self {
            password: URL_SAFE_NO_PAD.encode(bytes.as_ref()),
            before: None,
        })
    }

    /// The one that follows it, with this one as what is in force before. A renewal that was begun is gone on with: which of
    /// its two is in force is not known, and both lead to the newer one.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn renewed(&self) -> Result<Self, ControlError> {
        if self.is_unsettled() {
            return Ok(self.clone());
        }
        let mut next = Self::draw()?;
        next.before = Some(self.password.clone());
        Ok(next)
    }

    /// The same, once the database has committed it.
    #[must_use]
    pub fn settled(&self) -> Self {
        Self {
            password: self.password.clone(),
            before: None,
        }
    }

    /// Whether the one before may still be in force.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.before.is_some()
    }

    /// The password. ASCII, so that SASLprep (RFC 4013) leaves it as it is.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.password
    }

    /// A verifier for `ALTER ROLE ... PASSWORD`, with a salt drawn now: the server never sees the password.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn verifier(&self) -> Result<String, ControlError> {
        let mut salt = [0_u8; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| ControlError::Random)?;
        Ok(verifier_of(&self.password, &salt, ITERATIONS))
    }

    /// Whether a stored verifier is one of this password, or of the one before it while it is being renewed.
    #[must_use]
    pub fn fits(&self, verifier: &str) -> bool {
        let Some((salt, iterations)) = salt_of(verifier) else {
            return false;
        };
        let fits = |password: &str| {
            let ours = Zeroizing::new(verifier_of(password, &salt, iterations));
            bool::from(ours.as_bytes().ct_eq(verifier.as_bytes()))
        };
        fits(&self.password) || self.before.as_deref().is_some_and(fits)
    }
}

/// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` (RFC 5802 section 3, PostgreSQL `scram_build_secret`).
fn verifier_of(password: &str, salt: &[u8], iterations: u32) -> String {
    let salted = Zeroizing::new(pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(
        password.as_bytes(),
        salt,
        iterations,
    ));
    let client_key = keyed(salted.as_ref(), b"Client Key");
    let stored_key = STANDARD.encode(Sha256::digest(client_key));
    let server_key = STANDARD.encode(keyed(salted.as_ref(), b"Server Key"));
    format!(
        "SCRAM-SHA-256${iterations}:{}${stored_key}:{server_key}",
        STANDARD.encode(salt)
    )
}

fn keyed(key: &[u8], message: &[u8]) -> [u8; 32] {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(message);
            mac.finalize().into_bytes().into()
        }
        // HMAC takes keys of any length; zeros would only make a verifier that fits nothing.
        Err(_) => [0; 32],
    }
}

fn salt_of(verifier: &str) -> Option<(Vec<u8>, u32)> {
    let (head, _) = verifier.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
    let (iterations, salt) = head.split_once(':')?;
    let iterations: u32 = iterations.parse().ok()?;
    ((1..=MAX_ITERATIONS).contains(&iterations)).then_some((STANDARD.decode(salt).ok()?, iterations))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_fits_its_own_password_only() {
        let (one, other) = (Credential::draw().unwrap(), Credential::draw().unwrap());
        let verifier = one.verifier().unwrap();
        assert!(one.fits(&verifier));
        assert!(!other.fits(&verifier));
        assert!(!one.fits(&verifier.replace("4096", "4097")));
    }

    #[test]
    fn the_verifier_is_that_of_rfc_7677() {
        // The example of RFC 7677 section 3: user `user`, password `pencil`. The server's last message is its signature
        // by ServerKey over what was said before.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = verifier_of("pencil", &salt, 4096);
        let server_key = STANDARD.decode(verifier.rsplit(':').next().unwrap()).unwrap();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let said = format!(
            "n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}"
        );
        let signature = STANDARD.encode(keyed(&server_key, said.as_bytes()));
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_renewal_holds_both_until_it_is_settled_and_is_gone_on_with() {
        let one = Credential::draw().unwrap();
        let next = one.renewed().unwrap();
        assert_ne!(one.reveal(), next.reveal());
        assert!(next.fits(&one.verifier().unwrap()) && next.fits(&next.verifier().unwrap()));
        assert_eq!(next.renewed().unwrap().reveal(), next.reveal());
        let settled = next.settled();
        assert!(!settled.fits(&one.verifier().unwrap()) && settled.fits(&next.verifier().unwrap()));
        assert_ne!(settled.renewed().unwrap().reveal(), settled.reveal());
        let kept = serde_json::to_string(&settled).unwrap();
        assert!(!kept.contains("before") && !kept.contains(one.reveal()));
    }

    #[test]
    fn what_is_no_verifier_fits_nothing() {
        let one = Credential::draw().unwrap();
        for text in [
            "",
            "md5abc",
            "SCRAM-SHA-256$",
            "SCRAM-SHA-256$0:AA==$x:y",
            "SCRAM-SHA-256$4000000000:AA==$x:y",
        ] {
            assert!(!one.fits(text), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let one = Credential::draw().unwrap();
        assert!(!format!("{one:?}").contains(one.reveal()));
    }
}
