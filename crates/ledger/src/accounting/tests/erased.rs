//! What becomes of the index when records are erased.

use super::*;

#[test]
fn what_was_erased_is_found_no_more_and_stands_in_no_run() {
    let mut world = World::new();
    for n in 0..30 {
        // Some statements are longer than a run, others lie between their parts.
        let parts: Vec<Vec<u64>> = (0..=n % 3).map(|part| vec![n % 5, 10 + part]).collect();
        world.statement(n, 1, &parts, false);
        if n % 3 == 0 {
            wait_indexed(&world);
            world.accounts().unwrap();
        }
    }
    wait_indexed(&world);
    world.accounts().unwrap();
    world.statement(99, 1, &[vec![3]], false);
    let all: BTreeSet<u64> = world.told.values().flatten().copied().collect();
    let gone: BTreeSet<u64> = all
        .iter()
        .copied()
        .step_by(4)
        .chain(all.last().copied())
        .collect();
    assert!(world.runs().len() > 1);
    let ledger = world.ledger.clone().unwrap();
    ledger.erase(&gone, "b", "root", Timestamp::UNIX_EPOCH).unwrap();
    wait_indexed(&world);
    for again in 0..2 {
        let accounts = world.accounts().unwrap();
        assert_eq!(accounts.erasures(), 1);
        for tag in 0..TAGS {
            let found: BTreeSet<u64> = accounts.find(Tag(spread(tag))).unwrap().into_iter().collect();
            let mut left = world.told.get(&tag).cloned().unwrap_or_default();
            left.retain(|entry| !gone.contains(entry));
            assert_eq!(found, left, "tag {tag}");
            accounts.told(&found.into_iter().collect::<Vec<_>>()).unwrap();
        }
        let mut rows = Vec::new();
        for run in world.runs() {
            for block in 0..run.blocks() {
                run.block(block, &mut rows).unwrap();
                assert!(rows.iter().all(|row| !gone.contains(&row.entry)));
            }
        }
        if again == 0 {
            // Made anew it is the same.
            fs::remove_dir_all(world.dir()).unwrap();
        }
    }
}
