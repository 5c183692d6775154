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
            let (content, used) = constant(rest);
            found.push(Token::Text(content));
            rest = after(used);
        } else if first == '"' {
            let end = rest
                .get(1..)
                .and_then(|more| more.find('"'))
                .map_or(rest.len(), |end| end + 2);
            found.push(Token::Quoted(
                rest.get(1..end.saturating_sub(1)).unwrap_or_default().to_owned(),
            ));
            rest = after(end);
        } else if let Some((content, used)) = dollar(rest) {
            found.push(Token::Text(content));
            rest = after(used);
        } else if first.is_alphabetic() || first == '_' {
            let end = rest
                .find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '$'))
                .unwrap_or(rest.len());
            let word = rest.get(..end).unwrap_or_default().to_lowercase();
            rest = after(end);
            // E'..', U&'..' are constants with a prefix.
            if !(matches!(word.as_str(), "e" | "b" | "x" | "n") && rest.starts_with('\'')) {
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

/// A string constant's content and length, both with doubled quotes taken into account.
fn constant(text: &str) -> (String, usize) {
    let mut content = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\'' {
            if letters.next_if(|(_, next)| *next == '\'').is_some() {
                content.push('\'');
            } else {
                return (content, at + 1);
            }
        } else {
            content.push(letter);
        }
    }
    (content, text.len())
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
