//! What a partner with full SQL tries, logged in as the agreement's own role with no gateway before it: the rows of the
//! table of channels that hardening in place closes in the database itself.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::world::{World, investigation, role};

async fn refused(session: &Client, sql: &str, wanted: &[SqlState]) {
    let result = session.simple_query(sql).await;
    let _ = session.simple_query("rollback").await;
    let Err(error) = result else {
        panic!("went through: {sql}")
    };
    let code = error
        .code()
        .cloned()
        .unwrap_or_else(|| panic!("{sql}: {error:?}"));
    assert!(wanted.contains(&code), "{sql}: {code:?} {error:?}");
}

async fn all_denied(session: &Client, statements: &[&str]) {
    for sql in statements {
        refused(session, sql, &[SqlState::INSUFFICIENT_PRIVILEGE]).await;
    }
}

#[tokio::test]
async fn row_1_a_leaky_function_sees_no_hidden_row() {
    let world = World::applied(&[]).await;
    let admin = world.admin().await;
    // Its view's condition is an operator, which costs something.
    let mine = role("transit-2020", "planning");
    // It betrays a hidden row by failing on it, and costs so little that it would be called first.
    let leak = format!(
        "create function public.leak(text) returns boolean language plpgsql cost 0.0000001 as
           $$ begin if $1 like 'Zoe%' then raise exception 'seen %', $1; end if; return true; end $$;
         grant execute on function public.leak(text) to {mine}"
    );
    admin.batch_execute(&leak).await.unwrap();
    let session = world.log_in(&mine).await.unwrap();
    let row = session
        .query_one("select count(*) from people where public.leak(name)", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 5000);
    // The same without the barrier does leak: the test can fail.
    admin
        .batch_execute(&format!("alter view {mine}.people reset (security_barrier)"))
        .await
        .unwrap();
    let leaked = session
        .query_one("select count(*) from people where public.leak(name)", &[])
        .await
        .unwrap_err();
    assert!(leaked.as_db_error().unwrap().message().contains("Zoe Hidden"));
}

#[tokio::test]
async fn rows_3_and_8_statistics_locks_and_other_sessions_do_not_show() {
    let world = World::applied(&[]).await;
    let session = world.log_in(&investigation()).await.unwrap();
    let statements = [
        "select * from pg_stat_xact_user_tables",
        "select * from pg_stat_user_indexes",
        "select pg_stat_get_xact_tuples_fetched('pg_class'::regclass)",
        "select pg_stat_get_numscans('pg_class'::regclass)",
        "select * from pg_stat_activity",
        "select * from pg_stat_get_activity(null)",
        "select * from pg_locks",
        "select * from pg_lock_status()",
        "select pg_terminate_backend(1)",
        "select pg_cancel_backend(1)",
        "select * from pg_statistic",
        "select * from pg_prepared_xacts",
    ];
    all_denied(&session, &statements).await;
}

#[tokio::test]
async fn rows_9_17_and_27_nothing_can_be_made_or_run_that_the_filter_does_not_see() {
    let world = World::applied(&[]).await;
    let session = world.log_in(&investigation()).await.unwrap();
    session
        .batch_execute("set default_transaction_read_only = off")
        .await
        .unwrap();
    let statements = [
        "create temp table t (i int)",
        "create temp table people as select 1",
        "create temp view v as select 1",
        "do $$ begin perform 1; end $$",
        "create function pg_temp.f() returns int language sql as 'select 1'",
        "create function pg_temp.f() returns int language plpgsql as 'begin return 1; end'",
        "create table public.t (i int)",
        "create schema mine",
        "create type public.t as (i int)",
    ];
    all_denied(&session, &statements).await;
    let own = format!("create table {}.t (i int)", investigation());
    all_denied(&session, &[&own]).await;
}

#[tokio::test]
async fn row_10_no_function_runs_sql_text() {
    let world = World::applied(&[]).await;
    let session = world.log_in(&investigation()).await.unwrap();
    let statements = [
        "select query_to_xml('select 1', true, true, '')",
        "select query_to_xml_and_xmlschema('select 1', true, true, '')",
        "select table_to_xml('pg_class', true, true, '')",
        "select schema_to_xml('pg_catalog', true, true, '')",
        "select database_to_xml(true, true, '')",
        "select cursor_to_xml('c', 1, true, true, '')",
        "select * from ts_stat('select ''a''::tsvector')",
        "select ts_rewrite('a'::tsquery, 'select ''a''::tsquery, ''b''::tsquery')",
    ];
    all_denied(&session, &statements).await;
}

#[tokio::test]
async fn rows_11_and_12_what_a_role_does_to_itself_is_bounded_and_shows() {
    let world = World::applied(&[]).await;
    let name = investigation();
    let session = world.log_in(&name).await.unwrap();
    session
        .batch_execute("set default_transaction_read_only = off")
        .await
        .unwrap();
    let denied = [
        format!("alter role {name} superuser"),
        format!("alter role {name} createrole"),
        format!("alter role {name} bypassrls"),
        format!("alter role {name} connection limit -1"),
        format!("alter role {name} valid until 'infinity'"),
        format!("alter role {name} set temp_file_limit = -1"),
        "set temp_file_limit = -1".to_owned(),
        format!("alter role {} password 'x'", role("transit-2020", "planning")),
        "alter role estop_owner login".to_owned(),
    ];
    for sql in &denied {
        all_denied(&session, &[sql]).await;
    }
    // PostgreSQL lets every role do these to itself. The gateway refuses them; here they show as drift and are undone.
    session
        .batch_execute(&format!(
            "alter role {name} reset all; alter role {name} password 'mine'"
        ))
        .await
        .unwrap();
    let settings = "select setconfig::text from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
        where r.rolname = $1";
    let left: String = world
        .admin()
        .await
        .query_one(settings, &[&name])
        .await
        .unwrap()
        .get(0);
    assert_eq!(
        left, "{temp_file_limit=256MB}",
        "only what a superuser alone may set survives"
    );
    let drift = world.drift().await;
    assert!(
        drift
            .steps
            .iter()
            .any(|step| step.password_for.as_deref() == Some(name.as_str()))
    );
    world.control.apply(&[]).await.unwrap();
    assert!(
        world.log_in(&name).await.is_ok(),
        "the gateways' password holds again"
    );
    let mut config = world.server.config(&name, "records");
    config.password("mine");
    assert!(crate::server::connect(&config).await.is_err());
}

#[tokio::test]
async fn rows_16_and_18_definer_functions_and_create_for_everybody_block() {
    let world = World::applied(&[]).await;
    let open = "create function public.lookup(bigint) returns text language sql security definer
        as 'select name from app.people where id = $1'; grant create on schema public to public";
    world.admin().await.batch_execute(open).await.unwrap();
    let blocking = world.control.apply(&[]).await.unwrap_err();
    let text = format!("{} {}", blocking.chain(), blocking.remedy());
    assert!(
        text.contains("REVOKE EXECUTE ON ROUTINE \"public\".\"lookup\"(bigint) FROM PUBLIC"),
        "{text}"
    );
    assert!(
        text.contains("REVOKE CREATE ON SCHEMA \"public\" FROM PUBLIC"),
        "{text}"
    );
}

#[tokio::test]
async fn row_22_no_advisory_lock_can_be_taken_and_all_can_be_given_up() {
    let world = World::applied(&[]).await;
    let session = world.log_in(&investigation()).await.unwrap();
    let statements = [
        "select count(pg_advisory_lock(g)) from generate_series(1, 200000) g",
        "select pg_advisory_xact_lock(1)",
        "select pg_try_advisory_lock(1, 2)",
        "select pg_advisory_lock_shared(1)",
        "select pg_advisory_unlock(1)",
    ];
    all_denied(&session, &statements).await;
    session
        .simple_query("select pg_advisory_unlock_all()")
        .await
        .expect("asyncpg resets connections with it");
}

#[tokio::test]
async fn rows_25_26_28_and_31_nothing_is_sent_stored_written_or_slept() {
    let world = World::applied(&[]).await;
    let session = world.log_in(&investigation()).await.unwrap();
    session
        .batch_execute("set default_transaction_read_only = off")
        .await
        .unwrap();
    let statements = [
        "select pg_notify('custodian', 'forged')",
        "select lo_create(0)",
        "select lo_creat(-1)",
        "select lo_from_bytea(0, 'x')",
        "select lo_get(1)",
        "select lo_unlink(1)",
        "select lo_import('/etc/passwd')",
        "select lowrite(0, 'x')",
        "select pg_logical_emit_message(true, 'a', 'b')",
        "select pg_current_xact_id()",
        "select txid_current()",
        "select pg_export_snapshot()",
        "select pg_sleep(10)",
        "select pg_sleep_for('10 s')",
        "select pg_table_size('pg_class')",
        "select pg_database_size('records')",
    ];
    all_denied(&session, &statements).await;
}

#[tokio::test]
async fn row_30_other_databases_let_no_share_role_in() {
    let world = World::applied(&[]).await;
    let name = investigation();
    for database in ["postgres", "template1"] {
        let mut config = world.server.config(&name, database);
        config.password(world.password(&name));
        let error = crate::server::connect(&config)
            .await
            .err()
            .unwrap_or_else(|| panic!("came into {database}"));
        assert_eq!(
            error.code(),
            Some(&SqlState::INSUFFICIENT_PRIVILEGE),
            "{database}"
        );
    }
}

#[tokio::test]
async fn row_33_what_postgresql_itself_refuses_stays_refused() {
    let world = World::applied(&[]).await;
    let name = investigation();
    let session = world.log_in(&name).await.unwrap();
    session
        .batch_execute("set default_transaction_read_only = off")
        .await
        .unwrap();
    let view = format!("{name}.people");
    let statements = [
        "copy (select 1) to program 'true'".to_owned(),
        "copy (select 1) to '/tmp/x'".to_owned(),
        "select pg_read_file('/etc/passwd')".to_owned(),
        "select pg_ls_dir('/')".to_owned(),
        "load 'plpgsql'".to_owned(),
        "set role postgres".to_owned(),
        "set role estop_owner".to_owned(),
        "set session authorization postgres".to_owned(),
        "set session_replication_role = replica".to_owned(),
        "set log_statement = 'all'".to_owned(),
        "select pg_reload_conf()".to_owned(),
        "begin; lock app.people".to_owned(),
        "select * from app.people for update".to_owned(),
        format!("select * from {view} for update"),
        format!("insert into {view} values (1)"),
        format!("update {view} set name = 'x'"),
        format!("delete from {view}"),
        "truncate app.people".to_owned(),
        format!("drop view {view}"),
        format!("alter view {view} reset (security_barrier)"),
        "alter system set work_mem = '1GB'".to_owned(),
        "create role x".to_owned(),
        "create extension dblink".to_owned(),
    ];
    let wanted = [
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::INVALID_PARAMETER_VALUE,
        // An UPDATE of a masked column is refused for that before rights are looked at.
        SqlState::FEATURE_NOT_SUPPORTED,
    ];
    for sql in &statements {
        refused(&session, sql, &wanted).await;
    }
    let xmin = session
        .simple_query(&format!("select xmin from {view}"))
        .await
        .unwrap_err();
    assert_eq!(xmin.code(), Some(&SqlState::UNDEFINED_COLUMN));
    // PostgreSQL only warns that nothing was granted.
    session
        .batch_execute(&format!("grant select on {view} to public"))
        .await
        .unwrap();
    let given = world
        .admin()
        .await
        .query_one("select has_table_privilege('clerk', $1, 'select')", &[&view])
        .await
        .unwrap();
    assert!(!given.get::<_, bool>(0));
    session.batch_execute("set row_security = off").await.unwrap();
    let row = session
        .query_one("select count(*) from people", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 5000);
}
