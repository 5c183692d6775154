//! A text as words, names, constants and signs; comments are gone.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::exposure) enum Token {
    Word(String),
    Quoted(String),
    Text(String),
    Sign(char),
}

impl Token {
    pub(in crate::exposure) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(in crate::exposure) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(word) | Self::Quoted(word) => Some(word),
            _ => None,
        }
    }

    pub(in crate::exposure) fn is(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub(in crate::exposure) fn sign(&self, sign: char) -> bool {
        *self == Self::Sign(sign)
    }
}

pub(in crate::exposure) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = |bytes: usize| rest.get(bytes..).unwrap_or_default();
        if rest.starts_with("--") {
            rest = after(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            rest = after(comment(rest));
        } else if first == '\'' {
            let (content, used) = quoted(rest, '\'', false);
            found.push(Token::Text(content));
            rest = after(used);
        } else if let Some((token, used)) = unicode(rest) {
            found.push(token);
            rest = after(used);
        } else if first == '"' {
            let (name, used) = quoted(rest, '"', false);
            found.push(Token::Quoted(cut(name)));
            rest = after(used);
        } else if let Some((content, used)) = dollar(rest) {
            found.push(Token::Text(content));
            rest = after(used);
        } else if first.is_alphabetic() || first == '_' {
            let end = rest
                .find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '$'))
                .unwrap_or(rest.len());
            // As PostgreSQL folds names: other letters stay.
            let word = cut(rest.get(..end).unwrap_or_default().to_ascii_lowercase());
            rest = after(end);
            // E'..' and the like are constants with a prefix.
            if word == "e" && rest.starts_with('\'') {
                let (content, used) = quoted(rest, '\'', true);
                found.push(Token::Text(decoded(&content, &["x", "u", "U"])));
                rest = rest.get(used..).unwrap_or_default();
            } else if !(matches!(word.as_str(), "b" | "x" | "n") && rest.starts_with('\'')) {
                found.push(Token::Word(word));
            }
        } else {
            if !first.is_whitespace() {
                found.push(Token::Sign(first));
            }
            rest = after(first.len_utf8());
        }
    }
    found
}

/// The length of a comment, which may hold others.
fn comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        if rest.is_empty() {
            break;
        }
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// What stands between quotes, and how long it is with them. A doubled quote is one; with `escapes` a backslash keeps the next
/// letter from ending it.
fn quoted(text: &str, quote: char, escapes: bool) -> (String, usize) {
    let mut content = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == quote {
            if letters.next_if(|(_, next)| *next == quote).is_some() {
                content.push(quote);
            } else {
                return (content, at + 1);
            }
        } else if letter == '\\' && escapes {
            content.push(letter);
            content.extend(letters.next().map(|(_, next)| next));
        } else {
            content.push(letter);
        }
    }
    (content, text.len())
}

/// `U&"..."` and `U&'...'`, and how long they are.
fn unicode(text: &str) -> Option<(Token, usize)> {
    let rest = text.strip_prefix(['U', 'u'])?.strip_prefix('&')?;
    let quote = rest.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let (content, used) = quoted(rest, quote, false);
    let (content, used) = match uescape(rest.get(used..).unwrap_or_default()) {
        Some((escape, more)) => {
            let hidden = content.replace('\\', "\\\\");
            let double: String = [escape, escape].iter().collect();
            let content = hidden
                .replace(&double, "\u{0}")
                .replace(escape, "\\")
                .replace('\u{0}', &escape.to_string());
            (content, used + more)
        }
        None => (content, used),
    };
    let content = decoded(&content, &["+", ""]);
    let token = if quote == '"' {
        Token::Quoted(content)
    } else {
        Token::Text(content)
    };
    Some((token, used + 2))
}

/// `UESCAPE '!'`: the sign, and how long it is with what stands before it.
fn uescape(text: &str) -> Option<(char, usize)> {
    let rest = text.trim_start();
    let word = rest
        .get(..7)
        .filter(|word| word.eq_ignore_ascii_case("uescape"))?;
    let after = rest.get(word.len()..)?.trim_start();
    let mut letters = after.strip_prefix('\'')?.chars();
    let escape = letters.next()?;
    let end = letters.as_str().strip_prefix('\'')?;
    Some((escape, text.len() - end.len()))
}

/// Names are cut after 63 bytes, between letters.
const LONGEST: usize = 63;

fn cut(mut name: String) -> String {
    if name.len() > LONGEST && !is_statement(&name) {
        let end = (0..=LONGEST).rev().find(|at| name.is_char_boundary(*at));
        name.truncate(end.unwrap_or_default());
    }
    name
}

/// Whether what stands in double quotes is a statement, as in languages whose constants stand in them.
pub(super) fn is_statement(text: &str) -> bool {
    const VERBS: &[&str] = &[
        "select", "with", "insert", "update", "delete", "merge", "table", "copy", "grant", "alter", "create",
        "call", "values", "reassign",
    ];
    let text = text.trim_start_matches(|letter: char| letter == '"' || letter.is_whitespace());
    let end = text
        .find(|letter: char| !letter.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let verb = text.get(..end).unwrap_or_default().to_ascii_lowercase();
    end < text.len() && VERBS.contains(&verb.as_str())
}

/// A constant with its escapes replaced: a backslash, one of these marks, and as many hexadecimal digits as go with it.
fn decoded(text: &str, marks: &[&str]) -> String {
    let mut found = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        found.push_str(rest.get(..at).unwrap_or_default());
        let after = rest.get(at + 1..).unwrap_or_default();
        let code = marks.iter().find_map(|mark| {
            let digits = match *mark {
                "x" => 2,
                "U" => 8,
                "+" => 6,
                _ => 4,
            };
            let digits = after.strip_prefix(mark)?.get(..digits)?;
            let letter = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            Some((letter, mark.len() + digits.len()))
        });
        let (letter, used) = match (code, after.chars().next()) {
            (Some(code), _) => code,
            (None, Some(letter)) => (letter, letter.len_utf8()),
            (None, None) => ('\\', 0),
        };
        found.push(letter);
        rest = after.get(used..).unwrap_or_default();
    }
    found.push_str(rest);
    found
}

/// A dollar-quoted constant's content and length.
fn dollar(text: &str) -> Option<(String, usize)> {
    let tag_end = text.strip_prefix('$')?.find('$')? + 2;
    let tag = text.get(..tag_end)?;
    let inner = tag.get(1..tag_end - 1)?;
    if !inner
        .chars()
        .all(|letter| letter.is_alphanumeric() || letter == '_')
        || inner.starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let rest = text.get(tag_end..)?;
    let end = rest.find(tag)?;
    Some((rest.get(..end)?.to_owned(), tag_end + end + tag.len()))
}
