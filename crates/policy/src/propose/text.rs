//! Text of a proposal: TOML's strings and keys, comments, ids.

/// Longest id, in bytes.
const MAX_ID_BYTES: usize = 63;

/// Longest title, in bytes: what an estate's file takes.
const MAX_TITLE_BYTES: usize = 200;

/// Longest comment that is taken over from the database, in characters.
const MAX_COMMENT_CHARS: usize = 200;

/// A basic string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            char if char.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

/// A key of TOML, bare where it can be.
pub(super) fn key(name: &str) -> String {
    let bare = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// What somebody wrote, as one line that is not too long and shows.
pub(super) fn line(text: &str) -> String {
    let visible = text.chars().map(|char| {
        let hidden = char.is_control()
            || matches!(char, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hidden { ' ' } else { char }
    });
    let line: String = visible.take(MAX_COMMENT_CHARS).collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What somebody wrote, as a title: a shorter line.
pub(super) fn title(text: &str) -> String {
    let mut title = String::new();
    for char in line(text).chars() {
        if title.len() + char.len_utf8() > MAX_TITLE_BYTES {
            break;
        }
        title.push(char);
    }
    title.trim_end().to_owned()
}

/// A comment of TOML: one line.
pub(super) fn comment(text: &str) -> String {
    format!("# {}\n", line(text))
}

/// A name as an id: in small letters, digits and `-`.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for char in name.chars() {
        if slug.len() >= MAX_ID_BYTES {
            break;
        }
        match char.to_ascii_lowercase() {
            char if char.is_ascii_lowercase() || char.is_ascii_digit() => slug.push(char),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "relation" } else { slug }.to_owned()
}

/// The id with a number, but for the first; still short enough.
pub(super) fn numbered(id: &str, number: usize) -> String {
    if number == 1 {
        return id.to_owned();
    }
    let suffix = format!("-{number}");
    let room = MAX_ID_BYTES.saturating_sub(suffix.len());
    let head: String = id.chars().take(room).collect();
    format!("{}{suffix}", head.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_keys_are_read_back_as_they_were() {
        for text in [
            "plain",
            "it's \"so\"",
            "back\\slash",
            "tab\tnewline\n\u{7f}",
            "ünïcødé",
            "",
        ] {
            let written = format!("{} = {}", key(text), quoted(text));
            let read: toml::Table = toml::from_str(&written).unwrap();
            assert_eq!(
                read.get(text).and_then(|value| value.as_str()),
                Some(text),
                "{written}"
            );
        }
        assert_eq!(key("person_id"), "person_id");
    }

    #[test]
    fn ids_are_ids() {
        for (name, expected) in [
            ("Order Details", "order-details"),
            ("__x__", "x"),
            ("ünïcødé", "n-c-d"),
            ("人", "relation"),
            ("", "relation"),
            ("a.b\"c", "a-b-c"),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
        let long = slug(&"x".repeat(100));
        assert_eq!(long.len(), MAX_ID_BYTES);
        let numbered = numbered(&long, 12);
        assert!(numbered.len() == MAX_ID_BYTES && numbered.ends_with("-12"));
        assert!(numbered.parse::<evidence::id::DatasetId>().is_ok());
    }

    #[test]
    fn comments_cannot_end_early() {
        assert_eq!(comment("a\nb\r\u{2028}[dataset]"), "# a b [dataset]\n");
    }
}
