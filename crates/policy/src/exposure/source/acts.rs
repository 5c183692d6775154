//! What a text does to roles and to who may what: ALTER and CREATE ROLE, ALTER GROUP, REASSIGN OWNED, OWNER TO, GRANT.

use super::grants::granted;
use super::tokens::Token;
use super::{Meaning, Named, named};

/// A role that a text makes more of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remade {
    /// Which one; none where that is handed over.
    pub(crate) role: Option<String>,
    /// Whether by a password, with which one logs in as it, or by a grant of any role.
    pub(crate) entered: bool,
}

/// Attributes with which one reads everything.
const POWERS: &[&str] = &["superuser", "replication"];

/// Catalogs that say which roles there are, and who is a member.
pub(super) const ROLES: &[&str] = &["pg_authid", "pg_auth_members"];

/// Notes what the statements of a text do.
pub(super) fn note(tokens: &[Token], found: &mut Meaning) {
    for statement in tokens.split(|token| token.sign(';')) {
        for (at, token) in statement.iter().enumerate() {
            let rest = statement.get(at + 1..).unwrap_or_default();
            let second = |words: &[&str]| {
                rest.first()
                    .and_then(Token::word)
                    .is_some_and(|word| words.contains(&word))
            };
            match token.word() {
                Some("grant") => grant(rest, found),
                Some("reassign") if second(&["owned"]) => {
                    found.roles.extend(names(rest.get(2..).unwrap_or_default()));
                    let to = rest.iter().position(|token| token.is("to")).unwrap_or(rest.len());
                    super::opens::recipients(rest.get(to + 1..).unwrap_or_default(), found);
                }
                Some("alter" | "create") if second(&["role", "user", "group"]) => {
                    role(rest.get(1..).unwrap_or_default(), found);
                }
                Some("alter") => owner(rest, found),
                Some("comment") if second(&["on"]) => found.comments = true,
                Some("create") if rest.iter().take(NAMED).any(|token| token.sign('%')) => {
                    found.names_by = true
                }
                _ => {}
            }
        }
    }
}

/// So many words after CREATE there may be the name of what is made.
const NAMED: usize = 7;

/// Names with commas between them.
pub(super) fn names(tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    for pair in tokens.chunks(2) {
        match pair {
            [one, rest @ ..] => {
                let Some(name) = one.name() else { break };
                found.push(name.to_owned());
                if !rest.first().is_some_and(|token| token.sign(',')) {
                    break;
                }
            }
            [] => break,
        }
    }
    found
}

/// `GRANT right ON what TO`, or `GRANT role TO`.
fn grant(rest: &[Token], found: &mut Meaning) {
    let to = rest.iter().position(|token| token.is("to")).unwrap_or(rest.len());
    super::opens::recipients(rest.get(to + 1..).unwrap_or_default(), found);
    let given = rest.get(..to).unwrap_or_default();
    let Some(on) = given.iter().position(|token| token.is("on")) else {
        if to < rest.len() {
            found.roles.extend(granted(rest));
            if given.iter().any(|token| token.sign('%')) {
                found.remade.push(Remade {
                    role: None,
                    entered: true,
                });
            }
        }
        return;
    };
    let mut objects = given.get(on + 1..).unwrap_or_default();
    let words: Vec<&str> = objects.iter().take(4).filter_map(Token::word).collect();
    if let ["all", "tables", "in", "schema"] = words.as_slice() {
        let schemas = objects.get(4..).unwrap_or_default();
        found.schemas.extend(names(schemas));
        found.grants_any |= schemas.is_empty() || schemas.iter().any(|token| token.sign('%'));
        return;
    }
    if objects.first().is_some_and(|token| token.is("table")) {
        objects = objects.get(1..).unwrap_or_default();
    }
    // What is put in by format, or joined on.
    found.grants_any |= objects.is_empty() || objects.first().is_some_and(|token| token.sign('%'));
    let mut at = 0;
    while objects.get(at).and_then(Token::name).is_some() {
        let (named, length) = named(objects, at);
        found.grants.push(named);
        at += length;
        if !objects.get(at).is_some_and(|token| token.sign(',')) {
            break;
        }
        at += 1;
    }
}

/// What comes after `ALTER ROLE` or `CREATE ROLE`.
fn role(rest: &[Token], found: &mut Meaning) {
    if rest.first().is_some_and(|token| token.is("mapping")) {
        return;
    }
    let name = rest.first().and_then(Token::name).map(str::to_owned);
    let word = |word: &str| rest.iter().any(|token| token.is(word));
    for (at, pair) in rest.windows(2).enumerate() {
        let after = rest.get(at + 2..).unwrap_or_default();
        match pair {
            [first, second] if first.is("in") && (second.is("role") || second.is("group")) => {
                found.roles.extend(names(after));
                found.to_any = true;
            }
            [first, second] if first.is("add") && second.is("user") => {
                found.roles.extend(name.clone());
                super::opens::recipients(after, found);
            }
            _ => {}
        }
    }
    let entered = word("password");
    if entered || POWERS.iter().any(|power| word(power)) {
        found.remade.push(Remade { role: name, entered });
    }
}

/// `ALTER TABLE name OWNER TO`, and of views.
fn owner(rest: &[Token], found: &mut Meaning) {
    let gives = rest
        .windows(2)
        .position(|pair| matches!(pair, [first, second] if first.is("owner") && second.is("to")));
    let Some(end) = gives else { return };
    super::opens::recipients(rest.get(end + 2..).unwrap_or_default(), found);
    let kinds = ["table", "view", "materialized", "foreign", "if", "exists", "only"];
    let object = rest.get(..end).unwrap_or_default();
    let skipped = object
        .iter()
        .take_while(|token| token.word().is_some_and(|word| kinds.contains(&word)));
    let at = skipped.count();
    if at == 0 {
        return;
    }
    match object.get(at) {
        Some(token) if token.name().is_some() => {
            let (named, _): (Named, usize) = named(object, at);
            found.grants.push(named);
        }
        _ => found.grants_any = true,
    }
}

/// Types that refuse most texts, with the text in the message.
const REFUSING: &[&str] = &[
    "int",
    "int2",
    "int4",
    "int8",
    "integer",
    "bigint",
    "smallint",
    "numeric",
    "decimal",
    "real",
    "float",
    "float4",
    "float8",
    "double",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "inet",
    "cidr",
    "boolean",
    "bool",
    "oid",
    "money",
    "json",
    "jsonb",
    "xml",
    "macaddr",
    "regclass",
    "regtype",
    "regrole",
];

/// Names that are cast to such types: `name::int`, `CAST(name AS int)`.
pub(super) fn casts(tokens: &[Token]) -> Vec<String> {
    let refuses = |token: &Token| token.word().is_some_and(|word| REFUSING.contains(&word));
    let mut found = Vec::new();
    for four in tokens.windows(4) {
        let name = match four {
            [name, one, two, kind] if one.sign(':') && two.sign(':') && refuses(kind) => name,
            [_, name, word, kind] if word.is("as") && refuses(kind) => name,
            _ => continue,
        };
        found.extend(name.name().map(str::to_owned));
    }
    found
}
