//! Looking at a database without changing anything: what stands open beside the shares.

use policy::audit::{self, Item, Road};
use policy::desired::Desired;
use policy::estate::Isolation;
use serde::{Deserialize, Serialize};
use tokio_postgres::config::Host;

use super::Admin;
use crate::error::ControlError;

/// What one upstream's database leaves open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// The upstream's name in the estate.
    pub upstream: String,
    /// What keeps partners apart from it.
    pub isolation: Isolation,
    /// The database that was looked at.
    pub database: String,
    /// `server_version_num`, such as 150018.
    pub version: i32,
    /// The role that looked.
    pub user: String,
    /// Whether it is a superuser, who sees all there is to see.
    pub superuser: bool,
    /// What stands open, worst first.
    pub items: Vec<Item>,
    /// The custodian's part of closing it, as a script for psql.
    pub script: String,
    /// The script that makes the admin role that was asked for, for psql as a superuser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_script: Option<String>,
}

impl Admin {
    /// Looks at the database in one read-only transaction. Cancel safe.
    ///
    /// # Errors
    /// The database cannot be reached or read.
    pub async fn audit(&self, desired: &Desired, admin_role: Option<&str>) -> Result<Audited, ControlError> {
        let connection = self.connect().await?;
        connection
            .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        let catalog = connection.read_rights().await?;
        connection.run("ROLLBACK").await?;
        let items = audit::audit(desired, &catalog, &self.road());
        Ok(Audited {
            upstream: self.upstream.clone(),
            isolation: desired.isolation,
            script: audit::script(&items),
            admin_script: admin_role.and_then(|name| policy::admin_role::script(name, desired, &catalog)),
            database: catalog.server.database,
            version: catalog.server.version,
            user: catalog.server.user,
            superuser: catalog.server.superuser,
            items,
        })
    }

    /// How gateways, which take the same way, come to this server.
    fn road(&self) -> Road {
        match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => Road::Network(name.clone()),
            _ => Road::Socket,
        }
    }
}
