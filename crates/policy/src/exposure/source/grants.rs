//! Roles that a text grants.

use super::tokens::Token;

/// The roles of `GRANT a, b TO ...`: none where it is a grant ON something.
pub(super) fn granted(rest: &[Token]) -> Vec<String> {
    let mut names = Vec::new();
    for token in rest {
        if token.is("to") {
            return names;
        }
        match token {
            Token::Sign(',') => {}
            _ if token.is("on") => break,
            Token::Word(name) | Token::Quoted(name) => names.push(name.clone()),
            _ => break,
        }
    }
    Vec::new()
}
