//! The `options` start-up parameter: command-line switches for the server, of which only settings are taken.
//!
//! Source: PostgreSQL documentation, "libpq: options", and the behaviour of `pg_split_opts` and `process_postgres_switches`:
//! words divided by white space, a backslash takes the next character as it is, `-` within a setting's name means `_`.

use thiserror::Error;

/// Why an `options` parameter is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// A switch other than `-c` and `--name=value`.
    #[error("switch `{0}` in start-up options is not taken; write `-c name=value`")]
    Switch(String),
    /// A setting without `=`, or without a name.
    #[error("`{0}` in start-up options is not of the form `name=value`")]
    Form(String),
    /// `-c` as the last word.
    #[error("`-c` at the end of start-up options has no setting behind it")]
    Missing,
    /// A backslash as the last character.
    #[error("start-up options end in a backslash")]
    Backslash,
}

/// Settings in the order given: `-c name=value`, `-cname=value`, `--name=value`. A name may come several times (the last
/// counts in PostgreSQL).
///
/// # Errors
/// [`OptionsError`] for anything else.
pub fn parse(options: &str) -> Result<Vec<(String, String)>, OptionsError> {
    let mut settings = Vec::new();
    let mut words = split(options)?.into_iter();
    while let Some(word) = words.next() {
        let setting = if let Some(long) = word.strip_prefix("--") {
            name_value(long)
        } else if let Some(short) = word.strip_prefix("-c") {
            if short.is_empty() {
                words
                    .next()
                    .ok_or(OptionsError::Missing)
                    .and_then(|next| name_value(&next))
            } else {
                name_value(short)
            }
        } else {
            Err(OptionsError::Switch(word))
        };
        settings.push(setting?);
    }
    Ok(settings)
}

fn name_value(text: &str) -> Result<(String, String), OptionsError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.replace('-', "_"), value.to_owned())),
        _ => Err(OptionsError::Form(text.to_owned())),
    }
}

fn split(options: &str) -> Result<Vec<String>, OptionsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            // What C's isspace() takes in the C locale.
            ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r' => words.extend(word.take()),
            '\\' => {
                let next = characters.next().ok_or(OptionsError::Backslash)?;
                word.get_or_insert_default().push(next);
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}
