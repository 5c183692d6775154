//! Tests of `token`: what is taken for a token, and what of it must hold. Signatures are tested where they are checked.

use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_800_000_000;

fn expected() -> Expected<'static> {
    Expected {
        issuer: "https://i.example",
        audience: "records",
        scope: Some("sql"),
        claim: "sub",
        now: NOW,
    }
}

fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn compact(header: &str, claims: &str) -> String {
    format!("{}.{}.c2ln", encode(header), encode(claims))
}

fn judged(claims: &str) -> Result<String, TokenError> {
    let text = compact(r#"{"alg":"RS256"}"#, claims);
    Token::parse(&text)?.judge(&expected()).map(str::to_owned)
}

#[test]
fn a_first_message_has_one_bearer() {
    assert_eq!(bearer(b"n,,\x01auth=Bearer a.b-c_~+/=\x01\x01"), Ok("a.b-c_~+/="));
    assert_eq!(
        bearer(b"y,,\x01host=x\x01auth=bEARER   t\x01port=1\x01\x01"),
        Ok("t")
    );
    assert_eq!(bearer(b"n,,\x01auth=\x01\x01"), Err(TokenError::Asked));
    let wrong: [&[u8]; 12] = [
        b"",
        b"n,,",
        b"p=tls-unique,,\x01auth=Bearer t\x01\x01",
        b"n,a=somebody,\x01auth=Bearer t\x01\x01",
        b"n,,\x01auth=Bearer t\x01",
        b"n,,\x01auth=Basic t\x01\x01",
        b"n,,\x01auth=Bearer\x01\x01",
        b"n,,\x01auth=Bearer t u\x01\x01",
        b"n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01",
        b"n,,\x01host=x\x01\x01",
        b"n,,\x01au th=Bearer t\x01\x01",
        b"n,,\x01auth=Bearer \xff\x01\x01",
    ];
    for message in wrong {
        assert!(
            matches!(bearer(message), Err(TokenError::Message(_))),
            "{message:?}"
        );
    }
}

#[test]
fn only_what_is_on_the_list_is_a_way_to_sign() {
    let parsed = |header: &str| Token::parse(&compact(header, "{}")).map(|token| token.algorithm);
    assert_eq!(parsed(r#"{"alg":"RS256","typ":"JWT"}"#), Ok(Algorithm::Rs256));
    assert_eq!(
        parsed(r#"{"alg":"ES256","typ":"application/at+jwt"}"#),
        Ok(Algorithm::Es256)
    );
    assert_eq!(parsed(r#"{"alg":"EdDSA"}"#), Ok(Algorithm::EdDsa));
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"RS1"}"#,
        r#"{"alg":"RS256","crit":["exp"]}"#,
        r#"{"alg":"RS256","b64":false}"#,
        r#"{"alg":"RS256","typ":"secevent+jwt"}"#,
    ] {
        assert_eq!(parsed(header), Err(TokenError::Algorithm), "{header}");
    }
    for header in [
        r#"{}"#,
        r#"{"alg":1}"#,
        r#"{"alg":"RS256","alg":"none"}"#,
        "[]",
        "",
    ] {
        assert_eq!(parsed(header), Err(TokenError::Form), "{header}");
    }
    for text in ["", "a", "a.b", "a.b.c.d", "....", "e30.e30.*"] {
        assert!(Token::parse(text).is_err(), "{text}");
    }
}

#[test]
fn every_claim_must_hold() {
    let good = format!(
        r#"{{"iss":"https://i.example","aud":"records","exp":{},"scope":"a sql b","sub":"u"}}"#,
        NOW + 60
    );
    assert_eq!(judged(&good), Ok("u".to_owned()));
    let changed = |from: &str, to: &str| judged(&good.replace(from, to));
    assert_eq!(
        changed("https://i.example", "https://i.example/"),
        Err(TokenError::Issuer)
    );
    assert_eq!(
        changed(r#""aud":"records""#, r#""aud":["x","records"]"#),
        Ok("u".to_owned())
    );
    assert_eq!(changed("records", "record"), Err(TokenError::Audience));
    assert_eq!(changed(r#""aud":"records","#, ""), Err(TokenError::Audience));
    let exp = |exp: String| changed(&(NOW + 60).to_string(), &exp);
    assert_eq!(exp((NOW - SKEW_SECONDS).to_string()), Err(TokenError::Expired));
    assert_eq!(exp((NOW - SKEW_SECONDS + 1).to_string()), Ok("u".to_owned()));
    assert_eq!(exp("null".to_owned()), Err(TokenError::Expired));
    assert_eq!(exp(r#""9999999999""#.to_owned()), Err(TokenError::Form));
    assert_eq!(exp("1e999".to_owned()), Err(TokenError::Form));
    let nbf = |at: i64| changed(r#""sub""#, &format!(r#""nbf":{at},"sub""#));
    assert_eq!(nbf(NOW + SKEW_SECONDS + 1), Err(TokenError::NotYet));
    assert_eq!(nbf(NOW + SKEW_SECONDS), Ok("u".to_owned()));
    assert_eq!(changed("a sql b", "a sqlx b"), Err(TokenError::Scope));
    assert_eq!(
        changed(r#""scope":"a sql b""#, r#""scp":["sql"]"#),
        Ok("u".to_owned())
    );
    assert_eq!(changed(r#""sub":"u""#, r#""sub":"""#), Err(TokenError::Nobody));
    assert_eq!(changed(r#""sub":"u""#, r#""sub":7"#), Err(TokenError::Nobody));
    assert_eq!(
        changed(r#""sub":"u""#, r#""iss":"https://i.example""#),
        Err(TokenError::Form)
    );
}

#[test]
fn a_refusal_says_where_tokens_come_from() {
    let said: serde_json::Value = serde_json::from_str(&refusal("https://i.example/", Some("sql"))).unwrap();
    assert_eq!(
        said["openid-configuration"],
        "https://i.example/.well-known/openid-configuration"
    );
    assert_eq!(
        (&said["status"], &said["scope"]),
        (&"invalid_token".into(), &"sql".into())
    );
}

proptest! {
    /// Bytes that a stranger has chosen are answered, never with a panic.
    #[test]
    fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(text) = bearer(&bytes) {
            let _ = Token::parse(text);
        }
        let _ = Token::parse(&String::from_utf8_lossy(&bytes));
    }

    /// Nor is JSON of any shape in the right places.
    #[test]
    fn no_json_is_too_strange(header in "\\PC{0,60}", claims in "[\\[{\"a-z:,0-9}\\]]{0,80}") {
        for header in [header.as_str(), r#"{"alg":"RS256"}"#] {
            if let Ok(token) = Token::parse(&compact(header, &claims)) {
                let _ = token.judge(&expected());
            }
        }
    }
}
