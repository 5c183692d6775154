//! Tokens of an issuer, signed as it would, and those that are not.

use std::io::Write as _;
use std::process::{Command, Stdio};

use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};

use crate::stage::office::Office;
use crate::stage::root;
use crate::{ISSUER, run};

/// Base64 of the URL's kind, without padding.
fn encode(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for at in 0..=three.len() {
            let index = usize::try_from(word >> (18 - 6 * at) & 63).unwrap();
            text.push(char::from(LETTERS[index]));
        }
    }
    text
}

/// The issuer's set of keys.
pub(crate) fn keys(key: &KeyPair) -> String {
    let x = encode(key.der_bytes());
    json!({ "keys": [
        { "kty": "oct", "k": "c2VjcmV0", "kid": "shared" },
        { "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "one", "use": "sig" },
    ] })
    .to_string()
}

fn token(key: &KeyPair, header: &Value, claims: &Value) -> String {
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let signature = encode(&key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

fn good() -> (Value, Value) {
    let now = estop::clock::now().as_second();
    let claims = json!({ "iss": ISSUER, "aud": ["others", "records"], "sub": "u-17", "scope": "openid sql",
        "iat": now, "nbf": now, "exp": now + 600 });
    (json!({ "alg": "EdDSA", "kid": "one", "typ": "at+jwt" }), claims)
}

/// Every token, and whether it must be taken.
fn tried(key: &KeyPair) -> Vec<(String, String, bool)> {
    let now = estop::clock::now().as_second();
    let (header, claims) = good();
    let with = |of: &Value, name: &str, value: Value| {
        let mut changed = of.clone();
        changed[name] = value;
        changed
    };
    let mut all = vec![("as it should be".to_owned(), token(key, &header, &claims), true)];
    let wrong_claims = [
        ("another issuer", "iss", json!("https://login.city.example/")),
        ("for others", "aud", json!("other")),
        ("over", "exp", json!(now - 60)),
        ("without an end", "exp", Value::Null),
        ("not yet", "nbf", json!(now + 600)),
        ("without the scope", "scope", json!("openid sqlx")),
        ("another officer's", "sub", json!("u-18")),
        ("nobody's", "sub", Value::Null),
    ];
    for (name, claim, value) in wrong_claims {
        all.push((
            name.to_owned(),
            token(key, &header, &with(&claims, claim, value)),
            false,
        ));
    }
    let wrong_headers = [
        ("no algorithm", "alg", json!("none")),
        ("a shared secret", "alg", json!("HS256")),
        ("another algorithm", "alg", json!("ES256")),
        ("an unknown key", "kid", json!("two")),
        ("what must be understood", "crit", json!(["x"])),
        ("another kind", "typ", json!("dpop+jwt")),
    ];
    for (name, member, value) in wrong_headers {
        all.push((
            name.to_owned(),
            token(key, &with(&header, member, value), &claims),
            false,
        ));
    }
    let stranger = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    all.push((
        "another's signature".to_owned(),
        token(&stranger, &header, &claims),
        false,
    ));
    let whole = token(key, &header, &claims);
    let (signed, _) = whole.rsplit_once('.').unwrap();
    all.push(("no signature".to_owned(), format!("{signed}."), false));
    all.push(("no token".to_owned(), "x".to_owned(), false));
    all
}

/// A SASL client of RFC 7628 shows them.
pub(crate) fn all(office: &Office, key: &KeyPair) {
    let mut python = Command::new("/usr/bin/python3");
    python
        .arg(root("tests/drivers/tokens.py"))
        .arg(office.login("university").conninfo())
        .arg(ISSUER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let tried = serde_json::to_string(&tried(key)).unwrap();
    child.stdin.take().unwrap().write_all(tried.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (said, error) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}{error}");
    assert!(said.lines().count() >= 22, "{said}");
}

/// libpq 18 asks where tokens come from, and shows one that its application gives it.
pub(crate) fn by_libpq(office: &Office, key: &KeyPair, library: &str, libraries: &str) {
    let (header, claims) = good();
    let mut python = Command::new("/usr/bin/python3");
    python.env("LD_LIBRARY_PATH", libraries);
    let conninfo = format!(
        "{} oauth_issuer={ISSUER} oauth_client_id=psql require_auth=oauth",
        office.login("university").conninfo()
    );
    let lines = run(python.arg(root("tests/drivers/libpq_token.py")).args([
        library,
        &conninfo,
        &token(key, &header, &claims),
        ISSUER,
    ]));
    assert!(lines.contains("ok a session by a token"), "{lines}");
}
