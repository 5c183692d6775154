//! Quoting of PostgreSQL identifiers and literals.

/// An SQL identifier, always quoted (PostgreSQL documentation, 4.1.1).
#[must_use]
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An SQL string constant that means the same whatever `standard_conforming_strings` says
/// (PostgreSQL documentation, 4.1.2.1 and 4.1.2.2): a backslash makes it an `E''` constant.
#[must_use]
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}
