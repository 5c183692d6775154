//! The airlocks of upstreams that are isolated so: planned with their upstreams, made after them, made anew when lost, and
//! ended on a cut, after the custodian's side.

use std::collections::{BTreeMap, BTreeSet};

use evidence::id::PartnerId;
use policy::airlock::{self, Airlock, Change, Deed, Likeness, Renewed, Seal, Sealed};
use policy::desired::Desired;
use policy::estate::Isolation;
use policy::in_force::EndedScope;
use policy::plan::{Difference, Plan, differences};
use sha2::{Digest, Sha256};

use crate::applying::{Coming, UpstreamPlan, sql_of};
use crate::approving::ApprovedEstate;
use crate::database::Admin;
use crate::database::ending::{Done, EndedRole, end_in_airlock};
use crate::error::ControlError;

use crate::store::Side;
use crate::{Control, Credential};

/// What an airlock stands behind, by upstream.
pub(crate) type Upstreams = BTreeMap<String, (Desired, Likeness)>;

/// The way from an airlock to what it ought to be.
pub(crate) struct Way {
    partner: PartnerId,
    pub(crate) wanted: Airlock,
    pub(crate) changes: Vec<Change>,
    plan: Plan,
}

impl Control {
    /// Whose credential the register's `upstream/<role>` is for an upstream.
    pub(crate) fn side(&self, upstream: &str) -> Side {
        let airlocked = self
            .0
            .estate
            .upstreams()
            .get(upstream)
            .is_some_and(|upstream| upstream.isolation == Isolation::Airlock);
        if airlocked && !self.0.airlocks.is_empty() {
            Side::Custodian
        } else {
            Side::Gateway
        }
    }

    /// What lies between each airlock and what it ought to be. `renewing` are roles that get a new password at the
    /// custodian when the upstreams' plans are applied.
    pub(crate) async fn plan_airlocks(
        &self,
        renewing: &BTreeSet<String>,
    ) -> Result<Vec<UpstreamPlan>, ControlError> {
        let upstreams = self.likenesses().await?;
        let mut plans = Vec::new();
        for (partner, admin) in &self.0.airlocks {
            self.close_fresh(partner, admin).await?;
            let way = self.way(partner, admin, &upstreams, renewing).await?;
            plans.push(UpstreamPlan::new(&shown_as(partner), way.plan, None));
        }
        Ok(plans)
    }

    /// Makes the airlocks as they ought to be. The custodian's side has been applied: an airlock gives nothing that it
    /// does not.
    pub(crate) async fn apply_airlocks(
        &self,
        approved: &ApprovedEstate,
        coming: &Coming,
        renewing: &BTreeSet<String>,
    ) -> Result<Vec<UpstreamPlan>, ControlError> {
        let upstreams = self.likenesses().await?;
        let mut plans = Vec::new();
        for (partner, admin) in &self.0.airlocks {
            self.close_fresh(partner, admin).await?;
            let way = self.way(partner, admin, &upstreams, renewing).await?;
            let blocking: Vec<_> = way.plan.blocking().cloned().collect();
            if !blocking.is_empty() {
                return Err(ControlError::Blocked(blocking));
            }
            self.record_statements(approved, coming, sql_of(&way.plan.steps))
                .await?;
            for change in &way.changes {
                self.change(partner, admin, change).await?;
            }
            plans.push(UpstreamPlan::new(&shown_as(&way.partner), way.plan, None));
        }
        Ok(plans)
    }

    /// Makes what is missing in the airlocks: one whose cluster was lost is empty, and holds nothing that is not made
    /// again. Goes on with a change of passwords that was begun; else changes nothing that stands, and gives nobody anything
    /// that the custodian's side does not. The number of databases made. Not cancel safe: dropped half-way, it is to be done again.
    ///
    /// # Errors
    /// An airlock or an upstream cannot be reached.
    pub async fn restore_airlocks(&self) -> Result<usize, ControlError> {
        if self.0.airlocks.is_empty() {
            return Ok(0);
        }
        let _work = self.begin_work().await;
        let upstreams = self.likenesses().await?;
        let mut made = 0_usize;
        for (partner, admin) in &self.0.airlocks {
            self.close_fresh(partner, admin).await?;
            let way = self.way(partner, admin, &upstreams, &BTreeSet::new()).await?;
            let standing = admin
                .standing(None, |name| self.0.store.seal(partner, name))
                .await?;
            for change in &way.changes {
                let found = standing.cells.get(&change.name);
                let missing = found.is_none_or(|found| found.lines.is_none() || found.seal.is_none());
                let applied = self.0.store.credential(Side::Custodian, &change.name)?.is_some();
                if matches!(change.deed, Deed::Make(_)) && missing && applied {
                    self.change(partner, admin, change).await?;
                    made = made.saturating_add(1);
                }
            }
            self.go_on_rekeying(partner, admin, &way).await?;
        }
        Ok(made)
    }

    /// Ends roles in the airlock of a directive's partner, after the custodian's side.
    pub(crate) async fn end_in_airlocks(&self, scope: &EndedScope, done: &mut Done) {
        let Some(admin) = self.0.airlocks.get(&scope.partner) else {
            return;
        };
        let mut roles: Vec<EndedRole> = Vec::new();
        for name in self.airlocked() {
            roles.extend(self.roles_in(scope, name));
        }
        if !roles.is_empty() {
            end_in_airlock(admin, &roles, &*self.0.clock, done).await;
        }
    }

    pub(crate) fn airlocked(&self) -> impl Iterator<Item = &String> {
        let upstreams = self.0.estate.upstreams().iter();
        upstreams
            .filter(|(_, upstream)| upstream.isolation == Isolation::Airlock)
            .map(|(name, _)| name)
    }

    pub(crate) async fn likenesses(&self) -> Result<Upstreams, ControlError> {
        let mut upstreams = Upstreams::new();
        if self.0.airlocks.is_empty() {
            return Ok(upstreams);
        }
        for name in self.airlocked() {
            if let Some(admin) = self.0.admins.get(name) {
                let (desired, _) = self.wanted(name)?;
                let likeness = admin.likeness(&desired, None).await?;
                upstreams.insert(name.clone(), (desired, likeness));
            }
        }
        Ok(upstreams)
    }

    /// Closes a cluster that was made just now, and keeps what it is like.
    async fn close_fresh(&self, partner: &PartnerId, admin: &Admin) -> Result<(), ControlError> {
        admin
            .close_fresh(|lines| self.0.store.keep_cluster_seal(partner, lines))
            .await
    }

    /// What the watch compares an airlock with: what it was when it was made. Changes nothing.
    pub(crate) async fn airlock_differences(
        &self,
        partner: &PartnerId,
        admin: &Admin,
        upstreams: &Upstreams,
    ) -> Result<Vec<Difference>, ControlError> {
        let way = self.way(partner, admin, upstreams, &BTreeSet::new()).await?;
        Ok(differences(&way.plan, None))
    }

    pub(crate) async fn way(
        &self,
        partner: &PartnerId,
        admin: &Admin,
        upstreams: &Upstreams,
        renewing: &BTreeSet<String>,
    ) -> Result<Way, ControlError> {
        let behind: Vec<_> = upstreams
            .values()
            .map(|(desired, likeness)| (desired, likeness))
            .collect();
        let mut wanted = Airlock::new(partner, &behind, &admin.locales().await?);
        let mut renewed = Renewed {
            at_custodian: renewing.clone(),
            unknown: BTreeSet::new(),
        };
        for cell in &mut wanted.cells {
            let name = cell.name.as_str();
            cell.custodian_key = self
                .0
                .store
                .credential(Side::Custodian, name)?
                .map(|held| digest(&held));
            if self.0.store.credential(Side::Gateway, name)?.is_none() {
                renewed.unknown.insert(name.to_owned());
            }
        }
        let sealed = self.0.store.cluster_seal(partner)?;
        let standing = admin
            .standing(sealed, |name| self.0.store.seal(partner, name))
            .await?;
        let (changes, findings) = airlock::plan(&wanted, &standing, &renewed);
        let steps = changes.iter().map(|change| change.step.clone()).collect();
        Ok(Way {
            partner: partner.clone(),
            wanted,
            changes,
            plan: Plan {
                steps,
                findings,
                marks: BTreeMap::new(),
            },
        })
    }

    async fn change(&self, partner: &PartnerId, admin: &Admin, change: &Change) -> Result<(), ControlError> {
        let store = &self.0.store;
        let cell = match &change.deed {
            Deed::Remove => return admin.remove_cell(&change.name).await,
            Deed::Rekey(cell) => return self.rekey(partner, admin, cell).await,
            Deed::Make(cell) => cell,
        };
        let name = cell.name.as_str();
        let Some(custodian) = store.credential(Side::Custodian, name)? else {
            return Ok(());
        };
        if custodian.is_unsettled() {
            // Which of its two passwords the role has there is not known: it gets the newer one.
            self.settle_at_custodian(cell, &custodian).await?;
        }
        let own = Credential::draw()?;
        // What stands there now counts as half made, until it is: killed in between, nothing else would say that the password
        // kept below is not the one that it has.
        let broken = Seal {
            made_of: String::new(),
            state: Sealed::default(),
            next: None,
        };
        store.keep_seal(partner, name, &broken)?;
        // First where gateways find it, as with the custodian's side.
        store.keep_credential(Side::Gateway, name, &own)?;
        let made = admin.make_cell(cell, &own, &custodian).await?;
        store.keep_seal(partner, name, &made.seal)
    }
}

/// The roles that a plan gives a new password.
pub(crate) fn renewed_by(plans: &[UpstreamPlan]) -> BTreeSet<String> {
    let steps = plans.iter().flat_map(|plan| &plan.steps);
    steps.filter_map(|step| step.password_for.clone()).collect()
}

/// As an airlock's plan is called among those of upstreams, whose names have no slash.
pub(crate) fn shown_as(partner: &PartnerId) -> String {
    format!("airlock/{partner}")
}

/// A password's SHA-256, in hexadecimal: it has 256 bits, so that its hash tells nothing.
pub(crate) fn digest(credential: &Credential) -> String {
    Sha256::digest(credential.reveal())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
