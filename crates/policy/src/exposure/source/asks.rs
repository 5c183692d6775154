//! Whom a text goes on for: conditions that compare `session_user` with names.

use super::tokens::Token;

/// The names of a constant, or of constants in parentheses; and how many tokens they take.
fn constants(rest: &[Token]) -> (Vec<String>, usize) {
    match rest {
        [Token::Text(name), ..] => (vec![name.clone()], 1),
        [Token::Sign('('), ..] => {
            let end = rest.iter().position(|token| token.sign(')')).unwrap_or(0);
            let inside = rest.get(1..end).unwrap_or_default().iter();
            let texts = inside.filter_map(|token| match token {
                Token::Text(name) => Some(name.clone()),
                _ => None,
            });
            (texts.collect(), end + 1)
        }
        _ => (Vec::new(), 0),
    }
}

/// Whether it ends there: `THEN RETURN`, `THEN RAISE EXCEPTION`.
fn ends(rest: &[Token]) -> bool {
    match rest {
        [then, next, after, ..] if then.is("then") => {
            next.is("return") && !after.is("query") && !after.is("next")
                || next.is("raise") && after.is("exception")
                || next.is("null")
        }
        _ => false,
    }
}

/// The only roles whose sessions the text goes on for, as far as it says so; none where it asks for none.
pub(super) fn sessions(tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if !token.is("session_user") {
            continue;
        }
        let mut rest = tokens.get(at + 1..).unwrap_or_default();
        // `session_user::text`.
        if let [Token::Sign(':'), Token::Sign(':'), _, after @ ..] = rest {
            rest = after;
        }
        let (same, skipped) = match rest {
            [Token::Sign('='), ..] => (true, 1),
            [Token::Sign('<'), Token::Sign('>'), ..] | [Token::Sign('!'), Token::Sign('='), ..] => (false, 2),
            [first, second, ..] if first.is("not") && second.is("in") => (false, 2),
            [first, ..] if first.is("in") => (true, 1),
            _ => continue,
        };
        let rest = rest.get(skipped..).unwrap_or_default();
        let (names, used) = constants(rest);
        // Those for whom it ends are left out; those for whom it does not are meant.
        if same != ends(rest.get(used..).unwrap_or_default()) {
            found.extend(names);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::meaning;

    #[test]
    fn only_whom_the_text_goes_on_for_is_meant() {
        let asked = |text: &str| meaning(text).sessions;
        assert_eq!(
            asked("begin if session_user = 'a' then raise notice '%', n; end if; end"),
            ["a"]
        );
        assert_eq!(
            asked("begin if session_user <> 'a' then return; end if; raise notice '%', n; end"),
            ["a"]
        );
        assert_eq!(
            asked("select name from t where session_user in ('a', 'b')"),
            ["a", "b"]
        );
        assert!(
            asked("begin if session_user = 'a' then return; end if; raise notice '%', n; end").is_empty()
        );
        assert!(asked("begin if session_user <> 'a' then raise notice '%', n; end if; end").is_empty());
        assert!(asked("select session_user").is_empty());
    }
}
