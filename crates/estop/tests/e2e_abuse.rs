//! Partners who take more than there is: of memory in their airlock, of the custodian's time. And one who comes and goes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests, also what is not marked as one"
)]

mod stage;

use std::time::Duration;

use estop::clock::monotonic;

use stage::desk::Worker;
use stage::office::Office;
use stage::{Login, wait_for};

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
    let answers = |login: &Login| {
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

/// Seconds that the agreement gives a statement, and those that the gateway adds before it ends the session.
const STATEMENT_SECONDS: u64 = 5;
const GRACE_SECONDS: u64 = 10;

/// An office whose police may ask for some seconds.
fn hurried_office() -> (Office, Login) {
    let office = Office::open_in("in-place", |files| {
        let agreement = files.get_mut("agreements/state-police-2018.toml").unwrap();
        let short = format!("statement_seconds = {STATEMENT_SECONDS}");
        let changed = agreement.replace("statement_seconds = 60", &short);
        assert_ne!(*agreement, changed);
        *agreement = changed;
    });
    let police = office.login(PARTNER);
    (office, police)
}

/// A server's own timer does not end a statement whose result nobody takes: the gateway's clock does.
#[test]
fn a_statement_whose_result_nobody_reads_ends_with_its_session_at_the_custodian_too() {
    let (office, police) = hurried_office();
    let there = || {
        let asked = "select count(*) from pg_stat_activity where usename ~ '^estop_[0-9a-f]{16}$' and state = 'active'";
        stage::psql_on(&office.admin_url("records"), asked).unwrap()
    };
    let began = monotonic();
    let idler = Worker::begin("partner_does_not_read.py", &[&police.conninfo()]);
    wait_for("the statement runs", || there() == "1");
    wait_for("it has ended", || there() == "0");
    let took = began.elapsed().as_secs();
    assert!(took >= STATEMENT_SECONDS + GRACE_SECONDS, "after {took} s");
    let told = idler.end();
    assert_eq!(told["ended"], true, "{told}");
    assert_eq!(police.query("select 1"), "1");
}

/// By real clocks: a transaction that does nothing, and one that is never finished.
#[test]
#[ignore = "make soak"]
fn transactions_end_by_the_gateways_clock() {
    let (_office, police) = hurried_office();
    let idle = police.psql(&["begin", "select 1", "\\! sleep 75", "select 1"]);
    let said = stage::desk::said(&idle);
    assert!(said.contains("25P03"), "{said}");
    let mut long = vec!["begin"];
    // Sixteen minutes, never idle for long.
    for _ in 0..48 {
        long.extend(["\\! sleep 20", "select 1"]);
    }
    let said = stage::desk::said(&police.psql(&long));
    assert!(said.contains("25P04"), "{said}");
}

const POLICE_FILE: &str = "agreements/state-police-2018.toml";

/// Sessions that the police agree on, before and after. A cluster has eight connections beyond those of agreements, five of them its
/// superuser's: the new number does not fit in the old one.
const FEW: usize = 3;
const MANY: usize = 9;

/// The longest that a partner may be kept out while its cluster is started again, on a machine that is as busy as it gets.
const KEPT_OUT_MAX: Duration = Duration::from_secs(30);

fn with_sessions(agreement: &str, count: usize) -> String {
    let line = agreement
        .lines()
        .find(|line| line.starts_with("sessions = "))
        .unwrap();
    agreement.replacen(line, &format!("sessions = {count}"), 1)
}

/// More sessions than the airlock has connections: it is started again, and has them. Fewer: it goes on, and no more than these come in.
fn sessions_are_raised_and_lowered(office: &Office, police: &Login) {
    let agreed = |count: usize| {
        let file = office.path(POLICE_FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, with_sessions(&text, count)).unwrap();
        office.approve();
        let applied = office.estop(&["apply"]);
        assert!(applied.status.success(), "{}", stage::desk::said(&applied));
    };
    let holds = |count: usize| Worker::begin("partner_holds.py", &[&police.conninfo(), &count.to_string()]);
    // Every session that was there has ended, and was told so by the gateway.
    let ended = |holding: Worker, count: usize| {
        let told = holding.end();
        let errors = told["errors"].as_array().unwrap();
        assert!(
            told["more"]
                .as_str()
                .unwrap()
                .contains("too many sessions under this agreement"),
            "{told}"
        );
        assert_eq!((&told["answered"], errors.len()), (&0.into(), count), "{told}");
        let words = "the connection to the custodian's database was lost\nHINT:  Connect again.";
        let clear = |error: &serde_json::Value| error.as_str().unwrap().contains(words);
        assert!(errors.iter().all(clear), "{told}");
    };
    let holding = holds(FEW);
    let first = office.postmaster(PARTNER);
    agreed(MANY);
    let began = monotonic();
    wait_for("the airlock is another", || {
        let now = office.postmaster(PARTNER);
        !now.is_empty() && now != first && police.psql(&["select 1 from people limit 1"]).status.success()
    });
    assert!(began.elapsed() < KEPT_OUT_MAX, "after {:?}", began.elapsed());
    ended(holding, FEW);

    let (second, holding) = (office.postmaster(PARTNER), holds(MANY));
    agreed(FEW);
    ended(holding, MANY);
    ended_none(holds(FEW), FEW);
    agreed(MANY);
    ended_none(holds(MANY), MANY);
    assert_eq!(office.postmaster(PARTNER), second, "it had room for them");
    assert!(!office.said().contains("has ended with"), "{}", office.said());
}

/// Every session answers, and one more was refused.
fn ended_none(holding: Worker, count: usize) {
    let told = holding.end();
    assert_eq!(told["answered"], count, "{told}");
    assert!(
        told["more"]
            .as_str()
            .unwrap()
            .contains("too many sessions under this agreement"),
        "{told}"
    );
}

/// Partners come and go while `serve` goes on: those who stay notice neither the new policies nor the new passwords.
#[test]
fn a_partner_comes_and_goes_and_the_others_keep_their_airlock() {
    const LATER: [&str; 2] = ["partners/university.toml", "agreements/university-2020.toml"];
    let mut kept = Vec::new();
    let office = Office::open_in("airlock", |files| {
        kept.extend(LATER.map(|file| (file, files.remove(file).unwrap())));
        let agreement = files.get_mut(POLICE_FILE).unwrap();
        *agreement = with_sessions(agreement, FEW);
    });
    let (police, university) = (office.login(PARTNER), office.login(OTHER));
    let at_work = Worker::begin("partner_at_work.py", &[&police.conninfo()]);
    let said = university.refused("select 1");
    assert!(said.contains("authentication failed"), "{said}");
    let (first, sealed) = (office.postmaster(PARTNER), office.estop(&["drift"]).status.code());
    assert_eq!(sealed, Some(0));

    for (file, text) in kept {
        std::fs::write(office.path(file), text).unwrap();
    }
    // Taken up, and not in force: nobody has approved it.
    let refused = office.estop(&["apply"]);
    assert_eq!(refused.status.code(), Some(1), "{}", stage::desk::said(&refused));
    assert!(
        stage::desk::said(&refused).contains("approve"),
        "{}",
        stage::desk::said(&refused)
    );
    assert!(university.refused("select 1").contains("authentication failed"));
    office.approve();
    let applied = stage::desk::said(&office.estop(&["apply"]));
    assert!(applied.contains("passwords renewed"), "{applied}");
    assert_eq!(university.query("select count(*) > 0 from people"), "t");
    assert_eq!(office.estop(&["drift"]).status.code(), Some(0));
    let theirs = office.postmaster(OTHER);
    assert!(!theirs.is_empty() && theirs != first);

    // And goes again, with all there was for him.
    for file in LATER {
        std::fs::remove_file(office.path(file)).unwrap();
    }
    office.approve();
    assert!(office.estop(&["apply"]).status.success());
    assert!(university.refused("select 1").contains("authentication failed"));
    wait_for("the airlock has gone", || {
        !std::path::Path::new("/proc").join(&theirs).exists() && office.postmaster(OTHER).is_empty()
    });
    assert_eq!(office.estop(&["drift"]).status.code(), Some(0));
    assert_eq!(office.postmaster(PARTNER), first);
    let worked = at_work.end();
    assert_eq!(worked["errors"], serde_json::json!([]), "{worked}");
    assert!(worked["asked"].as_u64().unwrap() > 10, "{worked}");
    assert!(
        !office.said().contains("could not be looked at"),
        "{}",
        office.said()
    );

    sessions_are_raised_and_lowered(&office, &police);

    // What is read at the start only is not taken up.
    let file = office.path("estop.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("title = \"", "title = \"New ", 1)).unwrap();
    let refused = office.estop(&["plan"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stage::desk::said(&refused).contains("restart `estop serve`"),
        "{}",
        stage::desk::said(&refused)
    );
}
