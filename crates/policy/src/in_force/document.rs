//! The document of the policy in force.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use evidence::id::{
    AgreementId, Custodian, DatasetId, DirectiveNumber, Epoch, OfficerId, PartnerId, PurposeId,
};
use evidence::overseers::Seal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cedar;
use crate::estate::{
    Agreement, Dataset, Estate, Limits, LogIn, Officer, Onward, ScramVerifierText, SqlName, Validity,
    role_name,
};
use crate::shared_view::SharedView;

/// What is in force since one moment: everything a gateway needs to decide on a session. Made from an estate and the
/// directives carried out so far; a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InForce {
    /// Its number. It only grows.
    pub epoch: Epoch,
    /// Whose policy it is.
    pub custodian: Custodian,
    /// When it was made.
    pub made_at: Timestamp,
    /// By whose clock the days of budgets begin: the custodian's, by its name in the IANA database.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// All partners with their officers.
    pub partners: Vec<PartnerInForce>,
    /// All agreements, ended ones too: their partners are told by which directive.
    pub agreements: Vec<AgreementInForce>,
    /// What directives have ended.
    pub ended: Vec<EndedScope>,
    /// Partners who are held: a database was changed behind Estop's back and opens something to them. No termination: applying
    /// the estate again lifts it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub held: BTreeSet<PartnerId>,
    /// The decision itself.
    pub cedar: CedarText,
}

/// A partner and who may come for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerInForce {
    /// Its id.
    pub id: PartnerId,
    /// What people call it.
    pub title: String,
    /// How its officers log in: each of these ways will do.
    #[serde(default = "LogIn::by_default")]
    pub log_in: BTreeSet<LogIn>,
    /// Its officers, with what they are known by.
    pub officers: Vec<Officer>,
}

/// An agreement as gateways know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgreementInForce {
    /// Its id.
    pub id: AgreementId,
    /// With whom.
    pub partner: PartnerId,
    /// As a lawyer would cite it.
    pub legal_basis: String,
    /// The signed document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentInForce>,
    /// What it says about sharing onward.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onward: Option<Onward>,
    /// When it is in force.
    pub valid: Validity,
    /// Its purposes, in the order of the agreement.
    pub purposes: Vec<PurposeInForce>,
    /// Regular expression of its case references, if it asks for one.
    pub case_reference: Option<String>,
    /// How much.
    pub limits: Limits,
    /// To whom the records under it are sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Seal>,
    /// Whether its clients are sent a signed receipt after each statement.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub receipts: bool,
}

/// The signed document of an agreement, as it was when the policy was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentInForce {
    /// Its path in the estate.
    pub path: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// A purpose of an agreement: a role and a schema in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeInForce {
    /// Its id.
    pub id: PurposeId,
    /// The upstream it is in. An agreement's purpose is in one database.
    pub upstream: String,
    /// The role gateways log in as.
    pub role: SqlName,
    /// The schema of its views.
    pub schema: SqlName,
    /// The views in it.
    pub views: Vec<ViewInForce>,
}

/// A view of a purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewInForce {
    /// Its name.
    pub name: SqlName,
    /// Of which data set.
    pub dataset: DatasetId,
    /// Its columns, in order.
    pub columns: Vec<SqlName>,
    /// The one of them that says whom a row is about, if in every row it is bare, or its pseudonym.
    pub subject_key: Option<SqlName>,
    /// Whether a result drawn from it must hold the subject key, because a share says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub subject_required: bool,
}

/// What one directive ended, for good or until a time: a partner, or one of its agreements, or one purpose of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndedScope {
    /// By which directive.
    pub directive: DirectiveNumber,
    /// Whose access.
    pub partner: PartnerId,
    /// Under this agreement only.
    pub agreement: Option<AgreementId>,
    /// For this purpose only.
    pub purpose: Option<PurposeId>,
    /// Since when.
    pub at: Timestamp,
    /// Of a suspension: when it lapses. It counts until it is taken out of the policy, also after that: nothing comes back
    /// while nobody is there to record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl EndedScope {
    /// Of those that cover this purpose, the one to be told of: what is ended for good before what comes back, what comes back
    /// later before what does earlier, and of equals the first.
    #[must_use]
    pub fn telling<'a>(
        ended: &'a [Self],
        partner: &PartnerId,
        agreement: &AgreementId,
        purpose: &PurposeId,
    ) -> Option<&'a Self> {
        Self::strongest(
            ended
                .iter()
                .filter(|scope| scope.covers(partner, agreement, purpose)),
        )
    }

    pub(super) fn strongest<'a>(ended: impl Iterator<Item = &'a Self>) -> Option<&'a Self> {
        ended.min_by_key(|scope| scope.until.map(Reverse))
    }

    /// Whether a session of this partner, under this agreement, for this purpose, is ended by it.
    #[must_use]
    pub fn covers(&self, partner: &PartnerId, agreement: &AgreementId, purpose: &PurposeId) -> bool {
        self.covers_agreement(partner, agreement)
            && self.purpose.as_ref().is_none_or(|ended| ended == purpose)
    }

    /// Whether it says something of this agreement of this partner, for one purpose or all.
    fn covers_agreement(&self, partner: &PartnerId, agreement: &AgreementId) -> bool {
        self.partner == *partner && self.agreement.as_ref().is_none_or(|ended| ended == agreement)
    }

    /// Whether it ended all of this agreement.
    pub(super) fn covers_whole_agreement(&self, partner: &PartnerId, agreement: &AgreementId) -> bool {
        self.purpose.is_none() && self.covers_agreement(partner, agreement)
    }
}

/// The Cedar schema and policies, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CedarText {
    /// The schema, in Cedar's schema syntax.
    pub schema: String,
    /// The policies, in Cedar's syntax.
    pub policies: String,
}

/// Why there is no next document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// The next epoch must be greater.
    #[error("epoch {next} does not come after epoch {present}")]
    EpochNotNew {
        /// The epoch in force.
        present: Epoch,
        /// The one wanted.
        next: Epoch,
    },
}

impl InForce {
    /// The policy of an estate and of what directives have ended so far.
    #[must_use]
    pub fn from_estate(estate: &Estate, ended: Vec<EndedScope>, epoch: Epoch, made_at: Timestamp) -> Self {
        let partners = estate.partners().values().map(|partner| PartnerInForce {
            id: partner.id.clone(),
            title: partner.title.clone(),
            log_in: partner.log_in.clone(),
            officers: partner.officers.clone(),
        });
        let agreements = estate
            .agreements()
            .values()
            .map(|agreement| in_force(estate, agreement));
        Self {
            epoch,
            custodian: estate.custodian().name.clone(),
            made_at,
            time_zone: estate
                .custodian()
                .time_zone
                .iana_name()
                .map_or_else(utc, str::to_owned),
            partners: partners.collect(),
            agreements: agreements.collect(),
            cedar: CedarText {
                schema: cedar::schema(estate),
                policies: cedar::policies(estate, &ended),
            },
            held: BTreeSet::new(),
            ended,
        }
    }

    /// This policy with no agreement, no officer and nothing permitted.
    #[must_use]
    pub fn without_agreements(self) -> Self {
        let cedar = CedarText {
            policies: String::new(),
            ..self.cedar
        };
        Self {
            partners: Vec::new(),
            agreements: Vec::new(),
            cedar,
            ..self
        }
    }

    /// This policy with one more thing ended: what a directive makes of it. Nothing else changes.
    ///
    /// # Errors
    /// The epoch does not come after the present one.
    pub fn with_ended(&self, scope: EndedScope, epoch: Epoch, made_at: Timestamp) -> Result<Self, MakeError> {
        self.comes_before(epoch)?;
        let mut next = Self {
            epoch,
            made_at,
            ..self.clone()
        };
        next.cedar.policies.push_str(&cedar::forbid(&scope));
        next.ended.push(scope);
        Ok(next)
    }

    /// This policy without what these directives have ended. Nothing else changes.
    ///
    /// # Errors
    /// The epoch does not come after the present one.
    pub fn with_lifted(
        &self,
        lifted: &[DirectiveNumber],
        epoch: Epoch,
        made_at: Timestamp,
    ) -> Result<Self, MakeError> {
        self.comes_before(epoch)?;
        let mut next = Self {
            epoch,
            made_at,
            ..self.clone()
        };
        let is_lifted = |scope: &EndedScope| lifted.contains(&scope.directive);
        for scope in self.ended.iter().filter(|scope| is_lifted(scope)) {
            next.cedar.policies = next.cedar.policies.replace(&cedar::forbid(scope), "");
        }
        next.ended.retain(|scope| !is_lifted(scope));
        Ok(next)
    }

    /// This policy with these partners held, and no others. Nothing else changes.
    ///
    /// # Errors
    /// The epoch does not come after the present one.
    pub fn with_held(
        &self,
        held: BTreeSet<PartnerId>,
        epoch: Epoch,
        made_at: Timestamp,
    ) -> Result<Self, MakeError> {
        self.comes_before(epoch)?;
        Ok(Self {
            epoch,
            made_at,
            held,
            ..self.clone()
        })
    }

    fn comes_before(&self, next: Epoch) -> Result<(), MakeError> {
        let present = self.epoch;
        if next > present {
            Ok(())
        } else {
            Err(MakeError::EpochNotNew { present, next })
        }
    }

    /// The roles and purposes a scope covers: what ending it takes the login from.
    pub fn covered<'a>(
        &'a self,
        scope: &'a EndedScope,
    ) -> impl Iterator<Item = (&'a AgreementInForce, &'a PurposeInForce)> {
        self.agreements.iter().flat_map(move |agreement| {
            let covered =
                move |purpose: &&PurposeInForce| scope.covers(&agreement.partner, &agreement.id, &purpose.id);
            agreement
                .purposes
                .iter()
                .filter(covered)
                .map(move |purpose| (agreement, purpose))
        })
    }

    /// The directive that ended this purpose of this agreement, if one has: [`EndedScope::telling`].
    #[must_use]
    pub fn ended_by(&self, agreement: &AgreementInForce, purpose: &PurposeId) -> Option<&EndedScope> {
        EndedScope::telling(&self.ended, &agreement.partner, &agreement.id, purpose)
    }

    /// The agreement of this id.
    #[must_use]
    pub fn agreement(&self, id: &AgreementId) -> Option<&AgreementInForce> {
        self.agreements.iter().find(|agreement| agreement.id == *id)
    }

    /// The officer of the partner that the agreement is with: nobody else may come under it.
    #[must_use]
    pub fn officer(&self, agreement: &AgreementId, officer: &OfficerId) -> Option<&Officer> {
        let partner = &self.agreement(agreement)?.partner;
        self.partners
            .iter()
            .find(|known| known.id == *partner)?
            .officer(officer)
    }

    /// Who an officer is: the agreement's partner's, if it has one of that name. If there is no such agreement, or the officer is
    /// not its partner's, the one that there is anywhere, if only one partner has such an officer: whoever proves to be that
    /// officer may be told that the agreement is not theirs.
    #[must_use]
    pub fn known(
        &self,
        agreement: Option<&AgreementId>,
        officer: &OfficerId,
    ) -> Option<(&PartnerInForce, &Officer)> {
        let of = |partner: &'_ PartnerInForce| -> Option<usize> {
            partner.officers.iter().position(|known| known.id == *officer)
        };
        let with = |partner| {
            let partner: &PartnerInForce = partner;
            Some((partner, partner.officers.get(of(partner)?)?))
        };
        let theirs = agreement
            .and_then(|agreement| self.partner_of(agreement))
            .and_then(with);
        let mut anywhere = self.partners.iter().filter_map(with);
        theirs.or_else(|| anywhere.next().filter(|_| anywhere.next().is_none()))
    }

    /// The partner that an agreement is with.
    #[must_use]
    pub fn partner_of(&self, agreement: &AgreementId) -> Option<&PartnerInForce> {
        let partner = &self.agreement(agreement)?.partner;
        self.partners.iter().find(|known| known.id == *partner)
    }

    /// What the password of an officer who is [`known`](Self::known) is checked against.
    #[must_use]
    pub fn verifier(
        &self,
        agreement: Option<&AgreementId>,
        officer: &OfficerId,
    ) -> Option<&ScramVerifierText> {
        self.known(agreement, officer)?.1.scram.as_ref()
    }
}

/// What policies said before they named a time zone.
fn utc() -> String {
    "UTC".to_owned()
}

impl PartnerInForce {
    fn officer(&self, id: &OfficerId) -> Option<&Officer> {
        self.officers.iter().find(|known| known.id == *id)
    }
}

impl AgreementInForce {
    /// The purpose of this id.
    #[must_use]
    pub fn purpose(&self, id: &PurposeId) -> Option<&PurposeInForce> {
        self.purposes.iter().find(|purpose| purpose.id == *id)
    }
}

fn in_force(estate: &Estate, agreement: &Agreement) -> AgreementInForce {
    AgreementInForce {
        id: agreement.id.clone(),
        partner: agreement.partner.clone(),
        legal_basis: agreement.legal_basis.clone(),
        document: agreement.document.as_ref().map(|document| DocumentInForce {
            path: document.path.clone(),
            sha256: document.sha256.to_hex(),
        }),
        onward: agreement.onward.clone(),
        valid: agreement.valid,
        purposes: agreement
            .purposes
            .iter()
            .map(|purpose| purpose_in_force(estate, agreement, purpose))
            .collect(),
        case_reference: agreement
            .case_reference
            .as_ref()
            .map(|form| form.pattern().to_owned()),
        limits: agreement.limits.clone(),
        sealed: agreement.sealed.clone(),
        receipts: agreement.receipts,
    }
}

fn purpose_in_force(estate: &Estate, agreement: &Agreement, purpose: &PurposeId) -> PurposeInForce {
    let role = role_name(&agreement.id, purpose);
    let views: Vec<(&SharedView, &Dataset)> = estate
        .views(&agreement.id, purpose)
        .iter()
        .filter_map(|view| Some((view, estate.datasets().get(view.dataset())?)))
        .collect();
    let in_force = |(view, dataset): &(&SharedView, &Dataset)| ViewInForce {
        name: dataset.view_name(),
        dataset: dataset.id.clone(),
        columns: view.columns().cloned().collect(),
        subject_key: view.subject_key(dataset),
        subject_required: agreement
            .shares_for(purpose)
            .any(|share| share.dataset == dataset.id && share.subject_required),
    };
    PurposeInForce {
        id: purpose.clone(),
        upstream: views
            .first()
            .map(|(_, dataset)| dataset.upstream.clone())
            .unwrap_or_default(),
        schema: role.clone(),
        role,
        views: views.iter().map(in_force).collect(),
    }
}
