//! Partners who take more than there is: of memory in their airlock, of the custodian's time.

mod stage;

use std::time::Duration;

use stage::desk::Worker;
use stage::office::Office;
use stage::wait_for;

const PARTNER: &str = "state-police";
const OTHER: &str = "university";

/// What the partner's cluster may take, in MiB: one session may have more than half of it.
const MEMORY_MIB: u32 = 768;

/// Sessions that each want 600 MiB.
const HOARDING: &str = "6";

/// For so long.
const HOARDED: Duration = Duration::from_secs(8);

/// The longest that another partner may wait for an answer, in seconds, on a machine that is as busy as it gets.
const WAIT_MAX: f64 = 10.0;

#[test]
fn memory_that_sessions_take_together_is_bounded_and_another_partner_is_answered() {
    let office = Office::open_in("airlock", |files| {
        let settings = files.get_mut("estop.toml").unwrap();
        settings.push_str(&format!("\n[airlock]\nmemory_mib = {MEMORY_MIB}\n"));
    });
    let (police, university) = (office.login(PARTNER), office.login(OTHER));
    let answers = |login: &stage::Login| {
        login
            .psql(&["select count(*) from people limit 1"])
            .status
            .success()
    };
    wait_for("both partners work", || answers(&police) && answers(&university));
    let before = [PARTNER, OTHER].map(|who| office.postmaster(who));

    let others = Worker::begin("partner_at_work.py", &[&university.conninfo()]);
    let hoarders = Worker::begin("partner_hoards.py", &[&police.conninfo(), HOARDING]);
    std::thread::sleep(HOARDED);
    let worked = others.end();
    let hoarded = hoarders.end();
    println!("hoarding: {hoarded}; another partner: {worked}");

    assert_eq!(
        worked["errors"],
        serde_json::json!([]),
        "the other partner must not notice"
    );
    assert!(worked["asked"].as_u64().unwrap() > 5, "{worked}");
    assert!(worked["longest"].as_f64().unwrap() < WAIT_MAX, "{worked}");
    // Sessions were ended, and nothing else.
    let ended = |(reason, count): (&String, &serde_json::Value)| {
        let told = reason == "57P01" || reason.ends_with("was lost");
        told.then(|| count.as_u64().unwrap())
    };
    let ended: u64 = hoarded.as_object().unwrap().iter().filter_map(ended).sum();
    assert!(ended >= 1, "{hoarded}");
    assert_eq!(
        before,
        [PARTNER, OTHER].map(|who| office.postmaster(who)),
        "no cluster was started again"
    );
    wait_for("the partner works again", || answers(&police));
}
