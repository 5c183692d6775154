//! `estop exposure` from outside, on a real PostgreSQL: exit codes, documents, files, TLS, least rights, and databases as
//! applications make them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of it is tests, also what is not marked as one"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

#[path = "../../control/tests/postgres/server.rs"]
#[expect(dead_code, reason = "made for other tests too")]
mod server;

use server::Server;

/// As Django's `migrate` makes them, and a shop like pagila.
const APPLICATIONS: &str = include_str!("exposure/applications.sql");

fn estop(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_estop"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", errors(output)))
}

/// A server with the applications' database, in which every role gets in by the socket.
async fn applications() -> Server {
    let server = Server::start(&[("statement_timeout", "20s")]).await;
    let data = server.socket().join("data");
    fs::write(
        data.join("pg_hba.conf"),
        "local all all trust\nhostssl all all 127.0.0.0/8 trust\n",
    )
    .unwrap();
    let admin = server.superuser("postgres").await;
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    admin.batch_execute("CREATE DATABASE shop").await.unwrap();
    server
        .superuser("shop")
        .await
        .batch_execute(APPLICATIONS)
        .await
        .unwrap();
    server
}

fn url(server: &Server, user: &str) -> String {
    format!("postgresql://{user}@/shop?host={}", server.socket().display())
}

/// Findings as `role class kind`, of roles whose name is not the superuser's.
fn findings(document: &Value) -> Vec<String> {
    let all = document["findings"].as_array().unwrap().iter();
    let said = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
    let mut lines: Vec<String> = all
        .filter(|one| one["role"] != "postgres")
        .map(|one| {
            format!(
                "{} {} {}",
                said(one, "role"),
                said(one, "class"),
                said(one, "kind")
            )
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

#[tokio::test]
async fn what_can_be_read_is_answered_printed_saved_and_compared() {
    let server = applications().await;
    let admin = url(&server, "postgres");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let before = file("before.json");
    let asked = ["--json", "exposure", &admin, "--relation", "public.auth_user"];
    let output = estop(&[&asked[..], &["--save", &before]].concat());
    assert_eq!(code(&output), 0, "{}", errors(&output));
    assert_eq!(
        findings(&document(&output)),
        [
            "django latent schema_create",
            "django rows owner",
            "django rows view",
            "report rows view",
            "support rows column_grant",
            "support rows view",
            "worker latent schema_create",
            "worker rows membership",
            "worker rows set_role",
            "worker rows view",
        ]
    );
    // A role, a column, and all paths.
    let output = estop(&[&asked[..], &["--role", "support", "--all"]].concat());
    assert_eq!(
        findings(&document(&output)),
        ["support rows column_grant", "support rows view"]
    );
    let output = estop(&[
        "--json",
        "exposure",
        &admin,
        "--relation",
        "public.auth_user.password",
    ]);
    let found = findings(&document(&output));
    assert!(!found.iter().any(|line| line.starts_with("support")), "{found:?}");
    assert!(found.contains(&"django rows owner".to_owned()), "{found:?}");
    // A tree for people.
    let output = estop(&["exposure", &admin, "--relation", "public.auth_user"]);
    let tree = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(tree.contains("report") && tree.contains("REVOKE"), "{tree}");
    // Files.
    let (dot, html) = (file("paths.dot"), file("report.html"));
    let output = estop(&[
        "exposure",
        &admin,
        "--relation",
        "public.auth_user",
        "--dot",
        &dot,
        "--html",
        &html,
    ]);
    assert_eq!(code(&output), 0, "{}", errors(&output));
    assert!(fs::read_to_string(&dot).unwrap().starts_with("digraph"));
    assert!(fs::read_to_string(&html).unwrap().contains("auth_user"));
    // Without Graphviz a drawing is refused, and what would be right is said.
    let output = Command::new(env!("CARGO_BIN_EXE_estop"))
        .env("PATH", folder.path())
        .args([
            "exposure",
            &admin,
            "--relation",
            "public.auth_user",
            "--svg",
            &file("paths.svg"),
        ])
        .output()
        .unwrap();
    assert_eq!(code(&output), 3, "{}", errors(&output));
    assert!(errors(&output).contains("--dot FILE"), "{}", errors(&output));
    // For a pipeline.
    for (worst, role, expected) in [
        ("rows", "support", 1),
        ("rows", "nobody", 0),
        ("latent", "nobody", 0),
    ] {
        let output = estop(&[&asked[..], &["--role", role, "--fail-on", worst]].concat());
        assert_eq!(code(&output), expected, "{worst} {role}: {}", errors(&output));
    }
    // Trying agrees.
    let output = estop(&[&asked[..], &["--verify"]].concat());
    let tried = document(&output);
    let all = tried["findings"].as_array().unwrap().iter();
    let tried: Vec<&Value> = all
        .filter(|one| one["role"] != "postgres" && one["class"] == "rows")
        .map(|one| &one["verified"])
        .collect();
    assert!(
        !tried.is_empty() && tried.iter().all(|one| **one == Value::Bool(true)),
        "{tried:?}"
    );
    // Nothing new; then something new.
    let output = estop(&[&asked[..], &["--diff", &before]].concat());
    assert_eq!(code(&output), 0, "{}", errors(&output));
    let client = server.superuser("shop").await;
    client
        .batch_execute("GRANT SELECT ON public.auth_user TO nobody")
        .await
        .unwrap();
    let output = estop(&[&asked[..], &["--diff", &before]].concat());
    assert_eq!(code(&output), 1, "{}", errors(&output));
    assert_eq!(document(&output)["appeared"][0]["role"], "nobody");
    // Offline, the earlier answer.
    let output = estop(&[
        "--json",
        "exposure",
        "--snapshot",
        &before,
        "--relation",
        "public.auth_user",
    ]);
    assert_eq!(findings(&document(&output)).len(), 10);
    // Every relation.
    let output = estop(&["--json", "exposure", &admin]);
    let looked = document(&output)["relation"].as_array().unwrap().len();
    assert!(looked >= 10, "{looked}");
}

#[tokio::test]
async fn a_shop_s_staff_list_reads_customers_and_its_triggers_copy_them() {
    let server = applications().await;
    let admin = url(&server, "postgres");
    let output = estop(&["--json", "exposure", &admin, "--relation", "shop.customer"]);
    let found = findings(&document(&output));
    let open: Vec<&str> = found
        .iter()
        .map(String::as_str)
        .filter(|line| line.contains(" rows "))
        .collect();
    assert_eq!(
        open,
        [
            "auditor rows trigger_copy",
            "report rows definer_function",
            "report rows view",
            "staff rows definer_function",
            "staff rows table_grant",
            "support rows definer_function"
        ]
    );
}

#[tokio::test]
async fn wrong_calls_say_what_would_be_right() {
    let server = applications().await;
    let admin = url(&server, "postgres");
    for (args, expected, says) in [
        (
            vec!["exposure", &admin, "--relation", "public.auth_usr"],
            2,
            "did you mean `public.auth_user`",
        ),
        (
            vec!["exposure", &admin, "--relation", "public.auth_user.passwd"],
            2,
            "no column",
        ),
        (
            vec!["exposure", &admin, "--relation", "auth_user"],
            2,
            "SCHEMA.TABLE",
        ),
        (
            vec!["exposure", &admin, "--role", "suport"],
            2,
            "did you mean `support`",
        ),
        (vec!["exposure", "not a url"], 2, ""),
        (vec!["exposure", "postgresql://nobody@/shop?host=/nowhere"], 3, ""),
        (
            vec!["exposure", "postgresql://a@h/d?sslmode=verify-full"],
            2,
            "sslrootcert",
        ),
        (vec!["exposure", "--snapshot", "/nowhere.json"], 3, ""),
        (vec!["exposure"], 2, "URL"),
    ] {
        let output = estop(&args);
        assert_eq!(code(&output), expected, "{args:?}: {}", errors(&output));
        assert!(errors(&output).contains(says), "{args:?}: {}", errors(&output));
    }
}

/// A role that sees only what PostgreSQL shows to everybody finds the same paths, and says what it did not see.
#[tokio::test]
async fn with_least_rights_what_was_not_seen_is_said() {
    let server = applications().await;
    let ask = |user: &str| {
        let output = estop(&[
            "--json",
            "exposure",
            &url(&server, user),
            "--relation",
            "public.auth_user",
        ]);
        assert_eq!(code(&output), 0, "{}", errors(&output));
        document(&output)
    };
    let (all, least) = (ask("postgres"), ask("nobody"));
    assert_eq!(findings(&all), findings(&least));
    let unseen = least["unseen"].to_string();
    for what in ["pg_hba.conf", "password", "statistics"] {
        assert!(unseen.contains(what), "{what}: {unseen}");
    }
    // Trying needs a superuser: without, nothing is claimed to have been tried.
    let output = estop(&[
        "--json",
        "exposure",
        &url(&server, "nobody"),
        "--relation",
        "public.auth_user",
        "--verify",
    ]);
    let tried = document(&output);
    let findings = tried["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .filter(|one| one["role"] != "nobody")
            .all(|one| one["verified"].is_null()),
        "{tried}"
    );
}

fn certificate(folder: &Path, name: &str) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    params.is_ca = rcgen::IsCa::NoCa;
    let signed = params.signed_by(&key, &issuer).unwrap();
    fs::write(folder.join("ca.pem"), authority_certificate.pem()).unwrap();
    (signed.pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_server_that_wants_tls_is_read_by_tls() {
    let folder = tempfile::tempdir().unwrap();
    // An address of the machine's own that no other server listens at.
    let id = std::process::id();
    let address = format!(
        "127.{}.{}.{}",
        1 + id % 250,
        id / 250 % 250,
        1 + id / 62_500 % 250
    );
    let listen: &'static str = Box::leak(address.clone().into_boxed_str());
    let server = Server::start(&[("listen_addresses", listen)]).await;
    let data = server.socket().join("data");
    let (chain, key) = certificate(folder.path(), "db.example.org");
    let admin = server.superuser("postgres").await;
    let lines = |pem: &str| format!("SELECT unnest(string_to_array($pem${}$pem$, E'\\n'))", pem.trim());
    for (name, pem) in [("server.crt", &chain), ("server.key", &key)] {
        let sql = format!("COPY ({}) TO PROGRAM 'umask 077; cat > {name}'", lines(pem));
        admin.batch_execute(&sql).await.unwrap();
    }
    fs::write(
        data.join("pg_hba.conf"),
        "local all all trust\nhostssl all all 127.0.0.0/8 trust\n",
    )
    .unwrap();
    admin.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    admin
        .batch_execute("CREATE TABLE public.t (a int); SELECT pg_reload_conf()")
        .await
        .unwrap();
    let authority = folder.path().join("ca.pem").display().to_string();
    let by = |more: &str| {
        let url = format!("postgresql://postgres@{address}/postgres?{more}");
        estop(&["--json", "exposure", &url, "--relation", "public.t"])
    };
    let named = |more: &str| {
        let url = format!("postgresql://postgres@db.example.org/postgres?hostaddr={address}&{more}");
        estop(&["--json", "exposure", &url, "--relation", "public.t"])
    };
    // A reload takes its time.
    for _ in 0..100 {
        if code(&by("sslmode=require")) == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let trusted = format!("sslmode=verify-full&sslrootcert={authority}");
    let authority_only = format!("sslmode=verify-ca&sslrootcert={authority}");
    for (output, expected, what) in [
        (by("sslmode=require"), 0, "require"),
        (by(""), 0, "prefer"),
        (by("sslmode=disable"), 3, "the server takes no plain connection"),
        (by(&authority_only), 0, "verify-ca"),
        (by(&trusted), 3, "the certificate is for another name"),
        (named(&trusted), 0, "verify-full"),
    ] {
        assert_eq!(code(&output), expected, "{what}: {}", errors(&output));
    }
    // Another authority is not trusted.
    certificate(folder.path(), "other");
    assert_eq!(code(&by(&authority_only)), 3);
    assert_eq!(code(&named(&trusted)), 3);
    // Who reads is known by a certificate alone.
    let (chain, key) = certificate(folder.path(), "postgres");
    let authority = fs::read_to_string(folder.path().join("ca.pem")).unwrap();
    let sql = format!("COPY ({}) TO PROGRAM 'cat > root.crt'", lines(&authority));
    admin.batch_execute(&sql).await.unwrap();
    let hba = "local all all trust\nhostssl all all 127.0.0.0/8 cert\n";
    fs::write(data.join("pg_hba.conf"), hba).unwrap();
    admin
        .batch_execute("ALTER SYSTEM SET ssl_ca_file = 'root.crt'")
        .await
        .unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    let file = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        fs::write(&path, pem).unwrap();
        path.display().to_string()
    };
    let (chain, key) = (file("client.pem", &chain), file("client.key", &key));
    let own = format!("sslmode=require&sslcert={chain}&sslkey={key}");
    for _ in 0..100 {
        if code(&by("sslmode=require")) == 3 && code(&by(&own)) == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (stranger, strangers) = certificate(folder.path(), "postgres");
    let (stranger, strangers) = (file("stranger.pem", &stranger), file("stranger.key", &strangers));
    for (output, expected, what) in [
        (by(&own), 0, "the certificate of postgres"),
        (by("sslmode=require"), 3, "no certificate"),
        (
            by(&format!("sslcert={stranger}&sslkey={strangers}")),
            3,
            "of another authority",
        ),
        (
            by(&format!("sslcert={chain}&sslkey={strangers}")),
            2,
            "another's key",
        ),
        (by(&format!("{own}&sslpassword=x")), 2, "an encrypted key"),
    ] {
        assert_eq!(code(&output), expected, "{what}: {}", errors(&output));
    }
}
