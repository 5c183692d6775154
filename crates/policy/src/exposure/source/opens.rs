//! What a text opens without reading it: row security, another schema, a parent, USAGE; to whom it grants; what it says in
//! messages; whether a format reads what is put into it.

use super::acts::names;
use super::tokens::{Token, tokens};
use super::words::RUNNERS;
use super::{Meaning, Named, named};

/// What a text opens for who has a part of what it takes already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opens {
    /// Row security of a relation.
    Rows(Named),
    /// A relation goes into another schema.
    Moves(Named),
    /// A relation becomes a part of another.
    Joins(Named, Named),
    /// USAGE on a schema.
    Usage(String),
    /// A materialized view is filled.
    Fills(Named),
}

impl Opens {
    /// The relation that it is about.
    pub(crate) fn relation(&self) -> Option<&Named> {
        match self {
            Self::Rows(named) | Self::Moves(named) | Self::Joins(named, _) | Self::Fills(named) => {
                Some(named)
            }
            Self::Usage(_) => None,
        }
    }
}

/// Whether a text runs strings.
pub(super) fn runs(tokens: &[Token]) -> bool {
    let words = tokens.iter().filter_map(Token::word);
    let mut running = words.filter(|word| *word == "execute" || *word == "plpy" || RUNNERS.contains(word));
    let block = |pair: &[Token]| matches!(pair, [word, next] if word.is("do") && (matches!(next, Token::Text(_)) || next.is("language")));
    running.next().is_some() || tokens.windows(2).any(block)
}

/// Whether words stand one after the other, and where what follows begins.
fn after(tokens: &[Token], words: &[&str]) -> Option<usize> {
    let here = |part: &[Token]| part.iter().zip(words).all(|(token, word)| token.is(word));
    let at = tokens.windows(words.len()).position(here)?;
    Some(at + words.len())
}

/// The name that comes next, past words that may stand before one.
fn next_name(tokens: &[Token], from: usize) -> Option<Named> {
    const BEFORE: &[&str] = &["if", "exists", "only", "not", "concurrently"];
    let rest = tokens.get(from..)?;
    let skipped = rest
        .iter()
        .take_while(|token| token.word().is_some_and(|word| BEFORE.contains(&word)));
    let at = skipped.count();
    rest.get(at)?.name()?;
    Some(named(rest, at).0)
}

/// Notes what the statements of a text open, and how they leave rows behind.
pub(super) fn note(tokens: &[Token], found: &mut Meaning) {
    for statement in tokens.split(|token| token.sign(';')) {
        if let Some(from) = after(statement, &["alter", "table"]) {
            table(statement, from, found);
        }
        if let Some(from) = after(statement, &["refresh", "materialized", "view"]) {
            found.opens.extend(next_name(statement, from).map(Opens::Fills));
        }
        for verb in ["create", "alter", "drop"] {
            if let Some(from) = after(statement, &[verb, "policy"]) {
                let rest = statement.get(from..).unwrap_or_default();
                let on = after(rest, &["on"]).and_then(|from| next_name(rest, from));
                found.opens.extend(on.map(Opens::Rows));
            }
        }
        let given = after(statement, &["on", "schema"]).filter(|_| after(statement, &["grant"]).is_some());
        if let Some(from) = given {
            let schemas = names(statement.get(from..).unwrap_or_default());
            found.opens.extend(schemas.into_iter().map(Opens::Usage));
        }
    }
    let word = |word: &str| tokens.iter().any(|token| token.is(word));
    found.fills |= word("quote_literal") || word("quote_nullable") || word("format");
    found.counts_changes |= word("found") || word("row_count");
    found.asks |= ["if", "case", "when", "assert"].iter().any(|one| word(one));
    found.catches |=
        after(tokens, &["exception", "when"]).is_some() || after(tokens, &["on", "conflict"]).is_some();
    for part in tokens.windows(4) {
        if let [each, name, within, rows] = part
            && each.is("for")
            && within.is("in")
            && (rows.is("select") || rows.is("execute"))
        {
            found.assigned.extend(name.name().map(str::to_owned));
        }
    }
    for pair in tokens.windows(2) {
        match pair {
            [into, name] if into.is("into") => found.assigned.extend(name.name().map(str::to_owned)),
            [name, sign] if sign.sign(':') => found.assigned.extend(name.name().map(str::to_owned)),
            _ => {}
        }
    }
    // A cursor that is not closed is there for who called, by its name.
    let opened = tokens.windows(3).any(|part| match part {
        [open, cursor, next] => {
            let goes_on = ["for", "no", "scroll"].iter().any(|word| next.is(word));
            open.is("open") && cursor.name().is_some() && (goes_on || next.sign(';') || next.sign('('))
        }
        _ => false,
    });
    found.tells |= opened && !word("close");
}

/// `ALTER TABLE name`, and what it does.
fn table(statement: &[Token], from: usize, found: &mut Meaning) {
    let Some(name) = next_name(statement, from) else {
        return;
    };
    let rest = statement.get(from..).unwrap_or_default();
    let does = |words: &[&str]| after(rest, words);
    if does(&["disable", "row", "level", "security"]).is_some()
        || does(&["no", "force", "row", "level", "security"]).is_some()
    {
        found.opens.push(Opens::Rows(name.clone()));
    }
    if does(&["set", "schema"]).is_some() {
        found.opens.push(Opens::Moves(name.clone()));
    }
    if let Some(at) = does(&["attach", "partition"])
        && let Some(part) = next_name(rest, at)
    {
        found.opens.push(Opens::Joins(part, name.clone()));
    }
    if let Some(at) = does(&["inherit"]).filter(|_| does(&["no", "inherit"]).is_none())
        && let Some(parent) = next_name(rest, at)
    {
        found.opens.push(Opens::Joins(name, parent));
    }
}

/// To whom something is granted or given: what stands after TO.
pub(super) fn recipients(rest: &[Token], found: &mut Meaning) {
    const ANYBODY: &[&str] = &["public", "current_user", "session_user", "current_role", "user"];
    let rest = match rest {
        [group, rest @ ..] if group.is("group") && !rest.is_empty() => rest,
        rest => rest,
    };
    let all = names(rest);
    let filled = rest.iter().any(|token| token.sign('%'));
    found.to_any |= all.is_empty() || filled || all.iter().any(|name| ANYBODY.contains(&name.as_str()));
    found.to.extend(all);
}

/// What a RAISE or ASSERT says.
pub(super) fn said(rest: &[Token], found: &mut Meaning) {
    let end = rest
        .iter()
        .position(|token| token.sign(';'))
        .unwrap_or(rest.len());
    let said = rest.get(1..end).unwrap_or_default();
    found.answers = true;
    let using = said.iter().position(|token| token.is("using"));
    let comma = said.iter().position(|token| token.sign(','));
    let Some(from) = using.into_iter().chain(comma).min() else {
        return;
    };
    let values = said.get(from..).unwrap_or_default();
    found.raises = true;
    // What is worked out there may be anything; names alone may be what the caller has said itself.
    const OPTIONS: &[&str] = &["using", "errcode", "message", "detail", "hint"];
    let mut at = 0;
    while let Some(token) = values.get(at) {
        match token {
            Token::Word(word) if OPTIONS.contains(&word.as_str()) => {}
            Token::Word(_) | Token::Quoted(_) => {
                let (one, length) = named(values, at);
                at += length - 1;
                found.says.push(one.schema.unwrap_or(one.name));
            }
            Token::Text(_) | Token::Sign(',' | '=' | ':' | '$' | '0'..='9') => {}
            Token::Sign(_) => found.tells = true,
        }
        at += 1;
    }
}

/// Whether a format has a name put in where a statement reads.
pub(super) fn reads_names(format: &str) -> bool {
    const READING: &[&str] = &[
        "select",
        "copy",
        "returning",
        "merge",
        "join",
        "using",
        "table",
        "do",
        "call",
        "execute",
        "perform",
    ];
    let put_in = format.contains("%I") || format.contains("$I");
    let all = tokens(format);
    let mut words = all.iter().filter_map(Token::word);
    let first = words.next().unwrap_or_default();
    let defines = [
        "create", "alter", "drop", "truncate", "analyze", "vacuum", "lock", "comment",
    ]
    .contains(&first);
    let reads = |word: &str| READING.contains(&word) && !(defines && ["table", "using"].contains(&word));
    // What it grants is told apart from what it reads.
    let grants = ["grant", "revoke"].contains(&first);
    put_in && !grants && (reads(first) || words.any(reads) || first.is_empty())
}

/// The names of arguments that the caller gives: what it says is nothing that was read.
pub(super) fn given(arguments: &str) -> Vec<String> {
    let all = tokens(arguments);
    let each = all.split(|token| token.sign(','));
    let names = each.filter_map(|one| match one {
        [mode, ..] if mode.is("out") || mode.is("inout") => None,
        [mode, name, _, ..] if mode.is("in") || mode.is("variadic") => name.name(),
        [name, _, ..] => name.name(),
        _ => None,
    });
    names.map(str::to_owned).collect()
}

/// Names that say nothing of a relation.
const KNOWN: &[&str] = &[
    "tg_op",
    "tg_name",
    "tg_relname",
    "tg_table_name",
    "tg_table_schema",
    "tg_when",
    "session_user",
    "current_user",
    "user",
    "current_date",
    "current_timestamp",
    "now",
];

/// Whether a name in a message says what was read, as far as its place among the arguments tells.
pub(super) fn says(found: &Meaning, given: &[String]) -> bool {
    found.says.iter().any(|name| !known(found, given, name))
}

fn known(found: &Meaning, given: &[String], name: &String) -> bool {
    KNOWN.contains(&name.as_str()) || given.contains(name) && !found.assigned.contains(name)
}

/// The functions that are handed something else than constants and arguments of the caller's.
pub(super) fn hands(found: &Meaning, given: &[String]) -> Vec<Named> {
    const PARTS: &[&str] = &["null", "true", "false", "as", "clock_timestamp", "format"];
    let says = |name: &String| !known(found, given, name) && !PARTS.contains(&name.as_str());
    let handed = found.handed.iter().filter(|(_, names)| names.iter().any(says));
    handed.map(|(named, _)| named.clone()).collect()
}
