//! Reading what a database holds, in outline: the catalogs only, by any role that can connect.

use policy::outline::{MAX_RELATIONS, Outline, OutlineRelation, RELATIONS};
use tokio_postgres::types::Json;

use super::Admin;
use crate::error::ControlError;

/// What the database at this URL holds, in these schemas or, if there are none, in all of them. Reads system catalogs in one
/// read-only transaction, and changes nothing. Cancel safe.
///
/// # Errors
/// The URL cannot be read, the database cannot be reached or read, or holds more relations than an estate has room for.
pub async fn outline(url: &str, schemas: &[String]) -> Result<Outline, ControlError> {
    let connection = Admin::new("main", url)?.connect().await?;
    connection
        .run("START TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let doing = "reading the database's outline";
    let server = connection
        .client
        .query_one(
            "select current_database()::text, current_setting('server_version_num')::int4",
            &[],
        )
        .await
        .map_err(ControlError::database(doing))?;
    let wanted = (!schemas.is_empty()).then_some(schemas);
    let most = i64::try_from(MAX_RELATIONS).unwrap_or(i64::MAX).saturating_add(1);
    let rows = connection
        .client
        .query(RELATIONS, &[&wanted, &most])
        .await
        .map_err(ControlError::database(doing))?;
    if rows.len() > MAX_RELATIONS {
        return Err(ControlError::Estate {
            what: "a database with more relations than an estate has data sets",
            right: format!(
                "name some of its schemas with --schema: at most {MAX_RELATIONS} relations in all"
            ),
        });
    }
    let relation = |row: &tokio_postgres::Row| {
        let Json(relation): Json<OutlineRelation> =
            row.try_get(0).map_err(|source| ControlError::Answer {
                doing,
                source: Box::new(source),
            })?;
        Ok(relation)
    };
    Ok(Outline {
        database: server.get(0),
        version: server.get(1),
        relations: rows.iter().map(relation).collect::<Result<_, ControlError>>()?,
    })
}
