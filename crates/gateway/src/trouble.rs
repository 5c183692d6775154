//! What keeps the gateway from the custodian's databases, for whoever runs it: a client is told only that there is something.

use std::collections::BTreeMap;
use std::time::Duration;

use policy::in_force::Permit;
use tokio::sync::watch;

use crate::upstream::UpstreamError;

/// Why sessions with an upstream fail, by the role that they are to be opened as. What is over is not there any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Troubles(BTreeMap<String, String>);

impl Troubles {
    /// What is there and was not before, each as a line.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<String> {
        let new = self
            .0
            .iter()
            .filter(|(role, why)| before.0.get(*role) != Some(*why));
        new.map(|(role, why)| format!("no session can be opened as role `{role}` of {why}"))
            .collect()
    }
}

/// Where sessions say how opening them went.
#[derive(Debug)]
pub(crate) struct Telling(watch::Sender<Troubles>);

impl Telling {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Troubles::default()))
    }

    pub(crate) fn watched(&self) -> watch::Receiver<Troubles> {
        self.0.subscribe()
    }

    /// A session was opened.
    pub(crate) fn opened(&self, permit: &Permit) {
        self.0
            .send_if_modified(|troubles| troubles.0.remove(permit.role().as_str()).is_some());
    }

    /// The server refused it, or could not be reached. What a client can bring about is no trouble: a setting that the server does
    /// not take, as many sessions as there may be.
    pub(crate) fn failed(&self, permit: &Permit, error: &UpstreamError) {
        if !error.is_for_the_client() {
            self.is(permit, &error.to_string());
        }
    }

    /// It took too long.
    pub(crate) fn silent(&self, permit: &Permit, waited: Duration) {
        self.is(
            permit,
            &format!(
                "the upstream server has not let it in within {} s",
                waited.as_secs()
            ),
        );
    }

    fn is(&self, permit: &Permit, why: &str) {
        let why = format!("upstream `{}`: {why}", permit.upstream());
        self.0.send_if_modified(|troubles| {
            let role = permit.role().as_str().to_owned();
            troubles.0.insert(role, why.clone()).as_ref() != Some(&why)
        });
    }
}
