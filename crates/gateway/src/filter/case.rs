//! `SET estop.case`, `RESET estop.case`, `SHOW estop.case`: CASE is a reserved word of SQL, so PostgreSQL's grammar does not
//! take what the partner is told to write. The text goes upstream with the word quoted.

/// The text with `case` quoted, if it begins with one of the three.
pub(super) fn quoted(text: &str) -> Option<String> {
    let rest = skip_space(text);
    let rest = ["set", "reset", "show"]
        .into_iter()
        .find_map(|verb| word(rest, verb))?;
    let rest = ["session", "local"]
        .into_iter()
        .find_map(|scope| word(rest, scope))
        .unwrap_or(rest);
    let rest = word(rest, "estop")?.strip_prefix('.').map(skip_space)?;
    let behind = word_end(rest, "case")?;
    let name_at = text.len().checked_sub(rest.len())?;
    let (before, _) = text.split_at_checked(name_at)?;
    Some(format!("{before}\"case\"{behind}"))
}

/// What follows this word and the space behind it.
fn word<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    word_end(text, wanted).map(skip_space)
}

/// What follows this word, in any case of letters, if it ends there.
fn word_end<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(wanted.len())?;
    let goes_on = |next: char| next.is_ascii_alphanumeric() || matches!(next, '_' | '$') || !next.is_ascii();
    (head.eq_ignore_ascii_case(wanted) && !rest.starts_with(goes_on)).then_some(rest)
}

/// What follows white space and comments.
fn skip_space(mut text: &str) -> &str {
    loop {
        let rest = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
        text = if let Some(line) = rest.strip_prefix("--") {
            line.split_once(['\n', '\r']).map_or("", |(_, next)| next)
        } else if let Some(block) = rest.strip_prefix("/*") {
            match block_end(block) {
                Some(next) => next,
                None => return rest,
            }
        } else {
            return rest;
        };
    }
}

/// What follows a block comment; such comments nest.
fn block_end(mut text: &str) -> Option<&str> {
    let mut depth = 1_usize;
    while depth > 0 {
        let at = text.find(['*', '/'])?;
        let rest = text.get(at..)?;
        text = if let Some(next) = rest.strip_prefix("*/") {
            depth = depth.saturating_sub(1);
            next
        } else if let Some(next) = rest.strip_prefix("/*") {
            depth = depth.saturating_add(1);
            next
        } else {
            rest.get(1..)?
        };
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn the_word_is_quoted_wherever_sql_lets_it_stand() {
        for (text, wanted) in [
            ("set estop.case = 'a'", "set estop.\"case\" = 'a'"),
            (
                "SET SESSION estop . CASE TO 'a'",
                "SET SESSION estop . \"case\" TO 'a'",
            ),
            (
                "set/**/local/* /* x */ */estop.--\ncase='a'",
                "set/**/local/* /* x */ */estop.--\n\"case\"='a'",
            ),
            (" -- why\n reset Estop.Case;", " -- why\n reset Estop.\"case\";"),
            ("show estop.case", "show estop.\"case\""),
        ] {
            assert_eq!(quoted(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_changed() {
        for text in [
            "set estop.\"case\" = 'a'",
            "set estop.cases = 'a'",
            "set estop.case_ = 'a'",
            "set estop.caseé = 'a'",
            "setestop.case = 'a'",
            "select 'set estop.case'",
            "/* set estop.case",
            "set estop",
            "set estop.",
            "set",
            "",
            "é",
            "se\u{e9}",
        ] {
            assert_eq!(quoted(text), None, "{text}");
        }
    }
}
