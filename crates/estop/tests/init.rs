//! `estop init` and `estop schema` from outside, on a real PostgreSQL: what is proposed is an estate, whatever the database.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "all of it is tests, also what is not marked as one"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use estop::postgres::Scratch;
use serde_json::Value;

const RENTAL: &str = include_str!("init/rental.sql");
const NAMES: &str = include_str!("init/names.sql");

struct Database {
    scratch: Scratch,
    folder: tempfile::TempDir,
}

impl Database {
    fn start() -> Self {
        Self {
            scratch: Scratch::start().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn psql(&self, database: &str, script: &str) -> String {
        let file = self.folder.path().join("script.sql");
        fs::write(&file, script).unwrap();
        let output = Command::new("psql")
            .env("PGPASSWORD", self.scratch.password())
            .args([
                "-XqAt",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                estop::postgres::ADMIN,
                "-d",
                database,
            ])
            .args(["-p", &self.scratch.port().to_string(), "-h"])
            .arg(self.scratch.socket_directory())
            .arg("-f")
            .arg(&file)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!(
            "postgresql://{user}:{password}@/{database}?host={}&port={}",
            self.scratch.socket_directory().display(),
            self.scratch.port()
        )
    }

    fn admin(&self, database: &str) -> String {
        self.url(estop::postgres::ADMIN, self.scratch.password(), database)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn estop(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_estop"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs `init`, and `check` on what it wrote.
fn proposed(folder: &Path, url: &str, more: &[&str]) -> Value {
    let folder = folder.to_str().unwrap();
    let mut args = vec!["--json", "init", folder, "--upstream", url];
    args.extend(more);
    let output = estop(&args);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let check = estop(&["--estate", folder, "check"]);
    assert_eq!(
        check.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&check.stdout)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn dataset<'a>(said: &'a Value, id: &str) -> &'a Value {
    let mut all = said["datasets"].as_array().unwrap().iter();
    all.find(|dataset| dataset["id"] == id)
        .unwrap_or_else(|| panic!("{id}: {said:#}"))
}

fn text(folder: &Path, path: &str) -> String {
    fs::read_to_string(folder.join(path)).unwrap()
}

#[test]
fn a_shop_is_described_and_not_shared() {
    let database = Database::start();
    database.psql(
        "postgres",
        "CREATE DATABASE shop; CREATE ROLE reader LOGIN PASSWORD 'r'",
    );
    database.psql("shop", RENTAL);
    // A role without a right on anything but connecting.
    let folder = database.path("estate");
    let said = proposed(&folder, &database.url("reader", "r", "shop"), &[]);
    let ids: Vec<&str> = said["datasets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "customer",
            "customer-list",
            "film",
            "film-totals",
            "language",
            "payment",
            "rental",
            "staff"
        ]
    );
    let left: Vec<&str> = said["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["name"].as_str().unwrap())
        .collect();
    assert_eq!(left, ["shop.fts", "shop.nothing"]);

    assert_eq!(dataset(&said, "customer")["subject_key"], "customer_id");
    assert_eq!(dataset(&said, "rental")["subject_key"], "customer_id");
    assert_eq!(dataset(&said, "payment")["subject_key"], "customer_id");
    assert_eq!(dataset(&said, "film")["subject_key"], Value::Null);
    // A view's column is never NOT NULL to the catalog.
    assert_eq!(dataset(&said, "customer-list")["subject_key"], Value::Null);
    let tags = &dataset(&said, "customer")["tags"];
    assert_eq!(tags["identity"], serde_json::json!(["first_name", "last_name"]));
    assert_eq!(tags["contact"], serde_json::json!(["email", "phones"]));
    assert_eq!(tags["birth"], serde_json::json!(["birth_date"]));
    assert_eq!(tags["biometric"], serde_json::json!(["picture"]));
    assert_eq!(tags["device"], serde_json::json!(["last_ip"]));
    assert_eq!(
        dataset(&said, "staff")["tags"]["credential"],
        serde_json::json!(["password"])
    );
    let unshared: Vec<&str> = dataset(&said, "film")["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(unshared, ["fulltext", "price", "running"]);

    let film = text(&folder, "datasets/film.toml");
    for line in [
        "#:schema ../schema/dataset.json\n",
        "relation = \"shop.film\"\n",
        "title = { type = \"varchar\" }\n",
        "rating = { type = \"enum\" }\n",
        "inner_rating = { type = \"enum\", optional = true }\n",
        "release_year = { type = \"integer\", optional = true }\n",
        "rental_rate = { type = \"numeric(4,2)\" }\n",
        "precise = { type = \"numeric\", optional = true }\n",
        "last_update = { type = \"timestamp\" }\n",
        "# fulltext is left out: ",
    ] {
        assert!(film.contains(line), "{line} in\n{film}");
    }
    assert!(text(&folder, "datasets/customer.toml").contains("title = \"Customers of the shop\"\n"));
    // No password, nothing shared, the schemas as they are published.
    let settings = text(&folder, "estop.toml");
    assert!(
        settings.contains("postgresql://reader@/shop?host=") && !settings.contains("reader:r"),
        "{settings}"
    );
    for kind in ["partners", "agreements"] {
        let files: Vec<PathBuf> = fs::read_dir(folder.join(kind))
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        assert_eq!(files, [folder.join(kind).join("example.toml.txt")]);
    }
    let printed = estop(&["schema", "dataset"]).stdout;
    assert_eq!(text(&folder, "schema/dataset.json").into_bytes(), printed);
}

#[test]
fn whatever_things_are_called() {
    let database = Database::start();
    database.psql("postgres", NAMES);
    let folder = database.path("estate");
    let said = proposed(
        &folder,
        &database.admin("postgres"),
        &["--custodian", "archive.example.org"],
    );
    let ids: Vec<&str> = said["datasets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["id"].as_str().unwrap())
        .collect();
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len());
    assert_eq!(ids.len(), 14, "{ids:?}");
    for id in [
        "my-schema-person",
        "my-schema-person-2",
        "public-person",
        "table",
        "c-d-e",
        "select-relation",
    ] {
        dataset(&said, id);
    }
    // A name with a line's end cannot be written down.
    assert_eq!(said["left_out"].as_array().unwrap().len(), 1);
    assert_eq!(dataset(&said, "c-d-e")["relation"], "\"a.b\".\"c.d\"\"e\"");
    assert_eq!(dataset(&said, "odd")["left_out"].as_array().unwrap().len(), 1);
    assert!(text(&folder, "estop.toml").contains("name = \"archive.example.org\""));
}

#[test]
fn an_empty_database_and_one_of_thousands_of_tables() {
    let database = Database::start();
    let empty = database.path("empty");
    let said = proposed(&empty, &database.admin("postgres"), &[]);
    assert_eq!(said["datasets"], serde_json::json!([]));

    database.psql(
        "postgres",
        "CREATE SCHEMA few; CREATE TABLE few.one (id integer);
         DO $$ BEGIN FOR n IN 1..1000 LOOP
           EXECUTE format('CREATE TABLE t%s (id integer PRIMARY KEY, name text NOT NULL)', n);
         END LOOP; END $$",
    );
    let all = proposed(&database.path("all"), &database.admin("postgres"), &[]);
    assert_eq!(all["datasets"].as_array().unwrap().len(), 1001);
    let few = proposed(
        &database.path("few"),
        &database.admin("postgres"),
        &["--schema", "few"],
    );
    assert_eq!(few["datasets"].as_array().unwrap().len(), 1);
    let typo = database.path("typo");
    let url = database.admin("postgres");
    let refused = estop(&[
        "init",
        typo.to_str().unwrap(),
        "--upstream",
        &url,
        "--schema",
        "fwe",
    ]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("schema `fwe`"));
    assert!(!typo.exists());
}

#[test]
fn nothing_is_overwritten_and_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let estate = folder.path().join("estate");
    let nowhere = "postgresql://nobody@/d?host=/nowhere";
    let at = |folder: &Path| estop(&["init", folder.to_str().unwrap(), "--upstream", nowhere]);
    // No database: something needed is not there.
    assert_eq!(at(&estate).status.code(), Some(3));
    assert!(!estate.exists());
    fs::create_dir(&estate).unwrap();
    fs::write(estate.join("mine"), "x").unwrap();
    assert_eq!(at(&estate).status.code(), Some(2));
    assert_eq!(at(&estate.join("mine")).status.code(), Some(2));
    assert_eq!(fs::read_dir(&estate).unwrap().count(), 1);
    let wrong = estop(&["init", "x", "--upstream", "mysql://a@b/c"]);
    assert_eq!(wrong.status.code(), Some(2));
}
