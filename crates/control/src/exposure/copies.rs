//! Tables that hold another's values, found by their statistics: a copy leaves no trace in the catalogs. The values stay here.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Client;

use super::Original;
use crate::error::ControlError;

/// Values of the original's statistics that are looked for elsewhere: its columns have 100 to 10,000 each.
const VALUES: usize = 20_000;

/// Values shorter than this stand in every table: flags, small numbers, codes.
const LENGTH: usize = 5;

/// So many common values make it worth a look.
const SHARED: usize = 8;

/// The original's number and its values, in clear: never kept.
pub(super) async fn values(
    client: &Client,
    original: &Original,
) -> Result<Vec<(u32, HashSet<String>)>, ControlError> {
    let sql = "select c.oid, v from pg_stats s join pg_namespace n on n.nspname = s.schemaname
        join pg_class c on c.relnamespace = n.oid and c.relname = s.tablename
        cross join lateral unnest(coalesce(most_common_vals::text::text[], '{}') || coalesce(histogram_bounds::text::text[], '{}')) v
        where s.schemaname = $1 and s.tablename = $2 limit $3";
    let most = i64::try_from(VALUES).unwrap_or(i64::MAX);
    let rows = client
        .query(sql, &[&original.schema, &original.name, &most])
        .await
        .map_err(ControlError::database("reading statistics"))?;
    let mut found: HashMap<u32, HashSet<String>> = HashMap::new();
    for row in rows {
        let (oid, value): (u32, String) = (row.get(0), row.get(1));
        if value.chars().count() >= LENGTH {
            found.entry(oid).or_default().insert(value);
        }
    }
    Ok(found.into_iter().collect())
}

/// Relations of a database that have many of these values: relation, original, how many. The original is left out at home.
pub(super) async fn shared(
    client: &Client,
    values: &[(u32, HashSet<String>)],
    home: bool,
) -> Result<Vec<(u32, u32, u32)>, ControlError> {
    let mut found = Vec::new();
    for (original, values) in values {
        let list: Vec<&String> = values.iter().collect();
        let sql = "select c.oid, count(distinct v) from pg_stats s join pg_namespace n on n.nspname = s.schemaname
            join pg_class c on c.relnamespace = n.oid and c.relname = s.tablename
            cross join lateral unnest(coalesce(most_common_vals::text::text[], '{}') || coalesce(histogram_bounds::text::text[], '{}')) v
            where (c.oid <> $1 or not $4) and s.schemaname not in ('pg_catalog', 'information_schema') and v = any($2)
            group by c.oid having count(distinct v) >= $3";
        let least = i64::try_from(SHARED).unwrap_or(i64::MAX);
        let rows = client
            .query(sql, &[original, &list, &least, &home])
            .await
            .map_err(ControlError::database("comparing statistics"))?;
        for row in rows {
            let shared: i64 = row.get(1);
            found.push((row.get(0), *original, u32::try_from(shared).unwrap_or(u32::MAX)));
        }
    }
    Ok(found)
}
