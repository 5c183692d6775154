//! Applying is killed at every statement, every write to the register and every look at the clock; each time it is taken up
//! again and must come to the same end, and meanwhile nothing may be open that neither estate gives.
//!
//! What is killed is a process of its own. Between it and the servers lies a road that counts requests. Each kill starts from
//! a copy of the same state. In CI some requests are killed at; `make soak` takes all of them.

mod child;
pub(crate) mod estates;
pub(crate) mod place;
mod renewed;
mod road;
mod scenes;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use child::{Counted, Task};
use place::{Place, Rights, Roads, Scene, write_services};
use road::Moment;
use scenes::{
    airlock_change, airlock_first, airlock_forgotten, airlock_renewed, back, change, first, renewed,
    two_databases,
};

use crate::watch::look;
use control::Sighting;

/// Where a child is killed.
#[derive(Debug, Clone, Copy)]
enum Kill {
    /// At a request to a server.
    Request(usize, Moment),
    /// At a write to the register.
    Write(usize, Moment),
    /// When it asks for the time.
    Look(u32),
}

/// What applying comes to when nobody disturbs it.
struct Undisturbed {
    asked: Vec<String>,
    counted: Counted,
    before: Rights,
    after: Rights,
    read: BTreeMap<String, Vec<String>>,
    policies: [String; 2],
    keys: Vec<String>,
}

struct Trial {
    name: &'static str,
    roads: Roads,
    scene: Scene,
    master: Place,
    wanted: Undisturbed,
    /// How often a kill was said to have left something unfinished.
    said: AtomicUsize,
}

impl Trial {
    async fn new(name: &'static str, scene: impl FnOnce(&Roads) -> Scene) -> Self {
        let roads = Roads::new();
        let scene = scene(&roads);
        let master = Place::before(&roads, &scene).await;
        let place = master.copied(&roads).await;
        let before = place.rights().await;
        let old = place.hand(&scene.after).policy();
        let task = task(&scene, &place);
        let mut child = task.begin();
        roads.road.begin(Some(child.id()), None);
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let counted = said.lines().find_map(|line| line.strip_prefix('@')).unwrap();
        let (asked, _) = roads.road.end();
        services(&place).await;
        let hand = place.hand(&scene.after);
        let wanted = Undisturbed {
            asked,
            counted: serde_json::from_str(counted).unwrap(),
            before,
            after: place.rights().await,
            read: place.read(&hand).await,
            policies: [old, hand.policy()],
            keys: hand.keys(""),
        };
        assert_ne!(wanted.policies[0], wanted.policies[1]);
        Self {
            name,
            roads,
            scene,
            master,
            wanted,
            said: AtomicUsize::new(0),
        }
    }

    /// Every place to die at.
    fn all(&self) -> Vec<Kill> {
        // Behind the last answer that is waited for, prepared statements are closed; the process may have ended by then.
        let asked = &self.wanted.asked;
        let closing = asked.iter().rev().take_while(|text| text.as_str() == "CS ");
        let requests = (1..=asked.len() - closing.count())
            .flat_map(|number| [Moment::Before, Moment::After].map(|moment| Kill::Request(number, moment)));
        let writes = (1..=self.wanted.counted.writes.len())
            .flat_map(|number| [Moment::Before, Moment::After].map(|moment| Kill::Write(number, moment)));
        let looks = (1..=self.wanted.counted.looks).map(Kill::Look);
        requests.chain(writes).chain(looks).collect()
    }

    /// The number of the first request of which this is true.
    fn request(&self, is: impl Fn(&str) -> bool) -> usize {
        let asked = &self.wanted.asked;
        1 + asked.iter().position(|text| is(text)).expect("such a request")
    }

    /// After each commit, after the first write of each kind to the register, and of the statements that change something so
    /// many, evenly.
    fn some(&self, changes: usize) -> Vec<Kill> {
        let asked = &self.wanted.asked;
        let commits = (0..asked.len()).filter(|at| asked[*at].ends_with(" COMMIT"));
        let mut kills: Vec<Kill> = commits.map(|at| Kill::Request(at + 1, Moment::After)).collect();
        let changing = |text: &str| {
            let words = [
                "CREATE ", "ALTER ", "GRANT ", "REVOKE ", "DROP ", "INSERT ", "DELETE ",
            ];
            words.iter().any(|word| text.contains(word)) && !text.contains("TEMPORARY VIEW")
        };
        let steps: Vec<usize> = (0..asked.len()).filter(|at| changing(&asked[*at])).collect();
        assert!(steps.len() >= changes, "{}", steps.len());
        kills.extend((0..changes).map(|n| {
            let at = steps[(2 * n + 1) * steps.len() / (2 * changes)];
            Kill::Request(at + 1, if n % 2 == 0 { Moment::After } else { Moment::Before })
        }));
        let writes = &self.wanted.counted.writes;
        let kind = |at: &usize| writes[*at].split('/').next().unwrap_or_default();
        let first = |at: &usize| !(0..*at).any(|earlier| kind(&earlier) == kind(at));
        kills.extend(
            (0..writes.len())
                .filter(first)
                .map(|at| Kill::Write(at + 1, Moment::After)),
        );
        kills
    }

    async fn kill_at(&self, kills: &[Kill]) {
        println!(
            "{}: {} requests, {} writes, {} kills",
            self.name,
            self.wanted.asked.len(),
            self.wanted.counted.writes.len(),
            kills.len()
        );
        for kill in kills {
            self.kill(*kill).await;
        }
        assert_ne!(
            self.said.load(Ordering::SeqCst),
            0,
            "{}: nothing was left unfinished",
            self.name
        );
    }

    async fn kill(&self, kill: Kill) {
        let place = self.master.copied(&self.roads).await;
        let mut task = task(&self.scene, &place);
        let mut stop = None;
        match kill {
            Kill::Request(number, moment) => stop = Some((number, moment)),
            Kill::Write(number, moment) => task.write = Some((number, moment)),
            Kill::Look(number) => task.look = Some(number),
        }
        let mut child = task.begin();
        self.roads.road.begin(Some(child.id()), stop);
        let status = child.wait().unwrap();
        let (asked, stopped) = self.roads.road.end();
        let last = asked.last().map_or("nothing", String::as_str);
        let at = format!("{}: {kill:?}, the last request being `{last:.200}`", self.name);
        // How often the clock is asked is not always the same: then it may end before.
        let ended = matches!(kill, Kill::Look(_)) && status.success();
        assert!(status.signal() == Some(9) || ended, "{at}: {status}");
        assert_eq!(stopped, stop.is_some(), "{at}");
        place.until_alone().await;
        self.nothing_more_is_open(&place, &asked, &at).await;
        if self.scene.renews {
            self.nobody_is_kept_out(&place, &at).await;
        }
        self.it_is_taken_up(&place, &at).await;
    }

    /// Killed between two databases: `drift`, `status` and the watch say so, beside what differs, until it is applied again.
    async fn the_watch_says_that_it_is_unfinished(&self) {
        let place = self.master.copied(&self.roads).await;
        let commit = self.request(|text| text.ends_with(" COMMIT"));
        let mut child = task(&self.scene, &place).begin();
        self.roads
            .road
            .begin(Some(child.id()), Some((commit, Moment::After)));
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        self.roads.road.end();
        place.until_alone().await;
        let hand = place.hand(&self.scene.after);
        let unfinished = hand.control.unfinished().unwrap().expect("it is not finished");
        let plans = hand.control.plan().await.unwrap();
        let left = plans.iter().flat_map(|plan| &plan.differences).count();
        assert_ne!(left, 0);
        let news = look(&hand.control).await;
        let first = Sighting::Unfinished(unfinished.clone());
        assert_eq!(news.first(), Some(&first), "{news:?}");
        let words = first.to_string();
        for part in [
            &*unfinished.begun.to_string(),
            "was not finished; run `estop apply` again",
        ] {
            assert!(words.contains(part), "{words}");
        }
        let changed = news.iter().filter(|one| matches!(one, Sighting::Changed { .. }));
        let changed: Vec<String> = changed.map(ToString::to_string).collect();
        assert!(
            !changed.is_empty() && changed.iter().all(|one| one.contains(&words)),
            "{changed:?}"
        );
        let recorded = hand.drifts();
        assert_eq!(recorded.len(), changed.len());
        assert!(
            recorded
                .iter()
                .all(|one| one.unfinished.as_ref() == Some(&unfinished))
        );
        assert_eq!(look(&hand.control).await, [], "it is said once");
        // Taken back by hand it would still be unfinished: the policy in force is the old one.
        assert_eq!(hand.policy(), self.wanted.policies[0]);
        hand.control.apply(&[]).await.unwrap();
        assert_eq!(hand.control.unfinished().unwrap(), None);
        assert_eq!(look(&hand.control).await, []);
        let last = hand.drifts().split_off(recorded.len());
        assert!(
            last.iter()
                .all(|one| one.done.to_string() == "applied" && one.unfinished.is_none())
        );
        assert_eq!(last.len(), changed.len());
    }

    async fn nothing_more_is_open(&self, place: &Place, asked: &[String], at: &str) {
        let Undisturbed {
            before,
            after,
            policies,
            ..
        } = &self.wanted;
        let now = place.rights().await;
        let none = BTreeSet::new();
        for (database, lines) in &now.lines {
            let (old, new) = (
                before.lines.get(database).unwrap_or(&none),
                after.lines.get(database).unwrap_or(&none),
            );
            let more: Vec<_> = lines
                .iter()
                .filter(|line| !old.contains(*line) && !new.contains(*line))
                .collect();
            assert!(more.is_empty(), "{at}: open in `{database}`: {more:#?}");
            // A custodian's database changes in one transaction. Roles belong to the server: a change to another database
            // of it can close one.
            let closed = self.scene.other_database && lines.is_subset(old);
            if matches!(database.as_str(), "records" | "archive") {
                let whole = lines == old || lines == new || closed;
                assert!(whole, "{at}: `{database}` is half changed: {lines:#?}");
            }
        }
        if !asked.iter().any(|text| text.ends_with(" COMMIT")) {
            assert_eq!(now, *before, "{at}: changed without a commit");
        }
        assert!(policies.contains(&place.hand(&self.scene.after).policy()), "{at}");
        self.it_is_said_to_be_unfinished(place, &now, at);
    }

    /// What is not said to be unfinished was not begun, or is whole.
    fn it_is_said_to_be_unfinished(&self, place: &Place, now: &Rights, at: &str) {
        let Undisturbed {
            before,
            after,
            policies,
            ..
        } = &self.wanted;
        let hand = place.hand(&self.scene.after);
        match hand.control.unfinished().unwrap() {
            Some(unfinished) => {
                assert_eq!(unfinished.estate_sha256, hand.control.estate_sha256(), "{at}");
                self.said.fetch_add(1, Ordering::SeqCst);
            }
            None => {
                let not_begun = *now == *before && hand.policy() == policies[0];
                let whole = now.lines == after.lines && hand.policy() == policies[1];
                assert!(not_begun || whole, "{at}: nothing says that it is not finished");
            }
        }
        assert_eq!(
            hand.control.status().unwrap().unfinished,
            hand.control.unfinished().unwrap()
        );
    }

    /// Gateways come in with what the register holds; an airlock reads again once `serve` is there again.
    async fn nobody_is_kept_out(&self, place: &Place, at: &str) {
        let hand = place.hand(&self.scene.after);
        services(place).await;
        let restored = hand.control.restore_airlocks().await;
        restored.unwrap_or_else(|error| panic!("{at}: {error:?}"));
        assert_eq!(place.read(&hand).await, self.wanted.read, "{at}");
    }

    async fn it_is_taken_up(&self, place: &Place, at: &str) {
        let wanted = &self.wanted;
        let hand = place.hand(&self.scene.after);
        hand.control
            .apply(&[])
            .await
            .unwrap_or_else(|error| panic!("{at}: {error:?}"));
        services(place).await;
        for plan in hand.control.plan().await.unwrap() {
            assert_eq!(plan.steps, [], "{at}: drift");
            let blocking = plan
                .findings
                .iter()
                .filter(|finding| finding.severity == policy::harden::Severity::Blocks);
            assert_eq!(blocking.count(), 0, "{at}");
        }
        let again = hand.control.apply(&[]).await.unwrap();
        assert!(
            !again.moved && again.plans.iter().all(|plan| plan.steps.is_empty()),
            "{at}"
        );
        assert_eq!(hand.control.unfinished().unwrap(), None, "{at}");
        let now = place.rights().await;
        assert_eq!(now.lines, wanted.after.lines, "{at}");
        for (role, oid) in &wanted.before.oids {
            assert_eq!(now.oids.get(role), Some(oid), "{at}: role `{role}` is another");
        }
        assert_eq!(place.read(&hand).await, wanted.read, "{at}");
        assert_eq!(hand.policy(), wanted.policies[1], "{at}");
        assert_eq!(hand.keys(""), wanted.keys, "{at}: what the register holds");
        let recorded = hand.recorded();
        let missing: Vec<_> = wanted.counted.statements.difference(&recorded).collect();
        assert!(missing.is_empty(), "{at}: run and not recorded: {missing:#?}");
        drop(hand);
        place.verify_ledger();
    }
}

fn task(scene: &Scene, place: &Place) -> Task {
    Task {
        files: scene.after.clone(),
        state: place.state.path().to_owned(),
        airlocks: place.airlocks.clone(),
        ..Task::default()
    }
}

/// Airlocks find the custodian by a file.
async fn services(place: &Place) {
    if let Some(airlock) = &place.airlock {
        let roles = "select rolname::text from pg_roles where rolname ~ '^estop_[0-9a-f]{16}$'";
        let roles = place::lines(&airlock.superuser("postgres").await, roles).await;
        write_services(airlock, place.server.socket(), roles.into_iter());
    }
}

#[tokio::test]
async fn killed_while_passwords_are_renewed() {
    let trial = Trial::new("renewed", renewed).await;
    let commit = trial.request(|text| text.ends_with(" COMMIT"));
    let kills = [Moment::Before, Moment::After].map(|moment| Kill::Request(commit, moment));
    trial.kill_at(&kills).await;
}

#[tokio::test]
async fn killed_while_the_passwords_of_an_airlock_are_renewed() {
    let trial = Trial::new("airlock, renewed", airlock_renewed).await;
    // Between the custodian's new password and the airlock's, and on either side of that.
    let at_custodian = trial.request(|text| text.starts_with("Q ALTER ROLE"));
    let inside = trial.request(|text| text.starts_with("Q ALTER USER MAPPING"));
    let commit = inside
        + trial.wanted.asked[inside..]
            .iter()
            .position(|text| text == "Q COMMIT")
            .unwrap()
        + 1;
    assert!(
        inside < at_custodian && at_custodian < commit,
        "{:?}",
        trial.wanted.asked
    );
    trial
        .kill_at(&[
            Kill::Request(at_custodian, Moment::Before),
            Kill::Request(at_custodian, Moment::After),
            Kill::Request(commit, Moment::After),
        ])
        .await;
}

#[tokio::test]
async fn killed_while_it_applies_for_the_first_time() {
    let trial = Trial::new("first", first).await;
    let mut kills = trial.some(2);
    // Before the policy is published, and before it is kept that all is done.
    let writes = &trial.wanted.counted.writes;
    let published = 1 + writes.iter().position(|key| key == "policy").unwrap();
    kills.push(Kill::Write(published, Moment::Before));
    kills.push(Kill::Write(writes.len(), Moment::Before));
    kills.push(Kill::Look(trial.wanted.counted.looks));
    trial.kill_at(&kills).await;
}

#[tokio::test]
async fn killed_while_it_changes_everything() {
    let trial = Trial::new("change", change).await;
    trial.kill_at(&trial.some(3)).await;
}

#[tokio::test]
async fn killed_between_two_databases() {
    let trial = Trial::new("two databases", two_databases).await;
    trial.kill_at(&trial.some(1)).await;
    trial.the_watch_says_that_it_is_unfinished().await;
}

#[tokio::test]
async fn killed_between_the_databases_of_an_airlock() {
    let trial = Trial::new("airlock, first", airlock_first).await;
    trial.kill_at(&trial.some(1)).await;
}

#[tokio::test]
async fn killed_while_an_airlock_changes_whose_passwords_are_lost() {
    let trial = Trial::new("airlock, register lost", airlock_forgotten).await;
    trial.kill_at(&trial.some(0)).await;
}

/// All of them, of one scene after the other.
#[tokio::test]
#[ignore = "takes long: `make soak`"]
async fn killed_everywhere() {
    type Setting = fn(&Roads) -> Scene;
    let scenes: [(&str, Setting); 9] = [
        ("first", first),
        ("change", change),
        ("back", back),
        ("two databases", two_databases),
        ("airlock, first", airlock_first),
        ("airlock, change", airlock_change),
        ("airlock, register lost", airlock_forgotten),
        ("renewed", renewed),
        ("airlock, renewed", airlock_renewed),
    ];
    let chosen = std::env::var_os("ESTOP_SCENE");
    for (name, scene) in scenes {
        if chosen.as_ref().is_none_or(|chosen| chosen == name) {
            let trial = Trial::new(name, scene).await;
            trial.kill_at(&trial.all()).await;
        }
    }
}
