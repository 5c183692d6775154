//! The hands: reads catalogs, applies plans, moves the epoch, carries out directives, issues certificates.
//!
//! A [`Control`] does one thing at a time. What it has done it knows from the ledger alone; the register holds what
//! gateways need to know, and can be made anew from estate and ledger but for passwords, which are then drawn again.

mod airlocks;
mod applying;
mod approving;
mod as_of;
mod carry_out;
mod certificate;
mod credential;
mod database;
mod drafting;
mod error;
mod known;
mod mask_key;
mod preview;
mod pseudonyms;
mod renewing;
mod served;
mod store;
mod unfinished;
mod watch;

pub mod api;
pub mod exposure;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evidence::directive::{self, Approved, Directive};
use evidence::hash::Hash;
use evidence::id::{DirectiveNumber, PartnerId};
use evidence::note::SignerKey;
use evidence::signers::AllowedSigners;
use ledger::cosigning::Cosigning;
use ledger::register::Register;
use ledger::{Clock, Ledger};
use policy::desired::Desired;
use policy::estate::{Estate, Files};
use proof::hold::Prover;
use zeroize::Zeroizing;

pub use api::serve_admin;
pub use applying::{AppliedPlans, UpstreamPlan};
pub use as_of::{AsOfError, as_of};
pub use carry_out::Lapsed;
pub use credential::Credential;
pub use database::Admin;
pub use database::audit::Audited;
pub use database::outline::outline;
pub use error::{Class, ControlError, NotApprovedYet};
pub use mask_key::MaskKey;
pub use served::Served;
pub use store::GatewayState;
pub use watch::{PlaceState, Sighting, Tell, WatchLine, WatchState};

use known::{Accepted, Known};
use store::Store;

/// With this the result of a step begins that was not done.
pub const NOT_DONE: &str = "NOT done";

/// What control works with.
#[derive(Debug)]
pub struct Config {
    /// The estate. The URLs of its upstreams are the admin connections.
    pub estate: Estate,
    /// The files it was read from.
    pub files: Files,
    /// Admin connections to the airlocks, by partner, where an upstream is isolated so: the URL of database `postgres`.
    pub airlocks: BTreeMap<PartnerId, Zeroizing<String>>,
    /// The custodian's key, under any name.
    pub signer: SignerKey,
    /// The ledger.
    pub ledger: Ledger,
    /// The register.
    pub register: Arc<dyn Register>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// How long gateways are waited for.
    pub patience: Patience,
    /// Who has the ledger's checkpoints cosigned, if the estate names witnesses.
    pub cosigning: Option<Arc<Cosigning>>,
    /// Proves the estate before it is put in force.
    pub prover: Prover,
}

/// How long a directive waits for gateways to say that they have no session left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Before the database's side begins. Gateways cut within milliseconds; one that hangs must not keep the roles open.
    pub first: Duration,
    /// Afterwards, before it is recorded that one did not answer.
    pub last: Duration,
}

impl Default for Patience {
    /// 5 and 25 seconds: far more than a gateway that works needs, and still an answer while the operator waits.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            last: Duration::from_secs(25),
        }
    }
}

/// Control over one estate. Clones are the same control.
#[derive(Debug, Clone)]
pub struct Control(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    estate: Estate,
    files: Files,
    estate_hash: Hash,
    /// What the estate served says. Who may sign is what the estate approved last says: [`Control::signers`].
    signers: AllowedSigners,
    admins: BTreeMap<String, Admin>,
    airlocks: BTreeMap<PartnerId, Admin>,
    shared: Arc<Shared>,
}

/// What is the same whatever estate is served.
#[derive(Debug)]
struct Shared {
    signer: SignerKey,
    ledger: Ledger,
    store: Store,
    clock: Arc<dyn Clock>,
    patience: Patience,
    cosigning: Option<Arc<Cosigning>>,
    prover: Prover,
    known: Mutex<Known>,
    /// What is known of the upstreams' servers: which one each is on.
    servers: Mutex<BTreeMap<String, String>>,
    /// What the watch has seen since the start.
    watching: Mutex<watch::Watching>,
    /// An application is at work.
    applying: AtomicBool,
    /// Held by whoever changes anything, with how often somebody has begun to.
    work: tokio::sync::Mutex<u64>,
}

impl std::ops::Deref for Inner {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// SHA-256 of an estate's files, in hexadecimal: of each path and text with its length before it, in the order of paths.
#[must_use]
pub fn estate_sha256(files: &Files) -> String {
    policy::estate::hash(files).to_hex()
}

impl Control {
    /// Takes up the work: reads the ledger from its start. Blocks meanwhile; connects to nothing yet.
    ///
    /// # Errors
    /// The ledger cannot be read, or a URL or the signers file of the estate.
    pub fn new(config: Config) -> Result<Self, ControlError> {
        let Config {
            estate,
            files,
            airlocks,
            signer,
            ledger,
            register,
            clock,
            patience,
            cosigning,
            prover,
        } = config;
        let known = Known::fold(&ledger)?;
        let shared = Shared {
            signer,
            ledger,
            store: Store::new(register),
            clock,
            patience,
            cosigning,
            prover,
            known: Mutex::new(known),
            servers: Mutex::default(),
            watching: Mutex::default(),
            applying: AtomicBool::new(false),
            work: tokio::sync::Mutex::new(0),
        };
        Self::over(Arc::new(shared), estate, files, &airlocks)
    }

    /// Control over other files of the same custodian, with the ways to the partners' airlocks. Both do one thing at a time
    /// together, and know the same. The upstreams must be the same.
    ///
    /// # Errors
    /// A URL or the signers file of the estate cannot be read.
    pub fn with_estate(
        &self,
        estate: Estate,
        files: Files,
        airlocks: &BTreeMap<PartnerId, Zeroizing<String>>,
    ) -> Result<Self, ControlError> {
        Self::over(Arc::clone(&self.0.shared), estate, files, airlocks)
    }

    fn over(
        shared: Arc<Shared>,
        estate: Estate,
        files: Files,
        airlocks: &BTreeMap<PartnerId, Zeroizing<String>>,
    ) -> Result<Self, ControlError> {
        let estate_hash = policy::estate::hash(&files);
        let signers = AllowedSigners::parse(estate.signers().unwrap_or_default()).map_err(|error| {
            ControlError::Estate {
                what: "`authorities/allowed_signers`",
                right: error.to_string(),
            }
        })?;
        let admin = |(name, upstream): (&String, &policy::estate::Upstream)| {
            Ok((name.clone(), Admin::new(name, upstream.url.reveal())?))
        };
        let admins = estate
            .upstreams()
            .iter()
            .map(admin)
            .collect::<Result<_, ControlError>>()?;
        let airlocks = airlocks
            .iter()
            .map(|(partner, url)| {
                Ok((
                    partner.clone(),
                    Admin::new(&format!("airlock of {partner}"), url)?,
                ))
            })
            .collect::<Result<_, ControlError>>()?;
        Ok(Self(Arc::new(Inner {
            estate,
            files,
            estate_hash,
            signers,
            admins,
            airlocks,
            shared,
        })))
    }

    /// Checks a signed directive and carries it out. A directive that is in the ledger already with the same text is taken
    /// up where it stopped, whatever the time is now.
    ///
    /// # Errors
    /// It is not approved, or cannot be accepted, or the ledger or register fail. What fails in a database stands in the
    /// outcome.
    pub async fn submit(&self, text: &[u8], signatures: &[&str]) -> Result<api::Outcome, ControlError> {
        self.submit_despite(text, signatures, None).await
    }

    /// The same, also if it does something else by now than its preview said, as long as that is what the preview with the
    /// SHA-256 `despite`, in hexadecimal, says.
    ///
    /// # Errors
    /// As [`Control::submit`].
    pub async fn submit_despite(
        &self,
        text: &[u8],
        signatures: &[&str],
        despite: Option<&str>,
    ) -> Result<api::Outcome, ControlError> {
        // What two people must have signed is checked below; nobody's cut waits for a proof.
        let held = match Directive::parse(text) {
            Ok(directive) if directive.reinstates().is_some() => Some(self.held().await?),
            _ => None,
        };
        // Held from here on: who may sign is what was approved last.
        let _work = self.begin_work().await;
        let approved = match self.accepted_before(text) {
            Some(before) => approve_again(&before, &self.0.estate.custodian().name)?,
            None => {
                let custodian = &self.0.estate.custodian().name;
                directive::approve(text, signatures, &self.signers()?, custodian, self.0.clock.now())
                    .map_err(ControlError::NotApproved)?
            }
        };
        self.carry_out(approved, held, despite, self.0.patience).await
    }

    /// Waits until nobody else changes anything; nobody does until the guard is dropped.
    async fn begin_work(&self) -> tokio::sync::MutexGuard<'_, u64> {
        let mut work = self.0.work.lock().await;
        *work = work.wrapping_add(1);
        work
    }

    /// The directive of the ledger that has exactly this text.
    fn accepted_before(&self, text: &[u8]) -> Option<Accepted> {
        let number = Directive::parse(text).ok()?.number.clone();
        let before = self.known().directives.get(&number)?.clone();
        (before.record.text.as_bytes() == text).then_some(before)
    }

    fn accepted(&self, number: &DirectiveNumber) -> Result<Accepted, ControlError> {
        let known = self.known();
        known
            .directives
            .get(number)
            .cloned()
            .ok_or_else(|| ControlError::UnknownDirective(number.clone()))
    }

    /// Never held across an await.
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it is held; if something did, what was recorded is still right.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What ought to stand in an upstream's database now.
    fn desired(&self, upstream: &str) -> Desired {
        let desired = Desired::new(&self.0.estate, upstream, &self.known().ended());
        desired.apart_from(&self.0.estate, &self.apart_from(upstream))
    }

    /// Upstreams that are known to be on another server than this one.
    fn apart_from(&self, upstream: &str) -> BTreeSet<String> {
        // Nothing panics while it is held.
        let servers = self.0.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(here) = servers.get(upstream) else {
            return BTreeSet::new();
        };
        let others = servers.iter().filter(|(_, server)| *server != here);
        others.map(|(name, _)| name.clone()).collect()
    }

    /// Asks which server each upstream is on, once; an upstream that does not say is taken to be on any.
    async fn know_servers(&self) {
        let known = |name: &String| {
            let servers = self.0.servers.lock().unwrap_or_else(PoisonError::into_inner);
            servers.contains_key(name)
        };
        if self.0.admins.len() < 2 {
            return;
        }
        for (name, admin) in &self.0.admins {
            if known(name) {
                continue;
            }
            if let Some(server) = admin.server().await {
                let mut servers = self.0.servers.lock().unwrap_or_else(PoisonError::into_inner);
                servers.insert(name.clone(), server);
            }
        }
    }
}

/// What was approved once is approved: the same check, at the time at which it was made.
fn approve_again(
    before: &Accepted,
    custodian: &evidence::id::Custodian,
) -> Result<Approved<Directive>, ControlError> {
    let record = &before.record;
    let signers =
        AllowedSigners::parse(&record.signers_file).map_err(ControlError::ledger("reading signers"))?;
    let signatures: Vec<&str> = record.signatures.iter().map(String::as_str).collect();
    directive::approve(
        record.text.as_bytes(),
        &signatures,
        &signers,
        custodian,
        before.recorded,
    )
    .map_err(ControlError::NotApproved)
}
