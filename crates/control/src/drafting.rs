//! Drawing directives up, and showing what they would cut.

use evidence::directive::{self, Directive, Draft, NONCE_BYTES, Nonce, Order};
use evidence::entry::whole_second;
use evidence::id::{AgreementId, DirectiveNumber, PartnerId, PurposeId};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use policy::in_force::EndedScope;

use crate::Control;
use crate::api::{DirectiveDraft, DraftRequest, ScopeLine};
use crate::error::ControlError;

/// How long a directive may be signed and submitted, if nothing is said: a working day and a night.
const DEFAULT_HOURS: u32 = 24;

impl Control {
    /// Draws a directive up over the present ledger: what two people sign. Nothing changes by it.
    ///
    /// # Errors
    /// The scope does not exist, or the fields make no directive.
    pub async fn draw_up(&self, request: DraftRequest) -> Result<DirectiveDraft, ControlError> {
        let DraftRequest {
            partner,
            agreement,
            purpose,
            basis,
            hours,
        } = request;
        self.check_scope(&partner, agreement.as_ref(), purpose.as_ref())?;
        let issued = whole_second(self.0.clock.now());
        let hours = SignedDuration::from_hours(i64::from(hours.unwrap_or(DEFAULT_HOURS)));
        let wrong = |source: Box<dyn std::error::Error + Send + Sync>| ControlError::Request {
            what: "a field",
            source,
        };
        let expires = issued
            .checked_add(hours)
            .map_err(|error| wrong(Box::new(error)))?;
        let signed = self
            .0
            .ledger
            .checkpoint()
            .await
            .map_err(ControlError::ledger("publishing a checkpoint"))?;
        let (ledger_size, ledger_root) = (signed.checkpoint.size, signed.checkpoint.root);
        let mut nonce = [0_u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| ControlError::Random)?;
        let directive = Directive::new(Draft {
            custodian: self.0.estate.custodian().name.clone(),
            number: self.next_number(issued)?,
            order: Order::Terminate,
            partner,
            agreement,
            purpose,
            basis,
            issued,
            expires,
            nonce: Nonce::new(nonce),
            ledger_size,
            ledger_root,
        });
        let directive = directive.map_err(|error| wrong(Box::new(error)))?;
        self.0.store.keep_drawn_up(ledger_size, &ledger_root)?;
        Ok(DirectiveDraft {
            number: directive.number.clone(),
            text: directive.encode(),
            namespace: directive::namespace(&directive.custodian),
            would_cut: self.would_cut(&directive),
        })
    }

    /// One more than the highest number of the year. Two drafts drawn up before either is submitted have the same number;
    /// only one of them will be accepted.
    fn next_number(&self, issued: Timestamp) -> Result<DirectiveNumber, ControlError> {
        let year = u16::try_from(issued.to_zoned(TimeZone::UTC).year()).unwrap_or_default();
        let prefix = format!("D-{year:04}-");
        let known = self.known();
        let counts = known
            .directives
            .keys()
            .filter_map(|n| n.as_str().strip_prefix(&prefix)?.parse::<u64>().ok());
        let next = counts.max().unwrap_or(0).saturating_add(1);
        DirectiveNumber::new(year, next).map_err(|error| ControlError::Request {
            what: "the directive's number",
            source: Box::new(error),
        })
    }

    /// The partner, agreement and purpose are there and belong together.
    pub(crate) fn check_scope(
        &self,
        partner: &PartnerId,
        agreement: Option<&AgreementId>,
        purpose: Option<&PurposeId>,
    ) -> Result<(), ControlError> {
        let estate = &self.0.estate;
        if !estate.partners().contains_key(partner) {
            return Err(ControlError::UnknownPartner(partner.clone()));
        }
        let unknown = |what: String| {
            Err(ControlError::UnknownScope {
                partner: partner.clone(),
                what,
            })
        };
        let mut theirs = estate.agreements().values().filter(|a| a.partner == *partner);
        let mut named = theirs
            .clone()
            .filter(|a| agreement.is_none_or(|id| a.id == *id))
            .peekable();
        match (agreement, purpose) {
            (Some(id), _) if named.peek().is_none() => unknown(format!("agreement `{id}`")),
            (Some(id), Some(purpose)) if !named.any(|a| a.purposes.contains(purpose)) => {
                unknown(format!("purpose `{purpose}` under agreement `{id}`"))
            }
            (None, Some(purpose)) if !theirs.any(|a| a.purposes.contains(purpose)) => {
                unknown(format!("purpose `{purpose}`"))
            }
            _ => Ok(()),
        }
    }

    fn would_cut(&self, directive: &Directive) -> Vec<ScopeLine> {
        let scope = EndedScope {
            directive: directive.number.clone(),
            partner: directive.partner.clone(),
            agreement: directive.agreement.clone(),
            purpose: directive.purpose.clone(),
            at: directive.issued,
        };
        let ended = self.known().ended();
        let mut lines = Vec::new();
        for agreement in self.0.estate.agreements().values() {
            for purpose in agreement
                .purposes
                .iter()
                .filter(|p| scope.covers(&agreement.partner, &agreement.id, p))
            {
                let before = ended
                    .iter()
                    .find(|e| e.covers(&agreement.partner, &agreement.id, purpose));
                lines.push(ScopeLine {
                    agreement: agreement.id.clone(),
                    purpose: purpose.clone(),
                    datasets: agreement
                        .shares_for(purpose)
                        .map(|share| share.dataset.clone())
                        .collect(),
                    ended_before_by: before.map(|e| e.directive.clone()),
                });
            }
        }
        lines
    }
}
