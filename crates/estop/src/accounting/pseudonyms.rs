//! The pseudonyms under which agreements show a subject: the custodian has their keys, and finds by them what it disclosed so.

use std::collections::{BTreeMap, BTreeSet};

use control::MaskKey;
use evidence::id::AgreementId;
use ledger::register::{Register as _, SqliteRegister};
use policy::estate::{Column, Dataset};
use policy::mask::{Mask, Pseudonym};

use crate::estate::Loaded;
use crate::failure::{Exit, Failure};

/// Before an agreement's id, in the register: the key of its pseudonyms.
const PREFIX: &str = "pseudonym/";

/// What a subject is called under each agreement that has a key, whether or not the estate still has the agreement: by the kinds that the
/// estate says, and by the column's name, which is the kind where nothing is said.
pub(super) fn of(
    loaded: &Loaded,
    dataset: &Dataset,
    column: &Column,
    canonical: &str,
) -> Result<BTreeSet<String>, Failure> {
    let register = loaded.state().register();
    if !register.exists() {
        return Ok(BTreeSet::new());
    }
    let unreadable = |error: &dyn std::error::Error| Failure::from_error(Exit::Absent, error);
    let register = SqliteRegister::open(&register).map_err(|error| unreadable(&error))?;
    let kinds = kinds(loaded, dataset, column);
    let mut all = BTreeSet::new();
    for (name, value) in register.list(PREFIX).map_err(|error| unreadable(&error))? {
        let Some(Ok(agreement)) = name.strip_prefix(PREFIX).map(str::parse::<AgreementId>) else {
            continue;
        };
        let key: MaskKey = serde_json::from_slice(&value.value).map_err(|error| unreadable(&error))?;
        let key = key.reveal().ok_or_else(|| {
            Failure::absent(format!(
                "the key of pseudonyms of agreement `{agreement}` cannot be read"
            ))
        })?;
        let usual = Pseudonym::usual(&agreement, &column.name);
        let said = kinds.get(&agreement).into_iter().flatten();
        let shown = said
            .chain([&usual])
            .filter_map(|pseudonym| pseudonym.shown(&key, column.kind, canonical));
        all.extend(shown);
    }
    Ok(all)
}

/// The pseudonyms that agreements of the estate show in place of a column.
fn kinds(loaded: &Loaded, dataset: &Dataset, column: &Column) -> BTreeMap<AgreementId, Vec<Pseudonym>> {
    let mut kinds: BTreeMap<AgreementId, Vec<Pseudonym>> = BTreeMap::new();
    for agreement in loaded.estate.agreements().values() {
        let shares = agreement
            .shares
            .iter()
            .filter(|share| share.dataset == dataset.id);
        let shown = shares.flat_map(|share| &share.columns);
        let masks = shown.filter(|shown| shown.column.name == column.name);
        let pseudonyms = masks.filter_map(|shown| match &shown.mask {
            Some(Mask::Pseudonym(pseudonym)) => Some(pseudonym.clone()),
            _ => None,
        });
        kinds.entry(agreement.id.clone()).or_default().extend(pseudonyms);
    }
    kinds
}
