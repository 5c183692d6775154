//! The catalog queries in docs/exposure.md run, and there is one for each kind.

use policy::exposure::Kind;

use crate::exposure::{start, try_run};
use crate::exposure_nasty::major;

const DOCUMENT: &str = include_str!("../../../../docs/exposure.md");

#[tokio::test]
async fn each_kind_has_a_paragraph_and_a_query_that_runs() {
    let server = start().await;
    // What the queries of versions from 15 ask for, older ones do not have.
    let older = major(&server).await < 15;
    // pg_cron's table, which is not there without pg_cron.
    let scheduler = "CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint, username text, command text)";
    try_run(&server, "records", scheduler).await.unwrap();
    let mut wrong = Vec::new();
    for kind in Kind::ALL {
        let name = kind.as_str();
        let Some((_, rest)) = DOCUMENT.split_once(&format!("\n### `{name}`\n")) else {
            wrong.push(format!("{name} has no paragraph"));
            continue;
        };
        let own = rest.split("\n### ").next().unwrap_or_default();
        let query = own
            .split_once("```sql\n")
            .and_then(|(_, rest)| rest.split_once("```"))
            .map(|(query, _)| query);
        match query {
            None => wrong.push(format!("{name} has no query")),
            Some(query) => {
                if let Err(why) = try_run(&server, "records", query).await
                    && !(older && why.contains("does not exist"))
                {
                    wrong.push(format!("{name}: {why}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
