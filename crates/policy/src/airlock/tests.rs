//! What an airlock is made of, and when it is made anew.

use super::*;
use crate::estate::fixture;

fn likeness(desired: &Desired) -> Likeness {
    let column = |name: &SqlName| ShownColumn {
        name: name.as_str().to_owned(),
        type_name: "text".to_owned(),
        collation: None,
    };
    let shown = desired.roles.iter().flat_map(|role| {
        role.views.iter().map(move |view| {
            let key = crate::catalog::printed_key(role.name.as_str(), view.name.as_str());
            (key, view.columns.iter().map(column).collect())
        })
    });
    Likeness {
        shown: shown.collect(),
        collate: "en_US.UTF-8".to_owned(),
        ctype: "en_US.UTF-8".to_owned(),
        settings: BTreeMap::from([("TimeZone".to_owned(), "America/Chicago".to_owned())]),
    }
}

fn police(locales: &[&str]) -> Airlock {
    let desired = Desired::new(&fixture::estate(), "main", &[]);
    let likeness = likeness(&desired);
    let locales = locales.iter().map(|name| (*name).to_owned()).collect();
    let partner = "state-police".parse().unwrap();
    let mut airlock = Airlock::new(&partner, &[(&desired, &likeness)], &locales);
    for cell in &mut airlock.cells {
        cell.custodian_key = Some("key".to_owned());
    }
    airlock
}

/// As it stands once made.
fn made(airlock: &Airlock) -> Standing {
    let found = |cell: &Cell| {
        let lines = vec!["view people".to_owned(), "role".to_owned()];
        let seal = Some(Seal {
            made_of: cell.made_of(),
            state: Sealed {
                custodian_key: cell.custodian_key.clone(),
                lines: lines.clone(),
            },
            next: None,
        });
        let lines = Some(lines);
        (cell.name.as_str().to_owned(), Found { lines, seal })
    };
    Standing {
        cluster: (
            vec!["role estop_admin".to_owned()],
            Some(vec!["role estop_admin".to_owned()]),
        ),
        cells: airlock.cells.iter().map(found).collect(),
    }
}

fn words(airlock: &Airlock, standing: &Standing, renewed: &Renewed) -> Vec<String> {
    let (changes, _) = plan(airlock, standing, renewed);
    changes.into_iter().map(|change| change.step.words).collect()
}

#[test]
fn one_database_for_each_purpose_and_nothing_of_another_partner() {
    let airlock = police(&[]);
    let purposes: Vec<&str> = airlock.cells.iter().map(|cell| cell.purpose.as_str()).collect();
    assert_eq!(airlock.cells.len(), 2, "{purposes:?}");
    let text: String = airlock
        .cells
        .iter()
        .flat_map(|cell| [cell.outside(), cell.within()].concat())
        .collect();
    for secret in [
        "federal",
        "country_of_birth",
        "is_juvenile",
        "records.",
        "/run/postgresql",
        "geheim",
        "db2",
    ] {
        assert!(!text.contains(secret), "`{secret}` can be seen in {text}");
    }
}

#[test]
fn the_mapping_is_the_owners_alone_and_partners_hold_no_right_on_the_server() {
    for cell in police(&[]).cells {
        let name = cell.name.as_str();
        let within = cell.within();
        let mappings: Vec<_> = within.iter().filter(|sql| sql.contains("USER MAPPING")).collect();
        assert_eq!(mappings.len(), 1);
        assert!(
            mappings[0].starts_with("CREATE USER MAPPING FOR \"estop_owner\""),
            "{mappings:?}"
        );
        let theirs = within
            .iter()
            .filter(|sql| sql.starts_with("GRANT") && sql.ends_with(&format!("TO \"{name}\"")));
        for grant in theirs {
            assert!(
                grant.contains("SELECT ON") || grant.contains("USAGE ON SCHEMA"),
                "{grant}"
            );
            assert!(!grant.contains(INSIDE), "{grant}");
        }
        // Estimates of the custodian's planner count hidden rows.
        assert!(
            within
                .iter()
                .any(|sql| sql.contains("use_remote_estimate 'false'"))
        );
    }
}

#[test]
fn sorted_as_at_the_custodian_or_never_merged() {
    let like = police(&["en_US.UTF-8"]).cells[0].outside().join("; ");
    assert!(
        like.contains("LC_COLLATE 'en_US.UTF-8'") && !like.contains("enable_mergejoin"),
        "{like}"
    );
    let other = police(&["C"]).cells[0].outside().join("; ");
    assert!(
        other.contains("LC_COLLATE 'C'") && other.contains("enable_mergejoin = off"),
        "{other}"
    );
}

#[test]
fn what_was_made_and_not_touched_needs_nothing() {
    let airlock = police(&[]);
    let standing = made(&airlock);
    assert_eq!(
        words(&airlock, &standing, &Renewed::default()),
        Vec::<String>::new()
    );
    assert_eq!(plan(&airlock, &standing, &Renewed::default()).1, Vec::new());
    assert_eq!(
        words(&airlock, &Standing::default(), &Renewed::default()).len(),
        2
    );
}

#[test]
fn every_kind_of_difference_makes_it_anew_and_says_why() {
    let airlock = police(&[]);
    let name = airlock.cells[0].name.as_str().to_owned();
    let with = |change: &dyn Fn(&mut Found)| {
        let mut standing = made(&airlock);
        change(standing.cells.get_mut(&name).unwrap());
        let said = words(&airlock, &standing, &Renewed::default());
        assert_eq!(said.len(), 1, "{said:?}");
        said[0].clone()
    };
    assert!(with(&|found| found.lines.as_mut().unwrap()[0].push('!')).contains("come: view people!"));
    assert!(with(&|found| drop(found.lines.as_mut().unwrap().pop())).contains("gone: role"));
    assert!(with(&|found| found.lines = None).contains("half made"));
    assert!(with(&|found| found.seal = None).contains("half made"));
    assert!(with(&|found| found.seal.as_mut().unwrap().made_of.clear()).contains("something else"));
    let one = BTreeSet::from([name]);
    let (custodian, unknown) = (one.clone(), BTreeSet::new());
    let renewed = Renewed {
        at_custodian: custodian,
        unknown,
    };
    assert!(words(&airlock, &made(&airlock), &renewed)[0].contains("new password at the custodian"));
    let renewed = Renewed {
        at_custodian: BTreeSet::new(),
        unknown: one,
    };
    assert!(words(&airlock, &made(&airlock), &renewed)[0].contains("hold no password"));
}

#[test]
fn another_password_at_the_custodian_changes_passwords_and_nothing_else() {
    let mut airlock = police(&[]);
    let standing = made(&airlock);
    airlock.cells[1].custodian_key = Some("another".to_owned());
    let (changes, _) = plan(&airlock, &standing, &Renewed::default());
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].deed, Deed::Rekey(airlock.cells[1].clone()));
    let sql = &changes[0].step.sql;
    assert!(
        !sql.contains("DROP") && sql.contains(CUSTODIAN_PLACEHOLDER),
        "{sql}"
    );
}

#[test]
fn passwords_that_were_being_changed_are_one_or_the_other() {
    let mut airlock = police(&[]);
    let mut standing = made(&airlock);
    let name = airlock.cells[1].name.as_str().to_owned();
    airlock.cells[1].custodian_key = Some("another".to_owned());
    let lines = vec!["view people".to_owned(), "role, another password".to_owned()];
    let found = standing.cells.get_mut(&name).unwrap();
    found.seal.as_mut().unwrap().next = Some(Sealed {
        custodian_key: Some("another".to_owned()),
        lines: lines.clone(),
    });
    // Killed before it was committed: it is still to be done. Killed after: it is done.
    let said = words(&airlock, &standing, &Renewed::default());
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("new password"), "{said:?}");
    standing.cells.get_mut(&name).unwrap().lines = Some(lines);
    assert_eq!(
        words(&airlock, &standing, &Renewed::default()),
        Vec::<String>::new()
    );
    standing.cells.get_mut(&name).unwrap().lines = Some(vec!["view people".to_owned()]);
    assert!(words(&airlock, &standing, &Renewed::default())[0].contains("gone: role"));
}

#[test]
fn what_belongs_to_no_agreement_goes_first() {
    let mut airlock = police(&[]);
    let standing = made(&airlock);
    let gone = airlock.cells.remove(0);
    let (changes, _) = plan(&airlock, &standing, &Renewed::default());
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].name.as_str(), &changes[0].deed),
        (gone.name.as_str(), &Deed::Remove)
    );
    assert_eq!(changes[0].step.phase, Phase::Close);
}

#[test]
fn a_cluster_that_was_changed_blocks() {
    let airlock = police(&[]);
    let mut standing = made(&airlock);
    standing.cluster.0.push("role mallory: superuser t".to_owned());
    let (_, findings) = plan(&airlock, &standing, &Renewed::default());
    assert_eq!(findings[0].severity, Severity::Blocks);
    assert!(findings[0].what.contains("mallory"), "{}", findings[0].what);
}
