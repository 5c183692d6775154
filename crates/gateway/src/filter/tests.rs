//! Tests of the filter: what clients need passes, what the rules forbid does not, and nothing crashes it.

use std::sync::Arc;

use super::*;

mod attacks;
mod depth;
mod places;

fn filter() -> Filter {
    Filter::new(Limits {
        statement_timeout_max: Some(Duration::from_secs(30)),
    })
}

fn passed(sql: &str) -> Arc<Pass> {
    match filter().judge(sql.as_bytes()) {
        Verdict::Pass(pass) => pass,
        Verdict::Refuse(refused) => panic!("{sql}: {refused:?}"),
    }
}

fn refused(sql: &str) -> Arc<Refused> {
    match filter().judge(sql.as_bytes()) {
        Verdict::Refuse(refused) => refused,
        Verdict::Pass(pass) => panic!("{sql}: {pass:?}"),
    }
}

fn clause(sql: &str) -> String {
    refused(sql).clause.clone().unwrap_or_default()
}

#[test]
fn ordinary_statements_pass_by_kind() {
    use StatementKind::*;
    for (sql, kinds) in [
        ("", &[][..]),
        (" ; /* nothing */ ;; -- at all", &[]),
        ("SELECT 1", &[Select]),
        ("TABLE people", &[Select]),
        ("VALUES (1, 'a'), (2, NULL)", &[Select]),
        ("WITH a AS (SELECT 1) SELECT * FROM a", &[Select]),
        ("BEGIN; SELECT 1; COMMIT", &[Begin, Select, Commit]),
        (
            "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
            &[Begin],
        ),
        (
            "END AND CHAIN; ABORT; ROLLBACK WORK",
            &[Commit, Rollback, Rollback],
        ),
        (
            "SAVEPOINT a; ROLLBACK TO a; RELEASE a",
            &[Savepoint, RollbackTo, Release],
        ),
        ("SHOW transaction isolation level; SHOW ALL", &[Show, Show]),
        (
            "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL",
            &[Select, Close, Unlisten, ResetAll],
        ),
        ("DISCARD ALL", &[DiscardAll]),
        (
            "DISCARD TEMP; DISCARD PLANS; DISCARD SEQUENCES; DEALLOCATE ALL",
            &[Discard, Discard, Discard, Deallocate],
        ),
        (
            "DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT 1; FETCH 10 FROM c; MOVE c; CLOSE c",
            &[Declare, Fetch, Move, Close],
        ),
        (
            "PREPARE p (int) AS SELECT $1; EXECUTE p (1 + 1); DEALLOCATE p",
            &[Prepare, Execute, Deallocate],
        ),
        (
            "COPY (SELECT 1) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE *); COPY s.t (a, b) TO STDOUT BINARY",
            &[Copy, Copy],
        ),
        (
            "SET SESSION AUTHORIZATION DEFAULT; RESET SESSION AUTHORIZATION; RESET ROLE",
            &[Reset, Reset, Reset],
        ),
        (
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            &[Select],
        ),
        (
            "SELECT * FROM other.statistics, pg_stats, lineorder l WHERE l.lo_revenue > 0",
            &[Select],
        ),
    ] {
        assert_eq!(passed(sql).statements, kinds, "{sql}");
    }
}

#[test]
fn settings_on_the_list_may_be_set() {
    for sql in [
        "SET application_name = 'x'",
        "SET extra_float_digits TO 3",
        "SET DateStyle = iso, mdy",
        "SET TIME ZONE 'UTC'",
        "SET TIME ZONE LOCAL",
        "SET LOCAL TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
        "SET search_path TO estop_1, public",
        "SET \"Search_Path\" TO x",
        "SET NAMES 'UTF-8'",
        "SET client_encoding = Unicode",
        "SET standard_conforming_strings = true",
        "SET statement_timeout = '29s'",
        "SET statement_timeout = 30000",
        "SET STATEMENT_TIMEOUT TO DEFAULT",
        "SET client_min_messages = WARNING",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SELECT set_config('jit', $1, false), current_setting('jit')",
        "SELECT pg_catalog.set_config('search_path', '', false)",
        "SELECT set_config('Statement_Timeout', '1s', true)",
        "SELECT set_config('application_name'::text, x, y) FROM t",
    ] {
        passed(sql);
    }
}

#[test]
fn other_settings_and_values_are_refused() {
    for (sql, rule) in [
        ("SET standard_conforming_strings = off", "setting-values"),
        ("SET standard_conforming_strings = 0", "setting-values"),
        ("SET client_encoding = 'SJIS'", "setting-values"),
        ("SET NAMES 'latin1'", "setting-values"),
        ("SET client_min_messages = log", "setting-values"),
        ("SET client_min_messages = debug1", "setting-values"),
        ("SET statement_timeout = 0", "setting-values"),
        ("SET statement_timeout = 30001", "setting-values"),
        ("SET \"STATEMENT_TIMEOUT\" = '1h'", "setting-values"),
        ("SET LOCAL statement_timeout = '0.1'", "setting-values"),
        ("SET statement_timeout = -1", "setting-values"),
        ("SET row_security = off", "setting-values"),
        ("SET debug_print_plan = on", "settings"),
        ("SET enable_seqscan = off", "settings"),
        ("SET work_mem = '2000GB'", "settings"),
        ("SET backslash_quote = on", "settings"),
        ("SET ROLE x", "settings"),
        ("SET ROLE NONE", "settings"),
        ("SET SESSION AUTHORIZATION x", "settings"),
        ("SET session_replication_role = replica", "settings"),
        ("SET estop.purpose = 'x'", "settings"),
        ("SET \"estop.case \" = 'x'", "settings"),
        ("RESET work_mem", "settings"),
        ("SET TRANSACTION SNAPSHOT '00000003-0000001B-1'", "settings"),
        (
            "SELECT set_config('statement_timeout', '0', false)",
            "setting-values",
        ),
        (
            "SELECT set_config('statement_timeout', $1, false)",
            "setting-values",
        ),
        (
            "SELECT set_config('standard_conforming_strings', x, false) FROM y",
            "setting-values",
        ),
        (
            "SELECT set_config('standard_conforming_strings', NULL, false)",
            "setting-values",
        ),
        ("SELECT set_config('work_mem', '1GB', false)", "settings"),
        ("SELECT set_config('estop.' || 'purpose', 'x', false)", "settings"),
        ("SELECT set_config($1, 'x', false)", "settings"),
        ("SELECT set_config(name, 'x', false) FROM pg_settings", "settings"),
        (
            "SELECT set_config(setting_name => 'work_mem', new_value => 'x', is_local => false)",
            "settings",
        ),
        (
            "SELECT set_config(is_local => false, new_value => 'jit', setting_name => 'work_mem')",
            "settings",
        ),
        ("SELECT set_config(VARIADIC ARRAY['jit', 'x', 'f'])", "settings"),
        ("SELECT set_config('estop.case', 'x', false)", "case-reference"),
    ] {
        assert_eq!(
            clause(sql),
            format!("Estop statement filter, rule `{rule}`."),
            "{sql}"
        );
    }
}

#[test]
fn without_a_limit_any_timeout_may_be_set() {
    let filter = Filter::new(Limits::default());
    for sql in [
        "SET statement_timeout = 0",
        "SELECT set_config('statement_timeout', $1, false)",
    ] {
        assert!(matches!(filter.judge(sql.as_bytes()), Verdict::Pass(_)), "{sql}");
    }
}

#[test]
fn the_case_reference_is_handed_on() {
    for sql in [
        "SET estop.case = 'IL-1'",
        "set session estop.\"case\" to 'IL-1';",
        "SET ESTOP.CASE TO \"IL-1\"",
    ] {
        assert_eq!(passed(sql).sets_case(), Some(Some("IL-1")), "{sql}");
    }
    for sql in [
        "RESET estop.case",
        "SET estop.case TO DEFAULT",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT 1; RESET ALL",
    ] {
        assert_eq!(passed(sql).sets_case(), Some(None), "{sql}");
    }
    for sql in [
        "SELECT 1",
        "SHOW estop.case",
        "SET application_name = 'estop.case'",
    ] {
        assert_eq!(passed(sql).sets_case(), None, "{sql}");
    }
}

#[test]
fn the_case_reference_goes_upstream_as_postgresql_reads_it() {
    assert_eq!(
        passed("SET estop.case = 'a'").rewritten.as_deref(),
        Some("SET estop.\"case\" = 'a'")
    );
    assert_eq!(
        passed("SHOW estop.case").rewritten.as_deref(),
        Some("SHOW estop.\"case\"")
    );
    assert_eq!(passed("SET estop.\"case\" = 'a'").rewritten, None);
    assert_eq!(passed("SELECT 'SET estop.case'").rewritten, None);
    // The rewritten text is the one that is judged.
    assert_eq!(
        clause("SET estop.case = 'a'; DELETE FROM x"),
        "Estop statement filter, rule `read-only`."
    );
}

#[test]
fn the_case_reference_is_set_by_itself() {
    assert_eq!(
        clause("SET LOCAL estop.case = 'a'"),
        "Estop statement filter, rule `case-reference`."
    );
    assert_eq!(
        clause("SET estop.case = 'a'; SELECT 1"),
        "Estop statement filter, rule `case-reference`."
    );
    assert_eq!(
        clause("SELECT 1; SET estop.\"case\" = 'a'"),
        "Estop statement filter, rule `case-reference`."
    );
}

#[test]
fn names_that_change_are_reported() {
    let changes = |sql| (passed(sql).renames_statements(), passed(sql).renames_portals());
    assert_eq!(changes("PREPARE a AS SELECT 1"), (true, false));
    assert_eq!(changes("DEALLOCATE a"), (true, false));
    assert_eq!(changes("DECLARE a CURSOR FOR SELECT 1"), (false, true));
    assert_eq!(changes("CLOSE a"), (false, true));
    assert_eq!(changes("DISCARD ALL"), (true, true));
    assert_eq!(changes("SELECT 1; FETCH a; EXECUTE b"), (false, false));
}

#[test]
fn what_postgresql_would_not_read_is_refused_in_its_words() {
    let said = |sql: &[u8]| match filter().judge(sql) {
        Verdict::Refuse(refused) => (refused.sqlstate.to_string(), refused.message.clone()),
        Verdict::Pass(_) => panic!("{}", sql.escape_ascii()),
    };
    let own = |code: &str, message: &str| (code.to_owned(), message.to_owned());
    assert_eq!(
        said(b"SELEC 1"),
        own("42601", "syntax error at or near \"SELEC\"")
    );
    assert_eq!(
        said(b"SELECT 'a"),
        own("42601", "unterminated quoted string at or near \"'a\"")
    );
    assert_eq!(
        said(b"SELECT '\xff'"),
        own("22021", "invalid byte sequence for encoding \"UTF8\": 0xff")
    );
    assert_eq!(
        said(b"SELECT 1\0; DROP TABLE x"),
        own("22021", "invalid byte sequence for encoding \"UTF8\": 0x00")
    );
}

#[test]
fn long_texts_and_many_statements_are_refused() {
    let of = |bytes: usize| format!("SELECT 1{}", " ".repeat(bytes - 8));
    assert_eq!(passed(&of(TEXT_BYTES_MAX)).statements, [StatementKind::Select]);
    assert_eq!(refused(&of(TEXT_BYTES_MAX + 1)).sqlstate, Sqlstate::PROGRAM_LIMIT);
    assert_eq!(
        passed(&"SELECT 1;".repeat(STATEMENTS_MAX)).statements.len(),
        STATEMENTS_MAX
    );
    assert_eq!(
        refused(&"SELECT 1;".repeat(STATEMENTS_MAX + 1)).sqlstate,
        Sqlstate::PROGRAM_LIMIT
    );
}

#[test]
fn verdicts_are_remembered_within_bounds() {
    let filter = filter();
    let first = filter.judge(b"SELECT 1");
    let Verdict::Pass(first) = first else {
        panic!("refused")
    };
    let Verdict::Pass(again) = filter.judge(b"SELECT 1") else {
        panic!("refused")
    };
    assert!(Arc::ptr_eq(&first, &again));
    let verdict = Verdict::Pass(first);
    let mut cache = Cache::default();
    for number in 0..20_000_u32 {
        cache.insert(format!("SELECT {number}").as_bytes(), &verdict);
        // In use all the time, and so never forgotten.
        assert!(cache.find(b"SELECT 0").is_some(), "{number}");
    }
    assert!(cache.texts() <= 2 * 4096 && cache.find(b"SELECT 1").is_none());
    // Long texts are not remembered, and many of some length push out others by their bytes.
    cache.insert(&[b' '; 16 * 1024 + 1], &verdict);
    assert!(cache.find(&[b' '; 16 * 1024 + 1]).is_none());
    for number in 0..2000_usize {
        cache.insert(format!("{number:16000}").as_bytes(), &verdict);
    }
    assert!(
        cache.texts() <= 2 * 4 * 1024 * 1024 / 16_000 + 2,
        "{}",
        cache.texts()
    );
}

#[test]
#[cfg(target_os = "linux")]
fn the_parser_leaves_standard_error_alone() {
    // A build of the parser that redirects file descriptor 2 while it works would swallow the log of all threads.
    let target = || std::fs::read_link("/proc/self/fd/2").unwrap();
    let before = target();
    std::thread::scope(|scope| {
        let working = scope.spawn(|| (0..2000).for_each(|run| drop(passed(&format!("SELECT {run}")))));
        while !working.is_finished() {
            assert_eq!(target(), before);
        }
    });
}
