//! What the text of a function does, as far as its words say: which relations it reads and writes, what it calls, whether it
//! runs text that it is handed, and by which ways rows can leave it.
//!
//! This is a reading of words, not a parser: PL/pgSQL, SQL and foreign languages alike. Comments never count; string constants
//! count only where the text runs strings.

mod acts;
mod asks;
mod changed;
mod grants;
mod opens;
mod runs;
pub(in crate::exposure) mod tokens;
mod typed;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use acts::Remade;
use changed::Changed;
pub(crate) use opens::Opens;
pub(in crate::exposure) use runs::{command as commanded, of_symbol, relation};
use runs::{counting, handed};
use tokens::{Token, tokens};
use words::{ENDS_FROM, NO_CALLS, RUNNERS, TELLERS};

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
    /// What it hands something else than constants and its own arguments.
    pub(crate) hands: Vec<Named>,
    handed: Vec<(Named, Vec<String>)>,
    /// Relations that are granted or otherwise opened by it.
    pub(crate) grants: Vec<Named>,
    /// Roles that it grants to others.
    pub(crate) roles: Vec<String>,
    /// Roles that it makes superusers, or gives a password.
    pub(crate) remade: Vec<Remade>,
    /// To whom it grants; and whether that is up to who calls, or everybody.
    pub(crate) to: Vec<String>,
    pub(crate) to_any: bool,
    /// What it opens in other ways.
    pub(crate) opens: Vec<Opens>,
    /// What it inserts into; and what it updates or deletes from, and whether it looks at how many rows that were.
    pub(crate) inserts: Vec<Named>,
    pub(crate) changes: Vec<Named>,
    pub(crate) counts_changes: bool,
    /// Names that it says in messages; and whether it says something where a condition holds.
    says: Vec<String>,
    /// It says values, if only those that it is handed.
    pub(crate) raises: bool,
    pub(crate) answers: bool,
    /// Whether it asks a condition, goes on after an error, and names that it gives values.
    asks: bool,
    pub(crate) catches: bool,
    assigned: Vec<String>,
    /// Schemas of which it grants all tables, and whether it grants what it is handed.
    pub(crate) schemas: Vec<String>,
    pub(crate) grants_any: bool,
    /// Names that it casts to a type that shows what it refuses.
    pub(crate) casts: Vec<String>,
    /// The only roles whose sessions it goes on for, where it asks.
    pub(crate) sessions: Vec<String>,
    /// It comments on something: comments are everybody's to read. And whether it puts values into statements.
    comments: bool,
    fills: bool,
    /// It names something by a value, where everybody reads names; and what EXECUTE puts in.
    names_by: bool,
    executes: Vec<String>,
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
    /// What its arguments are called.
    arguments: Vec<String>,
}

/// Reads a text.
pub(crate) fn meaning(text: &str) -> Meaning {
    meaning_with(text, "")
}

/// Reads a function's text, which knows what its arguments are called.
fn meaning_with(text: &str, arguments: &str) -> Meaning {
    let given = opens::given(arguments);
    let mut found = Meaning {
        arguments: given.clone(),
        ..Meaning::default()
    };
    read(text, &mut found, 0);
    found.tells |= opens::says(&found, &given);
    found.hands = opens::hands(&found, &given);
    found.handed.clear();
    found.answers &= found.asks;
    let ctes = &found.ctes;
    let bare = |named: &Named| {
        named.schema.is_none() && !named.name.starts_with("pg_") && !ctes.contains(&named.name)
    };
    // A table that it makes and opens for others is a way out.
    found.tells |= found.comments && (found.dynamic != Dynamic::No || found.fills);
    found.tells |= found.names_by && found.executes.iter().any(|name| found.assigned.contains(name));
    let roles = |named: &Named| acts::ROLES.contains(&named.name.as_str());
    if found.writes.iter().any(roles) {
        found.remade.push(Remade {
            role: None,
            entered: false,
        });
    }
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

/// Reads a function's text in a language: in some a line may be a comment.
pub(crate) fn meaning_in(language: &str, text: &str, arguments: &str) -> Meaning {
    let marked = ["plperl", "plpython", "pltcl", "plr", "plsh"];
    if !marked.iter().any(|one| language.starts_with(one)) {
        return meaning_with(text, arguments);
    }
    let kept = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    meaning(&kept.collect::<Vec<_>>().join("\n"))
}

/// Strings within strings are followed this deep.
const NESTED: u8 = 3;

fn read(text: &str, found: &mut Meaning, nested: u8) {
    let tokens = tokens(text);
    let runs = opens::runs(&tokens);
    for operator in runs::operators(&tokens) {
        if !found.operators.contains(&operator) {
            found.operators.push(operator);
        }
    }
    acts::note(&tokens, found);
    opens::note(&tokens, found);
    found.sessions.extend(asks::sessions(&tokens));
    found.casts.extend(acts::casts(&tokens));
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
            // In other languages statements stand in double quotes, too.
            Token::Quoted(content) if runs && nested < NESTED && tokens::is_statement(content) => {
                read(content.trim_start_matches('"'), found, nested + 1);
            }
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
                changed.note(token, &named, (before, previous.iter().rev().nth(1).copied()));
                if token.is("returning") {
                    found.reads.append(&mut changed.rows);
                }
                found.sets_path |= token.is("search_path");
                found.changes_new |= token.is("return") && next.is_some_and(runs::is_own_row);
                found.bare_type |=
                    runs::is_type(&previous) && named.schema.is_none() && !runs::builtin(&named.name);
                found.shows_row |= token.name().is_some_and(|name| ["new", "old"].contains(&name));
                if token.is("raise") || token.is("assert") {
                    opens::said(tokens.get(at..).unwrap_or_default(), found);
                }
                if token.is("execute") && !before.is_some_and(|t| t.is("procedure") || t.is("function")) {
                    let rest = tokens.get(at + 1..).unwrap_or_default();
                    found.executes.extend(runs::put_in(rest));
                    if let Some((values, name)) = runs::variable(&tokens, rest) {
                        for value in values {
                            found.dynamic = found.dynamic.max(runs::valued(value, &name));
                            if let Some(text) = runs::joined(value).filter(|_| nested < NESTED) {
                                read(&text, found, nested + 1);
                            }
                        }
                    } else {
                        found.dynamic = found
                            .dynamic
                            .max(typed::executed(&tokens, rest, &found.arguments));
                    }
                    if let Some(text) = runs::joined(rest).filter(|_| nested < NESTED) {
                        read(&text, found, nested + 1);
                    }
                }
                let handed_over = tokens.get(at + length..).unwrap_or_default();
                if runs::reads_by_name(&named.name) {
                    runs::by_name(&named.name, handed_over, found);
                }
                if RUNNERS.contains(&named.name.as_str()) && after.is_some_and(|t| t.sign('(')) {
                    let handed_over = handed_over.get(1..).unwrap_or_default();
                    found.dynamic = found.dynamic.max(handed(handed_over));
                }
                found.dynamic = found.dynamic.max(runs::scheduled(&named, handed_over, found));
                if found.calls.last() == Some(&named) && after.is_some_and(|token| token.sign('(')) {
                    let names = runs::names_within(handed_over);
                    if !names.is_empty() {
                        found.handed.push((named.clone(), names));
                    }
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
    let into = || {
        let mut back = previous
            .iter()
            .rev()
            .take_while(|token| !token.is("select") && !token.sign(';'));
        back.any(|token| token.is("into"))
    };
    found.changes_new |= token.is("new") && named.schema.is_some() && into();
    if called && !was("into") && !was("table") {
        if token
            .word()
            .is_none_or(|word| named.schema.is_some() || !NO_CALLS.contains(&word))
        {
            found.bare_call |= named.schema.is_none();
            found.tells |= TELLERS.contains(&named.name.as_str()) || runs::says(&named);
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
    let deletes = was("from") && back(2).is_some_and(|token| token.is("delete"));
    if inserts || updates || creates || deletes {
        if inserts {
            found.inserts.push(named.clone());
        } else if !creates {
            found.changes.push(named.clone());
        }
        found.writes.push(named);
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
