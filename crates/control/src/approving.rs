//! Approving estates: granting is under dual control, too.
//!
//! An estate is put in force only with an [`ApprovedEstate`], which is made from an `Approved<Directive>` for exactly the
//! estate served. Who may approve is what the estate approved last says (the ledger holds it), so that nobody edits the list
//! of signers and approves himself; only the first estate is approved by its own.

use evidence::directive::{Approved, Directive, EstateTerms, Order, Particulars};
use evidence::hash::{Hash, sha256};
use evidence::id::DirectiveNumber;
use evidence::record::EstateRecord;
use evidence::signers::AllowedSigners;
use policy::terms::{Change, Terms, changes, summary};
use proof::hold::Held;

use crate::api::{ApprovalDraft, ApprovalRequest, ApprovalState};
use crate::error::{ControlError, NotApprovedYet};
use crate::known::Accepted;
use crate::{Control, approve_again};

/// The estate that is served, which two people have approved. Made by [`Control::approved_estate`] alone.
#[derive(Debug)]
pub(crate) struct ApprovedEstate {
    directive: Approved<Directive>,
}

impl ApprovedEstate {
    /// The directive that approves it.
    pub(crate) fn number(&self) -> &DirectiveNumber {
        &self.directive.number
    }
}

impl Control {
    /// Draws the approval of the estate served up, with the summary of what it gives and takes. Nothing changes by it.
    ///
    /// # Errors
    /// The estate is not proved to keep its guardrails, the fields make no directive, or the ledger fails.
    pub async fn draw_up_approval(&self, request: ApprovalRequest) -> Result<ApprovalDraft, ControlError> {
        // Nobody is asked to sign what could not be applied.
        self.held().await?;
        let terms = self.terms();
        let before = self.terms_before()?;
        let summary = self.summary(&terms, before.as_ref());
        let order = Order::Approve(self.estate_terms(&summary));
        let directive = self
            .drawn_up(order, request.basis, Particulars::default(), request.hours)
            .await?;
        let nothing = Terms::default();
        let changes = changes(before.as_ref().map_or(&nothing, |(_, before)| before), &terms);
        let signers = self.signers()?;
        Ok(ApprovalDraft {
            number: directive.number.clone(),
            text: directive.encode(),
            namespace: evidence::directive::namespace(&directive.custodian),
            summary,
            changes,
            may_sign: signers.people().iter().map(ToString::to_string).collect(),
            first: before.is_none(),
        })
    }

    /// What the estate served gives and takes relative to the one that is in force; to nothing, if none is.
    ///
    /// # Errors
    /// The record of the approval that is in force cannot be read.
    pub fn gives_and_takes(&self) -> Result<Vec<Change>, ControlError> {
        let in_force = {
            let known = self.known();
            let number = known.rests_on.as_ref();
            number.and_then(|number| known.directives.get(number)).cloned()
        };
        let before = in_force.as_ref().map(approved_terms).transpose()?;
        let before = before.map(|(_, terms)| terms).unwrap_or_default();
        Ok(changes(&before, &self.terms()))
    }

    /// Whether the estate served may be put in force, and by which directive.
    #[must_use]
    pub fn approval(&self) -> ApprovalState {
        let approved = self.approved_estate();
        ApprovalState {
            estate_sha256: self.0.estate_hash.to_hex(),
            approved_by: approved.as_ref().ok().map(|approved| approved.number().clone()),
            why_not: approved.err().map(|error| error.chain()),
        }
    }

    /// The approval of exactly the estate served: the last one there is, not expired before the estate was first put in
    /// force.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn approved_estate(&self) -> Result<ApprovedEstate, ControlError> {
        let estate = self.0.estate_hash;
        let (last, was_in_force) = {
            let known = self.known();
            let last = known.approval().cloned();
            let was = last
                .as_ref()
                .is_some_and(|last| known.put_in_force.contains(&last.directive.number));
            (last, was)
        };
        let refused = |why| ControlError::NoApproval {
            custodian: self.0.estate.custodian().name.clone(),
            estate: estate.to_hex(),
            why,
        };
        let last = last.ok_or_else(|| refused(NotApprovedYet::None))?;
        let directive = approve_again(&last, &self.0.estate.custodian().name)?;
        let number = directive.number.clone();
        match directive.terms() {
            Some(terms) if terms.estate == estate => {}
            other => {
                let approved = other.map(|terms| terms.estate.to_hex()).unwrap_or_default();
                return Err(refused(NotApprovedYet::Another { number, approved }));
            }
        }
        if !was_in_force && self.0.clock.now() >= directive.expires {
            let expired = directive.expires;
            return Err(refused(NotApprovedYet::Expired { number, expired }));
        }
        Ok(ApprovedEstate { directive })
    }

    /// The proof that exactly the estate served keeps its guardrails.
    ///
    /// # Errors
    /// It does not, or that is not settled, or there are no solvers.
    pub(crate) async fn held(&self) -> Result<Held, ControlError> {
        let held = self
            .0
            .prover
            .held(&self.0.files)
            .await
            .map_err(ControlError::unheld)?;
        if held.estate() == self.0.estate_hash {
            Ok(held)
        } else {
            Err(ControlError::OtherProof)
        }
    }

    /// Who may sign directives now: who the estate approved last says; before any was, who the estate served says.
    pub(crate) fn signers(&self) -> Result<AllowedSigners, ControlError> {
        let last = self.known().approval().cloned();
        let Some(last) = last else {
            return Ok(self.0.signers.clone());
        };
        let file = approved_estate_record(&last)?.signers_file.as_str();
        AllowedSigners::parse(file).map_err(ControlError::ledger("reading the signers of an approved estate"))
    }

    /// Whether an approval is of the estate served, over the summary that follows from what is approved now.
    pub(crate) fn check_terms(&self, terms: &EstateTerms) -> Result<(), ControlError> {
        if terms.estate != self.0.estate_hash {
            return Err(ControlError::OtherEstate {
                approved: terms.estate.to_hex(),
                served: self.0.estate_hash.to_hex(),
            });
        }
        let before = self.terms_before()?;
        let expected = self.estate_terms(&self.summary(&self.terms(), before.as_ref()));
        if *terms == expected {
            Ok(())
        } else {
            Err(ControlError::OtherSummary)
        }
    }

    /// What the record of an approval holds of the estate served.
    pub(crate) fn estate_record(&self) -> Result<EstateRecord, ControlError> {
        let terms = serde_json::to_string(&self.terms()).map_err(ControlError::ledger("writing a record"))?;
        Ok(EstateRecord {
            signers_file: self.0.estate.signers().unwrap_or_default().to_owned(),
            terms,
        })
    }

    fn terms(&self) -> Terms {
        Terms::of(&self.0.estate, &self.0.files, &self.known().ended())
    }

    /// The terms of the estate approved last, and by which directive.
    fn terms_before(&self) -> Result<Option<(DirectiveNumber, Terms)>, ControlError> {
        let last = self.known().approval().cloned();
        last.as_ref().map(approved_terms).transpose()
    }

    fn summary(&self, terms: &Terms, before: Option<&(DirectiveNumber, Terms)>) -> String {
        let before = before.map(|(number, terms)| (number, terms));
        let custodian = &self.0.estate.custodian().name;
        summary(custodian, &self.0.estate_hash.to_hex(), before, terms)
    }

    fn estate_terms(&self, summary: &str) -> EstateTerms {
        EstateTerms {
            estate: self.0.estate_hash,
            signers: signers_hash(self.0.estate.signers().unwrap_or_default()),
            summary: sha256(summary.as_bytes()),
        }
    }
}

fn signers_hash(file: &str) -> Hash {
    sha256(file.as_bytes())
}

/// The number of an approval, and the terms of what it approves.
fn approved_terms(approval: &Accepted) -> Result<(DirectiveNumber, Terms), ControlError> {
    let terms = serde_json::from_str(&approved_estate_record(approval)?.terms)
        .map_err(ControlError::ledger("reading the terms of an approved estate"))?;
    Ok((approval.directive.number.clone(), terms))
}

/// What the record says of the estate, once it is what was signed.
fn approved_estate_record(approval: &Accepted) -> Result<&EstateRecord, ControlError> {
    let signed = approval.directive.terms().map(|terms| terms.signers);
    approval
        .record
        .estate
        .as_ref()
        .filter(|estate| signed == Some(signers_hash(&estate.signers_file)))
        .ok_or_else(|| ControlError::ContradictoryApproval(approval.directive.number.clone()))
}
