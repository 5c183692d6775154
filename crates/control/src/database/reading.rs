//! Reading a catalog: all of it in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use policy::admin_role;
use policy::catalog::marks::{self, Mark};
use policy::catalog::surroundings::{self, Surroundings};
use policy::catalog::{Catalog, Grant, Password, Server, printed_key, reading};
use policy::desired::Desired;
use policy::plan::bases;
use serde::de::DeserializeOwned;
use tokio_postgres::types::Json;
use zeroize::Zeroizing;

use super::Connection;
use crate::credential::Credential;
use crate::error::ControlError;

/// [`reading::VERIFIERS`] for a role that is no superuser.
const VERIFIERS_OF_ADMIN: &str = "select rolname::text, rolpassword from estop_admin.roles";

/// The passwords that the gateways hold, by role.
pub(crate) type Credentials = BTreeMap<String, Credential>;

impl Connection {
    /// Reads the catalog within the transaction that is open on this connection.
    pub(crate) async fn read_catalog(
        &self,
        desired: &Desired,
        credentials: &Credentials,
    ) -> Result<Catalog, ControlError> {
        let mut catalog = self.read_rights().await?;
        self.judge_passwords(&mut catalog, credentials).await?;
        self.judge_admin(&mut catalog, desired).await?;
        self.read_marks(&mut catalog, desired).await?;
        catalog.printed = self.print(desired).await?;
        Ok(catalog)
    }

    /// The catalog without what is known of passwords and of how desired definitions are printed. Changes nothing, so that
    /// the transaction may be read only.
    pub(crate) async fn read_rights(&self) -> Result<Catalog, ControlError> {
        let server: Server = self
            .document("reading the server's settings", reading::SERVER)
            .await?;
        let mut grants: Vec<Grant> = self.document("reading rights", reading::GRANTS).await?;
        if server.version >= reading::PARAMETER_GRANTS_SINCE {
            let more: Vec<Grant> = self
                .document("reading rights on parameters", reading::PARAMETER_GRANTS)
                .await?;
            grants.extend(more);
        }
        Ok(Catalog {
            roles: self.document("reading roles", reading::ROLES).await?,
            memberships: self.document("reading memberships", reading::MEMBERSHIPS).await?,
            settings: self.document("reading settings", reading::SETTINGS).await?,
            schemas: self.document("reading schemas", reading::SCHEMAS).await?,
            relations: self.document("reading relations", reading::RELATIONS).await?,
            functions: self.document("reading functions", reading::FUNCTIONS).await?,
            owned: self.document("reading owners", reading::OWNED).await?,
            extensions: self.document("reading extensions", reading::EXTENSIONS).await?,
            public_mappings: self
                .document("reading user mappings", reading::PUBLIC_MAPPINGS)
                .await?,
            surroundings: self.surroundings().await?,
            marks: Vec::new(),
            mask_keys: BTreeMap::new(),
            printed: BTreeMap::new(),
            grants,
            server,
        })
    }

    async fn surroundings(&self) -> Result<Surroundings, ControlError> {
        let mut found: Surroundings = self
            .document("reading settings and triggers", surroundings::SURROUNDINGS)
            .await?;
        let may = self
            .client
            .query_one(surroundings::MAY_READ_RULES, &[])
            .await
            .map_err(ControlError::database("asking for rights"))?;
        if may.get(0) {
            found.rules = Some(self.document("reading pg_hba.conf", surroundings::RULES).await?);
        }
        Ok(found)
    }

    /// What is compared with what it was when the estate was applied.
    pub(crate) async fn read_marks(
        &self,
        catalog: &mut Catalog,
        desired: &Desired,
    ) -> Result<(), ControlError> {
        let doing = "reading what stands beside the shares";
        let settings = marks::SETTINGS.as_slice();
        let row = self
            .client
            .query_one(marks::MARKS, &[&bases(desired), &settings])
            .await;
        let row = row.map_err(ControlError::database(doing))?;
        let Json(read): Json<Vec<Mark>> = row.try_get(0).map_err(|source| ControlError::Answer {
            doing,
            source: Box::new(source),
        })?;
        catalog.marks = read;
        if catalog.server.superuser && catalog.server.version >= marks::IDENT_SINCE {
            let more: Vec<Mark> = self.document("reading pg_ident.conf", marks::IDENT).await?;
            catalog.marks.extend(more);
        }
        Ok(())
    }

    async fn document<T: DeserializeOwned>(&self, doing: &'static str, sql: &str) -> Result<T, ControlError> {
        let row = self
            .client
            .query_one(sql, &[])
            .await
            .map_err(ControlError::database(doing))?;
        let Json(value): Json<T> = row.try_get(0).map_err(|source| ControlError::Answer {
            doing,
            source: Box::new(source),
        })?;
        Ok(value)
    }

    /// Whether what only superusers see of our roles is shown to this role, who is none.
    pub(crate) async fn sees_roles(&self) -> Result<bool, ControlError> {
        let told = self.client.query_one(admin_role::MAY_READ_ROLES, &[]).await;
        Ok(told.map_err(ControlError::database("asking for rights"))?.get(0))
    }

    /// Says which rights this role, if it is no superuser, cannot pass on.
    pub(crate) async fn judge_admin(
        &self,
        catalog: &mut Catalog,
        desired: &Desired,
    ) -> Result<(), ControlError> {
        if catalog.server.superuser {
            return Ok(());
        }
        let doing = "asking which rights can be passed on";
        let [schemas, relations, columns] = admin_role::to_pass_on(desired);
        let told = self
            .client
            .query_one(admin_role::NOT_PASSED_ON, &[&schemas, &relations, &columns])
            .await
            .map_err(ControlError::database(doing))?;
        let Json(missing) = told.try_get(0).map_err(|source| ControlError::Answer {
            doing,
            source: Box::new(source),
        })?;
        catalog.surroundings.not_passed_on = missing;
        Ok(())
    }

    /// Says of each of our roles whether its password is the one that the gateways hold, as far as this connection may know.
    /// The verifiers stay here.
    pub(crate) async fn judge_passwords(
        &self,
        catalog: &mut Catalog,
        credentials: &Credentials,
    ) -> Result<(), ControlError> {
        let verifiers = match catalog.server.superuser {
            true => reading::VERIFIERS,
            false if self.sees_roles().await? => VERIFIERS_OF_ADMIN,
            false => return Ok(()),
        };
        catalog.surroundings.sees_passwords = true;
        let rows = self
            .client
            .query(verifiers, &[])
            .await
            .map_err(ControlError::database("reading verifiers"))?;
        for row in rows {
            let name: String = row.get(0);
            let verifier: Option<Zeroizing<String>> = row.get::<_, Option<String>>(1).map(Zeroizing::new);
            let known = match (verifier, credentials.get(&name)) {
                (None, _) => Password::None,
                (Some(verifier), Some(ours)) if ours.fits(&verifier) => Password::Ours,
                (Some(_), _) => Password::Foreign,
            };
            if let Some(role) = catalog.roles.iter_mut().find(|role| role.name == name) {
                role.password = known;
            }
        }
        Ok(())
    }

    /// Whether this role can make temporary views: without, nothing would ever look as desired.
    async fn may_print(&self) -> Result<bool, ControlError> {
        let sql = "select has_database_privilege(current_database(), 'TEMPORARY')";
        let told = self.client.query_one(sql, &[]).await;
        Ok(told.map_err(ControlError::database("asking for rights"))?.get(0))
    }

    /// Has PostgreSQL print the desired definitions, by making each a temporary view and undoing that: no other way says
    /// for certain how it would print them. A definition that cannot be made (its relation is gone) has no print; the
    /// plan says why.
    pub(crate) async fn print(&self, desired: &Desired) -> Result<BTreeMap<String, String>, ControlError> {
        let definitions: BTreeSet<&str> = desired
            .roles
            .iter()
            .flat_map(|role| &role.views)
            .map(|view| view.definition.as_str())
            .collect();
        if definitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.run("SAVEPOINT estop_print").await?;
        let mut prints: BTreeMap<&str, String> = BTreeMap::new();
        for definition in definitions {
            let made = self
                .client
                .batch_execute(&format!("CREATE TEMPORARY VIEW estop_print AS {definition}"))
                .await;
            if made.is_ok() {
                let sql = "SELECT pg_get_viewdef('pg_temp.estop_print'::regclass)";
                let row = self
                    .client
                    .query_one(sql, &[])
                    .await
                    .map_err(ControlError::database("printing a view"))?;
                prints.insert(definition, row.get(0));
            }
            self.run("ROLLBACK TO SAVEPOINT estop_print").await?;
            if let Err(error) = made
                && !self.may_print().await?
            {
                return Err(ControlError::database("printing a view")(error));
            }
        }
        self.run("RELEASE SAVEPOINT estop_print").await?;
        let keyed = desired.roles.iter().flat_map(|role| {
            role.views.iter().filter_map(|view| {
                let print = prints.get(view.definition.as_str())?;
                Some((printed_key(role.name.as_str(), view.name.as_str()), print.clone()))
            })
        });
        Ok(keyed.collect())
    }
}
