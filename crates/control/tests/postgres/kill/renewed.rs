//! Passwords are renewed with the policy: what was copied before is worth nothing, sessions stay, and nobody who comes in
//! meanwhile is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use policy::estate::Files;
use tokio_postgres::Client;

use super::estates;
use super::place::{Hand, Place, Roads, Scene, enter};
use super::{airlock_renewed, renewed, services};
use crate::server::Server;
use crate::world::{approve, role};

/// Changes of the policy while partners come and go.
const CHANGES: usize = 4;

/// Partners at work, each in a loop.
const AT_WORK: usize = 3;

const COUNT: &str = "select count(*) from people";

async fn count(session: &Client) -> Result<i64, tokio_postgres::Error> {
    Ok(session.query_one(COUNT, &[]).await?.get(0))
}

/// Control over a place, and the place.
struct Here {
    place: Arc<Place>,
    hand: Arc<Hand>,
    scene: Scene,
    role: String,
    _roads: Roads,
}

impl Here {
    async fn new(scene: impl FnOnce(&Roads) -> Scene) -> Self {
        let roads = Roads::new();
        let scene = scene(&roads);
        let place = Place::before(&roads, &scene).await.copied(&roads).await;
        services(&place).await;
        Self {
            hand: Arc::new(place.hand(&scene.after)),
            place: Arc::new(place),
            scene,
            role: role("police-2018", "investigation"),
            _roads: roads,
        }
    }

    fn door(place: &Place) -> &Server {
        place.airlock.as_ref().unwrap_or(&place.server)
    }

    fn database(&self) -> String {
        match self.place.airlock {
            Some(_) => self.role.clone(),
            None => "records".to_owned(),
        }
    }

    async fn enter(&self, passwords: &[String]) -> Option<Client> {
        enter(Self::door(&self.place), &self.role, &self.database(), passwords).await
    }

    fn held(&self) -> Vec<Vec<String>> {
        let sides = ["upstream", "custodian"];
        let sides = sides.iter().take(1 + usize::from(self.place.airlock.is_some()));
        sides.map(|side| self.hand.passwords(side, &self.role)).collect()
    }

    async fn serve(&mut self, files: &Files) {
        let place = Arc::clone(&self.place);
        // The ledger is one process's at a time, and one control's.
        self.hand = Arc::new(self.hand.with(&place, files));
        approve(&self.hand.control).await.unwrap();
    }
}

async fn what_was_copied_is_worth_nothing(scene: impl FnOnce(&Roads) -> Scene) -> Here {
    let here = Here::new(scene).await;
    let before = here.held();
    let session = here.enter(&before[0]).await.expect("the password before");
    let (pid, seen): (i32, i64) = (
        session
            .query_one("select pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0),
        count(&session).await.unwrap(),
    );
    let applied = here.hand.control.apply(&[]).await.unwrap();
    assert!(applied.moved);
    assert!(applied.plans.iter().all(|plan| plan.steps.is_empty()));
    let roles = here.hand.keys("upstream/").len();
    assert_eq!(applied.renewed, roles);
    let after = here.held();
    for (old, new) in before.iter().zip(&after) {
        assert_eq!((old.len(), new.len()), (1, 1), "settled");
        assert_ne!(old, new);
    }
    // The session that was there goes on; it reads, past an airlock too.
    assert_eq!(count(&session).await.unwrap(), seen);
    let still: i32 = session
        .query_one("select pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(still, pid);
    // Of what was copied before, nothing opens a door.
    assert!(here.enter(&before[0]).await.is_none());
    let at_custodian = enter(&here.place.server, &here.role, "records", before.last().unwrap());
    assert!(at_custodian.await.is_none());
    let fresh = here.enter(&after[0]).await.expect("the new password");
    assert_eq!(count(&fresh).await.unwrap(), seen);
    let renewals = here.hand.recorded();
    assert!(
        renewals.contains(&policy::plan::renewal(&here.role)),
        "{renewals:?}"
    );

    let size = here.hand.size();
    let again = here.hand.control.apply(&[]).await.unwrap();
    assert!(!again.moved && again.renewed == 0);
    assert_eq!((here.held(), here.hand.size()), (after, size));
    for plan in here.hand.control.plan().await.unwrap() {
        assert_eq!((plan.steps, plan.differences), (vec![], vec![]));
    }
    here
}

#[tokio::test]
async fn what_was_copied_before_is_worth_nothing_in_place() {
    what_was_copied_is_worth_nothing(renewed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_copied_before_is_worth_nothing_in_an_airlock() {
    let here = what_was_copied_is_worth_nothing(airlock_renewed).await;
    nobody_who_comes_in_meanwhile_is_refused(here).await;
}

/// Partners come in, read and go, as fast as they can, while the policy changes again and again.
async fn nobody_who_comes_in_meanwhile_is_refused(mut here: Here) {
    let (with, without) = (here.scene.after.clone(), here.scene.before.clone().unwrap());
    assert_eq!(with, estates::with_hours(without.clone()));
    let end = Arc::new(AtomicBool::new(false));
    let at_work: Vec<_> = (0..AT_WORK)
        .map(|_| {
            let (place, hand, role) = (Arc::clone(&here.place), Arc::clone(&here.hand), here.role.clone());
            let end = Arc::clone(&end);
            tokio::spawn(async move {
                let mut times = 0_u32;
                while !end.load(Ordering::SeqCst) {
                    // As `gateway::upstream` does: what the register holds, and once more if that has changed meanwhile.
                    let mut session = None;
                    for _ in 0..2 {
                        let passwords = hand.passwords("upstream", &role);
                        session = enter(Here::door(&place), &role, &role, &passwords).await;
                        if session.is_some() {
                            break;
                        }
                    }
                    let session = session.expect("refused");
                    count(&session).await.expect("the custodian's side refused");
                    times += 1;
                }
                times
            })
        })
        .collect();
    for change in 0..CHANGES {
        let files = if change % 2 == 0 { &without } else { &with };
        here.serve(files).await;
        let applied = here.hand.control.apply(&[]).await.unwrap();
        assert_eq!(applied.renewed, 2);
    }
    end.store(true, Ordering::SeqCst);
    for one in at_work {
        assert!(one.await.unwrap() > 5);
    }
}
