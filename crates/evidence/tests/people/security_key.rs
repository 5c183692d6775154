//! Security keys, made in software: the flags that say a person touched the key and was verified must be set.

use ed25519_dalek::{Signer as _, SigningKey};
use evidence::directive::{ApprovalError, Approved, Directive, approve};
use evidence::hash::sha256;
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
use ssh_key::{Algorithm, HashAlg, LineEnding, PublicKey, Signature, SshSig};

use crate::keygen::{Keys, custodian, directive_text, now, ours, signers};

const PRESENT: u8 = 1;
const VERIFIED: u8 = 4;

/// A token of the FIDO kind (PROTOCOL.u2f): it signs the application, its flags, a counter and the message's
/// hash.
struct Token {
    key: SigningKey,
    application: &'static str,
}

impl Token {
    fn public(&self) -> KeyData {
        let point = Ed25519PublicKey(self.key.verifying_key().to_bytes());
        KeyData::SkEd25519(SkEd25519::new(point, self.application))
    }

    fn line(&self) -> String {
        PublicKey::from(self.public()).to_openssh().unwrap()
    }

    fn sign(&self, flags: u8, bytes: &[u8]) -> String {
        let message = SshSig::signed_data(&ours(), HashAlg::Sha512, bytes).unwrap();
        let trailer = [flags, 0, 0, 0, 9];
        let signed = [
            &sha256(self.application.as_bytes()).0[..],
            &trailer[..],
            &sha256(&message).0[..],
        ]
        .concat();
        let raw = [&self.key.sign(&signed).to_bytes()[..], &trailer[..]].concat();
        let signature = Signature::new(Algorithm::SkEd25519, raw).unwrap();
        let whole = SshSig::new(self.public(), ours(), HashAlg::Sha512, signature).unwrap();
        // `ssh-keygen` ends the armor with a line feed.
        format!("{}\n", whole.to_pem(LineEnding::LF).unwrap().trim_end())
    }
}

fn token() -> Token {
    Token {
        key: SigningKey::from_bytes(&[3; 32]),
        application: "ssh:",
    }
}

/// The mayor signs with a file, counsel with `token` and these flags.
fn approved(flags: u8) -> Result<Approved<Directive>, ApprovalError> {
    let (keys, text, token) = (Keys::new(), directive_text(), token());
    let file = keys.make("mayor", "ed25519");
    let signers = signers(&[format!("mayor {file}"), format!("counsel {}", token.line())]);
    let signatures = [
        keys.sign("mayor", &ours(), text.as_bytes()),
        token.sign(flags, text.as_bytes()),
    ];
    let judged = keys.verify(
        signers.text(),
        "counsel",
        &ours(),
        text.as_bytes(),
        &signatures[1],
    );
    assert!(
        judged,
        "OpenSSH must accept the token's signature whatever its flags"
    );
    approve(
        text.as_bytes(),
        &signatures.each_ref().map(String::as_str),
        &signers,
        &custodian(),
        now(),
    )
}

#[test]
fn touched_and_verified() {
    let people: Vec<_> = approved(PRESENT | VERIFIED)
        .unwrap()
        .people()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(people, ["mayor", "counsel"]);
}

#[test]
fn touched_but_not_verified() {
    let person = "counsel".parse().unwrap();
    assert_eq!(
        approved(PRESENT).unwrap_err(),
        ApprovalError::UserNotVerified { signature: 2, person }
    );
}

#[test]
fn not_touched() {
    for flags in [0, VERIFIED] {
        let person = "counsel".parse().unwrap();
        assert_eq!(
            approved(flags).unwrap_err(),
            ApprovalError::UserNotPresent { signature: 2, person }
        );
    }
}

#[test]
fn flags_changed_after_signing() {
    let (text, token) = (directive_text(), token());
    let armored = token.sign(PRESENT, text.as_bytes());
    let signature = SshSig::from_pem(&armored).unwrap();
    let mut raw = signature.signature_bytes().to_vec();
    raw[64] = PRESENT | VERIFIED;
    let forged = Signature::new(Algorithm::SkEd25519, raw).unwrap();
    let forged = SshSig::new(token.public(), ours(), HashAlg::Sha512, forged)
        .unwrap()
        .to_pem(LineEnding::LF)
        .unwrap();
    let signers = signers(&[format!("counsel {}", token.line())]);
    let error = approve(text.as_bytes(), &[&forged], &signers, &custodian(), now()).unwrap_err();
    assert_eq!(
        error,
        ApprovalError::DoesNotFit {
            signature: 1,
            person: "counsel".parse().unwrap()
        }
    );
}

#[test]
fn a_plain_key_cannot_pass_for_a_security_key() {
    // A signature of the plain kind under the security key's name: the algorithm is not that of its key.
    let (text, token) = (directive_text(), token());
    let message = SshSig::signed_data(&ours(), HashAlg::Sha512, text.as_bytes()).unwrap();
    let plain = Signature::new(Algorithm::Ed25519, token.key.sign(&message).to_bytes()).unwrap();
    let armored = SshSig::new(token.public(), ours(), HashAlg::Sha512, plain)
        .unwrap()
        .to_pem(LineEnding::LF)
        .unwrap();
    let signers = signers(&[format!("counsel {}", token.line())]);
    let error = approve(text.as_bytes(), &[&armored], &signers, &custodian(), now()).unwrap_err();
    assert!(
        matches!(error, ApprovalError::Form { signature: 1, .. }),
        "{error:?}"
    );
}
