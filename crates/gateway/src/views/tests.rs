//! Which columns count as subject keys, and which results are not given without one.

use std::collections::BTreeSet;

use bytes::{BufMut, BytesMut};
use evidence::subject::AccountingKey;
use policy::estate::SqlName;
use policy::in_force::ViewInForce;
use wire::backend::RowDescription;
use wire::frontend::Format;
use wire::value::Sort;

use super::{Found, Views};

fn name(text: &str) -> SqlName {
    text.parse().unwrap()
}

/// People with their key, visits with theirs, and places that are about nobody; by ids 20001 and following.
pub(crate) fn views(required: bool) -> Views {
    let view = |view: &str, key: Option<&str>, required| ViewInForce {
        name: name(view),
        dataset: view.parse().unwrap(),
        columns: Vec::new(),
        subject_key: key.map(name),
        subject_required: required,
    };
    let all = [
        view("people", Some("person_id"), required),
        view("visits", Some("visitor"), false),
        view("places", None, false),
    ];
    let column = |id, view: &str, number, column: &str| Found {
        id,
        column: Some((view.to_owned(), number, column.to_owned())),
    };
    Views::new(&all, &AccountingKey::new([5; 16])).found([
        column(20_001, "people", 1, "person_id"),
        column(20_001, "people", 2, "name"),
        column(20_002, "visits", 1, "day"),
        column(20_002, "visits", 2, "visitor"),
        column(20_003, "places", 1, "place"),
        column(20_009, "not_ours", 1, "person_id"),
        Found {
            id: 30_000,
            column: None,
        },
    ])
}

/// A RowDescription's body: relation, column number, type.
pub(crate) fn described(columns: &[(u32, i16, u32)]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u16(u16::try_from(columns.len()).unwrap());
    for (table, attribute, kind) in columns {
        out.put_slice(b"c\0");
        out.put_u32(*table);
        out.put_i16(*attribute);
        out.put_u32(*kind);
        out.put_slice(&[0, 0, 0, 0, 0, 0, 0, 0]);
    }
    out
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn keys_are_known_by_relation_and_column_number() {
    let views = views(false);
    let shape = |columns: &[(u32, i16, u32)]| {
        let body = described(columns);
        views.shape(&RowDescription::parse(&body).unwrap())
    };
    let both = shape(&[(20_001, 2, 25), (20_002, 2, 23), (0, 0, 23), (20_001, 1, 20)]).unwrap();
    let keys: Vec<_> = both
        .keys
        .iter()
        .map(|key| (key.place, key.view, key.sort, key.format))
        .collect();
    let integer = Some(Sort::Integer);
    assert_eq!(
        keys,
        [(1, 1, integer, Format::Text), (3, 0, integer, Format::Text)]
    );
    assert_eq!(both.views.keys().copied().collect::<Vec<_>>(), [0, 1]);
    // A column of the key's name that is none, by its number; and a type that names nobody.
    assert!(
        shape(&[(20_002, 1, 23), (20_003, 1, 23)])
            .unwrap()
            .keys
            .is_empty()
    );
    assert_eq!(shape(&[(20_001, 1, 1184)]).unwrap().keys[0].sort, None);
    assert!(shape(&[(1259, 1, 26)]).unwrap().catalog);
    assert!(!shape(&[(1259, 1, 26), (30_000, 1, 25)]).unwrap().catalog);
    // Neither ours nor anybody's at the login: made since, and nobody knows of what.
    assert!(shape(&[(20_004, 1, 23)]).is_err());
    assert!(shape(&[(20_009, 1, 23)]).is_err());
}

#[test]
fn what_must_hold_its_subject_key_is_not_given_without() {
    let views = views(true);
    let allowed = |columns: &[(u32, i16, u32)], reads: &[&str], more| {
        let body = described(columns);
        let shape = views.shape(&RowDescription::parse(&body).unwrap()).unwrap();
        views
            .demand(&views.reads(&names(reads), more, false), &shape)
            .is_ok()
    };
    assert!(allowed(&[(20_001, 1, 23), (20_001, 2, 25)], &["people"], false));
    // A choice of columns, a count, a key that cannot be read.
    assert!(!allowed(&[(20_001, 2, 25)], &["people"], false));
    assert!(!allowed(&[(0, 0, 20)], &["people"], false));
    assert!(!allowed(&[(20_001, 1, 1184)], &["people"], false));
    // Drawn from it by another statement: a cursor.
    assert!(!allowed(&[(20_001, 2, 25)], &[], true));
    assert!(!allowed(&[(0, 0, 20)], &[], true));
    assert!(allowed(&[(20_002, 2, 25)], &[], true));
    // Of others nothing is asked, nor of what is drawn from nothing.
    assert!(allowed(&[(20_002, 1, 25)], &["visits"], false));
    assert!(allowed(&[(0, 0, 20)], &[], false));
    assert!(allowed(&[(1259, 1, 26)], &["pg_class"], false));
    // Beside what the catalog says something of it could be said, too.
    assert!(!allowed(&[(1259, 1, 26)], &["pg_class", "people"], false));
    let copies = |name| {
        views
            .demand_text(&views.reads(&names(&[name]), false, true))
            .is_ok()
    };
    assert!(!copies("people") && copies("visits"));
}
