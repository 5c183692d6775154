//! A ledger with witnesses, each a process of its own: checkpoints get their cosignatures, a certificate is held against
//! policies, a library that nobody here wrote judges the public logs and refuses forged ones, and an old copy of the ledger
//! is not served.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

mod stage;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use evidence::checkpoint::Checkpoint;
use evidence::cosignature::WitnessKey;
use evidence::note::{Note, VerifierKey};
use serde_json::Value;
use stage::desk::{Desk, NAMESPACE, said};
use stage::office::Office;
use stage::{ESTOP, root, wait_for};

/// Who is cut off.
const PARTNER: &str = "state-police";

/// The witness with a key of ML-DSA-44.
const POST_QUANTUM: &str = "w4";

/// `estop witness` at work.
struct Witness {
    child: Child,
    name: String,
    url: String,
    key: WitnessKey,
}

impl Witness {
    fn start(dir: &Path, name: &str, custodian: &Path) -> Self {
        let kind = if name == POST_QUANTUM {
            &["--ml-dsa"][..]
        } else {
            &[]
        };
        let mut child = Command::new(ESTOP)
            .args(["--json", "witness", "--listen", "127.0.0.1:0", "--name"])
            .arg(format!("{name}.example"))
            .arg("--dir")
            .arg(dir.join(name))
            .arg("--custodian")
            .arg(custodian)
            .args(kind)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while serde_json::from_str::<Value>(&text).is_err() {
            assert!(lines.read_line(&mut text).unwrap() > 0, "it said: {text}");
        }
        let said: Value = serde_json::from_str(&text).unwrap();
        Self {
            child,
            name: name.to_owned(),
            url: said["url"].as_str().unwrap().to_owned(),
            key: said["public_key"].as_str().unwrap().parse().unwrap(),
        }
    }

    /// From now on it is reached through TLS alone, with the certificate for `localhost` of an office's gateway.
    fn behind_tls(&mut self, office: &Office) {
        let inside = self.url.strip_prefix("http://").unwrap().to_owned();
        let tls = estop::tls::server(&office.path("tls/server.pem"), &office.path("tls/server.key")).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        self.url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        // It ends with the test's process.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let acceptor = tokio_rustls::TlsAcceptor::from(tls);
                while let Ok((stream, _)) = listener.accept().await {
                    let (acceptor, inside) = (acceptor.clone(), inside.clone());
                    tokio::spawn(async move {
                        // Whoever does not trust the certificate goes away here.
                        let mut outside = acceptor.accept(stream).await?;
                        let mut inside = tokio::net::TcpStream::connect(inside).await?;
                        tokio::io::copy_bidirectional(&mut outside, &mut inside).await
                    });
                }
            });
        });
    }

    fn line(&self) -> String {
        format!("witness {} {} {}\n", self.name, self.key, self.url)
    }

    fn has_cosigned(&self, note: &str) -> bool {
        let note = Note::parse(note).unwrap();
        self.key.cosigned(&note).unwrap().is_some()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_ledger_and_its_witnesses() {
    let mut office = Office::open();
    let custodian = office.path("state/custodian.vkey");
    let public = office.path("state/ledger/public");
    let dir = tempfile::tempdir().unwrap();
    let mut witnesses: Vec<Witness> = ["w1", "w2", POST_QUANTUM, "w3"]
        .map(|name| Witness::start(dir.path(), name, &custodian))
        .into();
    witnesses[0].behind_tls(&office);
    let lines: String = witnesses.iter().map(Witness::line).collect();
    let policy = |quorum: &str| format!("{lines}group some {quorum} w1 w2 w3 w4\nquorum some\n");
    std::fs::write(office.path("authorities/witnesses"), policy("3")).unwrap();
    // One is away, and must be missed by nobody but those who ask for all.
    drop(witnesses.pop());
    office.close();
    let before = dir.path().join("before");
    copy(&office.path("state/ledger"), &before);
    // Nobody has heard of the authority behind the first one's certificate, so that a quorum is missing.
    office.restart();
    wait_for("the witness is not trusted", || {
        office.said().contains("w1: it cannot be reached")
    });
    office.close();
    office.with_variable("SSL_CERT_FILE", office.path("tls/ca.pem"));
    office.restart();
    office.approve();
    assert!(office.estop(&["apply"]).status.success());

    let certificate = terminate(&office, dir.path());
    let main = public.join("checkpoint");
    wait_for("the main log is cosigned", || {
        let note = std::fs::read_to_string(&main).unwrap();
        witnesses.iter().all(|witness| witness.has_cosigned(&note))
    });
    the_certificate(&certificate, &custodian, dir.path(), &policy);
    office.close();
    let partner = public.join("p").join(PARTNER);
    for log in [&public, &partner] {
        post_quantum(log, &custodian, &witnesses, dir.path());
        // Go's code knows no ML-DSA: the rest it judges without that line.
        let plain = dir.path().join("plain");
        copy(log, &plain);
        let note = std::fs::read_to_string(log.join("checkpoint")).unwrap();
        // By the line's beginning: another's signature may have the same letters somewhere.
        let theirs = format!("\u{2014} {POST_QUANTUM}.");
        let known = note
            .split_inclusive('\n')
            .filter(|line| !line.starts_with(&theirs));
        std::fs::write(plain.join("checkpoint"), known.collect::<String>()).unwrap();
        a_stranger_judges(&plain, &custodian, &witnesses[..2], dir.path());
        std::fs::remove_dir_all(&plain).unwrap();
    }

    a_proof_of_one_entry(&office, &custodian, dir.path());

    // The same folder as it was before: served nowhere as long as a witness remembers.
    std::fs::rename(office.path("state/ledger"), dir.path().join("after")).unwrap();
    copy(&before, &office.path("state/ledger"));
    let refused = office.estop(&["serve"]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    let words = said(&refused);
    assert!(words.contains("does not stand for this ledger"), "{words}");
    assert!(words.contains("this ledger is an old copy"), "{words}");
}

/// Ends the partner's access as a new user does it; gives the certificate.
fn terminate(office: &Office, dir: &Path) -> PathBuf {
    let desk = Desk::at(&office.path(""));
    let (order, file) = (desk.folder.join("order"), dir.join("certificate"));
    let order_name = order.to_str().unwrap();
    let drawn = ["directive", "new", "terminate", PARTNER, "-o", order_name];
    assert!(office.estop(&drawn).status.success());
    for who in ["mayor", "counsel"] {
        desk.sign(&order, who, NAMESPACE);
    }
    let done = office.estop(&["--json", "directive", "submit", order_name]);
    assert!(done.status.success(), "{}", said(&done));
    let outcome: Value = serde_json::from_slice(&done.stdout).unwrap();
    let number = outcome["number"].as_str().unwrap();
    let issued = office.estop(&["certificate", "issue", number, "-o", file.to_str().unwrap()]);
    assert!(issued.status.success(), "{}", said(&issued));
    file
}

fn the_certificate(file: &Path, custodian: &Path, dir: &Path, policy: &dyn Fn(&str) -> String) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(
        text.contains("Cosigned   w1.example, w2.example, w4.example\n"),
        "{text}"
    );
    let verify = |policy: Option<&str>| {
        let mut estop = Command::new(ESTOP);
        estop
            .args(["--json", "certificate", "verify", "--key"])
            .arg(custodian)
            .arg(file);
        if let Some(policy) = policy {
            std::fs::write(dir.join("policy"), policy).unwrap();
            estop.arg("--witnesses").arg(dir.join("policy"));
        }
        let output = estop.output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), document)
    };
    assert_eq!(verify(None).0, Some(0));
    let (code, document) = verify(Some(&policy("3")));
    assert_eq!(code, Some(0), "{document}");
    assert_eq!(document["witnesses"]["quorum"], true);
    let said = &document["witnesses"]["partner_log"];
    assert_eq!(said["by"].as_object().unwrap().len(), 3);
    let closed: jiff::Timestamp = document["report"]["closed"].as_str().unwrap().parse().unwrap();
    let at: jiff::Timestamp = said["at"].as_str().unwrap().parse().unwrap();
    assert!(closed <= at, "{closed} {at}");
    let (code, document) = verify(Some(&policy("all")));
    assert_eq!(code, Some(1), "{document}");
    assert_eq!(document["holds"], false);
    assert_eq!(verify(Some("quorum w1\n")).0, Some(2));
}

/// tlog-scales takes the log with all signatures, those of ML-DSA-44 among them, and not with one of these changed.
fn post_quantum(log: &Path, custodian: &Path, witnesses: &[Witness], dir: &Path) {
    let note = std::fs::read_to_string(log.join("checkpoint")).unwrap();
    let origin = Checkpoint::peek(&note).unwrap().origin;
    let key = std::fs::read_to_string(custodian).unwrap();
    let key: VerifierKey = key.trim().parse().unwrap();
    let mut keys = vec![key.renamed(&origin).to_string()];
    keys.extend(witnesses.iter().map(|witness| witness.key.to_string()));
    let good = tlog_scales(log, &keys);
    assert!(
        good.status.success() && said(&good).contains("4 signatures"),
        "{}",
        said(&good)
    );
    let forged = dir.join("forged");
    copy(log, &forged);
    let line = note.find(&format!("\u{2014} {POST_QUANTUM}")).unwrap();
    flip(&forged.join("checkpoint"), line + 500);
    let judged = tlog_scales(&forged, &keys);
    assert_eq!(judged.status.code(), Some(1), "{}", said(&judged));
    std::fs::remove_dir_all(&forged).unwrap();
}

/// Two programs that share nothing with ours, tlog-scales and Go's own log code, accept the log with all signatures, and refuse it once
/// anything in it was changed.
fn a_stranger_judges(log: &Path, custodian: &Path, witnesses: &[Witness], dir: &Path) {
    let note = std::fs::read_to_string(log.join("checkpoint")).unwrap();
    let origin = Checkpoint::peek(&note).unwrap().origin;
    let key: VerifierKey = std::fs::read_to_string(custodian)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let mut keys = vec![key.renamed(&origin).to_string()];
    keys.extend(witnesses.iter().map(|witness| witness.key.to_string()));
    for judge in JUDGES {
        let good = judge(log, &keys);
        assert!(good.status.success(), "{}", said(&good));
        assert!(said(&good).contains("3 signatures"), "{}", said(&good));
    }
    let forged = dir.join("forged");
    let refuse = |what: &str, change: &dyn Fn(&Path)| {
        copy(log, &forged);
        change(&forged);
        for (number, judge) in JUDGES.iter().enumerate() {
            let judged = judge(&forged, &keys);
            assert_eq!(
                judged.status.code(),
                Some(1),
                "{what}, judge {number}: {}",
                said(&judged)
            );
        }
        std::fs::remove_dir_all(&forged).unwrap();
    };
    for folder in ["tile/entries", "tile/0"] {
        refuse(folder, &|forged| flip_all(&forged.join(folder), 20));
    }
    let text = note.len() / 4;
    refuse("the checkpoint's root", &|forged| {
        flip(&forged.join("checkpoint"), text)
    });
    refuse("a cosignature", &|forged| {
        flip(&forged.join("checkpoint"), note.len() - 20)
    });
    refuse("a missing cosignature", &|forged| {
        let lines: Vec<&str> = note.lines().collect();
        let fewer = lines[..lines.len() - 1].join("\n") + "\n";
        std::fs::write(forged.join("checkpoint"), fewer).unwrap();
    });
    let stranger = "stranger.example+00000000+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let with_stranger = [keys, vec![stranger]].concat();
    for judge in JUDGES {
        assert!(!judge(log, &with_stranger).status.success());
    }
}

/// Go's log code takes our proof that an entry is in the log, and no other entry with it.
fn a_proof_of_one_entry(office: &Office, custodian: &Path, dir: &Path) {
    let output = office.estop(&["--json", "ledger", "prove", "3"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (proof, entry) = (dir.join("proof"), dir.join("entry"));
    std::fs::write(&proof, told["proof"].as_str().unwrap()).unwrap();
    std::fs::write(&entry, told["entry"].as_str().unwrap()).unwrap();
    let key = std::fs::read_to_string(custodian).unwrap();
    let judge = || {
        let mut judge = Command::new(root("target/go/verify_log"));
        judge.arg("-proof").args([&proof, &entry]).arg(key.trim());
        judge.status().unwrap().code()
    };
    assert_eq!(judge(), Some(0));
    flip(&entry, 30);
    assert_eq!(judge(), Some(1));
}

/// Each says in a line what it thinks of the log in a folder that all of these keys have signed.
const JUDGES: [fn(&Path, &[String]) -> Output; 2] = [tlog_scales, go];

fn go(log: &Path, keys: &[String]) -> Output {
    let program = root("target/go/verify_log");
    assert!(
        program.exists(),
        "verifiers/verify_log.go is not built: run scripts/prerequisites test"
    );
    Command::new(program).arg(log).args(keys).output().unwrap()
}

fn tlog_scales(log: &Path, keys: &[String]) -> Output {
    let python = root("target/python/bin/python");
    assert!(python.exists(), "no tlog-scales: run scripts/prerequisites test");
    let mut judge = Command::new(python);
    judge
        .arg(root("crates/estop/tests/judges/tlog_scales_judge.py"))
        .arg(log)
        .args(keys);
    judge.output().unwrap()
}

/// Changes one letter or byte into another one of its kind.
fn flip(file: &Path, place: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    let place = place.min(bytes.len() - 1);
    bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
    std::fs::write(file, bytes).unwrap();
}

/// The same with all files of a folder: which of them a reader needs is its own affair.
fn flip_all(folder: &Path, place: usize) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => flip_all(&path, place),
            false => flip(&path, place),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            // The main log's folder has those of the partners in it, which are logs of their own.
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
