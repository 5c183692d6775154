//! What a text runs that it makes itself: EXECUTE, the functions that run text, programs, and names of relations in constants.

use super::tokens::{Token, tokens};
use super::words::AGGREGATES;
use super::{Dynamic, Meaning, Named, named};

/// What an EXECUTE runs: all up to the end of the statement, or USING or INTO.
pub(super) fn executed(rest: &[Token]) -> Dynamic {
    let end = rest.iter().position(ends).unwrap_or(rest.len());
    judged(rest.get(..end).unwrap_or_default())
}

/// Whether what an EXECUTE runs is at its end here.
pub(super) fn ends(token: &Token) -> bool {
    token.sign(';') || ["using", "into", "loop"].iter().any(|word| token.is(word))
}

/// The expressions whose values a variable has, where it is one of the text's own and has no others.
pub(super) fn assigned<'t>(tokens: &'t [Token], name: &str) -> Option<Vec<&'t [Token]>> {
    let is = |token: Option<&Token>| token.and_then(Token::name) == Some(name);
    let to_end = |from: usize| {
        let rest = tokens.get(from..).unwrap_or_default();
        let end = rest
            .iter()
            .position(|token| token.sign(';'))
            .unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    };
    let mut found = Vec::new();
    let (mut declaring, mut declared) = (false, false);
    for (at, token) in tokens.iter().enumerate() {
        declaring = token.is("declare") || declaring && !token.is("begin");
        if token.is("into") {
            let targets = to_end(at + 1)
                .iter()
                .take_while(|token| !token.is("from") && !token.is("using"));
            if targets.into_iter().any(|token| is(Some(token))) {
                return None;
            }
        }
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let begins = before.is_none_or(|token| {
            token.sign(';')
                || ["declare", "begin", "then", "else", "loop"]
                    .iter()
                    .any(|word| token.is(word))
        });
        if !begins || !is(Some(token)) {
            continue;
        }
        let statement = to_end(at + 1);
        declared |= declaring;
        let value = statement
            .iter()
            .position(|token| token.sign('=') || token.is("default"));
        if let Some(value) = value.filter(|value| declaring || *value <= 1) {
            found.push(statement.get(value + 1..).unwrap_or_default());
        }
    }
    (declared && !found.is_empty()).then_some(found)
}

/// What an EXECUTE runs where it names a variable: the expressions that that has; and the variable.
pub(super) fn variable<'t>(tokens: &'t [Token], rest: &[Token]) -> Option<(Vec<&'t [Token]>, String)> {
    let name = match rest {
        [Token::Word(name), end, ..] if ends(end) => name,
        [Token::Word(name)] => name,
        _ => return None,
    };
    Some((assigned(tokens, name)?, name.clone()))
}

/// What such an expression runs, the variable itself left out.
pub(super) fn valued(expression: &[Token], variable: &str) -> Dynamic {
    let others = expression.iter().filter(|token| !token.is(variable));
    judged(&others.cloned().collect::<Vec<_>>())
}

/// The names among the arguments of a call, which begin with a bracket.
pub(super) fn names_within(rest: &[Token]) -> Vec<String> {
    let mut depth = 0_i32;
    let within = rest.iter().take_while(|token| {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            _ => {}
        }
        depth > 0
    });
    let within: Vec<&Token> = within.collect();
    let is_type = |at: usize| {
        at >= 2
            && within
                .get(at - 2..at)
                .is_some_and(|two| two.iter().all(|one| one.sign(':')))
    };
    let named = within.iter().enumerate().filter(|(at, _)| !is_type(*at));
    named
        .filter_map(|(_, token)| token.name())
        .map(str::to_owned)
        .collect()
}

/// The names in what EXECUTE runs, up to USING or INTO.
pub(super) fn put_in(rest: &[Token]) -> Vec<String> {
    let put_in = rest.iter().take_while(|token| !ends(token));
    put_in.filter_map(Token::name).map(str::to_owned).collect()
}

/// What a runner is handed: its first argument.
pub(super) fn handed(rest: &[Token]) -> Dynamic {
    let mut depth = 0_i32;
    let end = rest.iter().position(|token| {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            _ => {}
        }
        depth < 0 || depth == 0 && token.sign(',')
    });
    judged(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default())
}

/// Functions of pg_cron that take a statement.
const SCHEDULES: &[&str] = &["schedule", "schedule_in_database"];

/// What a scheduler is handed, by pg_cron's functions or by what is inserted into its table, or pgAgent's: it runs that as whose
/// function hands it over.
pub(super) fn scheduled(named: &Named, rest: &[Token], found: &Meaning) -> Dynamic {
    let Some(schema) = named.schema.as_deref() else {
        return Dynamic::No;
    };
    let end = rest
        .iter()
        .position(|token| token.sign(';'))
        .unwrap_or(rest.len());
    let rest = rest.get(..end).unwrap_or_default();
    let handed = match (schema, named.name.as_str()) {
        ("cron", name) if SCHEDULES.contains(&name) => rest,
        ("cron", "job") | ("pgagent", "pga_jobstep") if found.inserts.last() == Some(named) => {
            let values = rest.iter().position(|token| token.is("values"));
            rest.get(values.map_or(0, |at| at + 1)..).unwrap_or_default()
        }
        _ => return Dynamic::No,
    };
    let named_argument = |at: usize| {
        let next = handed.get(at + 1);
        next.is_some_and(|token| token.sign(':') || token.sign('='))
    };
    let known = ["current_user", "current_database", "now", "into", "returning"];
    let values = handed
        .iter()
        .enumerate()
        .filter(|(at, token)| !named_argument(*at) && !known.iter().any(|word| token.is(word)));
    let values: Vec<Token> = values.map(|(_, token)| token.clone()).collect();
    judged(&values)
}

fn judged(expression: &[Token]) -> Dynamic {
    // A statement in double quotes is a constant where nothing is put into it.
    let constant = |token: &&Token| {
        let filled = |text: &str| text.contains(['$', '{', '@']);
        matches!(token, Token::Quoted(text) if super::tokens::is_statement(text) && !filled(text))
    };
    let names = expression.iter().filter(|token| !constant(token));
    let words: Vec<&str> = names.filter_map(Token::name).collect();
    let texts = || {
        expression.iter().filter_map(|token| match token {
            Token::Text(text) => Some(text.as_str()),
            _ => None,
        })
    };
    let parameter = expression
        .windows(2)
        .any(|pair| matches!(pair, [Token::Sign('$'), Token::Sign(digit)] if digit.is_ascii_digit()));
    if words.is_empty() && !parameter {
        return Dynamic::No;
    }
    let formats = words.first() == Some(&"format");
    let quotes = words.iter().any(|word| word.starts_with("quote_"));
    let bare = |words: &[&str]| {
        words.iter().any(|word| {
            !word.starts_with("quote_") && !["format", "text", "regclass", "concat"].contains(word)
        })
    };
    if formats && !texts().any(|text| text.contains("%s") || text.contains("$s")) {
        // Only where a name is put in is it up to the caller what is read, and only by what reads.
        let first = texts().next().unwrap_or_default();
        match super::opens::reads_names(first) || texts().skip(1).any(super::tokens::is_statement) {
            true => Dynamic::Names,
            false => Dynamic::No,
        }
    } else if quotes && !formats {
        // As many bare words as quoted ones: each is an argument of a quoting function.
        let quoting = words.iter().filter(|word| word.starts_with("quote_")).count();
        let values = !words.contains(&"quote_ident");
        if words.len() <= quoting * 2 && values {
            Dynamic::No
        } else if words.len() <= quoting * 2 {
            Dynamic::Names
        } else {
            Dynamic::Anything
        }
    } else if bare(&words) || parameter {
        Dynamic::Anything
    } else {
        Dynamic::No
    }
}

/// Whether every SELECT list begins with an aggregate and nothing groups.
pub(super) fn counting(tokens: &[Token]) -> bool {
    let mut selects = 0;
    let mut counted = 0;
    for pair in tokens.windows(2) {
        if let [first, second] = pair
            && (first.is("select") || first.is("perform"))
        {
            selects += 1;
            let aggregate = second.word().is_some_and(|word| AGGREGATES.contains(&word));
            // `SELECT 1 ... ` asks whether there is a row.
            counted += i32::from(aggregate || second.sign('1'));
        }
    }
    selects > 0 && selects == counted && !tokens.iter().any(|token| token.is("group"))
}

/// The constant that an EXECUTE runs where it is put together of several.
pub(super) fn joined(rest: &[Token]) -> Option<String> {
    let end = rest.iter().position(ends).unwrap_or(rest.len());
    let mut text = String::new();
    let mut parts = 0;
    for token in rest.get(..end)? {
        match token {
            Token::Text(part) => {
                text.push_str(part);
                parts += 1;
            }
            Token::Sign('|' | '(' | ')') => {}
            _ => return None,
        }
    }
    (parts > 1).then_some(text)
}

/// Whether what a trigger's function returns is neither the row that it was handed nor nothing.
pub(super) fn is_own_row(token: &Token) -> bool {
    let plain = ["new", "old", "null", "query", "next", "none", "undef"];
    match token {
        Token::Word(word) => !plain.contains(&word.as_str()),
        Token::Sign(sign) => *sign != ';' && *sign != '}',
        Token::Text(_) | Token::Quoted(_) => true,
    }
}

/// Whether a call in Python says what it is handed.
pub(super) fn says(named: &Named) -> bool {
    let messages = ["debug", "log", "info", "notice", "warning", "error", "fatal"];
    named.schema.as_deref() == Some("plpy") && messages.contains(&named.name.as_str())
}

/// Functions that are handed the name of a relation, and give its rows.
const NAMED_RELATIONS: &[&str] = &[
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "connectby",
    "xpath_table",
];

/// Functions that are handed the name of a schema, or nothing, and give all rows of it.
const NAMED_SCHEMAS: &[&str] = &[
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
];

/// Whether a word is a function that reads what a constant names.
pub(super) fn reads_by_name(word: &str) -> bool {
    NAMED_RELATIONS.contains(&word) || NAMED_SCHEMAS.contains(&word)
}

/// What such a function reads, by its arguments.
pub(super) fn by_name(word: &str, rest: &[Token], found: &mut Meaning) {
    if NAMED_SCHEMAS.contains(&word) {
        found.dynamic = found.dynamic.max(Dynamic::Names);
        return;
    }
    let mut depth = 0_i32;
    for token in rest {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            Token::Sign(';') => return,
            Token::Text(text) => found.reads.extend(relation(text)),
            _ => {}
        }
        if depth <= 0 {
            return;
        }
    }
}

/// The name of a relation in a constant.
pub(in crate::exposure) fn relation(text: &str) -> Option<Named> {
    let tokens = tokens(text);
    tokens.first()?.name()?;
    let (named, length) = named(&tokens, 0);
    (length == tokens.len()).then_some(named)
}

/// The command that a program is called with, as far as it holds SQL.
pub(in crate::exposure) fn command(text: &str) -> String {
    text.replace(['"', '\''], " ")
}

/// The operators in a text: runs of signs of which operators are made.
pub(super) fn operators(tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    let mut run = String::new();
    for token in tokens.iter().chain([&Token::Sign(';')]) {
        match token {
            Token::Sign(sign) if "+-*/<>=~!@#%^&|`?".contains(*sign) => run.push(*sign),
            _ if run.is_empty() => {}
            _ => {
                if !found.contains(&run) {
                    found.push(run.clone());
                }
                run.clear();
            }
        }
    }
    found
}

/// Functions in C that run the text, or read the relation, that they are handed: by their symbol.
const SYMBOLS: &[&str] = &[
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "tsquery_rewrite_query",
    "ts_stat1",
    "ts_stat2",
    "crosstab",
    "crosstab_hash",
    "connectby_text",
    "connectby_text_serial",
    "xpath_table",
    "dblink_record",
    "dblink_exec",
    "dblink_send_query",
    "dblink_open",
];

/// What a function in C does, by its symbol.
pub(in crate::exposure) fn of_symbol(symbol: &str) -> Meaning {
    Meaning {
        dynamic: if SYMBOLS.contains(&symbol.trim()) {
            Dynamic::Anything
        } else {
            Dynamic::No
        },
        ..Meaning::default()
    }
}

/// Whether a type comes next: after `::`.
pub(super) fn is_type(previous: &[&Token]) -> bool {
    previous
        .iter()
        .rev()
        .take(2)
        .filter(|token| token.sign(':'))
        .count()
        == 2
}

/// Types of the server's own, as they are written in casts.
const TYPES: &[&str] = &[
    "aclitem",
    "bigint",
    "bit",
    "bool",
    "boolean",
    "box",
    "bpchar",
    "bytea",
    "char",
    "character",
    "cid",
    "cidr",
    "circle",
    "date",
    "daterange",
    "decimal",
    "double",
    "float",
    "float4",
    "float8",
    "inet",
    "int",
    "int2",
    "int4",
    "int4range",
    "int8",
    "int8range",
    "integer",
    "interval",
    "json",
    "jsonb",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "name",
    "national",
    "numeric",
    "numrange",
    "oid",
    "oidvector",
    "path",
    "pg_lsn",
    "point",
    "polygon",
    "real",
    "record",
    "refcursor",
    "regclass",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regnamespace",
    "regoper",
    "regoperator",
    "regproc",
    "regprocedure",
    "regrole",
    "regtype",
    "serial",
    "smallint",
    "text",
    "tid",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "tsquery",
    "tsrange",
    "tstzrange",
    "tsvector",
    "txid_snapshot",
    "unknown",
    "uuid",
    "varbit",
    "varchar",
    "xid",
    "xid8",
    "xml",
    "anyarray",
    "anyelement",
    "void",
    "cstring",
    "int4multirange",
    "int8multirange",
    "nummultirange",
    "tsmultirange",
    "tstzmultirange",
    "datemultirange",
    "bigserial",
    "pg_snapshot",
];

/// Whether a name is a type of the server's own.
pub(super) fn builtin(name: &str) -> bool {
    TYPES.contains(&name)
}
