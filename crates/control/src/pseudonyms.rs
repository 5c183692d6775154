//! Keys of pseudonyms between the register and the databases: which are kept, which are planted, which are neither.

use std::collections::BTreeMap;

use evidence::id::AgreementId;
use policy::admin_role;
use policy::catalog::{Catalog, KeyState, Server};
use policy::desired::Desired;
use policy::plan;

use crate::Control;
use crate::database::Connection;
use crate::error::ControlError;
use crate::mask_key::{MaskKey, Pads};

/// Keys by whose they are.
pub(crate) type MaskKeys = BTreeMap<AgreementId, MaskKey>;

impl Control {
    /// The keys that are kept of those that ought to stand in a database.
    pub(crate) fn mask_keys(&self, desired: &Desired) -> Result<MaskKeys, ControlError> {
        let mut kept = MaskKeys::new();
        for agreement in desired.keys().into_values() {
            if let Some(key) = self.0.store.mask_key(&agreement)? {
                kept.insert(agreement, key);
            }
        }
        Ok(kept)
    }
}

impl Connection {
    /// Says in the catalog of each planted key whether it is the one that is kept; the keys themselves stay here. Returns those
    /// that stand in the table and are kept nowhere: after the register was lost, they are taken up again.
    pub(crate) async fn judge_keys(
        &self,
        catalog: &mut Catalog,
        desired: &Desired,
        kept: &MaskKeys,
    ) -> Result<MaskKeys, ControlError> {
        let mut unkept = MaskKeys::new();
        if !plan::is_readable(catalog) {
            return Ok(unkept);
        }
        let doing = "reading the keys of pseudonyms";
        if !catalog.server.superuser {
            self.run(&plan::become_owner()).await?;
        }
        let rows = self.client.query(&plan::read(), &[]).await;
        let rows = rows.map_err(ControlError::database(doing))?;
        if !catalog.server.superuser {
            self.run("RESET ROLE").await?;
        }
        let wanted = desired.keys();
        for row in rows {
            let id: String = row.get(0);
            let pads = Pads {
                inner: row.get(1),
                outer: row.get(2),
            };
            let whose = wanted.iter().find(|(key, _)| key.as_str() == id);
            let state = match whose.map(|(_, agreement)| (agreement, kept.get(agreement))) {
                Some((_, Some(key))) if key.fits(&pads) => KeyState::Ours,
                Some((agreement, None)) => match MaskKey::planted(&pads) {
                    Some(key) => {
                        unkept.insert(agreement.clone(), key);
                        KeyState::Unkept
                    }
                    None => KeyState::Foreign,
                },
                _ => KeyState::Foreign,
            };
            catalog.mask_keys.insert(id, state);
        }
        Ok(unkept)
    }

    /// Whether this role may keep parameters out of the log.
    pub(crate) async fn may_hush(&self, server: &Server) -> Result<bool, ControlError> {
        if server.superuser || server.version < admin_role::SINCE {
            return Ok(server.superuser);
        }
        let sql = "select pg_catalog.has_parameter_privilege('log_parameter_max_length', 'SET')";
        let told = self.client.query_one(sql, &[]).await;
        Ok(told.map_err(ControlError::database("asking for rights"))?.get(0))
    }

    /// Plants a key: the statement has none in it, and the server is asked not to log what goes with it.
    pub(crate) async fn plant(&self, sql: &str, key: &MaskKey, hush: bool) -> Result<(), ControlError> {
        let doing = "planting a key of pseudonyms";
        let pads = key.pads().ok_or_else(|| {
            ControlError::register(doing)(std::io::Error::other("the key that is kept is not 32 bytes"))
        })?;
        if hush {
            self.run("SET LOCAL log_parameter_max_length = 0").await?;
        }
        self.run(&plan::become_owner()).await?;
        let planted = self.client.execute(sql, &[&pads.inner, &pads.outer]).await;
        planted.map_err(ControlError::database(doing))?;
        self.run("RESET ROLE").await
    }
}
