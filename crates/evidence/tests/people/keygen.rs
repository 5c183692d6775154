//! `ssh-keygen` at work in a scratch folder: the tool that authorities really use.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use evidence::directive::{Directive, Draft, Nonce, Order, Scope, namespace};
use evidence::hash::sha256;
use evidence::id::Custodian;
use evidence::signers::AllowedSigners;
use jiff::Timestamp;

/// A scratch folder with keys, gone when dropped.
pub(crate) struct Keys {
    dir: tempfile::TempDir,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a key of `kind` (`ed25519`, `ecdsa`, `rsa`) and gives `<type> <base64>` of its public half.
    pub(crate) fn make(&self, name: &str, kind: &str) -> String {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", name, "-t", kind, "-f"])
            .arg(self.path(name))
            .status()
            .unwrap();
        assert!(made.success());
        self.public(name)
    }

    pub(crate) fn public(&self, name: &str) -> String {
        let line = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// What `ssh-keygen -Y sign -n NAMESPACE` writes for `bytes`.
    pub(crate) fn sign(&self, name: &str, namespace: &str, bytes: &[u8]) -> String {
        let mut child = Command::new("ssh-keygen")
            .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
            .arg(self.path(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whether `ssh-keygen -Y verify` accepts the signature as one by `person`.
    pub(crate) fn verify(
        &self,
        signers: &str,
        person: &str,
        namespace: &str,
        bytes: &[u8],
        signature: &str,
    ) -> bool {
        let (signers_path, signature_path) = (self.path("allowed_signers"), self.path("signature"));
        write(&signers_path, signers);
        write(&signature_path, signature);
        let mut child = Command::new("ssh-keygen")
            .args(["-Y", "verify", "-I", person, "-n", namespace, "-f"])
            .arg(signers_path)
            .arg("-s")
            .arg(signature_path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        child.wait().unwrap().success()
    }
}

fn write(path: &PathBuf, text: &str) {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

pub(crate) fn custodian() -> Custodian {
    "records.example.org".parse().unwrap()
}

/// The namespace of [`custodian`]'s directives.
pub(crate) fn ours() -> String {
    namespace(&custodian())
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Ten minutes after [`draft`] was issued.
pub(crate) fn now() -> Timestamp {
    at("2026-11-23T00:10:00Z")
}

pub(crate) fn draft() -> Draft {
    Draft {
        custodian: custodian(),
        number: "D-2026-0001".parse().unwrap(),
        order: Order::Terminate(Scope {
            partner: "federal-agency".parse().unwrap(),
            agreement: None,
            purpose: None,
        }),
        basis: "Executive order 2026-14".to_owned(),
        particulars: evidence::directive::Particulars::default(),
        preview: None,
        issued: at("2026-11-23T00:00:00Z"),
        expires: at("2026-11-24T00:00:00Z"),
        nonce: Nonce::new([7; 16]),
        ledger_size: 1234,
        ledger_root: sha256(b"root"),
    }
}

pub(crate) fn directive_text() -> String {
    Directive::new(draft()).unwrap().encode()
}

/// The parsed file of these lines.
pub(crate) fn signers(lines: &[String]) -> AllowedSigners {
    AllowedSigners::parse(&lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap()
}
