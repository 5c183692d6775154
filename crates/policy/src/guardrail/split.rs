//! A file of policies, cut into its policies, each with its place.

use std::ops::Range;

use crate::condition::MAX_DEPTH;

/// The characters of Cedar text that are neither in strings nor in comments, with their places. A string counts as its
/// opening quote.
fn bare(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        loop {
            let (at, char) = chars.next()?;
            match char {
                '/' if chars.peek().is_some_and(|(_, next)| *next == '/') => {
                    for (_, char) in chars.by_ref() {
                        if char == '\n' {
                            break;
                        }
                    }
                }
                '"' => {
                    let mut escaped = false;
                    for (_, char) in chars.by_ref() {
                        match char {
                            _ if escaped => escaped = false,
                            '\\' => escaped = true,
                            '"' => break,
                            _ => {}
                        }
                    }
                    return Some((at, '"'));
                }
                _ => return Some((at, char)),
            }
        }
    })
}

/// The policies of a file, each from its first character to its semicolon. Of a text that is not Cedar, some cut.
pub(crate) fn policies_of(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut begun = None;
    for (at, char) in bare(text) {
        if begun.is_none() && !char.is_whitespace() {
            begun = Some(at);
        }
        if char == ';' {
            found.extend(begun.take().map(|begun| begun..at + 1));
        }
    }
    found.extend(begun.map(|begun| begun..text.len()));
    found
}

/// Where a text opens more brackets than anyone reads. Cedar's parser recurses; so does everything after it.
pub(crate) fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, char) in bare(text) {
        match char {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(at);
        }
    }
    None
}

/// The place of the first occurrence of a text that is neither within a longer name nor in a comment; the head of the whole
/// if there is none.
pub(super) fn place_of(policy: &str, needle: &str) -> Range<usize> {
    let head = 0..policy.find('(').unwrap_or(policy.len()).min(policy.len());
    if needle.is_empty() {
        return head;
    }
    let within_name = |char: char| char.is_alphanumeric() || char == '_';
    let whole = |at: usize| {
        let before = policy.get(..at).and_then(|before| before.chars().next_back());
        let after = policy
            .get(at + needle.len()..)
            .and_then(|after| after.chars().next());
        let begins = needle.starts_with(within_name);
        let ends = needle.ends_with(within_name);
        !(begins && before.is_some_and(within_name) || ends && after.is_some_and(within_name))
    };
    let comments: Vec<Range<usize>> = comments(policy);
    policy
        .match_indices(needle)
        .map(|(at, _)| at)
        .find(|at| whole(*at) && !comments.iter().any(|comment| comment.contains(at)))
        .map_or(head, |at| at..at + needle.len())
}

fn comments(text: &str) -> Vec<Range<usize>> {
    let mut comments = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        // `//` within a string is none: an odd number of quotes stands before it.
        let starts = line.match_indices("//").map(|(at, _)| at);
        let mut bare = starts.filter(|at| {
            line.get(..*at)
                .is_some_and(|before| before.matches('"').count() % 2 == 0)
        });
        if let Some(at) = bare.next() {
            comments.push(offset + at..offset + line.len());
        }
        offset += line.len();
    }
    comments
}
