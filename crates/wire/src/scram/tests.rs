//! Tests of `scram`: the RFC's vector, both sides against one another, and what must not get through.

use proptest::collection::vec;
use proptest::prelude::*;

use super::server::AwaitLast;
use super::*;

const CLIENT_FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

/// The verifier of "pencil", as PostgreSQL keeps it.
const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==\
    $WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

fn pencil() -> Verifier {
    PENCIL.parse().unwrap()
}

fn mock() -> Mock {
    Mock::new([5; 32], ITERATIONS_MIN)
}

fn nonce(byte: u8) -> Nonce {
    Nonce::new(&[byte; NONCE_BYTES])
}

/// The server of RFC 7677's example, waiting for the client's proof.
fn rfc_7677() -> AwaitLast {
    let server = server::AwaitFirst::new("user", Some(&pencil()), &mock(), None);
    let nonce = Nonce("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned());
    let (server, challenge) = server.first(SCRAM_SHA_256, CLIENT_FIRST, &nonce).unwrap();
    assert_eq!(challenge, SERVER_FIRST);
    server
}

#[test]
fn rfc_7677_example_is_followed() {
    let (_authenticated, last) = rfc_7677().last(CLIENT_FINAL.as_bytes()).unwrap();
    assert_eq!(last, SERVER_FINAL);
}

#[test]
fn any_changed_byte_of_the_proof_is_refused() {
    for place in 0..CLIENT_FINAL.len() {
        for change in [1, 4, 0x20] {
            let mut message = CLIENT_FINAL.as_bytes().to_vec();
            message[place] ^= change;
            assert!(rfc_7677().last(&message).is_err(), "{place}");
        }
    }
    for end in 0..CLIENT_FINAL.len() {
        assert!(rfc_7677().last(&CLIENT_FINAL.as_bytes()[..end]).is_err(), "{end}");
    }
}

/// A whole exchange between our client and our server.
fn exchange(
    password: &str,
    verifier: Option<&Verifier>,
    ours: Option<EndPoint>,
    theirs: Option<&EndPoint>,
) -> Result<&'static str, ScramError> {
    let server = server::AwaitFirst::new("ann", verifier, &mock(), ours);
    let client = client::begin(server.mechanisms().iter().copied(), theirs, nonce(1))?;
    let mechanism = client.mechanism();
    let (server, challenge) = server.first(mechanism, client.message().as_bytes(), &nonce(2))?;
    let (client, answer) = client.first(challenge.as_bytes(), &Password::new(password), None)?;
    let (_authenticated, last) = server.last(answer.as_bytes())?;
    let (_proved, _keys) = client.last(last.as_bytes())?;
    Ok(mechanism)
}

#[test]
fn both_sides_agree() {
    assert_eq!(exchange("pencil", Some(&pencil()), None, None), Ok(SCRAM_SHA_256));
    let end_point = || Some(EndPoint::new(&[9; 32]));
    assert_eq!(
        exchange("pencil", Some(&pencil()), end_point(), end_point().as_ref()),
        Ok(SCRAM_SHA_256_PLUS)
    );
    // A client that does not bind is taken by a server that could.
    assert_eq!(
        exchange("pencil", Some(&pencil()), end_point(), None),
        Ok(SCRAM_SHA_256)
    );
    assert_eq!(
        exchange("pencil", Some(&pencil()), None, end_point().as_ref()),
        Ok(SCRAM_SHA_256)
    );
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    assert_eq!(
        exchange("pencils", Some(&pencil()), None, None),
        Err(ScramError::Rejected)
    );
    assert_eq!(exchange("pencil", None, None, None), Err(ScramError::Rejected));
    let challenge = |user: &str, verifier: Option<&Verifier>| {
        let server = server::AwaitFirst::new(user, verifier, &mock(), None);
        server.first(SCRAM_SHA_256, CLIENT_FIRST, &nonce(2)).unwrap().1
    };
    assert_eq!(challenge("nobody", None), challenge("nobody", None));
    assert_ne!(challenge("nobody", None), challenge("somebody", None));
    assert_eq!(
        challenge("nobody", None).len(),
        challenge("user", Some(&pencil())).len()
    );
}

#[test]
fn no_password_fits_an_unknown_user() {
    // Not even the keys that the stand-in was made of.
    let stand_in = mock().verifier("nobody");
    let server = server::AwaitFirst::new("nobody", None, &mock(), None);
    let (server, challenge) = server.first(SCRAM_SHA_256, b"n,,n=,r=a", &nonce(2)).unwrap();
    let nonce = challenge.split(',').next().unwrap();
    let without_proof = format!("c=biws,{nonce}");
    let signed = format!("n=,r=a,{challenge},{without_proof}");
    let signature = hmac(stand_in.stored_key.as_slice(), &[signed.as_bytes()]);
    let answer = format!("{without_proof},p={}", STANDARD.encode(signature.as_slice()));
    assert_eq!(server.last(answer.as_bytes()).unwrap_err(), ScramError::Rejected);
}

#[test]
fn another_certificate_is_noticed() {
    let (ours, theirs) = (Some(EndPoint::new(&[9; 32])), Some(EndPoint::new(&[8; 32])));
    assert!(matches!(
        exchange("pencil", Some(&pencil()), ours, theirs.as_ref()),
        Err(ScramError::Binding(_))
    ));
}

#[test]
fn channel_binding_flags_must_fit_the_mechanism() {
    let first = |binds: bool, mechanism: &str, flag: &str| {
        let end_point = binds.then(|| EndPoint::new(&[9; 32]));
        let server = server::AwaitFirst::new("ann", Some(&pencil()), &mock(), end_point);
        server
            .first(mechanism, format!("{flag},,n=,r=abc").as_bytes(), &nonce(2))
            .map(|_| ())
    };
    assert_eq!(first(false, SCRAM_SHA_256, "n"), Ok(()));
    assert_eq!(first(false, SCRAM_SHA_256, "y"), Ok(()));
    assert_eq!(first(true, SCRAM_SHA_256, "n"), Ok(()));
    assert_eq!(first(true, SCRAM_SHA_256_PLUS, "p=tls-server-end-point"), Ok(()));
    assert_eq!(
        first(false, SCRAM_SHA_256_PLUS, "p=tls-server-end-point"),
        Err(ScramError::Mechanism)
    );
    assert_eq!(first(false, "SCRAM-SHA-1", "n"), Err(ScramError::Mechanism));
    for (binds, mechanism, flag) in [
        (false, SCRAM_SHA_256, "p=tls-server-end-point"),
        (true, SCRAM_SHA_256, "y"),
        (true, SCRAM_SHA_256, "p=tls-server-end-point"),
        (true, SCRAM_SHA_256_PLUS, "n"),
        (true, SCRAM_SHA_256_PLUS, "y"),
        (true, SCRAM_SHA_256_PLUS, "p=tls-unique"),
    ] {
        assert!(
            matches!(first(binds, mechanism, flag), Err(ScramError::Binding(_))),
            "{binds} {mechanism} {flag}"
        );
    }
}

#[test]
fn malformed_first_messages_are_refused() {
    let long = format!("n,,n=,r={}", "x".repeat(MESSAGE_BYTES_MAX));
    for message in [
        "",
        "n",
        "n,",
        "n,,",
        "x,,n=,r=a",
        "n,a=admin,n=,r=a",
        "n,,m=x,n=,r=a",
        "n,,r=a",
        "n,,n=",
        "n,,n=,r=",
        "n,,n=,r=a b",
        "n,,n=,r=é",
        "n,,n=,r=a,nonsense",
        "n,,n=,r=a,1=x",
        "n,,n=,r=a,",
        "n,,n=\0,r=a",
        "p,,n=,r=a",
        long.as_str(),
    ] {
        let server = server::AwaitFirst::new("ann", Some(&pencil()), &mock(), None);
        let outcome = server.first(SCRAM_SHA_256, message.as_bytes(), &nonce(2));
        assert!(matches!(outcome, Err(ScramError::Malformed(_))), "{message:?}");
    }
    let server = server::AwaitFirst::new("ann", Some(&pencil()), &mock(), None);
    assert!(
        server
            .first(SCRAM_SHA_256, b"n,,n=any,r=a,x=extension", &nonce(2))
            .is_ok()
    );
}

#[test]
fn a_client_refuses_a_server_that_cheats() {
    let begin = || client::begin([SCRAM_SHA_256], None, nonce(1)).unwrap();
    let message = begin().message();
    let ours = message.strip_prefix("n,,n=,r=").unwrap();
    let first = |challenge: String| {
        begin()
            .first(challenge.as_bytes(), &Password::new("pencil"), None)
            .map(|_| ())
    };
    assert_eq!(first(format!("r={ours}x,s=AAAA,i=4096")), Ok(()));
    assert_eq!(
        first(format!("r={ours}x,s=AAAA,i=4095")),
        Err(ScramError::Iterations(4095))
    );
    assert_eq!(
        first(format!("r={ours}x,s=AAAA,i=4000000000")),
        Err(ScramError::Iterations(4_000_000_000))
    );
    for challenge in [
        format!("r={ours},s=AAAA,i=4096"),
        "r=another,s=AAAA,i=4096".to_owned(),
        format!("r={ours}x,s=,i=4096"),
        format!("r={ours}x,s=AAAA,i=-1"),
        format!("r={ours}x,s=AAAA"),
        format!("s=AAAA,r={ours}x,i=4096"),
        "e=other-error".to_owned(),
    ] {
        assert!(
            matches!(first(challenge.clone()), Err(ScramError::Malformed(_))),
            "{challenge}"
        );
    }
    let last = |message: &str| {
        let (client, _) = begin()
            .first(
                format!("r={ours}x,s=AAAA,i=4096").as_bytes(),
                &Password::new("pencil"),
                None,
            )
            .unwrap();
        client.last(message.as_bytes()).map(|_| ()).unwrap_err()
    };
    assert_eq!(last(SERVER_FINAL), ScramError::ServerUnproved);
    assert_eq!(last("v="), ScramError::ServerUnproved);
    assert_eq!(last("e=invalid-proof"), ScramError::ServerRefused);
    assert!(matches!(last("nothing"), ScramError::Malformed(_)));
    assert_eq!(
        client::begin(["SCRAM-SHA-1"], None, nonce(1)).unwrap_err(),
        ScramError::Mechanism
    );
}

#[test]
fn keys_of_an_earlier_login_serve_for_the_next() {
    let login = |known: Option<&client::Keys>, password: &str| {
        let server = server::AwaitFirst::new("ann", Some(&pencil()), &mock(), None);
        let client = client::begin([SCRAM_SHA_256], None, nonce(1)).unwrap();
        let (server, challenge) = server
            .first(SCRAM_SHA_256, client.message().as_bytes(), &nonce(2))
            .unwrap();
        let (client, answer) = client
            .first(challenge.as_bytes(), &Password::new(password), known)
            .unwrap();
        let (_authenticated, last) = server.last(answer.as_bytes())?;
        client.last(last.as_bytes()).map(|(_, keys)| keys)
    };
    let keys = login(None, "pencil").unwrap();
    assert!(login(Some(&keys), "not looked at").is_ok());
    assert_eq!(login(None, "not looked at").unwrap_err(), ScramError::Rejected);
}

#[test]
fn verifiers_have_postgresqls_text_form() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let derived = Verifier::derive(&Password::new("pencil"), &salt, 4096).unwrap();
    assert_eq!(derived, pencil());
    assert_eq!(derived.to_text().as_str(), PENCIL);
    assert_eq!(
        format!("{derived:?} {:?}", Password::new("x")),
        "Verifier { iterations: 4096, .. } Password"
    );
}

#[test]
fn texts_that_are_not_verifiers_are_refused() {
    let good = pencil().to_text();
    for end in 0..good.len() {
        let cut: String = good.chars().take(end).collect();
        assert!(cut.parse::<Verifier>().is_err(), "{end}");
    }
    for (from, to) in [
        ("SHA-256", "SHA-1"),
        ("4096", "+4096"),
        ("4096", "0004096x"),
        ("W22", "!22"),
        ("$WG5", "$WWG5"),
        ("==$", "$"),
        ("$4", "$$4"),
    ] {
        assert_eq!(
            good.replace(from, to).parse::<Verifier>(),
            Err(VerifierError::Form),
            "{to}"
        );
    }
    assert_eq!(
        good.replace("4096", "4095").parse::<Verifier>(),
        Err(VerifierError::Iterations(4095))
    );
    assert_eq!(
        good.replace("4096", "1000001").parse::<Verifier>(),
        Err(VerifierError::Iterations(1_000_001))
    );
    assert_eq!(
        good.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "").parse::<Verifier>(),
        Err(VerifierError::Salt(0))
    );
    assert_eq!(
        Verifier::derive(&Password::new("x"), &[0; 65], 4096),
        Err(VerifierError::Salt(65))
    );
}

#[test]
fn passwords_are_prepared_as_rfc_4013_says() {
    let same = |left: &str, right: &str| Password::new(left).0 == Password::new(right).0;
    assert!(same("I\u{ad}X", "IX"));
    assert!(same("\u{2168}", "IX"));
    assert!(same("a\u{a0}b", "a b"));
    assert!(!same("user", "USER"));
    // Refused by SASLprep, so taken as they are.
    assert_eq!(Password::new("a\u{7}").0, b"a\x07");
    assert_eq!(Password::new("\u{ad}").0, "\u{ad}".as_bytes());
}

proptest! {
    #[test]
    fn random_messages_never_panic(bytes in vec(any::<u8>(), 0..100), text in "[nyprcsive=,a-zA-Z0-9+/]{0,60}") {
        for message in [bytes.as_slice(), text.as_bytes()] {
            let end_point = EndPoint::new(b"hash");
            let server = server::AwaitFirst::new("ann", None, &mock(), Some(end_point));
            for mechanism in [SCRAM_SHA_256, SCRAM_SHA_256_PLUS] {
                let server = server::AwaitFirst::new("ann", None, &mock(), Some(EndPoint::new(b"hash")));
                prop_assert!(server.first(mechanism, message, &nonce(1)).is_err() || message.starts_with(b"n,,n") || message.starts_with(b"p=tls"));
            }
            drop(server);
            prop_assert!(rfc_7677().last(message).is_err());
            let _ = client::begin([SCRAM_SHA_256], None, nonce(1)).unwrap().first(message, &Password::new("x"), None);
        }
        prop_assert!(text.parse::<Verifier>().is_err());
    }
}
