//! What an estate gives, to whom and on what terms, as a plain value that stays in the ledger: what the next estate is
//! compared with when its approval is drawn up, and what the people who sign are shown.

use std::collections::{BTreeMap, BTreeSet};

use evidence::hash::sha256;
use evidence::id::{AgreementId, DatasetId, DirectiveNumber, OfficerId, PartnerId, PurposeId};
use serde::{Deserialize, Serialize};

use crate::estate::{Agreement, Estate, Files, LogIn, Share, SmallGroups, Timing, Validity};
use crate::in_force::EndedScope;

mod summary;

pub use summary::{Change, Sign, changes, counted, summary};

/// The term that says at what hours.
pub(crate) const HOURS: &str = "hours";

/// What an estate gives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The agreements.
    pub agreements: BTreeMap<AgreementId, AgreementTerms>,
    /// The partners and who may come for them.
    pub partners: BTreeMap<PartnerId, BTreeMap<OfficerId, OfficerTerms>>,
    /// Where each data set lies: the upstream and the relation.
    pub datasets: BTreeMap<DatasetId, String>,
    /// Who may sign directives: person and key, each on what terms.
    pub signers: BTreeSet<String>,
    /// SHA-256 of every file, in hexadecimal: what is not put in words here still shows.
    pub files: BTreeMap<String, String>,
}

/// An agreement's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgreementTerms {
    /// With whom.
    pub partner: PartnerId,
    /// When it is in force.
    pub valid: Validity,
    /// Its terms by their names: validity, legal basis, limits.
    pub terms: BTreeMap<String, String>,
    /// What is shared, by purpose and data set; several shares of one data set are numbered from the second on.
    pub shares: BTreeMap<String, ShareTerms>,
    /// Purposes that a directive has ended, and which: an approval revives none.
    pub ended: BTreeMap<PurposeId, DirectiveNumber>,
}

/// What one share gives for one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareTerms {
    /// What for.
    pub purpose: PurposeId,
    /// Of which data set.
    pub dataset: DatasetId,
    /// The columns, each with what is shown in its stead, if not itself.
    pub columns: BTreeMap<String, Option<String>>,
    /// Which rows, in Cedar; all of them if none.
    pub rows: Option<String>,
    /// In what way, by name, where it is not as usual.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub how: BTreeMap<String, String>,
}

/// An officer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfficerTerms {
    /// The person's name.
    pub name: String,
    /// SHA-256 of what the password is checked against: that it changed shows, what it is does not.
    pub password_sha256: String,
    /// The name of the certificate that the officer is known by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Whom the issuer's tokens name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// By what the partner's officers log in; a password, if nothing stands here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_in: Option<String>,
    /// The key that answers to notices of corrections are checked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_key: Option<String>,
}

impl Terms {
    /// The terms of an estate, with the files it was read from and what directives have ended.
    #[must_use]
    pub fn of(estate: &Estate, files: &Files, ended: &[EndedScope]) -> Self {
        let agreements = estate.agreements().values();
        let partners = estate.partners().values().map(|partner| {
            let officers = partner.officers.iter().map(|officer| {
                let verifier = officer.scram.as_ref().map_or("", |scram| scram.reveal());
                let ways: Vec<&str> = partner.log_in.iter().map(|way| way.as_str()).collect();
                let terms = OfficerTerms {
                    name: officer.name.clone(),
                    password_sha256: sha256(verifier.as_bytes()).to_hex(),
                    certificate: officer.certificate.as_ref().map(|name| name.as_str().to_owned()),
                    token: officer.token.clone(),
                    log_in: Some(ways.join(" or ")).filter(|ways| ways != LogIn::Password.as_str()),
                    ssh_key: officer.ssh_key.clone(),
                };
                (officer.id.clone(), terms)
            });
            (partner.id.clone(), officers.collect())
        });
        let datasets = estate.datasets().values().map(|dataset| {
            let place = format!("{} in upstream {}", dataset.relation, dataset.upstream);
            (dataset.id.clone(), place)
        });
        Self {
            agreements: agreements
                .map(|agreement| (agreement.id.clone(), AgreementTerms::of(agreement, ended)))
                .collect(),
            partners: partners.collect(),
            datasets: datasets.collect(),
            signers: signers(estate),
            files: files
                .iter()
                .map(|(path, text)| (path.clone(), sha256(text.as_bytes()).to_hex()))
                .collect(),
        }
    }
}

/// The lines of `allowed_signers` that say something.
fn signers(estate: &Estate) -> BTreeSet<String> {
    let lines = estate.signers().unwrap_or_default().lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

impl AgreementTerms {
    fn of(agreement: &Agreement, ended: &[EndedScope]) -> Self {
        let limits = &agreement.limits;
        let mut terms = BTreeMap::new();
        let mut term = |name: &str, value: String| drop(terms.insert(name.to_owned(), value));
        term("legal basis", agreement.legal_basis.clone());
        term(
            "valid",
            format!("{} to {}", agreement.valid.from, agreement.valid.until),
        );
        term("sessions at a time", limits.sessions.to_string());
        term("seconds a statement", limits.statement_seconds.to_string());
        if let Some(rows) = limits.rows_per_day {
            term("rows a day", rows.to_string());
        }
        if let Some(bytes) = limits.bytes_per_day {
            term("bytes a day", bytes.to_string());
        }
        if let Some(sealed) = &agreement.sealed {
            let until = match sealed.under.until {
                Some(until) => format!("until {until}"),
                None => "until an order".to_owned(),
            };
            term(
                "records sealed",
                format!("to overseers `{}`, {until}", sealed.under.overseers),
            );
        }
        if agreement.receipts {
            term("receipts", "a notice after each statement".to_owned());
        }
        if let Some(hours) = &limits.hours {
            term(HOURS, hours.as_str().to_owned());
        }
        if let Some(document) = &agreement.document {
            term("document", document.path.clone());
            term("document's SHA-256", document.sha256.to_hex());
        }
        if let Some(onward) = &agreement.onward {
            let to: Vec<&str> = onward.to.iter().map(PartnerId::as_str).collect();
            let permitted = if onward.permitted {
                "permitted"
            } else {
                "not permitted"
            };
            term(
                "sharing onward",
                format!("{permitted} {}", to.join(", ")).trim_end().to_owned(),
            );
            if let Some(clause) = &onward.clause {
                term("sharing onward, by", clause.clone());
            }
        }
        if let Some(form) = &agreement.case_reference {
            term("case reference", form.pattern().to_owned());
        }
        if let Some(retention) = &agreement.retention {
            term("records kept for", retention.to_string());
        }
        if let Some(hold) = &agreement.hold {
            term("nothing erased, by", hold.clone());
        }
        let mut shares = BTreeMap::new();
        for purpose in &agreement.purposes {
            for share in agreement.shares_for(purpose) {
                let terms = ShareTerms::of(share, purpose);
                let key = format!("{purpose}/{}", share.dataset);
                let free = (2_u32..)
                    .map(|n| format!("{key}#{n}"))
                    .find(|next| !shares.contains_key(next));
                let key = if shares.contains_key(&key) {
                    free.unwrap_or(key)
                } else {
                    key
                };
                shares.insert(key, terms);
            }
        }
        let end = |purpose: &PurposeId| {
            let scope = EndedScope::telling(ended, &agreement.partner, &agreement.id, purpose)?;
            Some((purpose.clone(), scope.directive.clone()))
        };
        Self {
            partner: agreement.partner.clone(),
            valid: agreement.valid,
            terms,
            shares,
            ended: agreement.purposes.iter().filter_map(end).collect(),
        }
    }
}

impl ShareTerms {
    pub(crate) fn of(share: &Share, purpose: &PurposeId) -> Self {
        let columns = share.columns.iter().map(|shared| {
            let mask = shared.mask.as_ref().map(|mask| mask.to_string());
            (shared.column.name.as_str().to_owned(), mask)
        });
        let mut how = BTreeMap::new();
        if let Some(aggregate) = share.aggregate() {
            let words = format!(
                "counts only, as `{}`; of groups of fewer than {}, {}",
                aggregate.count,
                aggregate.min_group,
                match aggregate.small_groups {
                    SmallGroups::Absent => "nothing",
                    SmallGroups::Null => "no number",
                }
            );
            how.insert("shows".to_owned(), words);
        }
        if share.timing == Timing::Opaque {
            let words = "the partner's conditions do not reach the relation".to_owned();
            how.insert("timing".to_owned(), words);
        }
        if share.subject_required {
            let words = "in every result, or it is not given".to_owned();
            how.insert("subject key".to_owned(), words);
        }
        Self {
            how,
            purpose: purpose.clone(),
            dataset: share.dataset.clone(),
            columns: columns.collect(),
            rows: share.condition.as_ref().map(|c| c.cedar().trim().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
