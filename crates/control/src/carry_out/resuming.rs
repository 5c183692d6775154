//! Terminations and suspensions that were accepted and are not carried out in full: taken up without anybody's asking.

use std::time::Duration;

use evidence::id::DirectiveNumber;

use crate::api::Outcome;
use crate::error::ControlError;
use crate::known::Accepted;
use crate::{Control, Patience, approve_again};

impl Control {
    /// What ends something and is not carried out in full, in the order of the ledger: because a step failed, or because the process
    /// ended meanwhile. One that is being carried out now is among them.
    #[must_use]
    pub fn stopped_directives(&self) -> Vec<DirectiveNumber> {
        let now = self.0.clock.now();
        let known = self.known();
        let open = |one: &&Accepted| {
            let over = one.epoch.is_none() && one.directive.until().is_some_and(|until| until <= now);
            let number = &one.directive.number;
            !one.complete && one.scope().is_some() && !over && !known.lifted.contains(number)
        };
        let mut open: Vec<&Accepted> = known.directives.values().filter(open).collect();
        open.sort_by_key(|one| one.index);
        open.into_iter().map(|one| one.directive.number.clone()).collect()
    }

    /// Takes one of these up where it stopped, as handing it in again does, but waits for silent gateways only as long as the roles may
    /// stay open for them: others' directives wait meanwhile. `None`: it is carried out by now.
    ///
    /// # Errors
    /// The ledger or the register fail. What fails in a database stands in the outcome.
    pub async fn take_up(&self, number: &DirectiveNumber) -> Result<Option<Outcome>, ControlError> {
        let _work = self.begin_work().await;
        if !self.stopped_directives().contains(number) {
            return Ok(None);
        }
        let approved = approve_again(&self.accepted(number)?, &self.0.estate.custodian().name)?;
        let patience = Patience {
            last: Duration::ZERO,
            ..self.0.patience
        };
        self.carry_out(approved, None, None, patience).await.map(Some)
    }
}
