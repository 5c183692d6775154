//! Wrong translators.

/// What it does wrong, and what it would have written instead.
pub(crate) type Mutant = (&'static str, fn(&str) -> String);

pub(crate) const MUTANTS: [Mutant; 27] = [
    ("milliseconds are not cut", |sql| {
        sql.replace("date_trunc('milliseconds', ", "date_trunc('microseconds', ")
    }),
    ("the next millisecond is this one", |sql| {
        sql.replace(".001'::pg_catalog.timestamp", ".000'::pg_catalog.timestamp")
    }),
    ("the zone is not UTC", |sql| {
        sql.replace("timezone('UTC'", "timezone('America/Chicago'")
    }),
    ("the session's zone counts", |sql| {
        sql.replace(
            "timezone('UTC'",
            "timezone(pg_catalog.current_setting('TimeZone')",
        )
    }),
    ("a constant is a millisecond late", |sql| {
        sql.replace(".000'::pg_catalog.timestamp", ".001'::pg_catalog.timestamp")
    }),
    ("LIKE without escapes", |sql| {
        if sql.contains("LIKE") {
            sql.replace(r"\\%", "%").replace(r"\\_", "_")
        } else {
            sql.to_owned()
        }
    }),
    ("a wildcard is one character", |sql| {
        if sql.contains("LIKE") {
            sql.replace('%', "_")
        } else {
            sql.to_owned()
        }
    }),
    ("case does not matter", |sql| sql.replace(" LIKE ", " ILIKE ")),
    ("`has` is always true", |sql| {
        sql.replace("IS NOT NULL)", "IS NOT DISTINCT FROM NULL OR TRUE)")
    }),
    ("`has` is turned round", |sql| {
        sql.replace("IS NOT NULL)", "IS NULL)")
    }),
    ("and is or", |sql| sql.replace(" AND ", " OR ")),
    ("or is and", |sql| sql.replace(" OR ", " AND ")),
    ("not is left out", |sql| sql.replace("(NOT ", "(")),
    ("unequal is equal", |sql| sql.replace(" <> ", " = ")),
    ("equal is unequal", |sql| sql.replace(" = ", " <> ")),
    ("at most is less", |sql| sql.replace(" <= ", " < ")),
    ("at least is more", |sql| sql.replace(" >= ", " > ")),
    ("less is more", |sql| sql.replace(" < ", " > ")),
    ("more is at least", |sql| sql.replace(" > ", " >= ")),
    ("all is any", |sql| sql.replace(" @> ", " && ")),
    ("any is all", |sql| sql.replace(" && ", " @> ")),
    ("NULL elements are members", |sql| {
        sql.replace(" WHERE m.m IS NOT NULL", "")
    }),
    ("then is else", |sql| {
        sql.replace(" WHEN TRUE ", " WHEN NULL ")
            .replace(" WHEN FALSE ", " WHEN TRUE ")
            .replace(" WHEN NULL ", " WHEN FALSE ")
    }),
    ("decimals are cut", |sql| {
        sql.replace("::pg_catalog.numeric", "::pg_catalog.numeric(19,1)")
    }),
    ("forbids permit", |sql| sql.replace(" IS FALSE", " IS TRUE")),
    ("forbids are not asked", |sql| {
        sql.replace(" IS FALSE", " IS NOT UNKNOWN")
    }),
    ("numbers have 32 bits", |sql| {
        sql.replace("2147483648'", "2147483647'")
    }),
];
