//! What is killed in, each scene by its name.

use super::estates;
use super::place::{Roads, Scene};

pub(super) fn first(roads: &Roads) -> Scene {
    Scene {
        before: None,
        after: estates::first(&roads.url("records")),
        airlock: None,
        other_database: false,
        forgets: false,
        renews: false,
    }
}

pub(super) fn change(roads: &Roads) -> Scene {
    Scene {
        before: Some(estates::first(&roads.url("records"))),
        after: estates::second(&roads.url("records")),
        airlock: None,
        other_database: false,
        forgets: false,
        renews: false,
    }
}

pub(super) fn back(roads: &Roads) -> Scene {
    let Scene { before, after, .. } = change(roads);
    Scene {
        before: Some(after),
        after: before.unwrap(),
        airlock: None,
        other_database: false,
        forgets: false,
        renews: false,
    }
}

pub(super) fn two_databases(roads: &Roads) -> Scene {
    let (url, archive) = (roads.url("records"), roads.url("archive"));
    Scene {
        before: Some(estates::with_archive(estates::first(&url), &archive, false)),
        after: estates::with_archive(estates::second(&url), &archive, true),
        airlock: None,
        other_database: true,
        forgets: false,
        renews: false,
    }
}

pub(super) fn airlock_first(roads: &Roads) -> Scene {
    let Scene { after, .. } = first(roads);
    Scene {
        before: None,
        after: estates::airlocked(after),
        airlock: Some("police"),
        other_database: false,
        forgets: false,
        renews: false,
    }
}

pub(super) fn airlock_change(roads: &Roads) -> Scene {
    let url = roads.url("records");
    Scene {
        before: Some(estates::airlocked(estates::first(&url))),
        after: estates::airlocked(estates::second(&url)),
        airlock: Some("police"),
        other_database: false,
        forgets: false,
        renews: false,
    }
}

/// What stands in the airlock needs no change but for passwords.
pub(super) fn airlock_forgotten(roads: &Roads) -> Scene {
    let before = estates::airlocked(estates::first(&roads.url("records")));
    Scene {
        after: estates::with_hours(before.clone()),
        before: Some(before),
        airlock: Some("police"),
        other_database: false,
        forgets: true,
        renews: false,
    }
}

/// Only passwords change.
pub(super) fn renewed(roads: &Roads) -> Scene {
    let before = estates::first(&roads.url("records"));
    Scene {
        after: estates::with_hours(before.clone()),
        before: Some(before),
        airlock: None,
        other_database: false,
        forgets: false,
        renews: true,
    }
}

pub(super) fn airlock_renewed(roads: &Roads) -> Scene {
    let Scene { before, after, .. } = airlock_forgotten(roads);
    Scene {
        before,
        after,
        airlock: Some("police"),
        other_database: false,
        forgets: false,
        renews: true,
    }
}
