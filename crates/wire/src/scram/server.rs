//! The server's side of SCRAM: it lets a client prove that it knows the password, and proves that it knows the verifier.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq as _};

use super::message::{First, Flag, Last};
use super::{
    EndPoint, KEY_BYTES, Key, Mock, Nonce, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramError, Verifier, hmac,
    sha256, xor,
};
use zeroize::Zeroizing;

/// Proof that a client knows the password of the verifier that the exchange began with. Only [`AwaitLast::last`] makes it.
#[derive(Debug)]
#[must_use]
pub struct Authenticated(());

/// Waits for the client's choice of mechanism and first message.
#[derive(Debug)]
pub struct AwaitFirst {
    verifier: Verifier,
    known: Choice,
    end_point: Option<EndPoint>,
}

/// Waits for the client's proof.
pub struct AwaitLast {
    verifier: Verifier,
    known: Choice,
    /// GS2 header and binding data, as they must come back.
    binding: Vec<u8>,
    /// Both nonces.
    nonce: String,
    /// First messages of both sides, each with a comma behind it.
    so_far: String,
}

impl AwaitFirst {
    /// For the user of this name and their verifier, if they exist. `end_point` is there if the connection is encrypted by
    /// a certificate of ours; then channel binding is offered.
    #[must_use]
    pub fn new(user: &str, verifier: Option<&Verifier>, mock: &Mock, end_point: Option<EndPoint>) -> Self {
        // Made in both cases, so that both take the same time.
        let stand_in = mock.verifier(user);
        let known = Choice::from(u8::from(verifier.is_some()));
        Self {
            verifier: verifier.cloned().unwrap_or(stand_in),
            known,
            end_point,
        }
    }

    /// What to offer in AuthenticationSASL.
    #[must_use]
    pub fn mechanisms(&self) -> &'static [&'static str] {
        match self.end_point {
            Some(_) => &[SCRAM_SHA_256_PLUS, SCRAM_SHA_256],
            None => &[SCRAM_SHA_256],
        }
    }

    /// Takes the client's first message; gives the data of AuthenticationSASLContinue.
    ///
    /// # Errors
    /// [`ScramError`] `Mechanism`, `Malformed` or `Binding`.
    pub fn first(
        self,
        mechanism: &str,
        data: &[u8],
        nonce: &Nonce,
    ) -> Result<(AwaitLast, String), ScramError> {
        if !self.mechanisms().contains(&mechanism) {
            return Err(ScramError::Mechanism);
        }
        let plus = mechanism == SCRAM_SHA_256_PLUS;
        let first = First::parse(data)?;
        let mut binding = first.header.as_bytes().to_vec();
        match (first.flag, &self.end_point) {
            (Flag::Uses("tls-server-end-point"), Some(end_point)) if plus => {
                binding.extend_from_slice(&end_point.0)
            }
            (Flag::Uses(_), Some(_)) if plus => {
                return Err(ScramError::Binding("unsupported channel binding type"));
            }
            _ if plus => {
                return Err(ScramError::Binding(
                    "the mechanism needs channel binding, the client does not use it",
                ));
            }
            (Flag::Uses(_), _) => {
                return Err(ScramError::Binding(
                    "the mechanism has no channel binding, the client uses it",
                ));
            }
            // Someone took our offer of channel binding out.
            (Flag::Could, Some(_)) => {
                return Err(ScramError::Binding(
                    "the client supports channel binding but thinks the server does not",
                ));
            }
            (Flag::Could, None) | (Flag::Cannot, _) => {}
        }
        let nonce = format!("{}{}", first.nonce, nonce.0);
        let challenge = format!(
            "r={nonce},s={},i={}",
            STANDARD.encode(&self.verifier.salt),
            self.verifier.iterations
        );
        let so_far = format!("{},{challenge},", first.bare);
        Ok((
            AwaitLast {
                verifier: self.verifier,
                known: self.known,
                binding,
                nonce,
                so_far,
            },
            challenge,
        ))
    }
}

impl AwaitLast {
    /// Takes the client's last message; gives the data of AuthenticationSASLFinal.
    ///
    /// # Errors
    /// [`ScramError`] `Malformed`, `Binding`, or `Rejected` for a wrong password and an unknown user alike.
    pub fn last(self, data: &[u8]) -> Result<(Authenticated, String), ScramError> {
        let last = Last::parse(data)?;
        if last.binding != self.binding {
            return Err(ScramError::Binding("binding data is not that of this connection"));
        }
        if last.nonce != self.nonce {
            return Err(ScramError::Malformed("nonce is not the one of this exchange"));
        }
        let proof: Key = match <[u8; KEY_BYTES]>::try_from(last.proof.as_slice()) {
            Ok(proof) => Zeroizing::new(proof),
            Err(_) => return Err(ScramError::Malformed("proof is not of 32 bytes")),
        };
        let parts: [&[u8]; 2] = [self.so_far.as_bytes(), last.without_proof.as_bytes()];
        let client_key = xor(&proof, &hmac(self.verifier.stored_key.as_slice(), &parts));
        let right = sha256(client_key.as_slice()).ct_eq(self.verifier.stored_key.as_slice());
        let signature = hmac(self.verifier.server_key.as_slice(), &parts);
        if bool::from(right & self.known) {
            Ok((
                Authenticated(()),
                format!("v={}", STANDARD.encode(signature.as_slice())),
            ))
        } else {
            Err(ScramError::Rejected)
        }
    }
}

impl std::fmt::Debug for AwaitLast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwaitLast").finish_non_exhaustive()
    }
}
