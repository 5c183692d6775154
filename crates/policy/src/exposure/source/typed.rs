//! Variables that no text fits into: counters of loops, and those declared as numbers. What they put into a statement is no statement.

use std::collections::BTreeSet;

use super::opens::reads_names;
use super::tokens::Token;
use super::{Dynamic, runs};

/// Types without text, as they are written where a variable is declared.
const NUMBERS: &[&str] = &[
    "bigint", "boolean", "bool", "int", "int2", "int4", "int8", "integer", "numeric", "oid", "real",
    "smallint",
];

/// Names of such variables. Those that are declared, or counted, in more than one way are not among them.
fn numbers(tokens: &[Token]) -> BTreeSet<&str> {
    let (mut found, mut others) = (BTreeSet::new(), BTreeSet::new());
    let mut declaring = false;
    for (at, token) in tokens.iter().enumerate() {
        declaring = token.is("declare") || declaring && !token.is("begin");
        let Some(name) = token.name() else { continue };
        let next = |more: usize| tokens.get(at + more);
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        if before.is_some_and(|token| token.is("for")) && next(1).is_some_and(|token| token.is("in")) {
            let range = tokens.get(at + 2..).unwrap_or_default();
            let range: Vec<&Token> = range.iter().take_while(|token| !token.is("loop")).collect();
            let to = range
                .windows(2)
                .any(|pair| pair.iter().all(|token| token.sign('.')));
            if to {
                found.insert(name)
            } else {
                others.insert(name)
            };
        } else if declaring && before.is_some_and(|token| token.sign(';') || token.is("declare")) {
            let more = 1 + usize::from(next(1).is_some_and(|token| token.is("constant")));
            let is_number = next(more)
                .and_then(Token::word)
                .is_some_and(|word| NUMBERS.contains(&word));
            // An array, or a type of another schema.
            let plain = next(more + 1).is_some_and(|token| {
                [';', ':', '='].iter().any(|sign| token.sign(*sign)) || token.is("default") || token.is("not")
            });
            if is_number && plain {
                found.insert(name)
            } else {
                others.insert(name)
            };
        }
    }
    &found - &others
}

/// What an EXECUTE of a text runs: that of [`runs::executed`], where numbers put in are no statement but may be part of a name that is read.
pub(super) fn executed(tokens: &[Token], rest: &[Token], arguments: &[String]) -> Dynamic {
    let mut numbers = numbers(tokens);
    // Outside of its loop a counter's name may be an argument's.
    numbers.retain(|name| !arguments.iter().any(|argument| argument == name));
    let is_number = |token: &Token| token.name().is_some_and(|name| numbers.contains(name));
    // What it gives goes into a variable by INTO, which is no part of it.
    let end = rest.iter().position(runs::ends);
    let rest = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    if !rest.iter().any(is_number) {
        return runs::executed(rest);
    }
    let zero = |token: &Token| {
        if is_number(token) {
            Token::Sign('0')
        } else {
            token.clone()
        }
    };
    let with_constants: Vec<Token> = rest.iter().map(zero).collect();
    let reads = rest.iter().any(|token| match token {
        Token::Text(text) => reads_names(&format!("{} %I", text.replace("%s", "%I"))),
        _ => false,
    });
    let least = if reads { Dynamic::Names } else { Dynamic::No };
    runs::executed(&with_constants).max(least)
}
