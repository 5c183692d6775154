//! Passwords that are renewed: those of an airlock's databases, at the custodian and at the door, while sessions stay. In
//! place it is a few statements more in the transaction that applies (`database::apply`). When and why: decision 0022.

use std::collections::BTreeSet;

use evidence::id::PartnerId;
use policy::airlock::{Cell, Deed, Seal, Sealed};
use policy::plan::PASSWORD_PLACEHOLDER;

use crate::airlocks::{Way, digest};
use crate::applying::Coming;
use crate::approving::ApprovedEstate;
use crate::database::Admin;
use crate::error::ControlError;
use crate::store::Side;
use crate::{Control, Credential};

impl Control {
    /// Renews the passwords of all databases of airlocks, but for the roles `drawn`, whose password at the custodian is new
    /// already. How many.
    pub(crate) async fn renew_airlocks(
        &self,
        approved: &ApprovedEstate,
        coming: &Coming,
        drawn: &BTreeSet<String>,
    ) -> Result<usize, ControlError> {
        let upstreams = self.likenesses().await?;
        let mut renewed = 0_usize;
        for (partner, admin) in &self.0.airlocks {
            let way = self.way(partner, admin, &upstreams, &BTreeSet::new()).await?;
            let cells = way.wanted.cells.iter();
            let cells: Vec<&Cell> = cells.filter(|cell| !drawn.contains(cell.name.as_str())).collect();
            let statements = cells.iter().flat_map(|cell| {
                let at_custodian = policy::plan::renewal(cell.name.as_str());
                std::iter::once(at_custodian).chain(cell.rekeying())
            });
            self.record_statements(approved, coming, statements.collect())
                .await?;
            for cell in &cells {
                self.rekey(partner, admin, cell).await?;
            }
            renewed = renewed.saturating_add(cells.len());
        }
        Ok(renewed)
    }

    /// Finishes what was begun when a process before this one was killed.
    pub(crate) async fn go_on_rekeying(
        &self,
        partner: &PartnerId,
        admin: &Admin,
        way: &Way,
    ) -> Result<(), ControlError> {
        for cell in &way.wanted.cells {
            let name = cell.name.as_str();
            let is_unsettled = |side| -> Result<bool, ControlError> {
                let held = self.0.store.credential(side, name)?;
                Ok(held.is_some_and(|held| held.is_unsettled()))
            };
            let others = |change: &&policy::airlock::Change| {
                change.name == name && !matches!(change.deed, Deed::Rekey(_))
            };
            // What is to be made anew is not what was being changed.
            let stands = !way.changes.iter().any(|change| others(&change));
            if stands && (is_unsettled(Side::Custodian)? || is_unsettled(Side::Gateway)?) {
                self.rekey(partner, admin, cell).await?;
            }
        }
        Ok(())
    }

    /// Gives a cell new passwords, at the custodian and at its door. Killed anywhere, it can be done again: what the register
    /// holds then are the passwords before and after, of which one counts on each side.
    pub(crate) async fn rekey(
        &self,
        partner: &PartnerId,
        admin: &Admin,
        cell: &Cell,
    ) -> Result<(), ControlError> {
        let (store, name) = (&self.0.store, cell.name.as_str());
        let (Some(custodian), Some(door)) = (
            store.credential(Side::Custodian, name)?,
            store.credential(Side::Gateway, name)?,
        ) else {
            return Ok(());
        };
        let (custodian, door) = (custodian.renewed()?, door.renewed()?);
        let rekeyed = admin.rekey_cell(cell, &door, &custodian).await?;
        let Some(seal) = store.seal(partner, name)? else {
            return Ok(());
        };
        let state = seal.state_of(&rekeyed.before).clone();
        if state.lines != rekeyed.before {
            // Somebody has changed it since it was looked at; nothing of that is sealed.
            return Err(ControlError::PlanChanged);
        }
        let next = Sealed {
            custodian_key: Some(digest(&custodian)),
            lines: rekeyed.lines.clone(),
        };
        let both = Seal {
            made_of: seal.made_of.clone(),
            state,
            next: Some(next.clone()),
        };
        // First where gateways and this control find them.
        store.keep_credential(Side::Custodian, name, &custodian)?;
        store.keep_credential(Side::Gateway, name, &door)?;
        store.keep_seal(partner, name, &both)?;
        rekeyed.hold().await?;
        self.settle_at_custodian(cell, &custodian).await?;
        rekeyed.commit().await?;
        let done = Seal {
            state: next,
            next: None,
            ..seal
        };
        store.keep_seal(partner, name, &done)?;
        store.keep_credential(Side::Custodian, name, &custodian.settled())?;
        store.keep_credential(Side::Gateway, name, &door.settled())
    }

    /// Gives a cell's role this password at the custodian.
    pub(crate) async fn settle_at_custodian(
        &self,
        cell: &Cell,
        custodian: &Credential,
    ) -> Result<(), ControlError> {
        let Some(admin) = self.0.admins.get(&cell.upstream) else {
            return Ok(());
        };
        let sql = policy::plan::renewal(cell.name.as_str());
        let sql = sql.replace(PASSWORD_PLACEHOLDER, &custodian.verifier()?);
        admin.connect().await?.run(&sql).await
    }
}
