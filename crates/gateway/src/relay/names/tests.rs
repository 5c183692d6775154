//! A name means what upstream will take it to mean, or nothing.

use super::{Names, TooMany};
use crate::limits::NAMED;

#[test]
fn what_is_on_its_way_hides_what_is_confirmed() {
    let mut names = Names::new();
    let first = names.sent(b"s", "first", 5).unwrap();
    assert_eq!(names.meaning(b"s"), Some(&"first"));
    names.confirmed(b"s", first);
    let second = names.sent(b"s", "second", 5).unwrap();
    assert_eq!(names.meaning(b"s"), Some(&"second"));
    names.failed(b"s", second);
    assert_eq!(
        names.meaning(b"s"),
        Some(&"first"),
        "upstream refused the second: the first still stands"
    );
}

#[test]
fn the_unnamed_one_is_gone_when_its_successor_fails() {
    let mut names = Names::new();
    let first = names.sent(b"", "first", 5).unwrap();
    names.confirmed(b"", first);
    let second = names.sent(b"", "second", 5).unwrap();
    names.failed(b"", second);
    assert_eq!(names.meaning(b""), None);
}

#[test]
fn closed_and_forgotten_names_mean_nothing() {
    let mut names = Names::new();
    let serial = names.sent(b"s", 1, 1).unwrap();
    names.confirmed(b"s", serial);
    names.closed(b"s");
    assert_eq!(names.meaning(b"s"), None);
    names.sent(b"t", 1, 1).unwrap();
    names.forget();
    assert_eq!(names.meaning(b"t"), None);
}

#[test]
fn an_answer_to_what_was_forgotten_confirms_nothing_newer() {
    let mut names = Names::new();
    let old = names.sent(b"s", "old", 3).unwrap();
    names.forget();
    let new = names.sent(b"s", "new", 3).unwrap();
    names.confirmed(b"s", old);
    names.failed(b"s", new);
    assert_eq!(
        names.meaning(b"s"),
        None,
        "upstream may still hold the old text under this name"
    );
}

#[test]
fn there_is_a_bound() {
    let mut names = Names::new();
    let first = names.sent(b"first", 0, 1).unwrap();
    for i in 1..NAMED {
        names.sent(i.to_string().as_bytes(), i, 1).unwrap();
    }
    assert_eq!(names.sent(b"one more", 0, 1), Err(TooMany));
    names.failed(b"first", first);
    assert!(names.sent(b"one more", 0, 1).is_ok());
}
