//! How clients come in, and what those learn who guess: bytes of all protocol versions, psql, and (in `make soak`) newer libpqs.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

#[path = "logins/tokens.rs"]
mod tokens;

mod stage;

use std::path::{Path, PathBuf};
use std::process::Command;

use estop::files::{self, Readers};
use policy::estate::Files;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ED25519,
    RevokedCertParams, SanType, date_time_ymd,
};
use stage::office::Office;
use stage::{Login, psql_on, root, run};

const POLICE: &str = "state-police";

#[test]
fn logins_byte_by_byte_and_by_psql() {
    let mut office = Office::open();
    let police = office.login(POLICE);
    for binding in ["disable", "prefer", "require"] {
        let conninfo = format!("{} channel_binding={binding}", police.conninfo());
        assert_eq!(psql_on(&conninfo, "select 1").unwrap(), "1", "{binding}");
    }
    let mut python = Command::new("/usr/bin/python3");
    let lines = run(python.arg(root("tests/drivers/logins.py")).arg(police.conninfo()));
    println!("{lines}");
    assert!(lines.lines().count() > 55, "{lines}");
    // Who does not exist has the same salt after a restart, as those have who do.
    let salt = |office: &Office| {
        let mut python = Command::new("/usr/bin/python3");
        let program = "import sys; sys.path.insert(0, sys.argv.pop(1)); import logins; \
                       print(logins.attempt('wrong', replace={'user': 'nobody.here'})[0]['s'])";
        let conninfo = office.login(POLICE).conninfo();
        run(python
            .arg("-c")
            .arg(program)
            .arg(root("tests/drivers"))
            .arg(conninfo))
    };
    let before = salt(&office);
    office.restart();
    assert_eq!(salt(&office), before);
}

/// An authority of client certificates.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, as files, and its number.
struct Shown {
    certificate: PathBuf,
    key: PathBuf,
    number: u64,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Officers");
        let certificate = params.self_signed(&key).unwrap().pem();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    fn sign(&self, folder: &Path, number: u64, common: &str, email: &str) -> Shown {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "State Police");
        params.distinguished_name.push(DnType::CommonName, common);
        params.subject_alt_names = vec![SanType::Rfc822Name(email.try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(number.into());
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let file = |end: &str| folder.join(format!("{number}.{end}"));
        let shown = Shown {
            certificate: file("pem"),
            key: file("key"),
            number,
        };
        files::create(&shown.certificate, &certificate, Readers::Owner).unwrap();
        files::create(&shown.key, &key.serialize_pem(), Readers::Owner).unwrap();
        shown
    }

    fn revoke(&self, numbers: &[u64]) -> String {
        let revoked = |number: &u64| RevokedCertParams {
            serial_number: (*number).into(),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2040, 1, 1),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: numbers.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

impl Shown {
    fn by(&self, login: &Login) -> String {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        format!("{} sslcert={certificate} sslkey={key}", login.conninfo())
    }
}

const ISSUER: &str = "https://login.city.example";

/// Writes lines behind the head of a partner's table and of its officer's.
fn partner(files: &mut Files, name: &str, log_in: &str, officer: &str) {
    let file = files.get_mut(&format!("partners/{name}.toml")).unwrap();
    *file = file.replace(
        "[[officer]]\n",
        &format!("log_in = [{log_in}]\n\n[[officer]]\n{officer}\n"),
    );
}

fn in_gateway(files: &mut Files, lines: &str) {
    let settings = files.get_mut("estop.toml").unwrap();
    *settings = settings.replace("[gateway]\n", &format!("[gateway]\n{lines}"));
}

/// The university logs in by tokens.
fn take_tokens(files: &mut Files, key: &KeyPair) {
    let tokens = format!(
        "tokens = {{ issuer = \"{ISSUER}\", audience = \"records\", keys = \"tls/issuer.jwks\", scope = \"sql\" }}\n"
    );
    in_gateway(files, &tokens);
    partner(files, "university", "\"token\"", "token = \"u-17\"");
    files.insert("tls/issuer.jwks".to_owned(), tokens::keys(key));
}

#[test]
fn certificates_both_and_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut office = Office::open_in("in-place", |files| {
        let gateway = "client_authorities = \"tls/clients.pem\"\nclient_revocations = \"tls/clients.crl\"\n";
        in_gateway(files, gateway);
        take_tokens(files, &key);
        partner(
            files,
            "state-police",
            "\"certificate\"",
            "certificate = \"subject:CN=Dana Achterberg,O=State Police\"",
        );
        partner(
            files,
            "public-health",
            "\"certificate-and-password\"",
            "certificate = \"email:health@example.org\"",
        );
        files.insert("tls/clients.pem".to_owned(), ours.certificate.clone());
        files.insert("tls/clients.crl".to_owned(), ours.revoke(&[]));
    });
    let (police, health) = (office.login(POLICE), office.login("public-health"));
    let dana = ours.sign(folder.path(), 7, "Dana Achterberg", "dana@example.org");
    let other = ours.sign(folder.path(), 8, "Somebody Else", "health@example.org");
    let forged = theirs.sign(folder.path(), 9, "Dana Achterberg", "health@example.org");
    let without_password = |conninfo: String| conninfo.replace("password=", "application_name=");

    // What is printed is what the file says.
    let printed = office.estop(&["officer", "certificate", dana.certificate.to_str().unwrap()]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed.contains("certificate = \"subject:CN=Dana Achterberg,O=State Police\"\n"),
        "{printed}"
    );
    assert!(
        printed.contains("certificate = \"email:dana@example.org\"\n"),
        "{printed}"
    );

    let who = "show estop.officer";
    assert_eq!(
        psql_on(&without_password(dana.by(&police)), who).unwrap(),
        police.user
    );
    for refused in [other.by(&police), police.conninfo()] {
        let said = psql_on(&refused, who).unwrap_err();
        assert!(
            said.contains("certificate authentication failed for user"),
            "{said}"
        );
    }
    let said = psql_on(&forged.by(&police), who).unwrap_err();
    assert!(said.contains("SSL"), "{said}");

    // Both: neither is enough, and the answer does not tell which was missing.
    assert_eq!(psql_on(&other.by(&health), who).unwrap(), health.user);
    let wrong = Login {
        password: "wrong".to_owned(),
        ..health.clone()
    };
    for refused in [health.conninfo(), dana.by(&health), other.by(&wrong)] {
        let said = psql_on(&refused, who).unwrap_err();
        assert!(said.contains("password authentication failed"), "{said}");
    }
    // A partner that logs in by passwords takes them, whatever certificate is shown.
    assert_eq!(
        psql_on(&dana.by(&office.login("federal-agency")), "select 1").unwrap(),
        "1"
    );

    tokens::all(&office, &key);

    // A revocation needs no restart.
    let list = office.path("tls/clients.crl");
    std::fs::write(&list, ours.revoke(&[dana.number])).unwrap();
    stage::wait_for("the revocation is heard of", || {
        psql_on(&dana.by(&police), who).is_err()
    });
    assert_eq!(psql_on(&other.by(&health), who).unwrap(), health.user);
    // What cannot be read changes nothing, and is said.
    std::fs::write(&list, "no list").unwrap();
    stage::wait_for("it is said", || {
        office.said().contains("what lets partners in stays as it was")
    });
    assert!(psql_on(&dana.by(&police), who).is_err());
    assert_eq!(psql_on(&other.by(&health), who).unwrap(), health.user);
    office.close();
}

/// libpq 17 and 18, as `scripts/versions` keeps them.
#[test]
#[ignore = "needs other PostgreSQL versions; part of `make soak`"]
fn newer_libpqs() {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let office = Office::open_in("in-place", |files| take_tokens(files, &key));
    for version in ["17", "18"] {
        let path = run(Command::new(root("scripts/versions")).args(["path", version]));
        let lib = format!("{}/../lib", path.trim());
        let mut python = Command::new("/usr/bin/python3");
        python.env("LD_LIBRARY_PATH", &lib);
        let library = format!("{lib}/libpq.so.5");
        let lines = run(python
            .arg(root("tests/drivers/libpq.py"))
            .arg(&library)
            .arg(office.login(POLICE).conninfo()));
        println!("{version}:\n{lines}");
        assert!(lines.lines().count() >= if version == "18" { 13 } else { 3 });
        if version == "18" {
            tokens::by_libpq(&office, &key, &library, &lib);
        }
    }
}
