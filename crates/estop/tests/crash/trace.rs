//! Lines of strace: how many bytes a call writes.

/// The bytes that a `pwrite64` is to write: the number after them.
pub(crate) fn written(line: &str) -> usize {
    let after = line.rsplit_once('"').map_or("", |(_, after)| after);
    let mut numbers = after
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty());
    numbers.next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The longest of a call's numbers: the bytes to be written.
pub(crate) fn length(line: &str) -> usize {
    let after = line.rsplit_once('"').map_or("", |(_, after)| after);
    after
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .max()
        .unwrap_or(0)
}
