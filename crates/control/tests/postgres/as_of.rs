//! As it was: what the ledger alone says of any moment is what was in force then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use control::Control;
use control::api::{DraftRequest, ReinstatementRequest};
use evidence::directive::{OrderKind, Particulars};
use jiff::Timestamp;
use ledger::register::{Register, SqliteRegister};
use ledger::{Clock, Ledger};
use policy::as_of::AsOf;
use policy::estate::Files;
use policy::in_force::InForce;
use tempfile::TempDir;

use crate::server::{Server, scratch};
use crate::world::{approve, control_with, files, ledger_with, request, server_with_data, submit};

/// Events of an ordinary run; `make soak` has thousands.
const EVENTS: u32 = 40;

/// A clock that stands still between events.
#[derive(Debug)]
pub(crate) struct StandingClock(pub(crate) AtomicI64);

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Partner, agreement, purpose, data set and its columns: what could be read.
type Readable = BTreeSet<(String, String, String, String, Vec<String>)>;

struct History {
    control: Control,
    ledger: Ledger,
    register: Arc<SqliteRegister>,
    clock: Arc<StandingClock>,
    server: Server,
    /// The files as they stand.
    files: Files,
    /// What could be read, as long as it was so.
    was: Vec<(Timestamp, Readable)>,
    random: u64,
    _dir: TempDir,
}

fn of_ledger(as_of: &AsOf) -> Readable {
    let mut all = Readable::new();
    for agreement in &as_of.agreements {
        for purpose in agreement.purposes.iter().filter(|purpose| purpose.readable) {
            let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for share in &purpose.shares {
                let dataset = columns.entry(share.terms.dataset.to_string()).or_default();
                dataset.extend(share.terms.columns.keys().cloned());
            }
            all.extend(columns.into_iter().map(|(dataset, columns)| {
                let (partner, id) = (agreement.partner.to_string(), agreement.id.to_string());
                (
                    partner,
                    id,
                    purpose.id.to_string(),
                    dataset,
                    columns.into_iter().collect(),
                )
            }));
        }
    }
    all
}

fn of_policy(policy: &InForce, now: Timestamp) -> Readable {
    let mut all = Readable::new();
    let in_force = policy.agreements.iter().filter(|agreement| {
        let hours = agreement.limits.hours.as_ref();
        !policy.held.contains(&agreement.partner)
            && agreement.valid.covers(now)
            && hours.is_none_or(|hours| hours.allow(now))
    });
    for agreement in in_force {
        let purposes = agreement.purposes.iter();
        for purpose in purposes.filter(|purpose| policy.ended_by(agreement, &purpose.id).is_none()) {
            all.extend(purpose.views.iter().map(|view| {
                let mut columns: Vec<String> =
                    view.columns.iter().map(|name| name.as_str().to_owned()).collect();
                columns.sort();
                (
                    agreement.partner.to_string(),
                    agreement.id.to_string(),
                    purpose.id.to_string(),
                    view.dataset.to_string(),
                    columns,
                )
            }));
        }
    }
    all
}

impl History {
    async fn begin(seed: u64) -> Self {
        let server = server_with_data(&[]).await;
        let dir = scratch("estop-state-");
        let clock = Arc::new(StandingClock(AtomicI64::new(1_764_000_000)));
        let shared: Arc<dyn Clock> = clock.clone();
        let ledger = ledger_with(dir.path(), &shared);
        let register = Arc::new(SqliteRegister::open(&dir.path().join("register.db")).unwrap());
        let mut files = files(&server.url("records"));
        files
            .get_mut("estop.toml")
            .unwrap()
            .push_str("\n[watch]\nevery_seconds = 5\non_drift = \"cut\"\n");
        let control = control_with(
            files.clone(),
            &BTreeMap::new(),
            &ledger,
            register.clone(),
            clock.clone(),
        );
        Self {
            control,
            ledger,
            register,
            clock,
            server,
            files,
            was: Vec::new(),
            random: seed,
            _dir: dir,
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        // xorshift64, Marsaglia 2003.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn restart(&mut self) {
        let (ledger, register) = (&self.ledger, self.register.clone());
        let clock = self.clock.clone();
        self.control = control_with(self.files.clone(), &BTreeMap::new(), ledger, register, clock);
    }

    fn policy(&self) -> Option<InForce> {
        let found = self.register.read("policy").unwrap()?;
        Some(serde_json::from_slice(&found.value).unwrap())
    }

    /// Another estate: a new agreement, or another condition, mask, column, date or hour in one that is there.
    fn edit(&mut self) {
        let agreements: Vec<String> = self
            .files
            .keys()
            .filter(|path| path.starts_with("agreements/"))
            .cloned()
            .collect();
        let pick = usize::try_from(self.draw(u64::try_from(agreements.len()).unwrap())).unwrap();
        let text = self.files[&agreements[pick]].clone();
        let number = self.was.len();
        let (path, text) = match self.draw(7) {
            0 => {
                let (_, rest) = text.split_once("\npartner").unwrap();
                let text = format!("[agreement]\nid = \"more-{number}\"\npartner{rest}");
                (format!("agreements/more-{number}.toml"), text)
            }
            1 => (
                agreements[pick].clone(),
                text.replace("\"id\", \"name\"", "\"id\"")
                    .replace("name = \"initials\", ", ""),
            ),
            2 => (agreements[pick].clone(), text.replace("\"year\"", "\"month\"")),
            3 => (
                agreements[pick].clone(),
                text.replace("!resource.sealed", "resource.id != 7"),
            ),
            4 => {
                let until = 2025 + self.draw(3);
                (
                    agreements[pick].clone(),
                    text.replace("2099-05-31", &format!("{until}-12-31")),
                )
            }
            5 => (
                agreements[pick].clone(),
                text.replace(
                    "[limits]\nsessions",
                    "[limits]\nhours = \"Mon-Fri 06:00-22:00 America/Chicago\"\nsessions",
                ),
            ),
            _ => {
                // Gone, if another is left; who comes back has been gone.
                if agreements.len() > 1 {
                    self.files.remove(&agreements[pick]);
                }
                return;
            }
        };
        self.files.insert(path, text);
    }

    async fn event(&mut self) -> &'static str {
        let step = 1 + i64::try_from(self.draw(100_000)).unwrap();
        self.clock.0.fetch_add(step, Ordering::SeqCst);
        let due = self.control.next_lapse();
        if due.is_some_and(|due| due <= self.clock.now()) && self.draw(3) > 0 {
            let lapsed = self.control.lapse().await.unwrap();
            return if lapsed.directives.is_empty() {
                "nothing"
            } else {
                "lapsed"
            };
        }
        match self.draw(11) {
            0..5 => {
                self.edit();
                self.restart();
                approve(&self.control).await.unwrap();
                self.control.apply(&[]).await.unwrap();
                "applied"
            }
            5..7 => {
                // Approved by two, and not applied.
                if self.policy().is_some() {
                    approve(&self.control).await.unwrap();
                }
                "approved"
            }
            7 => {
                let Some(policy) = self.policy() else {
                    return "nothing";
                };
                let open = policy.agreements.iter().flat_map(|agreement| {
                    let purposes = agreement.purposes.iter();
                    let open = purposes.filter(|purpose| policy.ended_by(agreement, &purpose.id).is_none());
                    open.map(move |purpose| (agreement, purpose))
                });
                let open: Vec<_> = open.collect();
                if open.len() < 3 {
                    return "nothing";
                }
                let pick = usize::try_from(self.draw(u64::try_from(open.len()).unwrap())).unwrap();
                let (agreement, purpose) = open[pick];
                let narrow = self.draw(3);
                // For some days, or for good.
                let days = i64::try_from(self.draw(6)).unwrap();
                let until = Timestamp::from_second(self.clock.now().as_second() + days * 86_400).unwrap();
                let draft = self
                    .control
                    .draw_up(DraftRequest {
                        until: (days > 0).then_some(until),
                        agreement: (narrow > 0).then(|| agreement.id.clone()),
                        purpose: (narrow > 1).then(|| purpose.id.clone()),
                        ..request(agreement.partner.as_str())
                    })
                    .await
                    .unwrap();
                submit(&self.control, &draft.text).await.unwrap();
                if days > 0 { "suspended" } else { "terminated" }
            }
            8 => {
                let Some(policy) = self.policy() else {
                    return "nothing";
                };
                let Some(role) = policy
                    .agreements
                    .first()
                    .and_then(|agreement| agreement.purposes.first())
                else {
                    return "nothing";
                };
                let admin = self.server.superuser("records").await;
                let grant = format!("grant select (ssn) on app.people to {}", role.role.as_str());
                admin.batch_execute(&grant).await.unwrap();
                self.control.look(&mut |_| ()).await.unwrap();
                "held"
            }
            9 => {
                // What ends nothing any more is refused, and so is what never ended anything.
                let directives = self.control.directives();
                let ending = |order| matches!(order, OrderKind::Terminate | OrderKind::Suspend);
                let ended: Vec<_> = directives
                    .iter()
                    .filter(|one| ending(one.order) && !one.lifted)
                    .collect();
                if ended.is_empty() {
                    return "nothing";
                }
                let pick = usize::try_from(self.draw(u64::try_from(ended.len()).unwrap())).unwrap();
                let draft = self
                    .control
                    .draw_up_reinstatement(ReinstatementRequest {
                        lifts: ended[pick].number.clone(),
                        basis: "The hearing".to_owned(),
                        particulars: Particulars::default(),
                        hours: None,
                    })
                    .await
                    .unwrap();
                submit(&self.control, &draft.text).await.unwrap();
                "reinstated"
            }
            _ => {
                self.restart();
                "restarted"
            }
        }
    }

    /// What the ledger says of every moment that was kept.
    fn compare(&self, seed: u64) {
        for (number, (at, was)) in self.was.iter().enumerate() {
            let told = control::as_of(&self.ledger, *at).unwrap();
            assert_eq!(of_ledger(&told), *was, "seed {seed}, after event {number}, {at}");
            assert_eq!(told.under_way, None, "seed {seed}, after event {number}");
        }
    }
}

async fn run(seed: u64, events: u32) {
    let mut history = History::begin(seed).await;
    let mut seen = BTreeSet::new();
    for _ in 0..events {
        seen.insert(history.event().await);
        let now = history.clock.now();
        let live = history
            .policy()
            .map(|policy| of_policy(&policy, now))
            .unwrap_or_default();
        let told = control::as_of(&history.ledger, now).unwrap();
        assert_eq!(
            of_ledger(&told),
            live,
            "seed {seed}, after {} events",
            history.was.len()
        );
        history.was.push((now, live));
    }
    history.compare(seed);
    // A moment between two events is as the first left it, but for what time itself changes.
    let early = history.was[0].0.as_second() - 1_000_000_000;
    let before = control::as_of(&history.ledger, Timestamp::from_second(early).unwrap()).unwrap();
    assert_eq!(
        (before.entries, before.approval, before.agreements.len()),
        (0, None, 0)
    );
    let rare = ["applied", "approved", "suspended", "reinstated", "lapsed", "held"];
    assert!(
        rare.iter().all(|what| seen.contains(what)),
        "seed {seed}: {seen:?}"
    );
}

#[tokio::test]
async fn what_the_ledger_says_of_a_moment_is_what_was_in_force() {
    run(1, EVENTS).await;
}

/// The long one: `make soak`.
#[tokio::test]
#[ignore = "takes many minutes: make soak"]
async fn thousands_of_events_told_by_the_ledger() {
    for seed in 1..=20 {
        run(seed, 100).await;
    }
}
