//! Suspensions: they close as terminations do, and open again at their time or by a reinstatement, with other passwords.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use control::api::{DraftRequest, Outcome, ReinstatementRequest, Until};
use control::{Control, ControlError};
use evidence::entry::Kind;
use jiff::Timestamp;
use ledger::register::SqliteRegister;
use ledger::{Clock, Ledger, Status};
use policy::in_force::InForce;

use crate::as_of::StandingClock;
use crate::server::scratch;
use crate::world::{
    World, approve, control_with, files, investigation, ledger_with, request, role, server_with_data, sign,
    signer, submit,
};

/// A world whose clock stands still.
struct Suspended {
    world: World,
    clock: Arc<StandingClock>,
}

impl Suspended {
    async fn begin() -> Self {
        let server = server_with_data(&[]).await;
        let dir = scratch("estop-state-");
        let clock = Arc::new(StandingClock(AtomicI64::new(1_764_000_000)));
        let shared: Arc<dyn Clock> = clock.clone();
        let ledger = ledger_with(dir.path(), &shared);
        let register = Arc::new(SqliteRegister::open(&dir.path().join("register.db")).unwrap());
        let control = control(&server.url("records"), &ledger, &register, &clock);
        approve(&control).await.unwrap();
        control.apply(&[]).await.unwrap();
        let world = World {
            control,
            ledger,
            register,
            server,
            dir,
        };
        Self { world, clock }
    }

    fn restart(&mut self) {
        let url = self.world.server.url("records");
        self.world.control = control(&url, &self.world.ledger, &self.world.register, &self.clock);
    }

    fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// This many seconds from now.
    fn until(&self, seconds: i64) -> Timestamp {
        Timestamp::from_second(self.clock.now().as_second() + seconds).unwrap()
    }

    async fn suspend(&self, seconds: i64) -> Outcome {
        let asked = DraftRequest {
            until: Some(self.until(seconds)),
            ..request("police")
        };
        let draft = self.world.control.draw_up(asked).await.unwrap();
        let mut outcome = self.world.submit(&draft.text).await.unwrap();
        // On a busy machine the gateway may answer too late; it is taken up as people would.
        for _ in 0..5 {
            if !outcome.complete {
                outcome = self.world.submit(&draft.text).await.unwrap();
            }
        }
        outcome
    }

    async fn reinstatement(&self, lifts: &Outcome) -> String {
        let asked = ReinstatementRequest {
            lifts: lifts.number.clone(),
            basis: "The hearing".to_owned(),
            particulars: evidence::directive::Particulars::default(),
            hours: None,
        };
        let draft = self.world.control.draw_up_reinstatement(asked).await.unwrap();
        assert_eq!(draft.would_cut, []);
        assert!(!draft.would_open.is_empty());
        draft.text
    }

    fn policy(&self) -> InForce {
        use ledger::register::Register as _;
        let found = self.world.register.read("policy").unwrap().unwrap();
        serde_json::from_slice(&found.value).unwrap()
    }

    /// Whether the ledger says that the partner's data can be read for anything.
    fn readable(&self) -> bool {
        let told = control::as_of(&self.world.ledger, self.clock.now()).unwrap();
        let theirs = told
            .agreements
            .iter()
            .filter(|one| one.partner.as_str() == "police");
        theirs
            .flat_map(|one| &one.purposes)
            .any(|purpose| purpose.readable)
    }

    fn is_open(&self) -> bool {
        let log = self.world.ledger.partner(&"police".parse().unwrap()).unwrap();
        log.status == Status::Open
    }
}

fn control(
    url: &str,
    ledger: &Ledger,
    register: &Arc<SqliteRegister>,
    clock: &Arc<StandingClock>,
) -> Control {
    control_with(
        files(url),
        &BTreeMap::new(),
        ledger,
        register.clone(),
        clock.clone(),
    )
}

#[tokio::test]
async fn a_suspension_lapses_by_itself_and_passwords_are_new() {
    let mut here = Suspended::begin().await;
    let before = (here.policy(), here.world.password(&investigation()));
    let gateway = here.world.gateway("gateway-1");
    let outcome = here.suspend(3600).await;
    assert!(outcome.complete && outcome.log_closed, "{outcome:#?}");
    assert_eq!(outcome.roles.len(), 2);
    assert!(here.world.log_in(&investigation()).await.is_err());
    assert!(here.world.log_in(&role("transit-2020", "planning")).await.is_ok());
    assert!(!here.readable() && !here.is_open());
    assert_eq!(here.world.drift().await.steps, []);
    // It is certified as long as it lasts.
    let file = here
        .world
        .control
        .certificate(&outcome.number, None)
        .await
        .unwrap();
    assert!(file.contains("CERTIFICATE OF SUSPENSION"));
    let reaches = |file: &str| {
        let report = evidence::certificate::verify(file.as_bytes(), &signer().verifier()).unwrap();
        (report.counted, report.partner_log.size)
    };
    let first = reaches(&file);
    // Renewed later: still closed, and nothing since.
    here.pass(600);
    let size = here.world.ledger.size();
    let renewed = here.world.control.certificate(&outcome.number, Some(Until::Now));
    let renewed = reaches(&renewed.await.unwrap());
    assert_eq!(renewed, (here.until(0), first.1));
    assert!(here.world.ledger.size() > size, "the logs were counted anew");
    // A time in between is reached by that count; one to come by none.
    let size = here.world.ledger.size();
    let between = Some(Until::Time(here.until(-300)));
    let between = here.world.control.certificate(&outcome.number, between);
    assert_eq!(reaches(&between.await.unwrap()), renewed);
    assert_eq!(here.world.ledger.size(), size);
    let early = Some(Until::Time(here.until(60)));
    let early = here.world.control.certificate(&outcome.number, early).await;
    assert!(
        matches!(early, Err(ControlError::NoCertificate { .. })),
        "{early:?}"
    );
    let same = here.world.control.certificate(&outcome.number, None);
    assert_eq!(
        reaches(&same.await.unwrap()),
        first,
        "asked without a time, as before"
    );

    // One second before nothing is due, and a restart does not change that.
    here.pass(2999);
    here.restart();
    let control = here.world.control.clone();
    assert_eq!(control.next_lapse(), Some(here.until(1)));
    assert_eq!(control.lapse().await.unwrap().directives, []);
    assert!(here.world.log_in(&investigation()).await.is_err());

    here.pass(1);
    let lapsed = control.lapse().await.unwrap();
    assert_eq!(lapsed.closed, None);
    assert_eq!(lapsed.directives.len(), 1);
    assert_eq!(control.next_lapse(), None);
    assert!(here.readable() && here.is_open());
    assert_ne!(here.world.password(&investigation()), before.1);
    assert!(here.world.log_in(&investigation()).await.is_ok());
    assert_eq!(here.world.drift().await.steps, []);
    let after = here.policy();
    let as_before = InForce {
        epoch: after.epoch,
        made_at: after.made_at,
        ..before.0
    };
    assert_eq!(after, as_before);
    // What was ordered is not ordered again by handing it in once more, and is not certified any more.
    let text = control.directives().len();
    assert!(matches!(
        control.certificate(&outcome.number, None).await,
        Err(ControlError::NoCertificate { .. })
    ));
    here.restart();
    assert_eq!(here.world.control.next_lapse(), None);
    assert_eq!(here.world.control.directives().len(), text);
    assert!(here.world.control.directives().iter().any(|one| one.lifted));
    gateway.abort();
}

#[tokio::test]
async fn two_people_reinstate_and_nothing_else_comes_back() {
    let here = Suspended::begin().await;
    let control = here.world.control.clone();
    let first = here.suspend(3600).await;
    here.pass(1);
    let second = here.world.terminate("police").await;
    here.pass(1);
    let text = here.reinstatement(&first).await;
    let (mayor, size) = (sign("mayor", &text), here.world.ledger.size());
    let alone = control.submit(text.as_bytes(), &[&mayor]).await;
    assert!(matches!(alone, Err(ControlError::NotApproved(_))), "{alone:?}");
    assert_eq!(here.world.ledger.size(), size);
    let outcome = here.world.submit(&text).await.unwrap();
    assert!(outcome.complete && !outcome.log_closed, "{outcome:#?}");
    assert!(!here.readable() && !here.is_open(), "the termination stands");
    assert!(here.world.log_in(&investigation()).await.is_err());
    let again = control
        .draw_up_reinstatement(ReinstatementRequest {
            lifts: first.number.clone(),
            basis: "x".to_owned(),
            particulars: evidence::directive::Particulars::default(),
            hours: None,
        })
        .await;
    assert!(
        matches!(again, Err(ControlError::NothingToLift { .. })),
        "{again:?}"
    );

    // What was signed for one is not good for another, and the termination is lifted too.
    here.pass(1);
    let text = here.reinstatement(&second).await;
    let other = text.replace(second.number.as_str(), first.number.as_str());
    let refused = here.world.submit(&other).await;
    assert!(
        matches!(refused, Err(ControlError::NothingToLift { .. })),
        "{refused:?}"
    );
    let outcome = here.world.submit(&text).await.unwrap();
    assert!(outcome.complete, "{outcome:#?}");
    assert!(here.readable() && here.is_open());
    assert!(here.world.log_in(&investigation()).await.is_ok());
    assert_eq!(here.world.drift().await.steps, []);
    assert_eq!(here.world.submit(&text).await.unwrap(), outcome, "done once");
    let opened = here.world.ledger.entries(0..here.world.ledger.size()).unwrap();
    let opened = opened.filter(|stored| stored.as_ref().unwrap().parse().unwrap().kind == Kind::Opened);
    assert_eq!(opened.count(), 3, "two partners, and one of them again");
}

#[tokio::test]
async fn what_cannot_be_opened_stays_closed_and_is_opened_later() {
    let mut here = Suspended::begin().await;
    here.suspend(60).await;
    here.pass(60);
    here.world.server.stop();
    let lapsed = here.world.control.lapse().await.unwrap();
    assert!(lapsed.closed.is_some() && lapsed.directives.len() == 1);
    assert!(here.readable(), "the ledger says what the policy gives");
    here.restart();
    assert!(here.world.control.next_lapse().is_some());
    here.world.server.run().await;
    let lapsed = here.world.control.lapse().await.unwrap();
    assert_eq!((lapsed.closed, lapsed.directives.len()), (None, 0));
    assert!(here.world.log_in(&investigation()).await.is_ok());
    assert_eq!(here.world.control.next_lapse(), None);

    // Nor is anything opened over the head of an estate that nobody has approved.
    here.pass(1);
    here.suspend(60).await;
    let url = here.world.server.url("records");
    let mut other = files(&url);
    other.remove("agreements/transit-2020.toml");
    let clock = here.clock.clone();
    here.world.control = control_with(
        other,
        &BTreeMap::new(),
        &here.world.ledger,
        here.world.register.clone(),
        clock,
    );
    here.pass(60);
    let lapsed = here.world.control.lapse().await.unwrap();
    let closed = lapsed.closed.unwrap();
    assert!(
        closed.contains("is not the one that was applied last"),
        "{closed}"
    );
    assert!(here.world.log_in(&investigation()).await.is_err());
}

#[tokio::test]
async fn a_suspension_that_is_over_is_refused_at_any_time() {
    let here = Suspended::begin().await;
    let control = here.world.control.clone();
    let asked = DraftRequest {
        until: Some(here.until(60)),
        ..request("police")
    };
    let draft = control.draw_up(asked).await.unwrap();
    here.pass(61);
    let refused = submit(&control, &draft.text).await;
    assert!(matches!(refused, Err(ControlError::Over { .. })), "{refused:?}");
    assert!(here.readable());
    let asked = DraftRequest {
        until: Some(here.until(0)),
        ..request("police")
    };
    assert!(control.draw_up(asked).await.is_err());
}
