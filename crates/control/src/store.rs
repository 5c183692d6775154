//! What control keeps in the register, and what it reads there.

use std::collections::BTreeMap;
use std::sync::Arc;

use evidence::hash::Hash;
use evidence::id::{AgreementId, DirectiveNumber, Epoch, PartnerId};
use evidence::record::Unfinished;
use ledger::register::Register;
use policy::airlock::Seal;
use policy::in_force::InForce;
use policy::plan::Noted;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::credential::Credential;
use crate::error::ControlError;
use crate::mask_key::MaskKey;

/// The policy in force: an [`InForce`] as JSON.
const POLICY: &str = "policy";

/// Before a gateway's name: what it says of itself.
const GATEWAY: &str = "gateway/";

/// Before a role's name: the password that gateways log in with.
const UPSTREAM: &str = "upstream/";

/// Before the name of a role that has an airlock: its password at the custodian, which is for the airlock's user mapping.
const CUSTODIAN: &str = "custodian/";

/// Before a partner's name, and a role's behind a slash: what its airlock was when it was made.
const AIRLOCK: &str = "airlock/";

/// Where a password counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Where gateways log in.
    Gateway,
    /// At the custodian, behind an airlock.
    Custodian,
}

impl Side {
    fn key(self, role: &str) -> String {
        let before = match self {
            Self::Gateway => UPSTREAM,
            Self::Custodian => CUSTODIAN,
        };
        format!("{before}{role}")
    }
}

/// Before an agreement's name: its key of pseudonyms.
const PSEUDONYM: &str = "pseudonym/";

/// Before a size of the main log: the root at which a directive was drawn up.
const DRAWN_UP: &str = "drawn-up/";

/// Before an upstream's name: what the custodian was told of its database, and applied beside it.
const NOTED: &str = "noted/";

/// The application that is not finished: an [`Unfinished`] as JSON, or `null`.
const APPLYING: &str = "applying";

/// What a gateway says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GatewayState {
    /// The policy it works under.
    pub epoch: Epoch,
    /// The directives whose end of sessions it has seen to.
    #[serde(default)]
    pub drained: Vec<DirectiveNumber>,
}

#[derive(Debug)]
pub(crate) struct Store(Arc<dyn Register>);

impl Store {
    pub(crate) fn new(register: Arc<dyn Register>) -> Self {
        Self(register)
    }

    fn get(&self, key: &str, doing: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, ControlError> {
        let found = self.0.read(key).map_err(ControlError::register(doing))?;
        Ok(found.map(|versioned| Zeroizing::new(versioned.value)))
    }

    /// Writes whatever stands there. Control is the only writer of its keys, and holds its work lock.
    fn put(&self, key: &str, value: &[u8], doing: &'static str) -> Result<(), ControlError> {
        match self.0.read(key).map_err(ControlError::register(doing))? {
            None => self
                .0
                .create(key, value)
                .map(drop)
                .map_err(ControlError::register(doing)),
            Some(old) => self
                .0
                .compare_and_swap(key, old.version, value)
                .map(drop)
                .map_err(ControlError::register(doing)),
        }
    }

    pub(crate) fn policy(&self) -> Result<Option<InForce>, ControlError> {
        let doing = "reading the policy in force";
        let found = self.get(POLICY, doing)?;
        found
            .map(|bytes| serde_json::from_slice(&bytes).map_err(ControlError::register(doing)))
            .transpose()
    }

    pub(crate) fn publish(&self, policy: &InForce) -> Result<(), ControlError> {
        let doing = "publishing the policy in force";
        let bytes = Zeroizing::new(serde_json::to_vec(policy).map_err(ControlError::register(doing))?);
        self.put(POLICY, &bytes, doing)
    }

    pub(crate) fn gateways(&self) -> Result<BTreeMap<String, GatewayState>, ControlError> {
        let doing = "reading what gateways say";
        let mut gateways = BTreeMap::new();
        for (key, found) in self.0.list(GATEWAY).map_err(ControlError::register(doing))? {
            let Some(name) = key.strip_prefix(GATEWAY) else {
                continue;
            };
            let state = serde_json::from_slice(&found.value).map_err(ControlError::register(doing))?;
            gateways.insert(name.to_owned(), state);
        }
        Ok(gateways)
    }

    /// Wakes whenever a gateway says something.
    pub(crate) fn gateways_watch(&self) -> Result<watch::Receiver<u64>, ControlError> {
        self.0
            .watch(GATEWAY)
            .map_err(ControlError::register("watching what gateways say"))
    }

    pub(crate) fn credential(&self, side: Side, role: &str) -> Result<Option<Credential>, ControlError> {
        let doing = "reading a role's password";
        let found = self.get(&side.key(role), doing)?;
        // What cannot be read is as good as none: a new one is drawn.
        Ok(found.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// What an airlock's database was when it was made.
    pub(crate) fn seal(&self, partner: &PartnerId, role: &str) -> Result<Option<Seal>, ControlError> {
        let found = self.get(&format!("{AIRLOCK}{partner}/{role}"), "reading an airlock's seal")?;
        // What cannot be read is as good as none: the database is made anew.
        Ok(found.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(crate) fn keep_seal(&self, partner: &PartnerId, role: &str, seal: &Seal) -> Result<(), ControlError> {
        let doing = "keeping an airlock's seal";
        let bytes = serde_json::to_vec(seal).map_err(ControlError::register(doing))?;
        self.put(&format!("{AIRLOCK}{partner}/{role}"), &bytes, doing)
    }

    /// What an airlock's cluster was when it was made, databases apart.
    pub(crate) fn cluster_seal(&self, partner: &PartnerId) -> Result<Option<Vec<String>>, ControlError> {
        let found = self.get(&format!("{AIRLOCK}{partner}"), "reading an airlock's seal")?;
        Ok(found.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(crate) fn keep_cluster_seal(
        &self,
        partner: &PartnerId,
        lines: &[String],
    ) -> Result<(), ControlError> {
        let doing = "keeping an airlock's seal";
        let bytes = serde_json::to_vec(lines).map_err(ControlError::register(doing))?;
        self.put(&format!("{AIRLOCK}{partner}"), &bytes, doing)
    }

    pub(crate) fn keep_credential(
        &self,
        side: Side,
        role: &str,
        credential: &Credential,
    ) -> Result<(), ControlError> {
        let doing = "keeping a role's password";
        let bytes = Zeroizing::new(serde_json::to_vec(credential).map_err(ControlError::register(doing))?);
        self.put(&side.key(role), &bytes, doing)
    }

    /// What cannot be read is an error, not as good as none: another key would change every pseudonym.
    pub(crate) fn mask_key(&self, agreement: &AgreementId) -> Result<Option<MaskKey>, ControlError> {
        let doing = "reading a key of pseudonyms";
        let Some(bytes) = self.get(&format!("{PSEUDONYM}{agreement}"), doing)? else {
            return Ok(None);
        };
        let key: MaskKey = serde_json::from_slice(&bytes).map_err(ControlError::register(doing))?;
        Ok(Some(key))
    }

    pub(crate) fn keep_mask_key(&self, agreement: &AgreementId, key: &MaskKey) -> Result<(), ControlError> {
        let doing = "keeping a key of pseudonyms";
        let bytes = Zeroizing::new(serde_json::to_vec(key).map_err(ControlError::register(doing))?);
        self.put(&format!("{PSEUDONYM}{agreement}"), &bytes, doing)
    }

    /// What stood beside the shares when the estate was applied; nothing before anything was.
    pub(crate) fn noted(&self, upstream: &str) -> Result<Option<Noted>, ControlError> {
        let found = self.get(&format!("{NOTED}{upstream}"), "reading what was noted")?;
        // What cannot be read is as if nothing had been noted: every note is news then, until the estate is applied again.
        Ok(found.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    pub(crate) fn keep_noted(&self, upstream: &str, noted: &Noted) -> Result<(), ControlError> {
        let doing = "keeping what was noted";
        let bytes = serde_json::to_vec(noted).map_err(ControlError::register(doing))?;
        self.put(&format!("{NOTED}{upstream}"), &bytes, doing)
    }

    /// The application that was begun and not finished.
    pub(crate) fn unfinished(&self) -> Result<Option<Unfinished>, ControlError> {
        let doing = "reading whether an application is finished";
        let found = self.get(APPLYING, doing)?;
        let read = |bytes: Zeroizing<Vec<u8>>| serde_json::from_slice(&bytes);
        Ok(found
            .map(read)
            .transpose()
            .map_err(ControlError::register(doing))?
            .flatten())
    }

    pub(crate) fn keep_unfinished(&self, unfinished: Option<&Unfinished>) -> Result<(), ControlError> {
        let doing = "keeping whether an application is finished";
        let bytes = serde_json::to_vec(&unfinished).map_err(ControlError::register(doing))?;
        self.put(APPLYING, &bytes, doing)
    }

    pub(crate) fn drawn_up(&self, size: u64) -> Result<Option<Hash>, ControlError> {
        let found = self.get(
            &format!("{DRAWN_UP}{size}"),
            "reading where a directive was drawn up",
        )?;
        Ok(found.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()))
    }

    pub(crate) fn keep_drawn_up(&self, size: u64, root: &Hash) -> Result<(), ControlError> {
        let doing = "keeping where a directive was drawn up";
        self.put(&format!("{DRAWN_UP}{size}"), root.to_string().as_bytes(), doing)
    }
}
