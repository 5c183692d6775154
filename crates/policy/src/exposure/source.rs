//! What the text of a function does, as far as its words say: which relations it reads and writes, what it calls, whether it
//! runs text that it is handed, and by which ways rows can leave it.
//!
//! This is a reading of words, not a parser: PL/pgSQL, SQL and foreign languages alike. Comments never count; string constants
//! count only where the text runs strings.

mod grants;
mod runs;
pub(in crate::exposure) mod tokens;

#[cfg(test)]
mod tests;

use grants::granted;
pub(in crate::exposure) use runs::{command as commanded, of_symbol};
use runs::{counting, executed, handed};
use tokens::{Token, tokens};

/// A name as written: schema, if any, and name, folded as PostgreSQL folds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

/// How far a caller decides what is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Dynamic {
    /// Not at all.
    #[default]
    No,
    /// It puts quoted names or values into a statement.
    Names,
    /// It hands over the statement, or parts of it unquoted.
    Anything,
}

/// What a text does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meaning {
    pub(crate) reads: Vec<Named>,
    pub(crate) writes: Vec<Named>,
    pub(crate) calls: Vec<Named>,
    /// Relations that are granted or otherwise opened by it.
    pub(crate) grants: Vec<Named>,
    /// Roles that it grants to others.
    pub(crate) roles: Vec<String>,
    /// It tells every session that listens.
    pub(crate) notifies: bool,
    pub(crate) dynamic: Dynamic,
    /// RAISE with a value, or NOTIFY, or a setting, a large object, a remote statement: ways out that need no table.
    pub(crate) tells: bool,
    /// It changes the row that a trigger hands on.
    pub(crate) changes_new: bool,
    /// It has a SELECT list, or returns, of aggregates alone.
    pub(crate) counts: bool,
    /// It uses a name without its schema, of a relation or of a function or operator.
    pub(crate) bare_relation: bool,
    pub(crate) bare_call: bool,
    /// It casts to a type that is not one of the server's, without its schema.
    pub(crate) bare_type: bool,
    /// It sets its own `search_path` as it runs.
    pub(crate) sets_path: bool,
    /// It names the row that a trigger or rule is about.
    pub(crate) shows_row: bool,
    /// Operators, whosever they are.
    pub(crate) operators: Vec<String>,
    /// Names of its own for parts of a statement (WITH).
    ctes: Vec<String>,
}

/// Words between which and a comma or name there can still be a list of relations.
const ENDS_FROM: &[&str] = &[
    "where",
    "group",
    "order",
    "select",
    "set",
    "limit",
    "returning",
    "having",
    "union",
    "values",
    "loop",
    "then",
    "window",
    "into",
    "fetch",
    "offset",
    "for",
    "intersect",
    "except",
];

/// Functions that run the statement they are given as text.
const RUNNERS: &[&str] = &[
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "cursor_to_xml",
    "table_to_xml",
    "schema_to_xml",
    "ts_stat",
    "crosstab",
    "dblink",
    "dblink_exec",
    "dblink_send_query",
    "spi_exec_query",
    "spi_query",
    "spi_prepare",
    "connectby",
    "xpath_table",
];

/// Functions through which a value goes out past the result.
const TELLERS: &[&str] = &[
    "pg_notify",
    "set_config",
    "lo_from_bytea",
    "lo_put",
    "lowrite",
    "dblink_exec",
    "elog",
    "pg_logical_emit_message",
];

const AGGREGATES: &[&str] = &[
    "count", "sum", "avg", "exists", "bool_or", "bool_and", "every", "stddev", "variance", "min", "max",
];

/// Words that may stand before a parenthesis and are no function.
const NO_CALLS: &[&str] = &[
    "select",
    "from",
    "where",
    "in",
    "and",
    "or",
    "not",
    "values",
    "if",
    "while",
    "as",
    "on",
    "using",
    "with",
    "exists",
    "any",
    "all",
    "returning",
    "return",
    "join",
    "then",
    "else",
    "when",
    "case",
    "into",
    "over",
    "filter",
    "by",
    "having",
    "set",
    "execute",
    "distinct",
    "row",
    "array",
    "union",
    "lateral",
    "is",
    "like",
    "between",
    "table",
    "returns",
    "only",
    "query",
    "loop",
    "elsif",
    "numeric",
    "varchar",
    "char",
    "character",
    "decimal",
    "key",
    "materialized",
    "perform",
    "cast",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "call",
];

/// Reads a function's text. `nested` bounds how often strings in strings are followed.
pub(crate) fn meaning(text: &str) -> Meaning {
    let mut found = Meaning::default();
    read(text, &mut found, 0);
    let ctes = &found.ctes;
    let bare = |named: &Named| {
        named.schema.is_none() && !named.name.starts_with("pg_") && !ctes.contains(&named.name)
    };
    // A table that it makes and opens for others is a way out.
    found.tells |= found
        .writes
        .iter()
        .any(|written| found.grants.iter().any(|granted| granted.name == written.name));
    // Types are looked up where relations are, temporary ones first.
    found.bare_relation = found.bare_type || found.reads.iter().chain(&found.writes).any(bare);
    found
        .reads
        .retain(|named| named.schema.is_some() || !found.ctes.contains(&named.name));
    found
}

/// Strings within strings are followed this deep.
const NESTED: u8 = 3;

fn read(text: &str, found: &mut Meaning, nested: u8) {
    let tokens = tokens(text);
    let runs = tokens.iter().any(|token| {
        token
            .word()
            .is_some_and(|word| word == "execute" || word == "plpy" || RUNNERS.contains(&word))
    });
    for operator in runs::operators(&tokens) {
        if !found.operators.contains(&operator) {
            found.operators.push(operator);
        }
    }
    let mut in_from = false;
    let mut previous: Vec<&Token> = Vec::new();
    // What a statement changes, which RETURNING shows.
    let mut changed = Changed::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next = tokens.get(at + 1);
        match token {
            Token::Text(content) => {
                if previous.last().is_some_and(|token| token.is("program")) {
                    read(&runs::command(content), found, nested.max(NESTED));
                } else if runs && nested < NESTED {
                    read(content, found, nested + 1);
                }
                found.sets_path |= content == "search_path";
                found.shows_row |= ["new", "old"].contains(&content.as_str());
            }
            Token::Sign(';') => {
                in_from = false;
                changed = Changed::default();
            }
            Token::Sign(sign) => found.bare_call |= "=<>+*/~".contains(*sign),
            Token::Word(_) | Token::Quoted(_) => {
                let (named, length) = named(&tokens, at);
                let after = tokens.get(at + length);
                let before = previous.last().copied();
                word(
                    token,
                    named.clone(),
                    (before, after),
                    &previous,
                    &mut in_from,
                    found,
                );
                let opens = |token: &Token| token.sign('(') || token.is("materialized") || token.is("not");
                if after.is_some_and(|token| token.is("as"))
                    && tokens.get(at + length + 1).is_some_and(opens)
                    && before
                        .is_some_and(|token| token.is("with") || token.is("recursive") || token.sign(','))
                {
                    found.ctes.push(named.name.clone());
                }
                if token.is("grant") {
                    found
                        .roles
                        .extend(granted(tokens.get(at + 1..).unwrap_or_default()));
                }
                changed.note(token, &named, (before, previous.iter().rev().nth(1).copied()));
                if token.is("returning") {
                    found.reads.append(&mut changed.rows);
                }
                found.sets_path |= token.is("search_path");
                found.bare_type |=
                    runs::is_type(&previous) && named.schema.is_none() && !runs::builtin(&named.name);
                found.shows_row |= token.name().is_some_and(|name| ["new", "old"].contains(&name));
                if token.is("raise") || token.is("assert") {
                    let rest = tokens.get(at..).unwrap_or_default();
                    let end = rest
                        .iter()
                        .position(|token| token.sign(';'))
                        .unwrap_or(rest.len());
                    let said = rest.get(..end).unwrap_or_default();
                    found.tells |= said.iter().any(|token| token.sign(',') || token.is("using"));
                }
                if token.is("execute") && !before.is_some_and(|t| t.is("procedure") || t.is("function")) {
                    let rest = tokens.get(at + 1..).unwrap_or_default();
                    found.dynamic = found.dynamic.max(executed(rest));
                    if let Some(text) = runs::joined(rest).filter(|_| nested < NESTED) {
                        read(&text, found, nested + 1);
                    }
                }
                if let Some(word) = token.word().filter(|word| runs::reads_by_name(word)) {
                    runs::by_name(word, tokens.get(at + 1..).unwrap_or_default(), found);
                }
                if token.word().is_some_and(|word| RUNNERS.contains(&word))
                    && next.is_some_and(|t| t.sign('('))
                {
                    found.dynamic = found
                        .dynamic
                        .max(handed(tokens.get(at + 2..).unwrap_or_default()));
                }
                for passed in tokens.get(at..at + length - 1).unwrap_or_default() {
                    previous.push(passed);
                }
                at += length - 1;
            }
        }
        previous.extend(tokens.get(at));
        at += 1;
    }
    found.counts |= counting(&tokens);
}

/// What a statement changes: rows that were there, and rows that are new unless there is one already.
#[derive(Debug, Default)]
struct Changed {
    rows: Vec<Named>,
    inserted: Vec<Named>,
}

impl Changed {
    fn note(
        &mut self,
        token: &Token,
        named: &Named,
        (before, before_that): (Option<&Token>, Option<&Token>),
    ) {
        let was = |token: Option<&Token>, word: &str| token.is_some_and(|token| token.is(word));
        if token.is("update") && was(before, "do") {
            self.rows.append(&mut self.inserted);
        }
        if token.is("set") || token.is("only") {
            return;
        }
        let updates = was(before, "update") && !was(before_that, "for");
        let deletes = was(before, "from") && was(before_that, "delete");
        let merges = was(before, "into") && was(before_that, "merge");
        let only = was(before, "only") && was(before_that, "update");
        if updates || deletes || merges || only {
            self.rows.push(named.clone());
        } else if was(before, "into") && was(before_that, "insert") {
            self.inserted.push(named.clone());
        }
    }
}

/// The possibly qualified name that begins here, and how many tokens it takes. A name of three parts keeps the last two.
fn named(tokens: &[Token], at: usize) -> (Named, usize) {
    let mut parts = vec![
        tokens
            .get(at)
            .and_then(Token::name)
            .unwrap_or_default()
            .to_owned(),
    ];
    let mut length = 1;
    while tokens.get(at + length).is_some_and(|token| token.sign('.')) {
        let Some(part) = tokens.get(at + length + 1).and_then(Token::name) else {
            break;
        };
        parts.push(part.to_owned());
        length += 2;
    }
    let name = parts.pop().unwrap_or_default();
    (
        Named {
            schema: parts.pop(),
            name,
        },
        length,
    )
}

fn word(
    token: &Token,
    named: Named,
    (before, after): (Option<&Token>, Option<&Token>),
    previous: &[&Token],
    in_from: &mut bool,
    found: &mut Meaning,
) {
    let back = |steps: usize| {
        previous
            .len()
            .checked_sub(steps)
            .and_then(|at| previous.get(at))
            .copied()
    };
    let was = |word: &str| before.is_some_and(|token| token.is(word));
    let called = after.is_some_and(|token| token.sign('('));
    if let Some(word) = token.word().filter(|_| named.schema.is_none()) {
        match word {
            "from" if takes_from(previous) => return,
            "from" | "join" | "using" => {
                *in_from = !(word == "using" && back(1).is_some_and(|token| token.name().is_none()));
                return;
            }
            "notify" => {
                found.tells = true;
                found.notifies = true;
                return;
            }
            "new" if after.is_some_and(|token| token.sign(':') || token.sign('=')) => {
                found.changes_new = true
            }
            word if ENDS_FROM.contains(&word) => {
                *in_from = false;
                return;
            }
            _ => {}
        }
    }
    if token.is("new")
        && named.schema.is_some()
        && after.is_some_and(|token| token.sign(':') || token.sign('='))
    {
        // `NEW.column := ...`: a condition reads the same way, which only makes us look closer.
        found.changes_new = true;
    }
    if called && !was("into") && !was("table") {
        if token
            .word()
            .is_none_or(|word| named.schema.is_some() || !NO_CALLS.contains(&word))
        {
            found.bare_call |= named.schema.is_none();
            found.tells |= TELLERS.contains(&named.name.as_str());
            found.notifies |= named.name == "pg_notify";
            found.calls.push(named);
        }
        return;
    }
    let comma_in_from = *in_from && before.is_some_and(|token| token.sign(',') || token.sign('('));
    let reads = was("from") && !takes_from(previous)
        || was("join")
        || was("only")
        || was("copy")
        || was("using")
        || comma_in_from
        || was("table")
            && !back(2).is_some_and(|t| {
                t.is("create")
                    || t.is("temp")
                    || t.is("temporary")
                    || t.is("drop")
                    || t.is("alter")
                    || t.is("truncate")
                    || t.is("unlogged")
            })
        || was("lateral");
    let inserts = was("into") && (back(2).is_some_and(|token| token.is("insert") || token.is("merge")));
    let updates = was("update") && !back(2).is_some_and(|token| token.is("for") || token.is("do"));
    let creates = (was("table") || was("view") || was("exists")) && !reads;
    let grants = was("on") && previous.iter().rev().take(8).any(|token| token.is("grant"));
    let deletes = was("from") && back(2).is_some_and(|token| token.is("delete"));
    if grants {
        found.grants.push(named);
    } else if inserts || updates || creates {
        found.writes.push(named);
    } else if deletes {
        found.writes.push(named.clone());
    } else if reads && !after.is_some_and(|token| token.sign('%')) {
        found.reads.push(named);
    }
}

/// Whether a FROM stands within `extract(... from ...)` and the like.
fn takes_from(previous: &[&Token]) -> bool {
    let near: Vec<&Token> = previous.iter().rev().take(5).copied().collect();
    near.windows(2).any(|pair| {
        matches!(pair, [open, called] if open.sign('(')
            && called.word().is_some_and(|word| ["extract", "substring", "trim", "overlay", "position"].contains(&word)))
    })
}
