//! Planning, applying, drift: from the estate to the databases and to the policy in force.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use evidence::entry::Kind;
use evidence::hash::Hash;
use evidence::id::{Epoch, PartnerId};
use evidence::record::{Applied, Clipped, EpochRecord};
use ledger::{Draft, Status};
use policy::desired::Desired;
use policy::estate::Estate;
use policy::harden::Finding;
use policy::in_force::InForce;
use policy::plan::{Difference, Noted, Plan, Step, differences};
use proof::hold::Held;
use serde::{Deserialize, Serialize};

use crate::airlocks::renewed_by;
use crate::approving::ApprovedEstate;
use crate::database::reading::Credentials;
use crate::error::ControlError;
use crate::store::{GatewayState, Side};
use crate::unfinished::AtWork;
use crate::{Control, Credential};

/// The plan of one upstream's database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamPlan {
    /// The upstream's name in the estate.
    pub upstream: String,
    /// Identifies the plan: apply refuses another.
    pub fingerprint: String,
    /// What is to be done, in order.
    pub steps: Vec<Step>,
    /// What the custodian should know or must change.
    pub findings: Vec<Finding>,
    /// What stands otherwise than the estate says and than it was applied: drift, if it has been applied. Notes that stood there
    /// then are none.
    #[serde(default)]
    pub differences: Vec<Difference>,
}

/// What applying has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedPlans {
    /// What was done in each upstream.
    pub plans: Vec<UpstreamPlan>,
    /// The policy in force now.
    pub epoch: Epoch,
    /// Whether it is a new one.
    pub moved: bool,
    /// Roles whose password was renewed, beside those of the plans.
    #[serde(default)]
    pub renewed: usize,
    /// Partners whose logs were opened.
    pub opened: Vec<PartnerId>,
}

/// The policy that an application puts in force.
#[derive(Debug)]
pub(crate) struct Coming {
    policy: InForce,
    /// Whether anything in it is new.
    moved: bool,
    /// The number in force afterwards.
    epoch: Epoch,
    /// The evidence of the proof it rests on.
    proof: Hash,
    /// It is kept that something is about to be changed.
    pub(crate) begun: AtomicBool,
}

impl UpstreamPlan {
    pub(crate) fn new(upstream: &str, plan: Plan, noted: Option<&Noted>) -> Self {
        Self {
            upstream: upstream.to_owned(),
            fingerprint: plan.fingerprint(),
            differences: differences(&plan, noted),
            steps: plan.steps,
            findings: plan.findings,
        }
    }
}

impl Control {
    /// The estate served.
    #[must_use]
    pub fn estate(&self) -> &Estate {
        &self.0.estate
    }

    /// [`crate::estate_sha256`] of the estate served.
    #[must_use]
    pub fn estate_sha256(&self) -> String {
        self.0.estate_hash.to_hex()
    }

    /// What lies between the estate and each database: before applying it is the plan, afterwards it is drift. Changes
    /// nothing. Cancel safe.
    ///
    /// # Errors
    /// A database cannot be reached or read.
    pub async fn plan(&self) -> Result<Vec<UpstreamPlan>, ControlError> {
        self.know_servers().await;
        let mut plans = Vec::new();
        for (name, admin) in &self.0.admins {
            let (desired, credentials) = self.wanted(name)?;
            let keys = self.mask_keys(&desired)?;
            let plan = admin.plan(&desired, &credentials, &keys).await?;
            plans.push(UpstreamPlan::new(name, plan, self.0.store.noted(name)?.as_ref()));
        }
        let airlocks = self.plan_airlocks(&renewed_by(&plans)).await?;
        plans.extend(airlocks);
        Ok(plans)
    }

    /// Applies the estate to every database, then puts the policy in force. Doing it again does nothing. `shown` are the
    /// fingerprints of plans that somebody has seen, by upstream: a plan that is another now is not applied. Not cancel
    /// safe: dropped half-way, it is to be done again.
    ///
    /// # Errors
    /// Nobody has approved the estate, it is not proved to keep its guardrails, a finding blocks, a plan is not the one shown, or something fails; what was committed
    /// until then stays.
    pub async fn apply(&self, shown: &[(String, String)]) -> Result<AppliedPlans, ControlError> {
        // What the law forbids is said before signatures are asked for; and nobody's cut waits for a proof.
        let held = self.held().await?;
        self.know_servers().await;
        let _work = self.begin_work().await;
        self.apply_held(&held, shown).await
    }

    /// The same, by whoever holds the work, with the proof.
    pub(crate) async fn apply_held(
        &self,
        held: &Held,
        shown: &[(String, String)],
    ) -> Result<AppliedPlans, ControlError> {
        let _at_work = AtWork::new(&self.0.applying);
        let approved = self.approved_estate()?;
        let coming = self.coming(held)?;
        let (mut plans, mut renewed) = (Vec::new(), 0_usize);
        for (name, admin) in &self.0.admins {
            let (desired, credentials) = self.wanted(name)?;
            let seen = shown
                .iter()
                .find(|(upstream, _)| upstream == name)
                .map(|(_, print)| print.as_str());
            let kept = self.mask_keys(&desired)?;
            let side = self.side(name);
            let renewing = |held: &Credential| side == Side::Gateway && (coming.moved || held.is_unsettled());
            let uncommitted = admin
                .prepare(&desired, &credentials, &kept, seen, renewing)
                .await?;
            if uncommitted.changes_anything() {
                self.begin_applying(&approved, &coming)?;
            }
            // First where gateways find them: a login that comes too early fails and is tried again; one that has no
            // password to try would fail for good.
            for (role, credential) in &uncommitted.passwords {
                self.0.store.keep_credential(side, role, credential)?;
            }
            for (agreement, key) in &uncommitted.keys {
                self.0.store.keep_mask_key(agreement, key)?;
            }
            let mut statements = sql_of(&uncommitted.plan.steps);
            statements.extend(uncommitted.renewals.iter().cloned());
            renewed = renewed.saturating_add(uncommitted.renewals.len());
            self.record_statements(&approved, &coming, statements).await?;
            let noted = self.0.store.noted(name)?;
            let passwords = uncommitted.passwords.clone();
            let plan = uncommitted.commit().await?;
            for (role, credential) in passwords.iter().filter(|(_, one)| one.is_unsettled()) {
                self.0.store.keep_credential(side, role, &credential.settled())?;
            }
            self.0.store.keep_noted(name, &Noted::of(&plan))?;
            plans.push(UpstreamPlan::new(name, plan, noted.as_ref()));
            Self::end_strangers(admin).await?;
        }
        let drawn = renewed_by(&plans);
        plans.extend(self.apply_airlocks(&approved, &coming, &drawn).await?);
        if coming.moved {
            let more = self.renew_airlocks(&approved, &coming, &drawn).await?;
            renewed = renewed.saturating_add(more);
        }
        self.put_in_force(&approved, coming, plans, renewed).await
    }

    /// The policy of the estate, as it is to be put in force.
    fn coming(&self, held: &Held) -> Result<Coming, ControlError> {
        let present = self.0.store.policy()?;
        let ended = self.known().ended();
        let epoch = self.present_epoch(present.as_ref());
        let now = self.0.clock.now();
        let next_epoch = epoch.next().unwrap_or(epoch);
        let policy = InForce::from_estate(&self.0.estate, ended, next_epoch, now);
        let same = present.as_ref().is_some_and(|present| {
            InForce {
                epoch: present.epoch,
                made_at: present.made_at,
                ..policy.clone()
            } == *present
        });
        Ok(Coming {
            policy,
            moved: !same,
            epoch: if same { epoch } else { next_epoch },
            proof: held.manifest(),
            begun: AtomicBool::new(false),
        })
    }

    /// Records what is about to be done to a database. Before it lasts: whoever reads the ledger finds at least every
    /// statement that was committed, wherever this process dies.
    pub(crate) async fn record_statements(
        &self,
        approved: &ApprovedEstate,
        coming: &Coming,
        statements: Vec<String>,
    ) -> Result<(), ControlError> {
        if statements.is_empty() {
            return Ok(());
        }
        self.begin_applying(approved, coming)?;
        let record = self.applied_record(approved, coming, statements);
        let appended = self.0.ledger.append(vec![draft(&record)?]).await;
        appended.map_err(ControlError::ledger("recording what is applied"))?;
        self.known().applied(record);
        Ok(())
    }

    fn applied_record(&self, approved: &ApprovedEstate, coming: &Coming, statements: Vec<String>) -> Applied {
        Applied {
            at: self.0.clock.now(),
            estate_sha256: self.0.estate_hash.to_hex(),
            statements,
            epoch: coming.epoch,
            approval: Some(approved.number().clone()),
            proof: Some(coming.proof.to_hex()),
        }
    }

    pub(crate) fn wanted(&self, upstream: &str) -> Result<(Desired, Credentials), ControlError> {
        let mut desired = self.desired(upstream);
        let mut credentials = Credentials::new();
        for role in desired.roles.iter().filter(|role| role.is_in_force()) {
            let name = role.name.as_str();
            match self.0.store.credential(self.side(upstream), name)? {
                Some(credential) => drop(credentials.insert(name.to_owned(), credential)),
                None => drop(desired.renew.insert(name.to_owned())),
            }
        }
        Ok((desired, credentials))
    }

    /// Ends backends of roles that may not log in: one may have been coming up while its role was closed. Roles of agreements
    /// that have gone from the estate are among them.
    async fn end_strangers(admin: &crate::Admin) -> Result<(), ControlError> {
        let doing = "ending backends of closed roles";
        let connection = admin.connect().await?;
        let closed = connection.client.query(policy::ending::CLOSED, &[]).await;
        let closed = closed.map_err(ControlError::database(doing))?;
        let closed: Vec<String> = closed.iter().map(|row| row.get(0)).collect();
        if closed.is_empty() {
            return Ok(());
        }
        let told = connection
            .client
            .query(policy::ending::TERMINATE, &[&closed])
            .await;
        told.map(drop).map_err(ControlError::database(doing))
    }

    /// Publishes the policy of the estate, if anything in it is new. What was done to databases is recorded already.
    async fn put_in_force(
        &self,
        approved: &ApprovedEstate,
        coming: Coming,
        plans: Vec<UpstreamPlan>,
        renewed: usize,
    ) -> Result<AppliedPlans, ControlError> {
        let opened = self.to_be_opened(&coming.policy);
        let mut drafts = Vec::new();
        let applied = self.applied_record(approved, &coming, Vec::new());
        if !self.known().put_in_force.contains(approved.number()) {
            drafts.push(draft(&applied)?);
        }
        drafts.extend(
            opened
                .iter()
                .map(|partner| Draft::new(Kind::Opened, Vec::new()).with_partner(partner.clone())),
        );
        let record = EpochRecord {
            epoch: coming.policy.epoch,
            directive: None,
            at: coming.policy.made_at,
            gateways: self.gateway_names()?,
            approval: Some(approved.number().clone()),
            lifted: Vec::new(),
        };
        let undone = self.undone(coming.policy.made_at);
        for record in &undone {
            drafts.push(draft(record)?);
        }
        if coming.moved {
            drafts.push(draft(&record)?);
        }
        if !drafts.is_empty() {
            self.begin_applying(approved, &coming)?;
            self.0
                .ledger
                .append(drafts)
                .await
                .map_err(ControlError::ledger("recording the policy in force"))?;
        }
        {
            let mut known = self.known();
            known.applied(applied);
            undone.into_iter().for_each(|record| known.drifted(record));
        }
        if coming.moved {
            self.known().moved(record.clone());
            self.0.store.publish(&coming.policy)?;
        }
        self.end_applying()?;
        if coming.moved {
            // So that who is told "applied" can log in. A gateway that is not there takes it up when it is.
            let at_work = |state: &GatewayState| state.epoch >= coming.epoch;
            self.wait_until_gateways(&record, self.0.patience.first, at_work)
                .await?;
        }
        Ok(AppliedPlans {
            plans,
            epoch: coming.epoch,
            moved: coming.moved,
            renewed,
            opened,
        })
    }

    /// The highest epoch there ever was.
    pub(crate) fn present_epoch(&self, present: Option<&InForce>) -> Epoch {
        let recorded = self.known().epoch;
        present.map_or(recorded, |policy| policy.epoch.max(recorded))
    }

    pub(crate) fn gateway_names(&self) -> Result<Vec<Clipped>, ControlError> {
        Ok(self
            .0
            .store
            .gateways()?
            .keys()
            .map(|name| Clipped::from(name.as_str()))
            .collect())
    }

    /// Partners that have something in force and no log that is open.
    pub(crate) fn to_be_opened(&self, policy: &InForce) -> Vec<PartnerId> {
        let in_force = policy.agreements.iter().filter(|agreement| {
            agreement
                .purposes
                .iter()
                .any(|purpose| policy.ended_by(agreement, &purpose.id).is_none())
        });
        let partners: BTreeSet<&PartnerId> = in_force.map(|agreement| &agreement.partner).collect();
        let is_open = |partner: &PartnerId| {
            self.0
                .ledger
                .partner(partner)
                .is_some_and(|log| log.status == Status::Open)
        };
        partners
            .into_iter()
            .filter(|partner| !is_open(partner))
            .cloned()
            .collect()
    }
}

/// The statements of steps.
pub(crate) fn sql_of(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| step.sql.clone()).collect()
}

pub(crate) fn draft<R: evidence::record::Record>(record: &R) -> Result<Draft, ControlError> {
    Draft::of(record).map_err(ControlError::ledger("writing a record"))
}
