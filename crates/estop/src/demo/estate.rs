//! The estate of the demo: the files under `demo-estate`, with what differs from run to run filled in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use policy::estate::Files;

use crate::files::{self, FileError, Readers};

/// The files, by their path in the estate. Between two `@` stands what is filled in.
const TEMPLATE: [(&str, &str); 13] = [
    ("estop.toml", include_str!("../../demo-estate/estop.toml")),
    (
        "datasets/incidents.toml",
        include_str!("../../demo-estate/datasets/incidents.toml"),
    ),
    (
        "datasets/people.toml",
        include_str!("../../demo-estate/datasets/people.toml"),
    ),
    (
        "partners/federal-agency.toml",
        include_str!("../../demo-estate/partners/federal-agency.toml"),
    ),
    (
        "partners/public-health.toml",
        include_str!("../../demo-estate/partners/public-health.toml"),
    ),
    (
        "partners/state-police.toml",
        include_str!("../../demo-estate/partners/state-police.toml"),
    ),
    (
        "partners/university.toml",
        include_str!("../../demo-estate/partners/university.toml"),
    ),
    (
        "agreements/federal-2019.toml",
        include_str!("../../demo-estate/agreements/federal-2019.toml"),
    ),
    (
        "agreements/public-health-2021.toml",
        include_str!("../../demo-estate/agreements/public-health-2021.toml"),
    ),
    (
        "agreements/state-police-2018.toml",
        include_str!("../../demo-estate/agreements/state-police-2018.toml"),
    ),
    (
        "agreements/university-2020.toml",
        include_str!("../../demo-estate/agreements/university-2020.toml"),
    ),
    (
        "guardrails/records.cedar",
        include_str!("../../demo-estate/guardrails/records.cedar"),
    ),
    (
        "authorities/allowed_signers",
        include_str!("../../demo-estate/authorities/allowed_signers"),
    ),
];

/// How the demo keeps partners apart from its database, unless it is told.
pub const DEFAULT_ISOLATION: &str = "airlock";

/// What differs from run to run.
#[derive(Debug)]
pub struct Particulars<'a> {
    /// URL of the custodian's database, password included.
    pub upstream: &'a str,
    /// Where the gateway listens.
    pub listen: SocketAddr,
    /// How partners are kept apart from it.
    pub isolation: &'a str,
    /// SCRAM verifier of each officer.
    pub verifiers: &'a BTreeMap<&'static str, String>,
    /// Public key (`ssh-ed25519 AAAA...`) of each authority.
    pub authorities: &'a BTreeMap<&'static str, String>,
}

/// The files with everything filled in.
#[must_use]
pub fn files(particulars: &Particulars<'_>) -> Files {
    let listen = particulars.listen.to_string();
    let mut filling = vec![
        ("@UPSTREAM@".to_owned(), particulars.upstream),
        ("@LISTEN@".to_owned(), &listen),
        ("@ISOLATION@".to_owned(), particulars.isolation),
    ];
    filling.extend(
        particulars
            .verifiers
            .iter()
            .map(|(officer, text)| (format!("@SCRAM:{officer}@"), text.as_str())),
    );
    filling.extend(
        particulars
            .authorities
            .iter()
            .map(|(who, key)| (format!("@KEY:{who}@"), key.as_str())),
    );
    let filled = |text: &str| {
        filling
            .iter()
            .fold(text.to_owned(), |text, (mark, value)| text.replace(mark, value))
    };
    TEMPLATE
        .iter()
        .map(|(path, text)| ((*path).to_owned(), filled(text)))
        .collect()
}

/// Writes an estate. The main file holds a password, and partners' files hold verifiers: they are the owner's to read.
///
/// # Errors
/// A file is there already, or cannot be written.
pub fn write(files: &Files, folder: &Path) -> Result<(), FileError> {
    files
        .iter()
        .try_for_each(|(path, text)| files::create(&folder.join(path), text, Readers::Owner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands;
    use crate::ssh;
    use evidence::signers::AllowedSigners;
    use policy::estate::Estate;

    fn filled() -> Files {
        let officers = ["d.achterberg", "m.ibekwelu", "r.northcote", "s.okonjoro"];
        let verifier = |officer| {
            (
                officer,
                commands::verifier("a demo password").unwrap().to_string(),
            )
        };
        let folder = tempfile::tempdir().unwrap();
        let key = |who| {
            let path = folder.path().join(who);
            ssh::generate(&path, "").unwrap();
            (
                who,
                std::fs::read_to_string(path.with_extension("pub"))
                    .unwrap()
                    .trim()
                    .to_owned(),
            )
        };
        files(&Particulars {
            upstream: "postgresql://custodian:secret@/records?host=/tmp/x",
            listen: "127.0.0.1:6432".parse().unwrap(),
            isolation: DEFAULT_ISOLATION,
            verifiers: &officers.map(verifier).into(),
            authorities: &["mayor", "counsel"].map(key).into(),
        })
    }

    #[test]
    fn the_estate_is_right_and_has_four_partners() {
        let files = filled();
        let estate = Estate::parse(&files).unwrap_or_else(|errors| panic!("{:?}", errors.findings()));
        assert_eq!(estate.partners().len(), 4);
        assert_eq!(estate.agreements().len(), 4);
        let signers = AllowedSigners::parse(estate.signers().unwrap()).unwrap();
        assert_eq!(signers.people().len(), 2);
    }

    #[test]
    fn everything_is_filled_in() {
        for (path, text) in filled() {
            let left = text
                .lines()
                .find(|line| line.contains("\"@") || line.contains("@\"") || line.contains(" @"));
            assert_eq!(left, None, "{path}");
        }
    }
}
