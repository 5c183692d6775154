//! The estate's files, taken up anew while `serve` goes on: partners, agreements, data sets, guardrails, signers. What is in
//! force stays in force until an estate is applied; what an estate adds to it is made ready before, what it leaves out goes
//! after.

use std::collections::BTreeMap;
use std::sync::Arc;

use control::{Served, estate_sha256};
use gateway::{Databases, Place};
use policy::estate::Files;
use tokio::sync::Mutex;

use crate::airlock::Airlocks;
use crate::estate::{self, Loaded};
use crate::failure::{Exit, Failure};
use crate::output::alarm;
use crate::serve::databases;

/// Files that are read when `serve` starts, and never again.
const READ_AT_START: [&str; 2] = ["estop.toml", "authorities/witnesses"];

/// Who takes up files.
pub(super) struct Desk {
    /// The files served. Held by whoever exchanges them.
    loaded: Mutex<Loaded>,
    served: Served,
    airlocks: Option<Arc<Airlocks>>,
    databases: Databases,
}

impl Desk {
    pub(super) fn new(
        loaded: Loaded,
        served: Served,
        airlocks: Option<Arc<Airlocks>>,
        databases: Databases,
    ) -> Arc<Self> {
        Arc::new(Self {
            loaded: Mutex::new(loaded),
            served,
            airlocks,
            databases,
        })
    }

    /// [`estate_sha256`] of the files served.
    pub(super) fn estate_sha256(&self) -> String {
        self.served.now().estate_sha256()
    }

    /// Takes the files up as they are now, if they are others. Nothing is put in force by it.
    pub(super) async fn take_up(&self) -> Result<(), Failure> {
        let mut present = self.loaded.lock().await;
        let folder = present.folder.clone();
        let fresh = blocking(move || estate::load(&folder)).await?;
        if estate_sha256(&fresh.files) == self.estate_sha256() {
            return Ok(());
        }
        if let Some(file) = changed_at_start(&present.files, &fresh.files) {
            return Err(Failure::wrong(format!(
                "`{file}` has changed since `estop serve` was started, which reads it at its start only"
            ))
            .help("restart `estop serve`, so that it takes up the files as they are"));
        }
        if let Some(airlocks) = self.airlocks.clone() {
            let estate = fresh.estate.clone();
            blocking(move || airlocks.extend(&estate)).await?;
        }
        self.serve(&fresh)?;
        *present = fresh;
        Ok(())
    }

    /// Serves an estate, with the airlocks that there are.
    fn serve(&self, loaded: &Loaded) -> Result<(), Failure> {
        let airlocks = self.airlocks.as_deref();
        let urls = airlocks.map(Airlocks::urls).unwrap_or_default();
        let places: BTreeMap<String, Place> = databases(loaded, airlocks)?;
        let control = self
            .served
            .now()
            .with_estate(loaded.estate.clone(), loaded.files.clone(), &urls)
            .map_err(|error| Failure::from_error(Exit::Wrong, &error).help(error.remedy()))?;
        self.databases.are(places);
        self.served.serve(control);
        Ok(())
    }

    /// After each estate that was applied: what it leaves out goes. Never ends by itself.
    pub(super) async fn keep_settled(self: Arc<Self>) {
        let mut applications = self.served.applications();
        while applications.changed().await.is_ok() {
            if let Err(failure) = self.settle().await {
                alarm(&format!(
                    "the airlocks are not all as the estate asks: {}",
                    failure.line()
                ));
            }
        }
    }

    async fn settle(&self) -> Result<(), Failure> {
        let present = self.loaded.lock().await;
        let Some(airlocks) = self.airlocks.clone().filter(|_| self.served.now().is_applied()) else {
            return Ok(());
        };
        // First nobody is sent to a cluster that goes, then it goes.
        if airlocks.forget(&present.estate)? {
            self.serve(&present)?;
            self.served.applied(self.served.now());
        }
        let estate = present.estate.clone();
        blocking(move || airlocks.settle(&estate)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::absent("the files cannot be taken up").because(&error))?
}

fn changed_at_start(before: &Files, after: &Files) -> Option<&'static str> {
    READ_AT_START
        .into_iter()
        .find(|file| before.get(*file) != after.get(*file))
}
