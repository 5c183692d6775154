//! What the tests of this crate share: both solvers, fake ones, estates from statutes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::estate::{Estate, Files};
use proof::case::Case;
use proof::examine::{Examined, examine};
use proof::run::prove;
use proof::solver::{Programs, Solvers};

/// A verifier of the right form.
const VERIFIER: &str = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

#[expect(clippy::disallowed_methods, reason = "tests have no other clock")]
pub(crate) fn clock() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "tests look where programs are")]
pub(crate) fn real(name: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!("`{name}` is not installed: scripts/prerequisites test, or apt-get install cvc5 z3")
        })
}

pub(crate) async fn solvers() -> Solvers {
    with(real("cvc5"), real("z3"), Duration::from_secs(60))
        .await
        .unwrap()
}

pub(crate) async fn with(
    cvc5: PathBuf,
    z3: PathBuf,
    limit: Duration,
) -> Result<Solvers, proof::solver::SolversError> {
    let programs = Programs {
        cvc5,
        z3,
        limit,
        at_once: 2,
        clock,
    };
    Solvers::open(programs).await
}

/// A program that says its version and then does something else. Written by another process: no open file of ours is in the
/// way of starting it.
pub(crate) fn fake(folder: &Path, name: &str, does: &str) -> PathBuf {
    let path = folder.join(name);
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'This is {name} version 0 (fake)'; exit 0; fi\n{does}\n"
    );
    let mut child = Command::new("/bin/sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    path
}

pub(crate) async fn run(estate: &Estate, case: &Case, solvers: &Solvers) -> Vec<Examined> {
    let prepared = Arc::new(case.prepare().unwrap());
    let proved = prove(&prepared, solvers, &|_| {}).await.unwrap();
    examine(estate, &prepared, proved, solvers).await.unwrap()
}

pub(crate) fn claim<'a>(examined: &'a [Examined], name: &str) -> &'a Examined {
    examined.iter().find(|one| one.claim.name == name).unwrap()
}

/// An estate under construction.
#[derive(Clone)]
pub(crate) struct Draft(pub(crate) Files);

impl Draft {
    pub(crate) fn new() -> Self {
        let estop = "[custodian]\nname = \"records.example.org\"\ntitle = \"Records\"\ntime_zone = \"America/Chicago\"\n\n\
                     [upstream.main]\nurl = \"postgres://a@/r?host=/tmp\"\nisolation = \"in-place\"\n\n\
                     [gateway]\nlisten = \"127.0.0.1:6432\"\ntls_certificate = \"c\"\ntls_key = \"k\"\npublic_name = \"localhost\"\n\n\
                     [state]\ndir = \"state\"\n";
        Self(BTreeMap::from([("estop.toml".to_owned(), estop.to_owned())]))
    }

    pub(crate) fn dataset(mut self, id: &str, tags: &str, columns: &str) -> Self {
        let text = format!(
            "[dataset]\nid = \"{id}\"\nupstream = \"main\"\nrelation = \"records.{}\"\ntags = [{tags}]\n\n[columns]\n{columns}\n",
            id.replace('-', "_")
        );
        self.0.insert(format!("datasets/{id}.toml"), text);
        self
    }

    pub(crate) fn partner(mut self, id: &str) -> Self {
        let text = format!(
            "[partner]\nid = \"{id}\"\ntitle = \"The {id}\"\n\n[[officer]]\nid = \"kim\"\nname = \"Kim of {id}\"\nscram = \"{VERIFIER}\"\n"
        );
        self.0.insert(format!("partners/{id}.toml"), text);
        self
    }

    /// An agreement with one share, which is the rest of the text after `dataset`.
    pub(crate) fn agreement(mut self, id: &str, partner: &str, purposes: &str, shares: &str) -> Self {
        let text = format!(
            "[agreement]\nid = \"{id}\"\npartner = \"{partner}\"\nlegal_basis = \"MOU {id}, clause 2\"\n\
                            valid = {{ from = \"2024-01-01\", until = \"2027-12-31\" }}\npurposes = [{purposes}]\n\n{shares}\n"
        );
        self.0.insert(format!("agreements/{id}.toml"), text);
        self
    }

    pub(crate) fn guardrails(mut self, file: &str, text: &str) -> Self {
        self.0.insert(format!("guardrails/{file}.cedar"), text.to_owned());
        self
    }

    pub(crate) fn replace(mut self, path: &str, from: &str, to: &str) -> Self {
        let text = self.0.get_mut(path).unwrap();
        assert!(text.contains(from), "{path} has no {from}");
        *text = text.replacen(from, to, 1);
        self
    }

    /// Puts a verifier where `@` stands for one.
    pub(crate) fn verified(self, path: &str) -> Self {
        self.replace(path, "\"@\"", &format!("\"{VERIFIER}\""))
    }

    pub(crate) fn estate(&self) -> Estate {
        Estate::parse(&self.0).unwrap_or_else(|errors| panic!("{:#?}", errors.findings()))
    }
}
