//! That the walk goes everywhere: a call is put into every place of a query where the grammar takes an expression.

use super::{passed, refused};

/// Texts with `@` where an expression can stand.
const PLACES: &[&str] = &[
    "SELECT @",
    "SELECT @ AS x, 1",
    "SELECT DISTINCT ON (@) 1 FROM t",
    "SELECT -@, NOT @, @ IS NULL, @ ISNULL, @ IS TRUE, @ IS DISTINCT FROM 1",
    "SELECT a AND @ OR @",
    "SELECT a::t(@)",
    "SELECT a::numeric(10, @)",
    "SELECT XMLSERIALIZE(CONTENT a AS t(@))",
    "SELECT * FROM XMLTABLE('/a' PASSING x COLUMNS b t(@))",
    "SELECT * FROM JSON_TABLE(j, '$' COLUMNS (a t(@)))",
    "SELECT JSON_VALUE(j, '$' RETURNING t(@))",
    "SELECT JSON_OBJECT('a': 1 RETURNING t(@))",
    "SELECT JSON_ARRAY(1 RETURNING t(@))",
    "SELECT JSON_ARRAY(SELECT 1 RETURNING t(@))",
    "SELECT JSON_OBJECTAGG(a: 1 RETURNING t(@))",
    "SELECT JSON_SERIALIZE(a RETURNING t(@))",
    "SELECT * FROM f(1) AS x (a t(@))",
    "SELECT 1 + @",
    "SELECT @ OPERATOR(pg_catalog.+) 1",
    "SELECT a LIKE @ ESCAPE 'x'",
    "SELECT a LIKE 'x' ESCAPE @",
    "SELECT a SIMILAR TO @",
    "SELECT a BETWEEN 1 AND @",
    "SELECT a BETWEEN SYMMETRIC @ AND 1",
    "SELECT a IN (1, @)",
    "SELECT @ IN (SELECT 1)",
    "SELECT a = ANY (@)",
    "SELECT a = ALL (SELECT @)",
    "SELECT (@, 1) < (1, 2)",
    "SELECT ROW(1, @)",
    "SELECT (a, b) OVERLAPS (@, c)",
    "SELECT ARRAY[1, @]",
    "SELECT ARRAY[[@]]",
    "SELECT ARRAY(SELECT @)",
    "SELECT a[@]",
    "SELECT a[1:@]",
    "SELECT a[@:]",
    "SELECT (@).x",
    "SELECT (a).b[@]",
    "SELECT @::int",
    "SELECT CAST(@ AS text)",
    "SELECT @ COLLATE \"C\"",
    "SELECT @ AT TIME ZONE 'UTC'",
    "SELECT a AT TIME ZONE @",
    "SELECT a AT LOCAL, @",
    "SELECT CASE @ WHEN 1 THEN 2 END",
    "SELECT CASE WHEN @ THEN 2 END",
    "SELECT CASE WHEN a THEN @ END",
    "SELECT CASE WHEN a THEN b ELSE @ END",
    "SELECT COALESCE(a, @)",
    "SELECT NULLIF(@, 1)",
    "SELECT GREATEST(1, @), LEAST(1, @)",
    "SELECT EXTRACT(year FROM @)",
    "SELECT OVERLAY('a' PLACING @ FROM 1 FOR 2)",
    "SELECT POSITION(@ IN 'x')",
    "SELECT SUBSTRING('a' FROM @)",
    "SELECT SUBSTRING('a' SIMILAR @ ESCAPE 'x')",
    "SELECT TRIM(BOTH @ FROM 'x')",
    "SELECT NORMALIZE(@, NFC)",
    "SELECT COLLATION FOR (@)",
    "SELECT @ IS NFC NORMALIZED",
    "SELECT TREAT(@ AS int)",
    "SELECT f(1, @)",
    "SELECT f(a => @)",
    "SELECT f(VARIADIC @)",
    "SELECT f(DISTINCT @)",
    "SELECT f(a ORDER BY @)",
    "SELECT f(a) FILTER (WHERE @)",
    "SELECT f(1) WITHIN GROUP (ORDER BY @)",
    "SELECT f(a) OVER (PARTITION BY @)",
    "SELECT f(a) OVER (ORDER BY @)",
    "SELECT f(a) OVER (ORDER BY b ROWS @ PRECEDING)",
    "SELECT f(a) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND @ FOLLOWING)",
    "SELECT f(a) OVER w FROM t WINDOW w AS (PARTITION BY @)",
    "SELECT f(a) OVER w FROM t WINDOW v AS (), w AS (v ORDER BY @)",
    "SELECT XMLELEMENT(NAME a, XMLATTRIBUTES(@ AS b), 1)",
    "SELECT XMLELEMENT(NAME a, @)",
    "SELECT XMLFOREST(@ AS a)",
    "SELECT XMLCONCAT(a, @)",
    "SELECT XMLPARSE(CONTENT @)",
    "SELECT XMLPI(NAME a, @)",
    "SELECT XMLROOT(@, VERSION NO VALUE)",
    "SELECT XMLROOT(a, VERSION @)",
    "SELECT XMLSERIALIZE(CONTENT @ AS text)",
    "SELECT XMLEXISTS('x' PASSING @)",
    "SELECT a IS DOCUMENT, @",
    "SELECT EXISTS (SELECT @)",
    "SELECT (SELECT @)",
    "SELECT 1 FROM t WHERE @",
    "SELECT 1 FROM t GROUP BY @",
    "SELECT 1 FROM t GROUP BY GROUPING SETS ((a), (@), ROLLUP (b, CUBE (c, @)))",
    "SELECT GROUPING(@) FROM t GROUP BY a",
    "SELECT 1 FROM t GROUP BY DISTINCT @",
    "SELECT 1 FROM t HAVING @",
    "SELECT 1 FROM t ORDER BY @ USING <",
    "SELECT 1 FROM t ORDER BY @ DESC NULLS LAST",
    "SELECT 1 FROM t LIMIT @",
    "SELECT 1 FROM t OFFSET @",
    "SELECT 1 FROM t ORDER BY 1 FETCH FIRST (@) ROWS WITH TIES",
    "VALUES (1, @)",
    "SELECT * FROM (VALUES (@)) v",
    "SELECT * FROM ROWS FROM (f(@) AS (a int, b text COLLATE \"C\"))",
    "SELECT * FROM f(@) AS x (a int)",
    "SELECT * FROM (SELECT @) x",
    "SELECT * FROM a JOIN b ON @",
    "SELECT * FROM (SELECT @) a CROSS JOIN b",
    "SELECT * FROM ROWS FROM (f(1) AS (a t(@)))",
    "SELECT * FROM a LEFT JOIN (b FULL JOIN c ON @) ON true",
    "SELECT * FROM a NATURAL JOIN LATERAL (SELECT @) b",
    "SELECT * FROM t TABLESAMPLE bernoulli (@)",
    "SELECT * FROM t TABLESAMPLE system (1) REPEATABLE (@)",
    "SELECT * FROM XMLTABLE('/a' PASSING @ COLUMNS b int)",
    "SELECT * FROM XMLTABLE((@) PASSING x COLUMNS b int)",
    "SELECT * FROM XMLTABLE(XMLNAMESPACES(@ AS n), '/a' PASSING x COLUMNS b int)",
    "SELECT * FROM XMLTABLE('/a' PASSING x COLUMNS b int PATH @)",
    "SELECT * FROM XMLTABLE('/a' PASSING x COLUMNS b int DEFAULT @, c FOR ORDINALITY)",
    "SELECT * FROM JSON_TABLE(@, '$' COLUMNS (a int PATH '$.a'))",
    "SELECT * FROM JSON_TABLE(j, '$' PASSING @ AS x COLUMNS (a int PATH '$.a'))",
    "SELECT * FROM JSON_TABLE(j, '$' COLUMNS (a int PATH '$.a' DEFAULT @ ON EMPTY))",
    "SELECT * FROM JSON_TABLE(j, '$' COLUMNS (a int PATH '$.a' DEFAULT @ ON ERROR))",
    "SELECT * FROM JSON_TABLE(j, '$' COLUMNS (NESTED PATH '$.b' COLUMNS (a int DEFAULT @ ON ERROR)))",
    "SELECT JSON_VALUE(@, '$')",
    "SELECT JSON_VALUE(j, @)",
    "SELECT JSON_VALUE(j, '$' PASSING @ AS x)",
    "SELECT JSON_VALUE(j, '$' RETURNING int DEFAULT @ ON EMPTY)",
    "SELECT JSON_VALUE(j, '$' DEFAULT @ ON ERROR)",
    "SELECT JSON_QUERY(@, '$' WITH WRAPPER)",
    "SELECT JSON_EXISTS(j, '$' PASSING @ AS x)",
    "SELECT JSON_OBJECT('a': @)",
    "SELECT JSON_OBJECT(@: 1)",
    "SELECT JSON_OBJECT('a' VALUE @ FORMAT JSON RETURNING text)",
    "SELECT JSON_ARRAY(1, @)",
    "SELECT JSON_ARRAY(SELECT @)",
    "SELECT JSON_OBJECTAGG(@: 1)",
    "SELECT JSON_OBJECTAGG(a: @)",
    "SELECT JSON_ARRAYAGG(@)",
    "SELECT JSON_ARRAYAGG(a ORDER BY @)",
    "SELECT JSON_ARRAYAGG(a) FILTER (WHERE @)",
    "SELECT JSON_ARRAYAGG(a) OVER (ORDER BY @)",
    "SELECT JSON(@), JSON_SCALAR(@), JSON_SERIALIZE(@ RETURNING text)",
    "SELECT JSON_SERIALIZE(@)",
    "SELECT JSON_SCALAR(@)",
    "SELECT @ IS JSON OBJECT",
    "SELECT @ UNION SELECT 1",
    "SELECT 1 EXCEPT ALL (SELECT 1 INTERSECT SELECT @)",
    "(SELECT 1) ORDER BY @",
    "WITH a AS (SELECT @) SELECT 1",
    "WITH a AS MATERIALIZED (WITH b AS (VALUES (@)) TABLE b) SELECT 1",
    "WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT @ FROM a) SELECT * FROM a",
    "WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT 2 FROM a) SEARCH DEPTH FIRST BY b SET c CYCLE d SET e TO 'y' DEFAULT 'n' USING f SELECT @ FROM a",
    "COPY (SELECT @) TO STDOUT",
    "DECLARE c CURSOR FOR SELECT @",
    "PREPARE p AS SELECT @",
    "EXECUTE p (1, @)",
    "SELECT 1; SELECT @",
];

/// Texts with `@` where only a call can stand.
const PLACES_OF_CALLS: &[&str] = &[
    "SELECT * FROM @",
    "SELECT * FROM @ WITH ORDINALITY AS x (a, b)",
    "SELECT * FROM LATERAL @ x",
    "SELECT * FROM ROWS FROM (f(1), @)",
];

/// The text once for each `@`, with `tried` there and something harmless in the other places.
fn with<'a>(place: &'a str, tried: &'a str) -> impl Iterator<Item = String> + 'a {
    let parts: Vec<&str> = place.split('@').collect();
    (1..parts.len()).map(move |hole| {
        let (before, after) = (parts[..hole].join("lower('a')"), parts[hole..].join("lower('a')"));
        format!("{before}{tried}{after}")
    })
}

#[test]
fn a_call_is_seen_wherever_it_stands() {
    for place in PLACES.iter().chain(PLACES_OF_CALLS) {
        passed(&place.replace('@', "lower('a')"));
        for sql in with(place, "pg_sleep(1)") {
            let refused = refused(&sql);
            assert!(
                refused.message.contains("function `pg_sleep`"),
                "{sql}: {refused:?}"
            );
        }
    }
}

#[test]
fn a_sub_select_is_seen_wherever_it_stands() {
    for sql in PLACES
        .iter()
        .flat_map(|place| with(place, "(SELECT 1 FROM pg_locks)"))
    {
        let refused = refused(&sql);
        assert!(
            refused.message.contains("relation `pg_locks`"),
            "{sql}: {refused:?}"
        );
    }
}

#[test]
fn a_name_behind_a_value_is_seen_wherever_it_stands() {
    for sql in PLACES.iter().flat_map(|place| with(place, "(a.b).pg_sleep")) {
        let refused = refused(&sql);
        assert!(
            refused.message.contains("function `pg_sleep`"),
            "{sql}: {refused:?}"
        );
    }
}
