//! What stands on the desk of whoever ends an agreement: orders drawn up by `estop`, signatures by plain `ssh-keygen`, and the
//! programs that work meanwhile.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::{Stage, root};

/// The namespace of the demo custodian's directives.
pub const NAMESPACE: &str = "directive@records.city.example";

/// A folder with the authorities' keys, in which orders are drawn up and signed.
pub struct Desk {
    pub folder: PathBuf,
}

impl Desk {
    /// In the folder of an estate that has `keys`.
    pub fn at(folder: &Path) -> Self {
        let desk = Self {
            folder: folder.join("desk"),
        };
        std::fs::create_dir(&desk.folder).unwrap();
        desk
    }

    /// The private key of an authority, or of somebody else.
    pub fn key(&self, who: &str) -> PathBuf {
        self.folder.join("../keys").join(who)
    }

    /// `estop directive new terminate`, as a new user types it: the file and its text.
    pub fn draw_up(&self, stage: &Stage, partner: &str) -> (PathBuf, String) {
        let file = self.folder.join(format!("{partner}.directive"));
        let _ = std::fs::remove_file(&file);
        let drawn = [
            "directive",
            "new",
            "terminate",
            partner,
            "--basis",
            "Council vote 2026-3",
            "-o",
        ];
        let output = stage.estop(&[&drawn[..], &[file.to_str().unwrap()]].concat());
        assert!(output.status.success(), "{}", said(&output));
        let text = std::fs::read_to_string(&file).unwrap();
        (file, text)
    }

    /// Plain `ssh-keygen -Y sign`.
    pub fn sign(&self, file: &Path, who: &str, namespace: &str) -> PathBuf {
        self.sign_with(file, who, namespace, &[])
    }

    /// The same with more options; the signature is not found beside the order.
    pub fn sign_with(&self, file: &Path, who: &str, namespace: &str, more: &[&str]) -> PathBuf {
        let mut keygen = Command::new("ssh-keygen");
        keygen
            .args(["-Y", "sign", "-q", "-n", namespace])
            .args(more)
            .arg("-f")
            .arg(self.key(who));
        let output = keygen.stdin(std::fs::File::open(file).unwrap()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        let plain = more.is_empty() && namespace == NAMESPACE;
        let ending = if plain {
            format!("{who}.sig")
        } else {
            format!("{who}.odd")
        };
        let signature = PathBuf::from(format!("{}.{ending}", file.display()));
        std::fs::write(&signature, output.stdout).unwrap();
        signature
    }

    /// Another text, signed by both authorities in the namespace of the custodian that it names.
    pub fn signed_by_both(&self, name: &str, text: &str) -> Vec<PathBuf> {
        let file = self.folder.join(name);
        std::fs::write(&file, text).unwrap();
        let custodian = text
            .lines()
            .find_map(|line| line.strip_prefix("custodian "))
            .unwrap();
        let namespace = format!("directive@{custodian}");
        let signatures = ["mayor", "counsel"].map(|who| self.sign(&file, who, &namespace));
        [vec![file], signatures.to_vec()].concat()
    }
}

/// All that a program said.
pub fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Exit code 1, and this reason among the words.
#[track_caller]
pub fn refused(output: &Output, why: &str) {
    let said = said(output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(1), "{why}: {said}");
    assert!(said.contains(why), "must say `{why}`: {said}");
}

/// `estop directive submit`.
pub fn submit(stage: &Stage, files: &[PathBuf]) -> Output {
    let files = files.iter().map(|path| path.to_str().unwrap());
    stage.estop(
        &["directive", "submit"]
            .into_iter()
            .chain(files)
            .collect::<Vec<_>>(),
    )
}

/// A line of a directive with another value.
pub fn with(text: &str, key: &str, value: &str) -> String {
    let prefix = format!("{key} ");
    let line = |line: &str| {
        if line.starts_with(&prefix) {
            format!("{prefix}{value}\n")
        } else {
            format!("{line}\n")
        }
    };
    let changed: String = text.lines().map(line).collect();
    assert_ne!(changed, text, "`{key}` must change");
    changed
}

/// A program that works while something is done to it: says `ready`, and at a line on its standard input what came of it.
pub struct Worker {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Worker {
    pub fn begin(driver: &str, args: &[&str]) -> Self {
        let mut python = Command::new("/usr/bin/python3");
        python.arg(root("tests/drivers").join(driver)).args(args);
        let mut child = python
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(
            lines.next().and_then(Result::ok).as_deref(),
            Some("ready"),
            "{driver} did not begin"
        );
        Self { child, lines }
    }

    pub fn end(mut self) -> Value {
        writeln!(self.child.stdin.take().unwrap(), "end").unwrap();
        let said = self.lines.next().expect("it must say what came of it").unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(&said).unwrap()
    }
}
