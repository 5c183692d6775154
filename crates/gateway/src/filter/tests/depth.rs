//! Texts made to exhaust a parser: each must be answered, on a stack as small as a worker's.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What a worker thread of the gateway has.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// `before` and `after` so many times round `inner`.
fn nested(head: &str, before: &str, inner: &str, after: &str, times: usize) -> String {
    format!("{head}{}{inner}{}", before.repeat(times), after.repeat(times))
}

/// Head, what is repeated before and after, and what stands in the middle.
const SHAPES: &[(&str, &str, &str, &str)] = &[
    ("SELECT ", "(", "1", ")"),
    ("SELECT ", "1 + ", "1", ""),
    ("SELECT ", "1 + (", "1", ")"),
    ("SELECT 1 WHERE ", "a AND ", "a", ""),
    ("SELECT 1 WHERE ", "a AND (b OR ", "a", ")"),
    ("SELECT ", "NOT ", "a", ""),
    ("SELECT ", "- ", "1", ""),
    ("SELECT ", "ARRAY[", "1", "]"),
    ("SELECT ", "[", "1", "]"),
    ("SELECT a", "", "", "[1]"),
    ("SELECT a", "", "", ".b"),
    ("SELECT 1", "", "", "::int"),
    ("SELECT 1", "", "", " IS NULL"),
    ("SELECT a", "", "", " COLLATE \"C\""),
    ("SELECT ", "f(", "1", ")"),
    ("SELECT ", "ROW(", "1", ")"),
    ("SELECT ", "CASE WHEN a THEN ", "1", " END"),
    ("SELECT ", "CASE WHEN a THEN b ELSE ", "1", " END"),
    ("", "SELECT (", "SELECT 1", ")"),
    ("", "SELECT 1 UNION ", "SELECT 1", ""),
    ("", "(", "SELECT 1", ")"),
    ("", "WITH a AS (", "SELECT 1", ") SELECT 1"),
    ("SELECT * FROM a", "", "", " CROSS JOIN b"),
    ("SELECT * FROM ", "(", "a", " CROSS JOIN b)"),
    ("SELECT * FROM ", "(SELECT * FROM ", "a", ") b"),
    ("SELECT 1 /* ", "/* ", "", " */"),
    ("SELECT JSON_OBJECT", "('a': JSON_OBJECT", "()", ")"),
    ("SELECT 1 WHERE a IN (1", "", "", ", 1)"),
    ("SELECT 1 WHERE a IN (1", ", 1", ")", ""),
    ("SELECT XMLCONCAT(", "XMLCONCAT(", "a)", ")"),
    ("SELECT 1 GROUP BY ", "ROLLUP (", "a", ")"),
    ("", ";", "", ""),
    ("", "SELECT 1;", "", ""),
    ("", "EXPLAIN ", "SELECT 1", ""),
    ("SELECT '", "''", "'", ""),
    ("SET search_path TO a", ", a", "", ""),
];

#[test]
fn deep_texts_are_answered_on_a_small_stack() {
    let worker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(|| {
        for (head, before, inner, after) in SHAPES {
            for times in [10, 45, 100, 1000, 10_000, 100_000] {
                let text = nested(head, before, inner, after, times);
                let _ = filter().judge(text.as_bytes());
            }
        }
    });
    worker.unwrap().join().unwrap();
}

#[test]
fn what_is_too_deep_is_refused_as_such_and_what_is_not_passes() {
    for (head, before, inner, after) in [SHAPES[1], SHAPES[2], SHAPES[14], SHAPES[19], SHAPES[22]] {
        passed(&nested(head, before, inner, after, 20));
        for times in [200, 5000, 50_000] {
            let refused = refused(&nested(head, before, inner, after, times));
            assert_eq!(
                refused.sqlstate,
                Sqlstate::TOO_COMPLEX,
                "{before}{inner}{after} {times}"
            );
        }
    }
}

#[test]
fn long_lists_are_not_deep() {
    passed(&nested("SELECT 1 WHERE a IN (1", ", 1", ")", "", 100_000));
    passed(&nested("SELECT 1 WHERE a", " AND a", "", "", 20_000));
    passed(&nested("SELECT 1", ", 1", "", "", 50_000));
}

/// Words that a text is made of at random.
const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "(",
    ")",
    ",",
    ".",
    "*",
    "a",
    "b",
    "1",
    "'x'",
    "$1",
    "AS",
    "WITH",
    "UNION",
    "ALL",
    "JOIN",
    "ON",
    "ORDER",
    "BY",
    "LIMIT",
    "CASE",
    "WHEN",
    "THEN",
    "END",
    "AND",
    "OR",
    "NOT",
    "IN",
    "ARRAY",
    "[",
    "]",
    "::",
    "int",
    "=",
    "+",
    "-",
    "--",
    "/*",
    "*/",
    "$$",
    "U&'",
    "\"",
    "'",
    "\\",
    ";",
    "SET",
    "estop",
    "case",
    "RESET",
    "COPY",
    "TO",
    "STDOUT",
    "DECLARE",
    "CURSOR",
    "FOR",
    "DROP",
    "TABLE",
    "pg_sleep",
    "set_config",
    "VALUES",
    "LATERAL",
    "INTO",
    "INSERT",
    "DELETE",
    "RETURNING",
    "EXECUTE",
    "PREPARE",
    "XMLTABLE",
    "JSON_TABLE",
    "COLUMNS",
    "é",
    "\u{0}",
    "\n",
    "DO",
    "GRANT",
    "BEGIN",
    "ALTER",
    "FUNCTION",
    "INDEX",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_texts_never_crash(words in vec(prop::sample::select(WORDS), 0..30), bytes in vec(any::<u8>(), 0..60)) {
        let filter = filter();
        let _ = filter.judge(words.join(" ").as_bytes());
        let _ = filter.judge(words.concat().as_bytes());
        let _ = filter.judge(&bytes);
    }

    /// Whatever stands before and behind it, a forbidden statement is not passed.
    #[test]
    fn a_forbidden_statement_is_never_passed(
        before in vec(prop::sample::select(WORDS), 0..6),
        after in vec(prop::sample::select(WORDS), 0..6),
    ) {
        let text = format!("{}; DELETE FROM secrets; {}", before.join(" "), after.join(" "));
        // Unless it became part of a string, a quoted name or a comment.
        let swallowed = before.iter().chain(&after).any(|word| ["--", "/*", "'", "\"", "$$", "U&'"].contains(word));
        let passed = matches!(filter().judge(text.as_bytes()), Verdict::Pass(_));
        prop_assert!(!passed || swallowed, "{text}");
    }
}
