//! Partners, their officers, and how these prove who they are.

use std::collections::BTreeSet;

use evidence::id::{OfficerId, PartnerId};
use evidence::signers::{AllowedSigners, SignersError};

use super::parts::{path, tags};
use super::{ById, Shaped};
use crate::estate::finding::{Finding, Problem};
use crate::estate::log_in::{CertificateName, LogIn, LogInError, Tokens};
use crate::estate::model::{Gateway, Officer, Partner};
use crate::estate::raw::{EstopFile, OfficerTable, PartnerFile, TokensTable};
use crate::estate::verifier::ScramVerifierText;

pub(super) fn tokens(
    file: &Shaped<'_, EstopFile>,
    raw: &TokensTable,
    findings: &mut Vec<Finding>,
) -> Option<Tokens> {
    let issuer = file.line(&raw.issuer, "the issuer", findings);
    let audience = file.line(&raw.audience, "the audience", findings);
    let keys = file.parsed(&raw.keys, path, findings);
    let scope = match &raw.scope {
        Some(text) => file.line(text, "the scope", findings).map(Some),
        None => Some(None),
    };
    let claim = match &raw.claim {
        Some(text) => file.line(text, "the claim", findings),
        None => Some(Tokens::DEFAULT_CLAIM.to_owned()),
    };
    Some(Tokens {
        issuer: issuer?,
        audience: audience?,
        keys: keys?,
        scope: scope?,
        claim: claim?,
    })
}

/// How a partner's officers log in. Each must have what each of the ways asks for, and so must the gateway.
fn ways(
    file: &Shaped<'_, PartnerFile>,
    officers: &[Option<Officer>],
    gateway: Option<&Gateway>,
    findings: &mut Vec<Finding>,
) -> Option<BTreeSet<LogIn>> {
    let given = &file.raw.partner.log_in;
    if given.is_empty() {
        check_way(
            file,
            LogIn::Password,
            file.raw.partner.id.span(),
            officers,
            gateway,
            findings,
        );
        return Some(LogIn::by_default());
    }
    let mut ways = Some(BTreeSet::new());
    for text in given {
        match file.parsed(text, str::parse::<LogIn>, findings) {
            Some(way) => {
                check_way(file, way, text.span(), officers, gateway, findings);
                if let Some(ways) = &mut ways {
                    ways.insert(way);
                }
            }
            None => ways = None,
        }
    }
    ways
}

fn check_way(
    file: &Shaped<'_, PartnerFile>,
    way: LogIn,
    at: std::ops::Range<usize>,
    officers: &[Option<Officer>],
    gateway: Option<&Gateway>,
    findings: &mut Vec<Finding>,
) {
    let table = match way {
        LogIn::Token if gateway.is_some_and(|gateway| gateway.tokens.is_none()) => Some("[gateway.tokens]"),
        _ if way.needs_certificate()
            && gateway.is_some_and(|gateway| gateway.client_authorities.is_none()) =>
        {
            Some("client_authorities")
        }
        _ => None,
    };
    if let Some(table) = table {
        findings.push(file.finding(at.clone(), LogInError::NotSetUp { way, table }));
    }
    for officer in officers.iter().flatten() {
        let lacks = [
            ("scram", way.needs_password() && officer.scram.is_none()),
            (
                "certificate",
                way.needs_certificate() && officer.certificate.is_none(),
            ),
            ("token", way == LogIn::Token && officer.token.is_none()),
        ];
        for (field, _) in lacks.into_iter().filter(|(_, lacks)| *lacks) {
            let officer = officer.id.to_string();
            findings.push(file.finding(at.clone(), LogInError::Lacks { officer, way, field }));
        }
    }
}

/// `gateway` is what estop.toml says of it, if it says it well.
pub(super) fn partners(
    files: &[Shaped<'_, PartnerFile>],
    gateway: Option<&Gateway>,
    findings: &mut Vec<Finding>,
) -> ById<PartnerId, Partner> {
    let mut partners = ById::new();
    for file in files {
        let Some(id) = file.named::<PartnerId>(&file.raw.partner.id, findings) else {
            continue;
        };
        let partner = partner(file, id.clone(), gateway, findings);
        partners.entry(id).or_insert(partner);
    }
    partners
}

fn partner(
    file: &Shaped<'_, PartnerFile>,
    id: PartnerId,
    gateway: Option<&Gateway>,
    findings: &mut Vec<Finding>,
) -> Option<Partner> {
    let title = file.line(&file.raw.partner.title, "the title", findings);
    let tags = tags(file, &file.raw.partner.tags, findings);
    let mut seen = BTreeSet::new();
    let mut officers = Vec::new();
    for raw in &file.raw.officer {
        let officer = officer(file, raw, findings);
        if !seen.insert(raw.id.get_ref()) {
            let problem = Problem::Twice {
                what: "officer",
                id: raw.id.get_ref().clone(),
            };
            findings.push(file.finding(raw.id.span(), problem));
        }
        officers.push(officer);
    }
    let log_in = ways(file, &officers, gateway, findings);
    let officers: Option<Vec<Officer>> = officers.into_iter().collect();
    Some(Partner {
        id,
        title: title?,
        tags: tags?,
        log_in: log_in?,
        officers: officers?,
    })
}

fn officer(
    file: &Shaped<'_, PartnerFile>,
    raw: &OfficerTable,
    findings: &mut Vec<Finding>,
) -> Option<Officer> {
    let id = file.parsed(&raw.id, str::parse::<OfficerId>, findings);
    let name = file.line(&raw.name, "the name", findings);
    let scram = match &raw.scram {
        None => Some(None),
        Some(text) => {
            let verifier = |text: &str| ScramVerifierText::try_from(text.to_owned());
            file.parsed(text, verifier, findings).map(Some)
        }
    };
    let certificate = match &raw.certificate {
        None => Some(None),
        Some(text) => {
            let name = |text: &str| CertificateName::try_from(text.to_owned());
            file.parsed(text, name, findings).map(Some)
        }
    };
    let token = match &raw.token {
        None => Some(None),
        Some(text) => file.line(text, "the token's subject", findings).map(Some),
    };
    let ssh_key = match &raw.ssh_key {
        None => Some(None),
        Some(text) => file.parsed(text, ssh_key, findings).map(Some),
    };
    Some(Officer {
        id: id?,
        name: name?,
        scram: scram?,
        certificate: certificate?,
        token: token?,
        ssh_key: ssh_key?,
    })
}

/// An OpenSSH public key, without its comment.
fn ssh_key(text: &str) -> Result<String, SignersError> {
    let key: Vec<&str> = text.split(' ').take(2).collect();
    let key = key.join(" ");
    AllowedSigners::parse(&format!("officer {key}\n"))?;
    Ok(key)
}
