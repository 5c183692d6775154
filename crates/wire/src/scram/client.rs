//! The client's side of SCRAM: how the gateway logs in to PostgreSQL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use super::message::{attribute, decode, printable, text};
use super::verifier::SALT_BYTES_MAX;
use super::{
    EndPoint, ITERATIONS_MAX, ITERATIONS_MIN, Key, Nonce, Password, SCRAM_SHA_256, SCRAM_SHA_256_PLUS,
    ScramError, hmac, sha256, xor,
};

/// Keys made of a password for one salt: kept between logins, they save the hashing.
#[derive(Clone)]
pub struct Keys {
    salt: Vec<u8>,
    iterations: u32,
    client_key: Key,
    server_key: Key,
}

impl Keys {
    fn derive(password: &Password, salt: Vec<u8>, iterations: u32) -> Self {
        let salted = password.salted(&salt, iterations);
        let derive = |what: &[u8]| hmac(salted.as_slice(), &[what]);
        Self {
            salt,
            iterations,
            client_key: derive(b"Client Key"),
            server_key: derive(b"Server Key"),
        }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// Proof that the server knows the verifier of the password. Only [`AwaitLast::last`] makes it.
#[derive(Debug)]
#[must_use]
pub struct ServerProved(());

/// Waits for the server's challenge.
#[derive(Debug)]
pub struct AwaitFirst {
    header: String,
    binding: Vec<u8>,
    nonce: String,
    bare: String,
    mechanism: &'static str,
}

/// Waits for the server's proof.
pub struct AwaitLast {
    keys: Keys,
    signature: Key,
}

/// Chooses the mechanism among those `offered` and begins. With an end point, channel binding is used if it is offered.
///
/// # Errors
/// [`ScramError::Mechanism`] if neither mechanism is offered.
pub fn begin<'o>(
    offered: impl IntoIterator<Item = &'o str>,
    end_point: Option<&EndPoint>,
    nonce: Nonce,
) -> Result<AwaitFirst, ScramError> {
    let (mut plain, mut plus) = (false, false);
    for name in offered {
        plain |= name == SCRAM_SHA_256;
        plus |= name == SCRAM_SHA_256_PLUS;
    }
    let (mechanism, header, data) = match end_point {
        Some(end_point) if plus => (
            SCRAM_SHA_256_PLUS,
            "p=tls-server-end-point,,",
            end_point.0.as_slice(),
        ),
        Some(_) if plain => (SCRAM_SHA_256, "y,,", [].as_slice()),
        None if plain => (SCRAM_SHA_256, "n,,", [].as_slice()),
        _ => return Err(ScramError::Mechanism),
    };
    let binding = [header.as_bytes(), data].concat();
    // The name is that of the start-up message; PostgreSQL ignores this one.
    let bare = format!("n=,r={}", nonce.0);
    Ok(AwaitFirst {
        header: header.to_owned(),
        binding,
        nonce: nonce.0,
        bare,
        mechanism,
    })
}

impl AwaitFirst {
    /// The mechanism chosen.
    #[must_use]
    pub fn mechanism(&self) -> &'static str {
        self.mechanism
    }

    /// The data of SASLInitialResponse.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{}{}", self.header, self.bare)
    }

    /// Takes the server's challenge; gives the data of SASLResponse. Keys of an earlier login are used if they fit.
    ///
    /// # Errors
    /// [`ScramError`] `Malformed` or `Iterations`.
    pub fn first(
        self,
        data: &[u8],
        password: &Password,
        known: Option<&Keys>,
    ) -> Result<(AwaitLast, String), ScramError> {
        let challenge = text(data)?;
        let (nonce, rest) = attribute(challenge, "r", "no nonce")?;
        let (salt, rest) = attribute(rest.unwrap_or_default(), "s", "no salt")?;
        let (iterations, _extensions) = attribute(rest.unwrap_or_default(), "i", "no iterations")?;
        if !printable(nonce) || nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(ScramError::Malformed("nonce does not begin with ours"));
        }
        let salt = decode(salt, "salt is not base64")?;
        if !(1..=SALT_BYTES_MAX).contains(&salt.len()) {
            return Err(ScramError::Malformed("salt is empty or too long"));
        }
        let iterations: u32 = iterations
            .parse()
            .map_err(|_| ScramError::Malformed("iterations are not a number"))?;
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            return Err(ScramError::Iterations(iterations));
        }
        let keys = match known {
            Some(known) if known.salt == salt && known.iterations == iterations => known.clone(),
            _ => Keys::derive(password, salt, iterations),
        };
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(&self.binding));
        let authenticated = format!("{},{challenge},{without_proof}", self.bare);
        let stored = sha256(keys.client_key.as_slice());
        let proof = xor(
            &keys.client_key,
            &hmac(stored.as_slice(), &[authenticated.as_bytes()]),
        );
        let signature = hmac(keys.server_key.as_slice(), &[authenticated.as_bytes()]);
        let answer = format!("{without_proof},p={}", STANDARD.encode(proof.as_slice()));
        Ok((AwaitLast { keys, signature }, answer))
    }
}

impl AwaitLast {
    /// Takes the server's last message. The keys may be kept for the next login with the same password.
    ///
    /// # Errors
    /// [`ScramError`] `ServerUnproved`, `ServerRefused` or `Malformed`.
    pub fn last(self, data: &[u8]) -> Result<(ServerProved, Keys), ScramError> {
        let message = text(data)?;
        if message.starts_with("e=") {
            return Err(ScramError::ServerRefused);
        }
        let (signature, _extensions) = attribute(message, "v", "no server signature")?;
        let signature = decode(signature, "server signature is not base64")?;
        if bool::from(signature.ct_eq(self.signature.as_slice())) {
            Ok((ServerProved(()), self.keys))
        } else {
            Err(ScramError::ServerUnproved)
        }
    }
}

impl std::fmt::Debug for AwaitLast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwaitLast").finish_non_exhaustive()
    }
}
