//! Conditions of policies and views as PostgreSQL prints them, as far as they can be decided without a row: constants, and
//! comparisons of `current_user` and `session_user` with names.

use super::source::tokens::{Token, tokens};

/// Answers whether who asks has a role (`pg_has_role`): its name, and whether its rights are asked for (USAGE) or membership.
pub(crate) type Has<'a> = &'a dyn Fn(&str, bool) -> Option<bool>;

/// Who asks, where that is known.
#[derive(Clone, Copy, Default)]
pub(crate) struct Who<'a> {
    pub(crate) current: Option<&'a str>,
    pub(crate) session: Option<&'a str>,
    pub(crate) has: Option<Has<'a>>,
}

/// Whether a text may ask who asks: more than do, never fewer.
pub(crate) fn asks(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower.contains("user") || lower.contains("role")
}

/// What a part of a condition is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Bool(bool),
    Null,
    Text(String),
    Number(i64),
    Unknown,
}

/// Parentheses within parentheses are followed so far: what is deeper depends.
const DEPTH: u8 = 60;

/// Whether a condition lets rows through: always, never, or it depends.
pub(crate) fn decide(text: &str, who: Who<'_>) -> Option<bool> {
    decided(&tokens(text), who)
}

fn decided(tokens: &[Token], who: Who<'_>) -> Option<bool> {
    let mut reader = Reader { tokens, at: 0, who };
    let value = reader.or(0);
    if reader.at < tokens.len() {
        return None;
    }
    match value {
        Value::Bool(value) => Some(value),
        // What is not true lets no row through.
        Value::Null => Some(false),
        _ => None,
    }
}

/// Whether the query of a view gives rows: never, or it depends.
pub(crate) fn view_gives(text: &str, who: Who<'_>) -> Option<bool> {
    let all = tokens(text);
    let all: &[Token] = match all.split_last() {
        Some((Token::Sign(';'), rest)) => rest,
        _ => &all,
    };
    let one = all.iter().filter(|token| token.is("select")).count() == 1;
    if !one || all.iter().any(|token| token.is("union")) {
        return None;
    }
    let mut depth = 0_i32;
    let mut clause: Option<(&str, usize)> = None;
    let mut parts: Vec<(&str, &[Token])> = Vec::new();
    for (at, token) in all.iter().enumerate() {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            Token::Word(word) if depth == 0 && CLAUSES.contains(&word.as_str()) => {
                parts.extend(clause.map(|(name, from)| (name, all.get(from..at).unwrap_or_default())));
                clause = Some((word, at + 1));
            }
            _ => {}
        }
    }
    parts.extend(clause.map(|(name, from)| (name, all.get(from..).unwrap_or_default())));
    let never = parts.iter().any(|(name, part)| match *name {
        "where" | "having" => decided(part, who) == Some(false),
        "limit" => {
            Reader {
                tokens: part,
                at: 0,
                who,
            }
            .operand(0)
                == Value::Number(0)
        }
        _ => false,
    });
    never.then_some(false)
}

/// Words that begin a part of a query.
const CLAUSES: &[&str] = &[
    "from", "where", "group", "having", "window", "order", "limit", "offset", "fetch", "for",
];

struct Reader<'t, 'w> {
    tokens: &'t [Token],
    at: usize,
    who: Who<'w>,
}

impl Reader<'_, '_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(word));
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = self.peek().is_some_and(|token| token.sign(sign));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self, depth: u8) -> Value {
        let mut value = self.and(depth);
        while self.takes("or") {
            value = match (value, self.and(depth)) {
                (Value::Bool(true), _) | (_, Value::Bool(true)) => Value::Bool(true),
                (Value::Bool(false), other) | (other, Value::Bool(false)) => other,
                (Value::Null, Value::Null) => Value::Null,
                _ => Value::Unknown,
            };
        }
        value
    }

    fn and(&mut self, depth: u8) -> Value {
        let mut value = self.not(depth);
        while self.takes("and") {
            value = match (value, self.not(depth)) {
                (Value::Bool(false), _) | (_, Value::Bool(false)) => Value::Bool(false),
                (Value::Bool(true), other) | (other, Value::Bool(true)) => other,
                (Value::Null, Value::Null) => Value::Null,
                _ => Value::Unknown,
            };
        }
        value
    }

    fn not(&mut self, depth: u8) -> Value {
        if self.takes("not") {
            return match self.not(depth) {
                Value::Bool(value) => Value::Bool(!value),
                Value::Null => Value::Null,
                _ => Value::Unknown,
            };
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: u8) -> Value {
        let left = self.operand(depth);
        let mut sign = String::new();
        while let Some(Token::Sign(one)) = self.peek()
            && "=<>!".contains(*one)
        {
            sign.push(*one);
            self.at += 1;
        }
        let value = match sign.as_str() {
            "" => left,
            "=" if self.peek().is_some_and(|token| token.is("any")) => self.any_of(&left, depth),
            "=" => equal(&left, &self.operand(depth), true),
            "<>" | "!=" => equal(&left, &self.operand(depth), false),
            _ => Value::Unknown,
        };
        if self.ends() {
            return value;
        }
        self.skip();
        Value::Unknown
    }

    /// `= ANY (ARRAY['a'::name, 'b'::name])`.
    fn any_of(&mut self, left: &Value, depth: u8) -> Value {
        self.at += 1;
        if !(self.sign('(') && self.takes("array") && self.sign('[')) {
            return Value::Unknown;
        }
        let mut found = Value::Bool(false);
        loop {
            found = match (found, equal(left, &self.operand(depth), true)) {
                (Value::Bool(true), _) | (_, Value::Bool(true)) => Value::Bool(true),
                (Value::Bool(false), Value::Bool(false)) => Value::Bool(false),
                _ => Value::Unknown,
            };
            if !self.sign(',') {
                break;
            }
        }
        if self.sign(']') && self.sign(')') {
            found
        } else {
            Value::Unknown
        }
    }

    /// `pg_has_role([user,] 'role', 'USAGE')`, where the user is who asks.
    fn has_role(&mut self, depth: u8) -> Value {
        let mut asked = Vec::new();
        if depth >= DEPTH {
            self.skip();
            return Value::Unknown;
        }
        loop {
            asked.push(self.operand(depth + 1));
            if !self.sign(',') {
                break;
            }
        }
        if !self.sign(')') {
            self.skip();
            return Value::Unknown;
        }
        let current = self.who.current.map(|name| Value::Text(name.to_owned()));
        let asked = match asked.as_slice() {
            [user, rest @ ..] if rest.len() == 2 && Some(user) == current.as_ref() => rest,
            [_, _] => asked.as_slice(),
            _ => return Value::Unknown,
        };
        let (Some(has), [Value::Text(role), Value::Text(how)]) = (self.who.has, asked) else {
            return Value::Unknown;
        };
        let rights = match how.to_lowercase().as_str() {
            "usage" => true,
            "member" => false,
            _ => return Value::Unknown,
        };
        has(role, rights).map_or(Value::Unknown, Value::Bool)
    }

    /// Whether a comparison is over here.
    fn ends(&self) -> bool {
        self.peek()
            .is_none_or(|token| token.sign(')') || token.is("and") || token.is("or"))
    }

    /// Passes over what is not understood, up to the end of the comparison.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        let mut cases = 0_usize;
        while let Some(token) = self.peek() {
            if depth == 0 && cases == 0 && self.ends() {
                return;
            }
            match token {
                Token::Sign('(' | '[') => depth += 1,
                Token::Sign(')' | ']') => depth = depth.saturating_sub(1),
                _ if token.is("case") => cases += 1,
                _ if token.is("end") => cases = cases.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
        }
    }

    fn operand(&mut self, depth: u8) -> Value {
        let Some(token) = self.peek().cloned() else {
            return Value::Unknown;
        };
        let mut value = match token {
            Token::Sign('(') if depth < DEPTH => {
                self.at += 1;
                if self.peek().is_some_and(|token| token.is("select")) {
                    self.at -= 1;
                    self.skip();
                    return Value::Unknown;
                }
                let value = self.or(depth + 1);
                if !self.sign(')') {
                    return Value::Unknown;
                }
                value
            }
            Token::Sign(digit) if digit.is_ascii_digit() => {
                let mut number: i64 = 0;
                while let Some(Token::Sign(digit)) = self.peek()
                    && let Some(digit) = digit.to_digit(10)
                {
                    number = number.saturating_mul(10).saturating_add(i64::from(digit));
                    self.at += 1;
                }
                Value::Number(number)
            }
            Token::Text(text) => {
                self.at += 1;
                Value::Text(text)
            }
            Token::Word(word) | Token::Quoted(word) => {
                self.at += 1;
                let called = self.sign('(');
                if called && word == "pg_has_role" {
                    return self.has_role(depth);
                }
                if called && !self.sign(')') {
                    self.at -= 1;
                    self.skip();
                    return Value::Unknown;
                }
                let name =
                    |name: Option<&str>| name.map_or(Value::Unknown, |name| Value::Text(name.to_owned()));
                match word.as_str() {
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    "null" => Value::Null,
                    "current_user" | "current_role" | "user" => name(self.who.current),
                    "session_user" => name(self.who.session),
                    _ => Value::Unknown,
                }
            }
            Token::Sign(_) => {
                self.skip();
                return Value::Unknown;
            }
        };
        // Casts to text, name and the like keep what was cast.
        while self.peek().is_some_and(|token| token.sign(':')) {
            self.at += 2;
            let kind = self.peek().and_then(Token::name).unwrap_or_default().to_owned();
            self.at += 1;
            let keeps = match value {
                Value::Text(_) => ["text", "name"].contains(&kind.as_str()),
                Value::Number(_) => ["integer", "bigint", "smallint"].contains(&kind.as_str()),
                Value::Bool(_) => kind == "boolean",
                Value::Null | Value::Unknown => true,
            };
            if !keeps
                || self
                    .peek()
                    .is_some_and(|token| token.sign('[') || token.sign('('))
            {
                self.skip();
                value = Value::Unknown;
            }
        }
        value
    }
}

fn equal(left: &Value, right: &Value, same: bool) -> Value {
    match (left, right) {
        (Value::Unknown, _) | (_, Value::Unknown) => Value::Unknown,
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (Value::Text(left), Value::Text(right)) => Value::Bool((left == right) == same),
        (Value::Number(left), Value::Number(right)) => Value::Bool((left == right) == same),
        (Value::Bool(left), Value::Bool(right)) => Value::Bool((left == right) == same),
        _ => Value::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_row_is_decided_and_all_else_depends() {
        let has = |role: &str, _: bool| (role != "unknown").then_some(role == "readers");
        let who = Who {
            current: Some("clerk"),
            session: None,
            has: Some(&has),
        };
        for (text, expected) in [
            ("false", Some(false)),
            ("true", Some(true)),
            ("NULL::boolean", Some(false)),
            ("(NOT true)", Some(false)),
            ("(1 = 0)", Some(false)),
            ("(1 <> 0)", Some(true)),
            ("(CURRENT_USER = 'clerk'::name)", Some(true)),
            ("(CURRENT_USER = 'other'::name)", Some(false)),
            ("((CURRENT_USER)::text = 'other'::text)", Some(false)),
            ("(\"current_user\"() = 'other'::name)", Some(false)),
            ("(CURRENT_USER <> 'other'::name)", Some(true)),
            ("(CURRENT_USER = ANY (ARRAY['a'::name, 'b'::name]))", Some(false)),
            (
                "(CURRENT_USER = ANY (ARRAY['a'::name, 'clerk'::name]))",
                Some(true),
            ),
            ("(SESSION_USER = 'clerk'::name)", None),
            ("((id = 1) AND false)", Some(false)),
            ("((id = 1) OR true)", Some(true)),
            ("((id = 1) OR false)", None),
            (
                "((CURRENT_USER = 'x'::name) AND (county = 'Cook'::text))",
                Some(false),
            ),
            ("((CURRENT_USER = 'x'::name) OR (county = 'Cook'::text))", None),
            ("(owner = CURRENT_USER)", None),
            ("(EXISTS ( SELECT 1 FROM t WHERE false AND true))", None),
            (
                "pg_has_role(CURRENT_USER, 'x'::name, 'member'::text)",
                Some(false),
            ),
            ("pg_has_role('readers'::name, 'USAGE'::text)", Some(true)),
            ("pg_has_role('readers'::name, 'SET'::text)", None),
            ("pg_has_role(SESSION_USER, 'readers'::name, 'member'::text)", None),
            ("(pg_has_role('other'::name, 'member'::text) OR (a = 1))", None),
            ("pg_has_role('unknown'::name, 'member'::text)", None),
            ("pg_has_role(owner, 'readers'::name, 'member'::text)", None),
            ("CASE WHEN a AND false THEN true ELSE false END", None),
            ("(id IN ( SELECT 1 WHERE false))", None),
            ("(false IS NOT NULL)", None),
            ("('a'::text ~~ 'b'::text)", None),
            ("(1 = 0", None),
            ("", None),
        ] {
            assert_eq!(decide(text, who), expected, "{text}");
        }
    }

    #[test]
    fn views_that_give_no_row() {
        let who = Who {
            current: Some("clerk"),
            ..Who::default()
        };
        let never = |text: &str| view_gives(text, who) == Some(false);
        assert!(never(" SELECT a FROM t WHERE false;"));
        assert!(never(" SELECT a FROM t LIMIT 0;"));
        assert!(never(
            " SELECT a FROM t WHERE (CURRENT_USER = 'x'::name) ORDER BY a;"
        ));
        assert!(never(" SELECT a FROM t GROUP BY a HAVING false;"));
        assert!(!never(" SELECT a FROM t WHERE (CURRENT_USER = 'clerk'::name);"));
        assert!(!never(" SELECT a FROM t LIMIT 10;"));
        assert!(!never(" SELECT false AS where_false FROM t;"));
        assert!(!never(" SELECT a FROM t WHERE false UNION ALL SELECT a FROM t;"));
        assert!(!never(" SELECT a FROM t LEFT JOIN u ON (false);"));
    }
}
