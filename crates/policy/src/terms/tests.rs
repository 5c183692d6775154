//! Summaries say what is given and taken, and hide nothing.

use std::collections::BTreeMap;

use super::{Sign, Terms, changes, summary};
use crate::estate::fixture;
use crate::estate::{Estate, Files};

fn terms(files: &Files) -> Terms {
    let estate = Estate::parse(files).unwrap_or_else(|errors| panic!("{:?}", errors.findings()));
    Terms::of(&estate, files, &[])
}

fn with(path: &str, from: &str, to: &str) -> Files {
    let mut files = fixture::files();
    let text = files.get(path).unwrap_or_else(|| panic!("no {path}"));
    assert!(text.contains(from), "{text}");
    let changed = text.replacen(from, to, 1);
    files.insert(path.to_owned(), changed);
    files
}

fn text(before: Option<&Terms>, after: &Terms) -> String {
    let number = "D-2026-0001".parse().unwrap();
    summary(
        &"records.example.org".parse().unwrap(),
        "00",
        before.map(|terms| (&number, terms)),
        after,
    )
}

#[test]
fn the_first_says_everything() {
    let terms = terms(&fixture::files());
    let said = text(None, &terms);
    assert!(said.starts_with("estop/summary/v1\n"), "{said}");
    for (id, agreement) in &terms.agreements {
        assert!(said.contains(&format!("+ agreement `{id}`")), "{said}");
        for column in agreement.shares.values().flat_map(|share| share.columns.keys()) {
            assert!(said.contains(&format!("+ column `{column}`")), "{column}: {said}");
        }
    }
    assert!(said.contains("relative to nothing"), "{said}");
}

#[test]
fn what_did_not_change_is_not_said() {
    let before = terms(&fixture::files());
    assert_eq!(changes(&before, &before), []);
    let said = text(Some(&before), &before);
    assert!(said.contains("0 to add, 0 to change, 0 to take away"), "{said}");
    assert!(said.contains("D-2026-0001"), "{said}");
}

#[test]
fn each_change_is_said_in_its_direction() {
    let before = terms(&fixture::files());
    let path = fixture::files()
        .keys()
        .find(|path| path.starts_with("agreements/"))
        .unwrap()
        .clone();
    let mut fewer = fixture::files();
    fewer.remove(&path);
    let after = terms(&fewer);
    assert!(
        changes(&before, &after)
            .iter()
            .any(|change| change.sign == Sign::Take && change.what.contains("agreement"))
    );
    assert!(
        changes(&after, &before)
            .iter()
            .any(|change| change.sign == Sign::Add && change.what.contains("agreement"))
    );
    // What this program has no words for still shows as a file that differs.
    let noted = with(&path, "[agreement]", "# a note\n[agreement]");
    let said = changes(&before, &terms(&noted));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].what.contains(&path), "{said:?}");
}

#[test]
fn no_character_hides_another() {
    let mut after = Terms::default();
    let line = "mayor\u{202e}reversed\nsecond".to_owned();
    after.signers.insert(line);
    after.files = BTreeMap::new();
    let said = text(None, &after);
    assert!(said.contains("mayor\\u{202e}reversed\\nsecond"), "{said}");
}
