//! Tokens signed by each algorithm, with keys that the library makes; and those that nobody of the set has signed.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::json;

use super::*;

const NOW: &str = "2026-11-25T12:00:00Z";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn tokens(keys: &serde_json::Value) -> Tokens {
    let issuer = Issuer {
        issuer: "https://i.example".to_owned(),
        audience: "records".to_owned(),
        scope: None,
        claim: "sub".to_owned(),
    };
    Tokens::new(
        issuer,
        Keys::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap(),
    )
}

fn signed(algorithm: &str, kid: Option<&str>, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let header = json!({ "alg": algorithm, "kid": kid });
    let claims = json!({ "iss": "https://i.example", "aud": "records", "exp": 2_000_000_000, "sub": "u" });
    let text = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = sign(text.as_bytes());
    format!("{text}.{}", encode(signature))
}

fn whose(tokens: &Tokens, text: &str) -> Option<String> {
    tokens.whose(text, NOW.parse().unwrap()).unwrap()
}

#[test]
fn each_algorithm_is_taken_from_its_own_kind_of_key() {
    let random = SystemRandom::new();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let by_rsa = |message: &[u8]| {
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
            .unwrap();
        signature
    };
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let by_p256 = |message: &[u8]| p256.sign(&random, message).unwrap().as_ref().to_vec();
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let by_ed25519 = |message: &[u8]| ed25519.sign(message).as_ref().to_vec();

    // PKCS #1: a sequence of n, behind 9 bytes of heads and sign, and e, behind 2.
    let public = rsa.public_key().as_ref();
    let (n, e) = (encode(&public[9..265]), encode(&public[267..]));
    let point = p256.public_key().as_ref();
    let set = json!([
        { "kty": "oct", "k": "c2VjcmV0" },
        { "kty": "RSA", "kid": "r", "alg": "RS256", "n": n, "e": e },
        { "kty": "EC", "kid": "p", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) },
        { "kty": "OKP", "kid": "e", "use": "sig", "crv": "Ed25519", "x": encode(ed25519.public_key()) },
    ]);
    let tokens = tokens(&set);
    for (algorithm, kid, text) in [
        ("RS256", "r", signed("RS256", Some("r"), by_rsa)),
        ("ES256", "p", signed("ES256", Some("p"), by_p256)),
        ("EdDSA", "e", signed("EdDSA", Some("e"), by_ed25519)),
    ] {
        assert_eq!(
            whose(&tokens, &text).as_deref(),
            Some("u"),
            "{algorithm} by {kid}"
        );
        let (head, _) = text.rsplit_once('.').unwrap();
        for other in ["", "AAAA", &encode([0; 64]), &encode([0; 256])] {
            assert_eq!(
                whose(&tokens, &format!("{head}.{other}")),
                None,
                "{algorithm}: {other}"
            );
        }
    }
    // A key without its name is looked for; one of another name, or of another algorithm, is not it.
    assert!(whose(&tokens, &signed("ES256", None, by_p256)).is_some());
    assert_eq!(whose(&tokens, &signed("ES256", Some("r"), by_p256)), None);
    assert_eq!(whose(&tokens, &signed("EdDSA", None, by_p256)), None);
    assert_eq!(whose(&tokens, &signed("RS256", Some("p"), by_p256)), None);
    // Keys are exchanged.
    let only = json!({ "keys": [set[2]] }).to_string();
    tokens.keys_are(Keys::parse(only.as_bytes()).unwrap());
    assert!(whose(&tokens, &signed("ES256", None, by_p256)).is_some());
    assert_eq!(whose(&tokens, &signed("EdDSA", None, by_ed25519)), None);
}

#[test]
fn sets_without_a_key_that_serves_are_refused() {
    for keys in [
        json!([]),
        json!([{ "kty": "oct", "k": "c2VjcmV0" }]),
        json!([{ "kty": "OKP", "crv": "Ed25519", "x": encode([1; 31]) }]),
        json!([{ "kty": "OKP", "crv": "Ed25519", "x": encode([1; 32]), "use": "enc" }]),
        json!([{ "kty": "EC", "crv": "P-256", "x": encode([1; 32]), "y": encode([1; 32]) }]),
    ] {
        let set = json!({ "keys": keys }).to_string();
        assert!(
            matches!(Keys::parse(set.as_bytes()), Err(KeysError::None)),
            "{set}"
        );
    }
    assert!(matches!(Keys::parse(b"{}"), Err(KeysError::Form(_))));
}
