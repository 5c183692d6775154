//! The command line as scripts see it: exit codes, one JSON document, quiet ends.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is tests, also what is not marked as one"
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A public key of the right form: Ed25519's base point under a custodian's name is nobody's key.
const NOT_A_KEY: &str = "records.city.example+00000000+AAAA";

fn estop(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_estop"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn estate(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("estop.toml"), text).unwrap();
    folder
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_wrong_call_is_2() {
    assert_eq!(code(&estop(&["cut-everything"])), 2);
    assert_eq!(
        code(&estop(&[
            "directive",
            "new",
            "terminate",
            "Not An Id",
            "--basis",
            "x"
        ])),
        2
    );
    assert_eq!(code(&estop(&["certificate", "issue", "D-1"])), 2);
}

#[test]
fn help_and_version_are_0() {
    assert_eq!(code(&estop(&["--help"])), 0);
    assert_eq!(code(&estop(&["--version"])), 0);
}

#[test]
fn a_folder_without_an_estate_is_3_and_says_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let output = estop(&["--estate", shown(folder.path()), "check"]);
    assert_eq!(code(&output), 3);
    assert!(errors(&output).contains("--estate DIR"), "{}", errors(&output));
}

#[test]
fn a_wrong_estate_is_2_with_its_place() {
    let folder = estate("[custodian]\nname = 7\n");
    let output = estop(&["--estate", shown(folder.path()), "--json", "check"]);
    assert_eq!(code(&output), 2);
    let finding = document(&output)["findings"].get(0).cloned().unwrap();
    assert_eq!(finding["file"], "estop.toml");
    let output = estop(&["--estate", shown(folder.path()), "sessions"]);
    assert_eq!(code(&output), 2);
    assert!(errors(&output).contains("estop.toml"), "{}", errors(&output));
}

#[test]
fn a_failure_is_one_document_too() {
    let output = estop(&["--json", "--estate", "/nonexistent", "apply"]);
    assert_eq!(code(&output), 3);
    assert!(
        document(&output)["error"]["message"]
            .as_str()
            .unwrap()
            .contains("/nonexistent")
    );
    assert_eq!(errors(&output), "");
}

#[test]
fn what_is_no_certificate_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("c"), folder.path().join("k"));
    fs::write(&file, "not a certificate\n").unwrap();
    fs::write(&key, NOT_A_KEY).unwrap();
    // The key is looked at first: with a wrong one nothing can be said of the file.
    let output = estop(&["certificate", "verify", shown(&file), "--key", shown(&key)]);
    assert_eq!(code(&output), 2);
    // The example key of C2SP's signed-note page.
    let real = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let output = estop(&["--json", "certificate", "verify", shown(&file), "--key", real]);
    assert_eq!(code(&output), 1, "{}", errors(&output));
    assert_eq!(document(&output)["holds"], false);
    assert_eq!(
        code(&estop(&["certificate", "verify", "/nonexistent", "--key", real])),
        3
    );
}

#[test]
fn a_directive_is_read_before_it_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("d");
    fs::write(&file, "estop/directive/v1\ncustodian records.city.example\n").unwrap();
    let output = estop(&["directive", "sign", shown(&file), "--key", "/nonexistent"]);
    assert_eq!(code(&output), 2);
    assert!(errors(&output).contains("line 3"), "{}", errors(&output));
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_estop"));
    let mut child = command
        .args(["officer", "password"])
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"a password of some length\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), errors(&output)), (0, String::new()));
}

#[test]
fn no_colour_reaches_a_pipe() {
    let folder = estate("nonsense");
    let output = estop(&["--estate", shown(folder.path()), "check"]);
    assert_eq!(code(&output), 2);
    assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b));
}
