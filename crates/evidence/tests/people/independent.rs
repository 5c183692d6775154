//! A second verifier, in another language and written from the formats' page, must say the same of every file: true
//! certificates, forged ones that the custodian has signed, and thousands that were changed at random.

use std::path::Path;
use std::process::Command;

use evidence::certificate::verify;

use crate::world::{Scene, certificate, sign, signer};

/// Files that are given to one run: a command line has its bounds.
const AT_ONCE: usize = 500;

/// What the second verifier says of these files.
pub(crate) fn second_verdicts(files: &[String]) -> Vec<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let dir = tempfile::tempdir().unwrap();
    let mut verdicts = Vec::new();
    for part in files.chunks(AT_ONCE) {
        let mut python = Command::new("/usr/bin/python3");
        python
            .current_dir(dir.path())
            .arg(root.join("verifiers/verify_certificate.py"));
        python.arg(signer().verifier().to_string());
        for (number, file) in part.iter().enumerate() {
            std::fs::write(dir.path().join(number.to_string()), file).unwrap();
            python.arg(number.to_string());
        }
        let output = python.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(
            wrong.is_empty(),
            "(needs Debian's python3-cryptography: scripts/prerequisites test) {wrong}"
        );
        let holds = |line: &str| {
            line.split_once(": ")
                .is_some_and(|(_, verdict)| verdict.starts_with("holds: "))
        };
        verdicts.extend(said.lines().map(holds));
    }
    assert_eq!(verdicts.len(), files.len(), "each file has one line");
    verdicts
}

fn agree(files: &[String]) {
    let ours = files
        .iter()
        .map(|file| verify(file.as_bytes(), &signer().verifier()).is_ok());
    for (number, (ours, second)) in ours.zip(second_verdicts(files)).enumerate() {
        assert_eq!(ours, second, "file {number}: {}", files[number]);
    }
}

/// Who trusts no program of the custodian's reads this one before they run it.
#[test]
fn the_second_verifier_is_one_short_file() {
    let lines = include_str!("../../../../verifiers/verify_certificate.py").lines();
    assert!(lines.count() < 400);
}

#[test]
fn both_accept_what_is_true() {
    let mut quiet = Scene::new();
    quiet.cuts.clear();
    quiet
        .drained
        .iter_mut()
        .for_each(|drained| drained.sessions_cut = 0);
    let mut idle = quiet.clone();
    idle.drained.clear();
    idle.epoch.gateways.clear();
    let scenes = [Scene::new(), quiet, idle, Scene::suspended()];
    let files = scenes.map(|scene| {
        let world = scene.play();
        world.force(world.parts())
    });
    assert_eq!(second_verdicts(&files), [true; 4]);
    agree(&files);
}

#[test]
fn both_say_the_same_of_files_that_were_changed() {
    agree(&changed(600));
}

/// The long one: `make soak`.
#[test]
#[ignore = "ten thousand files"]
fn both_say_the_same_of_ten_thousand_files_that_were_changed() {
    agree(&changed(10_000));
}

/// Files with a byte changed, or a piece cut out, doubled or moved; three in four signed again by the custodian, so that it is
/// not the signature that tells.
fn changed(count: usize) -> Vec<String> {
    let suspended = Scene::suspended().play();
    let suspended = suspended.force(suspended.parts());
    let whole = [certificate(), suspended];
    let texts = whole
        .clone()
        .map(|file| evidence::note::Note::parse(&file).unwrap().text().to_owned());
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut files = Vec::new();
    while files.len() < count {
        let again = random.below(4) > 0;
        let of = random.below(2);
        let from = if again { &texts[of] } else { &whole[of] };
        let (at, length) = (random.below(from.len()), random.below(60));
        let to = (at + length).min(from.len());
        let (Some(head), Some(piece), Some(tail)) = (from.get(..at), from.get(at..to), from.get(to..)) else {
            continue;
        };
        let letter = char::from(b' ' + u8::try_from(random.below(95)).unwrap());
        let changed = match random.below(4) {
            0 => format!("{head}{tail}"),
            1 => format!("{head}{piece}{piece}{tail}"),
            2 => format!("{head}{letter}{tail}"),
            _ => format!("{head}{letter}{}", from.get(at + 1..).unwrap_or_default()),
        };
        let can_be_signed = changed.ends_with('\n') && changed.len() > 1;
        match again {
            true if can_be_signed => files.push(sign(&changed)),
            true => {}
            false => files.push(changed),
        }
    }
    files
}

/// Numbers that look random and are the same each time (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}
