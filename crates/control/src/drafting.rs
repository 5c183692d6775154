//! Drawing directives up, and showing what they would cut.

use evidence::directive::{
    self, Directive, Draft, NONCE_BYTES, Nonce, Order, Particulars, Reinstatement, Scope, Suspension,
};
use evidence::entry::whole_second;
use evidence::id::{AgreementId, DatasetId, DirectiveNumber, PartnerId, PurposeId};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use policy::in_force::EndedScope;

use crate::Control;
use crate::api::{DirectiveDraft, DraftRequest, ReinstatementRequest, ScopeLine};
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
            until,
            basis,
            particulars,
            hours,
        } = request;
        let scope = Scope {
            partner,
            agreement,
            purpose,
        };
        self.check_scope(&scope)?;
        let order = match until {
            None => Order::Terminate(scope.clone()),
            Some(until) => Order::Suspend(Suspension {
                scope: scope.clone(),
                until,
            }),
        };
        let directive = self.drawn_up(order, basis, particulars, hours).await?;
        if let Some(until) = until {
            self.check_not_over(&directive.number, until)?;
        }
        let ended = self.known().ended();
        Ok(DirectiveDraft {
            number: directive.number.clone(),
            text: directive.encode(),
            namespace: directive::namespace(&directive.custodian),
            would_cut: self.lines(&scope, &ended)?,
            would_open: Vec::new(),
            preview: self.preview(&directive.order)?.unwrap_or_default(),
            used: Some(self.used(scope).await?),
        })
    }

    /// Draws the reinstatement of what a directive has ended up. Nothing changes by it.
    ///
    /// # Errors
    /// There is no such directive, it has nothing to give back, or the fields make no directive.
    pub async fn draw_up_reinstatement(
        &self,
        request: ReinstatementRequest,
    ) -> Result<DirectiveDraft, ControlError> {
        let lifts = request.lifts;
        let earlier = self.accepted(&lifts)?.directive;
        let Some(scope) = earlier.scope() else {
            return Err(ControlError::NothingToLift {
                number: lifts,
                why: "it ends nobody's access",
            });
        };
        let reinstatement = Reinstatement {
            partner: scope.partner.clone(),
            lifts: lifts.clone(),
        };
        self.check_liftable(&reinstatement)?;
        let order = Order::Reinstate(reinstatement);
        let directive = self
            .drawn_up(order, request.basis, request.particulars, request.hours)
            .await?;
        let mut others = self.known().ended();
        others.retain(|other| other.directive != lifts);
        Ok(DirectiveDraft {
            number: directive.number.clone(),
            text: directive.encode(),
            namespace: directive::namespace(&directive.custodian),
            would_cut: Vec::new(),
            would_open: self.lines(scope, &others)?,
            preview: self.preview(&directive.order)?.unwrap_or_default(),
            used: None,
        })
    }

    /// A directive over the present ledger, with the next number.
    pub(crate) async fn drawn_up(
        &self,
        order: Order,
        basis: String,
        particulars: Particulars,
        hours: Option<u32>,
    ) -> Result<Directive, ControlError> {
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
        let preview = self.preview_hash(&order)?;
        let mut nonce = [0_u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| ControlError::Random)?;
        let directive = Directive::new(Draft {
            custodian: self.0.estate.custodian().name.clone(),
            number: self.next_number(issued)?,
            order,
            basis,
            particulars,
            preview,
            issued,
            expires,
            nonce: Nonce::new(nonce),
            ledger_size,
            ledger_root,
        });
        let directive = directive.map_err(|error| wrong(Box::new(error)))?;
        self.0.store.keep_drawn_up(ledger_size, &ledger_root)?;
        Ok(directive)
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

    /// Everything that can be ended: what the estate served gives, and what the policy in force gives, which may be another
    /// estate's.
    fn purposes(&self) -> Result<Vec<PurposeKnown>, ControlError> {
        let estate = &self.0.estate;
        let mut all = Vec::new();
        for agreement in estate.agreements().values() {
            all.extend(agreement.purposes.iter().map(|purpose| {
                PurposeKnown {
                    partner: agreement.partner.clone(),
                    agreement: agreement.id.clone(),
                    purpose: purpose.clone(),
                    datasets: agreement
                        .shares_for(purpose)
                        .map(|share| share.dataset.clone())
                        .collect(),
                }
            }));
        }
        let policy = self.0.store.policy()?;
        for agreement in policy.iter().flat_map(|policy| &policy.agreements) {
            for purpose in &agreement.purposes {
                let same = |known: &PurposeKnown| {
                    (&known.partner, &known.agreement, &known.purpose)
                        == (&agreement.partner, &agreement.id, &purpose.id)
                };
                if !all.iter().any(same) {
                    all.push(PurposeKnown {
                        partner: agreement.partner.clone(),
                        agreement: agreement.id.clone(),
                        purpose: purpose.id.clone(),
                        datasets: purpose.views.iter().map(|view| view.dataset.clone()).collect(),
                    });
                }
            }
        }
        Ok(all)
    }

    /// The partner, agreement and purpose are there and belong together.
    pub(crate) fn check_scope(&self, scope: &Scope) -> Result<(), ControlError> {
        let Scope {
            partner,
            agreement,
            purpose,
        } = scope;
        let all = self.purposes()?;
        if !self.0.estate.partners().contains_key(partner) && !all.iter().any(|p| p.partner == *partner) {
            return Err(ControlError::UnknownPartner(partner.clone()));
        }
        let unknown = |what: String| {
            Err(ControlError::UnknownScope {
                partner: partner.clone(),
                what,
            })
        };
        let theirs = || all.iter().filter(|known| known.partner == *partner);
        let has = |id: &AgreementId, purpose: Option<&PurposeId>| {
            theirs().any(|known| known.agreement == *id && purpose.is_none_or(|p| known.purpose == *p))
        };
        match (agreement, purpose) {
            (Some(id), _) if !has(id, None) => unknown(format!("agreement `{id}`")),
            (Some(id), Some(purpose)) if !has(id, Some(purpose)) => {
                unknown(format!("purpose `{purpose}` under agreement `{id}`"))
            }
            (None, Some(purpose)) if !theirs().any(|known| known.purpose == *purpose) => {
                unknown(format!("purpose `{purpose}`"))
            }
            _ => Ok(()),
        }
    }

    /// The purposes in a scope, each with the directive of `ended` that has ended it.
    pub(crate) fn lines(&self, scope: &Scope, ended: &[EndedScope]) -> Result<Vec<ScopeLine>, ControlError> {
        let all = self.purposes()?;
        let covered = all
            .into_iter()
            .filter(|known| scope.covers(&known.partner, &known.agreement, &known.purpose));
        let line = |known: PurposeKnown| {
            let before = EndedScope::telling(ended, &known.partner, &known.agreement, &known.purpose);
            ScopeLine {
                agreement: known.agreement,
                purpose: known.purpose,
                datasets: known.datasets,
                ended_before_by: before.map(|end| end.directive.clone()),
            }
        };
        Ok(covered.map(line).collect())
    }
}

/// A purpose that can be ended.
struct PurposeKnown {
    partner: PartnerId,
    agreement: AgreementId,
    purpose: PurposeId,
    datasets: Vec<DatasetId>,
}
