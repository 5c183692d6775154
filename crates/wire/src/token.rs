//! OAUTHBEARER (RFC 7628) as PostgreSQL 18 speaks it, and the tokens that come with it: JWTs (RFC 7519) signed in compact form
//! (RFC 7515). What is here takes a token apart and judges its claims; its signature is checked by whoever holds the keys, over
//! [`Token::signed`].

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use thiserror::Error;

#[cfg(test)]
mod tests;

/// The mechanism's name.
pub const OAUTHBEARER: &str = "OAUTHBEARER";

/// What a client says once it has read why its token was refused.
pub const ABANDONED: &[u8] = b"\x01";

/// Longest token, in bytes.
pub const TOKEN_BYTES_MAX: usize = 12 * 1024;

/// How far the issuer's clock may be from ours, in seconds.
pub const SKEW_SECONDS: i64 = 30;

/// Longest text of one claim that is looked at, in bytes.
pub const CLAIM_BYTES_MAX: usize = 1024;

/// Why there is no token to look at, or why it does not hold. Whoever sent it is told no more than that it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// The SASL message is not of RFC 7628's form.
    #[error("malformed OAUTHBEARER message: {0}")]
    Message(&'static str),
    /// The client asks where tokens come from, by an empty one.
    #[error("no token was sent")]
    Asked,
    /// Not three parts of base64url with JSON in the first two.
    #[error("the token is not a JWT in compact form")]
    Form,
    /// An algorithm that is not taken, `none` among them, or header parameters that must be understood and are not.
    #[error("the token is signed in a way that is not taken")]
    Algorithm,
    /// Of another issuer.
    #[error("the token is another issuer's")]
    Issuer,
    /// For somebody else.
    #[error("the token is not for this custodian")]
    Audience,
    /// Over, or without an end.
    #[error("the token has expired, or does not say when it does")]
    Expired,
    /// Not yet.
    #[error("the token does not hold yet")]
    NotYet,
    /// For something else.
    #[error("the token lacks the scope that is asked for")]
    Scope,
    /// It names nobody.
    #[error("the token does not say whose it is")]
    Nobody,
}

/// The algorithms that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256, the signature as two numbers of 32 bytes.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// The token of a client's first message.
///
/// # Errors
/// [`TokenError::Message`], or [`TokenError::Asked`] for an empty one.
pub fn bearer(message: &[u8]) -> Result<&str, TokenError> {
    let wrong = TokenError::Message;
    let text = std::str::from_utf8(message).map_err(|_| wrong("not UTF-8"))?;
    // `y`: the client could bind to the channel and thinks that we cannot, which for this mechanism is so.
    let rest = text
        .strip_prefix("n,")
        .or_else(|| text.strip_prefix("y,"))
        .ok_or(wrong("channel binding flag"))?;
    let rest = rest
        .strip_prefix(",\x01")
        .ok_or(wrong("authorization identity, or no separator"))?;
    let pairs = rest.strip_suffix("\x01\x01").ok_or(wrong("no end"))?;
    let mut auth = None;
    for pair in pairs.split('\x01') {
        let (key, value) = pair.split_once('=').ok_or(wrong("a pair without `=`"))?;
        let named = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic());
        let printed = value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
        if !named || !printed {
            return Err(wrong("a pair that is none"));
        }
        if key == "auth" && auth.replace(value).is_some() {
            return Err(wrong("`auth` twice"));
        }
    }
    let auth = auth.ok_or(wrong("no `auth`"))?;
    if auth.is_empty() {
        return Err(TokenError::Asked);
    }
    let (scheme, token) = auth.split_once(' ').ok_or(wrong("no token"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(wrong("another scheme than Bearer"));
    }
    let token = token.trim_start_matches(' ');
    let characters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(characters) {
        return Err(wrong("a token that is none"));
    }
    Ok(token)
}

/// A token, taken apart. Nothing of it holds before its signature was checked.
#[derive(Clone)]
pub struct Token<'a> {
    /// How it is signed.
    pub algorithm: Algorithm,
    /// By which of the issuer's keys, if it says so.
    pub key: Option<String>,
    /// What is signed.
    pub signed: &'a [u8],
    /// The signature.
    pub signature: Vec<u8>,
    claims: Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<serde_json::Value>,
    #[serde(default)]
    b64: Option<serde_json::Value>,
}

#[derive(Clone, Deserialize)]
struct Claims {
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    aud: Option<OneOrMore>,
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    scp: Option<OneOrMore>,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::More(more) => more.iter().any(|one| one == wanted),
        }
    }
}

/// What a token must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected<'a> {
    /// Whose it must be, to the letter.
    pub issuer: &'a str,
    /// For whom.
    pub audience: &'a str,
    /// For what, if anything is asked.
    pub scope: Option<&'a str>,
    /// Which claim says who comes: `sub` as a rule.
    pub claim: &'a str,
    /// The present, in seconds of Unix time.
    pub now: i64,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`TokenError::Form`] or [`TokenError::Algorithm`].
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Form);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Form)?;
        if claims.contains('.') {
            return Err(TokenError::Form);
        }
        let header: Header = json(header)?;
        let algorithm = match header.alg.as_str() {
            "RS256" => Algorithm::Rs256,
            "ES256" => Algorithm::Es256,
            "EdDSA" | "Ed25519" => Algorithm::EdDsa,
            _ => return Err(TokenError::Algorithm),
        };
        let other_kind = |typ: &String| {
            let typ = typ.to_ascii_lowercase();
            !matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
        };
        if header.crit.is_some() || header.b64.is_some() || header.typ.as_ref().is_some_and(other_kind) {
            return Err(TokenError::Algorithm);
        }
        Ok(Self {
            algorithm,
            key: header.kid,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
            claims: json(claims)?,
        })
    }

    /// Whose the token is, if it says what it must.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, expected: &Expected<'_>) -> Result<&str, TokenError> {
        let claims = &self.claims;
        if claims.iss.as_deref() != Some(expected.issuer) {
            return Err(TokenError::Issuer);
        }
        if !claims.aud.as_ref().is_some_and(|aud| aud.has(expected.audience)) {
            return Err(TokenError::Audience);
        }
        let now = seconds(expected.now);
        let skew = seconds(SKEW_SECONDS);
        // NaN cannot be written in JSON; what is no number is no claim.
        if !claims.exp.is_some_and(|exp| now < exp + skew) {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(|nbf| now + skew < nbf) {
            return Err(TokenError::NotYet);
        }
        let in_scope = |wanted: &str| {
            let scope = claims.scope.as_deref().unwrap_or_default();
            scope.split(' ').any(|one| one == wanted)
                || claims.scp.as_ref().is_some_and(|scp| scp.has(wanted))
        };
        if !expected.scope.is_none_or(in_scope) {
            return Err(TokenError::Scope);
        }
        let who = claims
            .others
            .get(expected.claim)
            .and_then(serde_json::Value::as_str);
        who.filter(|who| !who.is_empty() && who.len() <= CLAIM_BYTES_MAX)
            .ok_or(TokenError::Nobody)
    }
}

impl std::fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Times of Unix as JSON's numbers have them: exact for some hundred million years.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn seconds(time: i64) -> f64 {
    time as f64
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Form)
}

fn json<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    serde_json::from_slice(&decode(part)?).map_err(|_| TokenError::Form)
}

/// What a client is told whose token does not hold, or who asks where tokens come from: RFC 7628, section 3.2.2.
#[must_use]
pub fn refusal(issuer: &str, scope: Option<&str>) -> String {
    let configuration = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let mut said = serde_json::json!({
        "status": "invalid_token",
        "openid-configuration": configuration,
    });
    if let (Some(scope), Some(said)) = (scope, said.as_object_mut()) {
        said.insert("scope".to_owned(), scope.into());
    }
    said.to_string()
}
