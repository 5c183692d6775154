//! What a reviewer would otherwise have to look for: the arrows between crates, diets, sizes, headers, leftovers, the list of
//! dependencies. Each rule stands in ARCHITECTURE.md or CONTRIBUTING.md; here it is kept.

#![expect(
    clippy::unwrap_used,
    reason = "all of it is tests, also what is not marked as one"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// Longest source file, in lines. A longer one is two things in one room.
const FILE_LINES: usize = 500;

/// Who may use whom (ARCHITECTURE.md). Gateway and control never use each other: they meet in the ledger's epoch.
const ARROWS: [(&str, &[&str]); 8] = [
    ("control", &["evidence", "ledger", "policy", "proof"]),
    (
        "estop",
        &[
            "control", "evidence", "gateway", "ledger", "policy", "proof", "wire",
        ],
    ),
    ("evidence", &[]),
    ("gateway", &["evidence", "ledger", "policy", "wire"]),
    ("ledger", &["evidence"]),
    ("policy", &["evidence"]),
    ("proof", &["evidence", "policy"]),
    ("wire", &[]),
];

/// What a crate must not contain, by the crates that would bring it in. Tests of a crate are as free as their author.
const DIETS: [(&str, &[&str]); 7] = [
    ("control", &["pg_query", "rustls", "tokio-rustls"]),
    ("evidence", PURE),
    (
        "gateway",
        &["axum", "cedar-policy", "hyper", "rusqlite", "tokio-postgres"],
    ),
    (
        "ledger",
        &["axum", "cedar-policy", "hyper", "pg_query", "tokio-postgres"],
    ),
    ("policy", PURE),
    (
        "proof",
        &[
            "axum",
            "hyper",
            "pg_query",
            "rusqlite",
            "rustls",
            "tokio-postgres",
        ],
    ),
    ("wire", PURE),
];

/// Everything with a clock, a socket, a file or a task in it.
const PURE: &[&str] = &[
    "axum",
    "futures-util",
    "hyper",
    "hyper-util",
    "rusqlite",
    "rustix",
    "rustls",
    "socket2",
    "tempfile",
    "tokio",
    "tokio-postgres",
    "tokio-rustls",
];

/// What the pure crates must not call in the standard library.
const IMPURE_CALLS: [&str; 6] = [
    "std::env::",
    "std::fs::",
    "std::net::",
    "std::process::",
    "std::thread::",
    "async fn",
];

/// The tables of a manifest that name crates.
const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn table(path: &Path) -> Table {
    fs::read_to_string(path).unwrap().parse().unwrap()
}

/// Names in one table of a manifest, such as `dependencies`.
fn keys(manifest: &Table, section: &str) -> BTreeSet<String> {
    manifest
        .get(section)
        .and_then(|value| value.as_table())
        .into_iter()
        .flat_map(Table::keys)
        .cloned()
        .collect()
}

fn manifests() -> BTreeMap<String, Table> {
    fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                table(&entry.path().join("Cargo.toml")),
            )
        })
        .collect()
}

fn ours() -> BTreeSet<String> {
    ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// All that any crate of the workspace depends on, ours left out.
fn used() -> BTreeSet<String> {
    let manifests = manifests();
    let all: BTreeSet<_> = manifests
        .values()
        .flat_map(|manifest| SECTIONS.map(|section| keys(manifest, section)))
        .flatten()
        .collect();
    all.difference(&ours()).cloned().collect()
}

/// All Rust files below a directory, with their text, by path relative to the root.
fn sources(below: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

fn all_sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    sources(&root().join("crates"), &mut found);
    found
}

/// Whether the file is only built for tests.
fn is_test(name: &str) -> bool {
    ["/tests/", "/tests.rs", "/benches/", "/fuzz/"]
        .iter()
        .any(|part| name.contains(part))
}

/// The lines of a file that are neither comments nor in its closing test module.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        let line = lines.next()?;
        // `mod tests;` in another file: what follows is code again.
        let inline = line.trim() == "#[cfg(test)]" && lines.peek().is_some_and(|next| next.ends_with('{'));
        (!inline).then_some(line)
    })
    .filter(|line| !line.trim_start().starts_with("//"))
}

fn none(complaints: &[String], rule: &str) {
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}

#[test]
fn arrows_between_crates_are_as_drawn() {
    let manifests = manifests();
    let drawn: BTreeSet<_> = manifests.keys().cloned().collect();
    assert_eq!(drawn, ours(), "crates are added to the drawing first");
    for (name, allowed) in ARROWS {
        for section in SECTIONS {
            let used: Vec<_> = keys(&manifests[name], section)
                .intersection(&ours())
                .cloned()
                .collect();
            let forbidden: Vec<_> = used
                .iter()
                .filter(|used| !allowed.contains(&used.as_str()))
                .collect();
            assert!(
                forbidden.is_empty(),
                "`{name}` must not use {forbidden:?} ({section})"
            );
        }
    }
}

#[test]
fn diets_are_kept() {
    let manifests = manifests();
    for (name, banned) in DIETS {
        let eaten = keys(&manifests[name], "dependencies");
        let found: Vec<_> = banned
            .iter()
            .filter(|dependency| eaten.contains(**dependency))
            .collect();
        assert!(found.is_empty(), "`{name}` must not depend on {found:?}");
    }
}

#[test]
fn pure_crates_call_nothing_impure() {
    let mut complaints = Vec::new();
    for (name, text) in all_sources() {
        let pure = ["evidence", "policy", "wire"]
            .iter()
            .any(|of| name.starts_with(&format!("crates/{of}/src/")));
        if pure && !is_test(&name) {
            // An address is a value; a socket is not.
            let calls = code(&text)
                .filter(|line| IMPURE_CALLS.iter().any(|call| line.contains(call)))
                .filter(|line| !line.contains("std::net::SocketAddr") && !line.contains("std::net::IpAddr"));
            complaints.extend(calls.map(|line| format!("{name}: {}", line.trim())));
        }
    }
    none(
        &complaints,
        "evidence, policy and wire have no clock, file, socket or task",
    );
}

#[test]
fn the_gateway_has_no_ddl() {
    const STARTS: [&str; 6] = [
        "\"ALTER ",
        "\"CREATE ",
        "\"DROP ",
        "\"GRANT ",
        "\"REVOKE ",
        "\"DO $",
    ];
    let mut complaints = Vec::new();
    for (name, text) in all_sources() {
        if name.starts_with("crates/gateway/src/") && !is_test(&name) {
            // The words of a refusal name what is refused.
            let found = code(&text)
                .filter(|line| STARTS.iter().any(|start| line.contains(start)))
                .filter(|line| !line.contains("not available"));
            complaints.extend(found.map(|line| format!("{name}: {}", line.trim())));
        }
    }
    none(&complaints, "DDL belongs to control");
}

#[test]
fn every_file_says_what_it_is() {
    let headless: Vec<_> = all_sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(name, _)| name)
        .collect();
    none(
        &headless,
        "each file starts with a `//!` line that says what it is",
    );
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = all_sources()
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    none(
        &long,
        "which border is missing in these files of more than 500 lines",
    );
}

#[test]
fn nothing_unfinished_is_left() {
    // Put together here so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("dbg", "!("),
        concat!("XX", "X:"),
    ];
    let mut complaints = Vec::new();
    for (name, text) in all_sources() {
        for (line, number) in text.lines().zip(1..) {
            if marks.iter().any(|mark| line.contains(mark)) {
                complaints.push(format!("{name}:{number}: {}", line.trim()));
            }
        }
    }
    none(&complaints, "finish it, or file an issue");
}

#[test]
fn no_state_of_the_whole_process() {
    const MARKS: [&str; 6] = [
        "OnceLock",
        "LazyLock",
        "OnceCell<",
        "lazy_static",
        "thread_local!",
        "static mut",
    ];
    let mut complaints = Vec::new();
    for (name, text) in all_sources() {
        if name.starts_with("crates/estop/") || is_test(&name) {
            continue;
        }
        for line in code(&text) {
            let declares = line
                .trim_start()
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ");
            let cells = ["Mutex", "Atomic", "RwLock", "Cell"];
            let shared = declares.starts_with("static ") && cells.iter().any(|cell| line.contains(cell));
            if shared || MARKS.iter().any(|mark| line.contains(mark)) {
                complaints.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    none(
        &complaints,
        "two gateways must fit into one process: build it in the wiring and pass it on",
    );
}

#[test]
fn every_crate_stands_behind_the_panic_wall() {
    for (name, manifest) in manifests() {
        let shared = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"))
            .and_then(|value| value.as_bool());
        assert_eq!(shared, Some(true), "`{name}` has `[lints] workspace = true`");
    }
}

#[test]
fn every_dependency_is_explained() {
    let page = fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let explained: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    let used = used();
    let unexplained: Vec<_> = used.difference(&explained).collect();
    let unused: Vec<_> = explained.difference(&used).collect();
    assert!(
        unexplained.is_empty(),
        "docs/dependencies.md does not say why {unexplained:?}"
    );
    assert!(
        unused.is_empty(),
        "docs/dependencies.md explains what nobody uses: {unused:?}"
    );
}

#[test]
fn every_workspace_dependency_is_used() {
    let manifest = table(&root().join("Cargo.toml"));
    let declared = manifest["workspace"]["dependencies"].as_table().unwrap();
    let used = used();
    let unused: Vec<_> = declared
        .keys()
        .filter(|name| !used.contains(*name) && !ours().contains(*name))
        .collect();
    assert!(
        unused.is_empty(),
        "in the root manifest and nowhere else: {unused:?}"
    );
}
