//! A whole server's numbers, which come from groups of roles and relations, against the plain scan of each relation; and how much
//! work they take on a large catalog.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

mod large;
mod made;
mod made_more;

use std::collections::BTreeMap;

use policy::exposure::scan::Named;
use policy::exposure::snapshot::{Reference, Rule};
use policy::exposure::{Class, Question, Report, Snapshot, scan};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

fn whole(snapshot: &Snapshot) -> Report {
    scan(snapshot, &Question::default()).unwrap()
}

/// A class' place in the numbers.
fn at(class: Class) -> usize {
    [
        Class::Rows,
        Class::Facts,
        Class::Grantable,
        Class::Latent,
        Class::Blocked,
    ]
    .iter()
    .position(|one| *one == class)
    .unwrap()
}

/// The worst class of each role that is counted, by a scan of the relation alone.
fn plain(snapshot: &Snapshot, relation: &str, counted: &[String]) -> BTreeMap<String, Class> {
    let (schema, name) = relation.split_once('.').unwrap();
    let named = Named {
        schema: schema.to_owned(),
        name: name.to_owned(),
        column: None,
    };
    let question = Question {
        relation: Some(named),
        ..Question::default()
    };
    let mut worst: BTreeMap<String, Class> = BTreeMap::new();
    for finding in scan(snapshot, &question).unwrap().findings {
        if counted.contains(&finding.role) {
            let class = worst.entry(finding.role).or_insert(finding.class);
            *class = (*class).min(finding.class);
        }
    }
    worst
}

/// Holds the numbers of all relations and roles against the plain scan.
fn agree(snapshot: &Snapshot) -> Result<(), String> {
    let report = whole(snapshot);
    let counted: Vec<String> = report.roles.iter().map(|reach| reach.role.clone()).collect();
    let mut reaches: BTreeMap<&str, [u32; 5]> = counted.iter().map(|role| (role.as_str(), [0; 5])).collect();
    for looked in &report.relation {
        let mut of_database = snapshot.clone();
        of_database.server.database.clone_from(&looked.database);
        let worst = plain(&of_database, &looked.relation, &counted);
        let mut numbers = [0; 5];
        for (role, class) in &worst {
            numbers[at(*class)] += 1;
            reaches.get_mut(role.as_str()).unwrap()[at(*class)] += 1;
        }
        if numbers != looked.roles {
            return Err(format!(
                "{}: {:?} by groups, {numbers:?} one by one: {worst:?}",
                looked.relation, looked.roles
            ));
        }
    }
    for reach in &report.roles {
        let plain = reaches[reach.role.as_str()];
        if plain != reach.relations {
            return Err(format!(
                "{}: {:?} by groups, {plain:?} one by one",
                reach.role, reach.relations
            ));
        }
    }
    // All is listed where there is room for it.
    let listed: BTreeMap<(&str, &str, &str), Class> =
        report.findings.iter().fold(BTreeMap::new(), |mut all, one| {
            let class = all
                .entry((&*one.database, &*one.relation, &*one.role))
                .or_insert(one.class);
            *class = (*class).min(one.class);
            all
        });
    let stood: u32 = report.relation.iter().flat_map(|looked| looked.roles).sum();
    if listed.len() != stood as usize || report.left_out != 0 {
        return Err(format!("{} pairs are listed of {stood}", listed.len()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn groups_say_what_each_relation_says(steps in prop::collection::vec(any::<[u8; 5]>(), 0..40), version in 0..4_usize) {
        let snapshot = made::snapshot([140_000, 150_000, 160_000, 180_000][version], &steps);
        prop_assert!(agree(&snapshot).is_ok(), "{}", agree(&snapshot).unwrap_err());
    }

    #[test]
    fn ties_tell_relations_apart(steps in prop::collection::vec(any::<[u8; 5]>(), 10..40)) {
        let snapshot = made::tied(150_000, &steps);
        prop_assert!(agree(&snapshot).is_ok(), "{}", agree(&snapshot).unwrap_err());
    }
}

/// Found by the test above: a condition of row security may name a role that holds nothing.
#[test]
fn a_role_that_a_policy_names_stands_alone() {
    let steps = [
        [252, 203, 21, 15, 67],
        [30, 5, 55, 87, 0],
        [11, 53, 99, 4, 0],
        [0; 5],
    ];
    let snapshot = made::snapshot(140_000, &steps);
    assert_eq!(agree(&snapshot), Ok(()));
}

/// `CURRENT_ROLE` in a view asks who asks as `CURRENT_USER` does: tables that are alike but for such views do not stand alike.
#[test]
fn views_that_ask_for_the_current_role_are_told_apart() {
    let mut snapshot = made::snapshot(150_000, &[]);
    let contents = &mut snapshot.contents[0];
    let like = contents.relations[0].clone();
    for (oid, who) in [(2_000, "dave"), (2_002, "erin")] {
        let mut table = like.clone();
        (table.oid, table.name) = (oid, format!("t{oid}"));
        let mut view = like.clone();
        (view.oid, view.name, view.kind) = (oid + 1, format!("v{oid}"), "v".to_owned());
        view.acl = Some(vec!["=r/owner".to_owned()]);
        contents.rules.push(Rule {
            relation: view.oid,
            name: "_RETURN".to_owned(),
            event: "1".to_owned(),
            enabled: true,
            reads: Some(vec![Reference {
                relation: oid,
                columns: None,
            }]),
            text: Some(format!(
                " SELECT id FROM public.t{oid} WHERE (CURRENT_ROLE = '{who}'::name);"
            )),
            ..Rule::default()
        });
        contents.relations.extend([table, view]);
    }
    assert_eq!(agree(&snapshot), Ok(()));
}

/// The random catalogs are worth something: nearly every kind of path stands in some of them, and all classes.
#[test]
fn made_catalogs_have_paths_of_all_sorts() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = prop::collection::vec(any::<[u8; 5]>(), 40);
    let mut kinds = std::collections::BTreeSet::new();
    let mut classes = [0_u32; 5];
    for round in 0..300_usize {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        let report = whole(&made::snapshot(
            [140_000, 150_000, 160_000, 180_000][round % 4],
            &steps,
        ));
        kinds.extend(report.findings.iter().map(|finding| finding.kind));
        for reach in &report.roles {
            for (sum, count) in classes.iter_mut().zip(reach.relations) {
                *sum += count;
            }
        }
    }
    assert!(kinds.len() >= 40, "{} kinds: {kinds:?}", kinds.len());
    assert!(classes.iter().all(|count| *count > 100), "{classes:?}");
}
