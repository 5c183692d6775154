//! The decision on a session.
//!
//! Cedar decides. What is checked before only finds the refusal that says why; what Cedar does not allow is refused
//! whatever was found, and an error in evaluating any policy refuses too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use cedar_policy::{Authorizer, Decision, Effect, Policy, PolicySet, Schema};
use evidence::id::{AgreementId, Epoch, OfficerId, PartnerId, PurposeId};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::document::{AgreementInForce, InForce, PurposeInForce};
use super::permit::Permit;
use super::refusal::{Refusal, shown};
use crate::cedar::{self, CedarError, Connect};
use crate::estate::{CaseForm, CaseFormError, ScramVerifierText, time_zone};

/// Who wants to connect, after authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRequest {
    /// The officer whose password was right.
    pub officer: OfficerId,
    /// The database name.
    pub agreement: AgreementId,
    /// `estop.purpose` as the client stated it.
    pub purpose: Option<String>,
    /// `estop.case` as the client stated it.
    pub case: Option<String>,
    /// The present.
    pub now: Timestamp,
}

/// Why a document cannot be decided by.
#[derive(Debug, thiserror::Error)]
pub enum DeciderError {
    /// Two agreements, purposes, partners or officers with one id.
    #[error("the policy in force has `{0}` twice")]
    Twice(String),
    /// An agreement with nobody.
    #[error("agreement `{0}` of the policy in force has a partner that is not in it")]
    NoPartner(AgreementId),
    /// An agreement for nothing.
    #[error("agreement `{0}` of the policy in force has no purpose")]
    NoPurpose(AgreementId),
    /// A case form that is no regular expression.
    #[error("agreement `{agreement}` of the policy in force has a case form that cannot be used")]
    CaseForm {
        /// The agreement.
        agreement: AgreementId,
        /// What is wrong with it.
        source: CaseFormError,
    },
    /// A time zone that nobody knows.
    #[error("the time zone `{0}` of the policy in force is not one of the IANA database")]
    Zone(String),
    /// The Cedar text does not hold.
    #[error("the Cedar policies of the policy in force are not valid")]
    Cedar(#[source] CedarError),
    /// The list of what has ended and the policies do not say the same.
    #[error("directive `{0}` of the policy in force is not in its Cedar policies")]
    EndedNotForbidden(String),
}

/// A policy in force, compiled once, asked for every session.
pub struct Decider {
    document: InForce,
    agreements: BTreeMap<AgreementId, usize>,
    case_forms: HashMap<AgreementId, CaseForm>,
    schema: Schema,
    policies: PolicySet,
    /// Each partner's permits and all forbids: the time of a decision does not grow with the other partners.
    slices: HashMap<PartnerId, PolicySet>,
    authorizer: Authorizer,
    zone: TimeZone,
}

impl fmt::Debug for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decider")
            .field("epoch", &self.document.epoch)
            .finish_non_exhaustive()
    }
}

impl Decider {
    /// Compiles a document.
    ///
    /// # Errors
    /// The document contradicts itself, or its Cedar text is not valid.
    pub fn new(document: InForce) -> Result<Self, DeciderError> {
        let (schema, policies) =
            cedar::check(&document.cedar.schema, &document.cedar.policies).map_err(DeciderError::Cedar)?;
        Self::compiled(document, schema, policies)
    }

    /// Compiles the document that follows this one. If it only adds policies, as directives do, nothing else is compiled
    /// again: a cut does not wait for a thousand agreements to be read.
    ///
    /// # Errors
    /// Like [`Decider::new`].
    pub fn successor(&self, document: InForce) -> Result<Self, DeciderError> {
        let present = &self.document.cedar;
        let added = document.cedar.policies.strip_prefix(present.policies.as_str());
        match added {
            // Both parts are whole policies: the first was read alone, and no comment runs over its end.
            Some(added) if document.cedar.schema == present.schema && ends_a_line(&present.policies) => {
                let policies =
                    cedar::extend(&self.schema, &self.policies, added).map_err(DeciderError::Cedar)?;
                Self::compiled(document, self.schema.clone(), policies)
            }
            _ => Self::new(document),
        }
    }

    fn compiled(document: InForce, schema: Schema, policies: PolicySet) -> Result<Self, DeciderError> {
        all_ended_forbidden(&document, &policies)?;
        check_partners(&document)?;
        let slices = slices(&document, &policies)?;
        let mut agreements = BTreeMap::new();
        let mut case_forms = HashMap::new();
        for (index, agreement) in document.agreements.iter().enumerate() {
            check_agreement(agreement, &slices)?;
            if agreements.insert(agreement.id.clone(), index).is_some() {
                return Err(DeciderError::Twice(agreement.id.to_string()));
            }
            if let Some(pattern) = &agreement.case_reference {
                let unusable = |source| DeciderError::CaseForm {
                    agreement: agreement.id.clone(),
                    source,
                };
                case_forms.insert(agreement.id.clone(), CaseForm::new(pattern).map_err(unusable)?);
            }
        }
        let authorizer = Authorizer::new();
        let zone =
            time_zone(&document.time_zone).ok_or_else(|| DeciderError::Zone(shown(&document.time_zone)))?;
        Ok(Self {
            document,
            agreements,
            case_forms,
            schema,
            policies,
            slices,
            authorizer,
            zone,
        })
    }

    /// The document.
    #[must_use]
    pub fn in_force(&self) -> &InForce {
        &self.document
    }

    /// Its number.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.document.epoch
    }

    /// What the officer's password is checked against, see [`InForce::verifier`]. Of ended agreements too: who was cut off
    /// is told so, after the password, and nobody else is.
    #[must_use]
    pub fn verifier(
        &self,
        agreement: Option<&AgreementId>,
        officer: &OfficerId,
    ) -> Option<&ScramVerifierText> {
        self.document.verifier(agreement, officer)
    }

    /// Decides on a session.
    ///
    /// # Errors
    /// Why not.
    pub fn permit(&self, request: &SessionRequest) -> Result<Permit, Refusal> {
        let agreement = self.agreement(&request.agreement, &request.officer)?;
        self.whole_agreement_not_ended(agreement)?;
        let purpose = chosen_purpose(agreement, request.purpose.as_deref())?;
        self.decide(
            agreement,
            purpose,
            &request.officer,
            request.case.as_deref(),
            request.now,
        )
    }

    /// Decides anew on a session that is permitted, under this policy, which may be a later one, at this time.
    ///
    /// # Errors
    /// Why it is not any more.
    pub fn renew(&self, permit: &Permit, now: Timestamp) -> Result<Permit, Refusal> {
        self.again(permit, permit.case.as_deref(), now)
    }

    /// Whether a session that is permitted still is: what running sessions ask after the epoch has changed.
    ///
    /// # Errors
    /// Why it is not any more.
    pub fn still_permitted(&self, permit: &Permit, now: Timestamp) -> Result<(), Refusal> {
        self.renew(permit, now).map(drop)
    }

    /// Decides on another case for a session that is permitted.
    ///
    /// # Errors
    /// Why not; the present permit stays as it is.
    pub fn change_case(
        &self,
        permit: &Permit,
        case: Option<&str>,
        now: Timestamp,
    ) -> Result<Permit, Refusal> {
        self.again(permit, case, now)
    }

    fn again(&self, permit: &Permit, case: Option<&str>, now: Timestamp) -> Result<Permit, Refusal> {
        let agreement = self.agreement(&permit.agreement, &permit.officer)?;
        if agreement.partner != permit.partner {
            return Err(Refusal::NoAgreement(permit.agreement.clone()));
        }
        self.whole_agreement_not_ended(agreement)?;
        let purpose = chosen_purpose(agreement, Some(permit.purpose.id.as_str()))?;
        // The session is logged in as this role; if the policy now wants another, it is not this session's.
        if (&purpose.role, &purpose.upstream) != (&permit.purpose.role, &permit.purpose.upstream) {
            return Err(Refusal::NotPermitted(permit.agreement.clone()));
        }
        self.decide(agreement, purpose, &permit.officer, case, now)
    }

    /// The agreement, if this officer is its partner's.
    fn agreement(&self, id: &AgreementId, officer: &OfficerId) -> Result<&AgreementInForce, Refusal> {
        let known = self
            .agreements
            .get(id)
            .and_then(|index| self.document.agreements.get(*index));
        match known {
            Some(agreement) if self.document.officer(id, officer).is_some() => Ok(agreement),
            _ => Err(Refusal::NoAgreement(id.clone())),
        }
    }

    fn whole_agreement_not_ended(&self, agreement: &AgreementInForce) -> Result<(), Refusal> {
        let ended =
            |scope: &&super::EndedScope| scope.covers_whole_agreement(&agreement.partner, &agreement.id);
        match super::EndedScope::strongest(self.document.ended.iter().filter(ended)) {
            Some(scope) => Err(self.ended(agreement, scope)),
            None => Ok(()),
        }
    }

    fn ended(&self, agreement: &AgreementInForce, scope: &super::EndedScope) -> Refusal {
        Refusal::Ended {
            agreement: agreement.id.clone(),
            directive: scope.directive.clone(),
            custodian: self.document.custodian.clone(),
            until: scope.until,
        }
    }

    fn decide(
        &self,
        agreement: &AgreementInForce,
        purpose: &PurposeInForce,
        officer: &OfficerId,
        case: Option<&str>,
        now: Timestamp,
    ) -> Result<Permit, Refusal> {
        if let Some(scope) = self.document.ended_by(agreement, &purpose.id) {
            return Err(self.ended(agreement, scope));
        }
        if self.document.held.contains(&agreement.partner) {
            return Err(Refusal::Held {
                agreement: agreement.id.clone(),
                custodian: self.document.custodian.clone(),
            });
        }
        self.check_time(agreement, now)?;
        self.check_case(agreement, case)?;
        let connect = Connect {
            partner: &agreement.partner,
            officer,
            agreement: &agreement.id,
            purpose: &purpose.id,
            case,
            now,
        };
        if !self.allowed(&connect) {
            return Err(Refusal::NotPermitted(agreement.id.clone()));
        }
        let closing = agreement
            .limits
            .hours
            .as_ref()
            .and_then(|hours| hours.closing(now));
        Ok(Permit {
            custodian: self.document.custodian.clone(),
            epoch: self.document.epoch,
            partner: agreement.partner.clone(),
            officer: officer.clone(),
            agreement: agreement.id.clone(),
            legal_basis: agreement.legal_basis.clone(),
            purpose: purpose.clone(),
            case: case.map(str::to_owned),
            limits: agreement.limits.clone(),
            sealed: agreement.sealed.clone(),
            receipts: agreement.receipts,
            until: closing.map_or(agreement.valid.ends, |closing| closing.min(agreement.valid.ends)),
            zone: self.zone.clone(),
        })
    }

    fn check_time(&self, agreement: &AgreementInForce, now: Timestamp) -> Result<(), Refusal> {
        if !agreement.valid.covers(now) {
            return Err(Refusal::NotInForce {
                agreement: agreement.id.clone(),
                valid: agreement.valid,
            });
        }
        match &agreement.limits.hours {
            Some(hours) if !hours.allow(now) => Err(Refusal::OutsideHours {
                agreement: agreement.id.clone(),
                hours: hours.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn check_case(&self, agreement: &AgreementInForce, case: Option<&str>) -> Result<(), Refusal> {
        let form = self.case_forms.get(&agreement.id);
        match (form, case) {
            (None, None) => Ok(()),
            (Some(form), None) => Err(Refusal::CaseNeeded {
                agreement: agreement.id.clone(),
                form: form.pattern().to_owned(),
            }),
            (_, Some(case)) if !is_usable_case(case) => Err(Refusal::CaseUnusable),
            (Some(form), Some(case)) if !form.matches(case) => Err(Refusal::CaseForm {
                agreement: agreement.id.clone(),
                form: form.pattern().to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn allowed(&self, connect: &Connect<'_>) -> bool {
        let Some(policies) = self.slices.get(connect.partner) else {
            return false;
        };
        let Some((request, entities)) = connect.to_cedar(&self.schema) else {
            return false;
        };
        let answer = self.authorizer.is_authorized(&request, policies, &entities);
        // An erring `forbid` is skipped by Cedar: an error must refuse by itself.
        answer.decision() == Decision::Allow && answer.diagnostics().errors().next().is_none()
    }
}

fn chosen_purpose<'a>(
    agreement: &'a AgreementInForce,
    stated: Option<&str>,
) -> Result<&'a PurposeInForce, Refusal> {
    let purposes = || {
        agreement
            .purposes
            .iter()
            .map(|purpose| purpose.id.clone())
            .collect()
    };
    let Some(stated) = stated else {
        return match agreement.purposes.as_slice() {
            [only] => Ok(only),
            _ => Err(Refusal::PurposeNeeded {
                agreement: agreement.id.clone(),
                purposes: purposes(),
            }),
        };
    };
    let known = stated
        .parse::<PurposeId>()
        .ok()
        .and_then(|id| agreement.purpose(&id));
    known.ok_or_else(|| Refusal::PurposeNotAllowed {
        agreement: agreement.id.clone(),
        legal_basis: agreement.legal_basis.clone(),
        stated: shown(stated),
        purposes: purposes(),
    })
}

fn is_usable_case(case: &str) -> bool {
    (1..=CaseForm::MAX_CASE_BYTES).contains(&case.len()) && !case.chars().any(char::is_control)
}

fn ends_a_line(policies: &str) -> bool {
    policies.is_empty() || policies.ends_with('\n')
}

fn check_agreement(
    agreement: &AgreementInForce,
    slices: &HashMap<PartnerId, PolicySet>,
) -> Result<(), DeciderError> {
    if !slices.contains_key(&agreement.partner) {
        return Err(DeciderError::NoPartner(agreement.id.clone()));
    }
    if agreement.purposes.is_empty() {
        return Err(DeciderError::NoPurpose(agreement.id.clone()));
    }
    let mut seen = BTreeSet::new();
    match agreement
        .purposes
        .iter()
        .find(|purpose| !seen.insert(&purpose.id))
    {
        Some(purpose) => Err(DeciderError::Twice(format!("{}/{}", agreement.id, purpose.id))),
        None => Ok(()),
    }
}

fn check_partners(document: &InForce) -> Result<(), DeciderError> {
    let mut partners = BTreeSet::new();
    for partner in &document.partners {
        if !partners.insert(&partner.id) {
            return Err(DeciderError::Twice(partner.id.to_string()));
        }
        let mut officers = BTreeSet::new();
        if let Some(officer) = partner
            .officers
            .iter()
            .find(|officer| !officers.insert(&officer.id))
        {
            return Err(DeciderError::Twice(format!("{}/{}", partner.id, officer.id)));
        }
    }
    Ok(())
}

/// Every directive in the list must be a policy too, or the list could be lengthened without effect.
fn all_ended_forbidden(document: &InForce, policies: &PolicySet) -> Result<(), DeciderError> {
    for scope in &document.ended {
        let policy = policies.policy(&cedar::forbid_id(scope));
        if policy.is_none_or(|policy| policy.effect() != Effect::Forbid) {
            return Err(DeciderError::EndedNotForbidden(scope.directive.to_string()));
        }
    }
    Ok(())
}

/// For each partner its permits, and whatever forbids anybody anything.
fn slices(document: &InForce, policies: &PolicySet) -> Result<HashMap<PartnerId, PolicySet>, DeciderError> {
    let unreadable =
        |error: cedar_policy::PolicySetError| DeciderError::Cedar(CedarError::Policies(error.to_string()));
    let mut forbids = PolicySet::new();
    // One pass: looking an annotation up makes Cedar parse its name.
    let mut permits: HashMap<&str, Vec<&Policy>> = HashMap::new();
    for policy in policies.policies() {
        match policy.effect() {
            Effect::Forbid => forbids.add(policy.clone()).map_err(unreadable)?,
            Effect::Permit => {
                permits
                    .entry(policy.annotation(cedar::PARTNER_ANNOTATION).unwrap_or_default())
                    .or_default()
                    .push(policy);
            }
        }
    }
    let mut slices = HashMap::new();
    for partner in &document.partners {
        let mut slice = forbids.clone();
        for permit in permits.get(partner.id.as_str()).into_iter().flatten() {
            slice.add((*permit).clone()).map_err(unreadable)?;
        }
        slices.insert(partner.id.clone(), slice);
    }
    Ok(slices)
}
