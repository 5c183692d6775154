//! Exposure by real schedulers and languages: what pg_cron and pgAgent run, and what functions in PL/Perl and PL/Python reach. Each way
//! is proved by reading, found, closed by its own statements, and proved closed; what looks like one and leads nowhere is not told.

use std::collections::BTreeSet;
use std::process::Child;
use std::time::Duration;

use policy::exposure::Finding;
use tokio_postgres::Client;

use crate::exposure::{lines, open, question, reads, report, run, start_with_jobs, try_run};
use crate::exposure_jobs_ways::{BASE, JOBS, JOBS_DECOYS};
use crate::server::{Server, connect};

/// Looks at jobs that run, and the time between two.
const LOOKS: u32 = 1200;
const LOOK: Duration = Duration::from_millis(100);

/// Starts the server anew, which has pg_cron run every job, and pgAgent beside it, and waits until all of them have run.
async fn run_jobs(server: &mut Server) {
    run(
        server,
        "records",
        "DELETE FROM cron.job_run_details; DELETE FROM pgagent.pga_joblog",
    )
    .await;
    server.shut_down();
    server.run().await;
    let admin = server.superuser("records").await;
    let expected =
        "SELECT count(*) FROM cron.job JOIN pg_roles ON rolname = username WHERE active AND rolcanlogin";
    let ended = "SELECT count(DISTINCT d.jobid) FROM cron.job_run_details d JOIN pg_roles ON rolname = username \
        WHERE rolcanlogin AND status IN ('succeeded', 'failed')";
    let jobs = number(&admin, expected).await;
    until(&admin, ended, jobs).await;
    run(server, "records", "UPDATE pgagent.pga_job SET jobnextrun = now()").await;
    let connection = format!("host={} dbname=records user=postgres", server.socket().display());
    let agent = server
        .program("pgagent")
        .args(["-f", "-t", "1", &connection])
        .spawn();
    let _agent = Ended(agent.expect("pgagent"));
    until(
        &admin,
        "SELECT count(*) FROM pgagent.pga_joblog WHERE jlgstatus <> 'r'",
        1,
    )
    .await;
}

/// A process that ends with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn until(client: &Client, sql: &str, least: i64) {
    for _ in 0..LOOKS {
        if number(client, sql).await >= least {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
    panic!("{least} do not come of `{sql}`");
}

/// What each role does before the jobs run; and why it may not.
async fn act(server: &Server) -> Vec<String> {
    let mut refused = Vec::new();
    for one in JOBS.iter().filter(|one| !one.act.is_empty()) {
        let client = connect(&server.config(one.way.role, "records")).await.unwrap();
        if let Err(error) = client.batch_execute(one.act).await {
            refused.push(format!("{}: {:?}", one.way.role, error.as_db_error()));
        }
    }
    refused
}

/// Runs what closes the ways, until none is open.
async fn close(server: &Server) -> Vec<String> {
    let mut wrong = Vec::new();
    for _ in 0..5 {
        let report = report(server, &question("records.people", None)).await;
        let left: Vec<Finding> = JOBS.iter().flat_map(|one| open(&report, one.way.role)).collect();
        if left.is_empty() {
            return wrong;
        }
        let closes: BTreeSet<(&str, &str)> = left
            .iter()
            .map(|one| (one.closes_in.as_str(), one.closes.as_str()))
            .collect();
        for (database, sql) in closes {
            wrong.extend(try_run(server, database, sql).await.err());
        }
    }
    wrong.push("some are never closed".to_owned());
    wrong
}

#[tokio::test]
async fn ways_by_jobs_and_languages_are_found_and_closed_and_no_decoy_is_taken_for_one() {
    let mut server = start_with_jobs().await;
    run(&server, "records", BASE).await;
    for one in JOBS {
        let role = format!("CREATE ROLE {} LOGIN", one.way.role);
        run(&server, "records", &role).await;
        for sql in one.way.setup {
            run(&server, "records", sql).await;
        }
    }
    for sql in JOBS_DECOYS.iter().flat_map(|decoy| decoy.setup) {
        run(&server, "records", sql).await;
    }
    run(&server, "records", "ANALYZE").await;
    let mut wrong = Vec::new();
    let said = report(&server, &question("records.people", None)).await;
    for one in JOBS {
        let found = open(&said, one.way.role);
        let right =
            |finding: &Finding| finding.kind.as_str() == one.way.kind && finding.class == one.way.class;
        if !found.iter().any(right) {
            let (role, kind, class) = (one.way.role, one.way.kind, one.way.class);
            wrong.push(format!(
                "{role}: {kind} ({class:?}) was not found, but\n{}",
                lines(&found)
            ));
        }
    }
    for decoy in JOBS_DECOYS {
        let found: Vec<Finding> = open(&said, decoy.role)
            .into_iter()
            .filter(|one| one.class <= decoy.most)
            .collect();
        if !found.is_empty() {
            wrong.push(format!("{} is a decoy, but:\n{}", decoy.role, lines(&found)));
        }
    }
    // Who is bound by row security sees the jobs of its own alone, and is told so.
    let bound = control::exposure::Way::new(&server.url("records").replace("postgres@", "d_log@")).unwrap();
    let unseen = bound.snapshot(None, &|_| ()).await.unwrap().unseen;
    if !unseen
        .iter()
        .any(|one| one.what.contains("cron.job") && one.why.contains("row security"))
    {
        wrong.push(format!("jobs that are not seen are not told: {unseen:?}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let refused = act(&server).await;
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    run_jobs(&mut server).await;
    for one in JOBS {
        if let Err(why) = reads(&server, &one.way).await {
            wrong.push(format!("{} does not read: {why}", one.way.role));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // As it was, but closed: what they do then comes to nothing.
    for one in JOBS {
        run(&server, "records", one.undo).await;
        let member = "SELECT count(*) FROM pg_auth_members WHERE roleid = 'readers'::regrole AND member = $1::text::regrole";
        let admin = server.superuser("records").await;
        let gained: i64 = admin.query_one(member, &[&one.way.role]).await.unwrap().get(0);
        if gained > 0 {
            run(
                &server,
                "records",
                &format!("REVOKE readers FROM {}", one.way.role),
            )
            .await;
        }
    }
    let wrong = close(&server).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    act(&server).await;
    run_jobs(&mut server).await;
    let mut wrong = Vec::new();
    for one in JOBS {
        if reads(&server, &one.way).await.is_ok() {
            wrong.push(format!("{} still reads", one.way.role));
        }
    }
    let clerk = connect(&server.config("clerk", "records")).await.unwrap();
    for sql in [
        "SELECT name FROM records.people",
        "SELECT county FROM open.public_list",
    ] {
        if let Err(error) = clerk.query(sql, &[]).await {
            wrong.push(format!(
                "the clerk's `{sql}` is broken: {:?}",
                error.as_db_error()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
