//! The test vectors in `tests/vectors/people` and in the description of the formats: what this code makes of
//! fixed seeds, and what it reads. A change here is a change of format.

use std::fs;
use std::path::{Path, PathBuf};

use evidence::certificate::verify;
use evidence::directive::{Directive, approve, namespace};
use evidence::hash::sha256;
use evidence::note::VerifierKey;
use evidence::signers::AllowedSigners;

use crate::keygen::{custodian, now};
use crate::world::{Scene, certificate, signer, signers_text, ssh_sign};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/people")
}

fn vector(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// The files as this code makes them.
fn made() -> [(&'static str, String); 6] {
    let directive = Directive::new(Scene::new().draft).unwrap().encode();
    let sign = |who| ssh_sign(who, &namespace(&custodian()), directive.as_bytes());
    [
        ("allowed_signers", signers_text()),
        ("directive.mayor.sig", sign("mayor")),
        ("directive.counsel.sig", sign("counsel")),
        ("custodian.vkey", format!("{}\n", signer().verifier())),
        ("termination.certificate", certificate()),
        ("directive", directive),
    ]
}

#[test]
fn the_vectors_are_what_is_made() {
    for (name, text) in made() {
        let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&actual, &text).unwrap();
        let place = folder().join(name);
        assert!(
            fs::read_to_string(&place).is_ok_and(|stored| stored == text),
            "{} is not what is made now, {}: is the change of format meant?",
            place.display(),
            actual.display()
        );
    }
}

#[test]
fn the_vectors_hold() {
    let signers = AllowedSigners::parse(&vector("allowed_signers")).unwrap();
    let signatures = [vector("directive.mayor.sig"), vector("directive.counsel.sig")];
    let signatures = signatures.each_ref().map(String::as_str);
    let approved = approve(
        vector("directive").as_bytes(),
        &signatures,
        &signers,
        &custodian(),
        now(),
    )
    .unwrap();
    assert_eq!(approved.number.as_str(), "D-2026-0001");
    let key: VerifierKey = vector("custodian.vkey").trim_end().parse().unwrap();
    let report = verify(vector("termination.certificate").as_bytes(), &key).unwrap();
    assert_eq!(report.directive, approved.number);
}

#[test]
fn the_description_of_the_formats_shows_them() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    let described = fs::read_to_string(page).unwrap();
    for name in [
        "directive",
        "allowed_signers",
        "directive.mayor.sig",
        "custodian.vkey",
    ] {
        assert!(
            described.contains(&vector(name)),
            "`{name}` does not stand in docs/formats.md"
        );
    }
    for (name, text) in made() {
        let sum = format!("{}  {name}\n", sha256(text.as_bytes()).to_hex());
        assert!(
            described.contains(&sum),
            "`{}` does not stand in docs/formats.md",
            sum.trim_end()
        );
    }
}
