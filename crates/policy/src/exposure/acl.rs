//! Access lists as PostgreSQL prints them, taken apart (PostgreSQL documentation, 5.8 "Privileges", `aclitem`).

/// One entry: who may what, by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// `None` is PUBLIC.
    pub(crate) grantee: Option<String>,
    /// The letters, without `*`.
    pub(crate) rights: String,
    /// The letters that were given WITH GRANT OPTION.
    pub(crate) grantable: String,
    /// Who gave them.
    pub(crate) grantor: String,
}

/// A name at the start of the text, and what follows it: in double quotes where it has other signs than letters, digits and `_`.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['=', '/']).unwrap_or(text.len());
        return Some((text.get(..end)?.to_owned(), text.get(end..)?));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"')?;
        name.push_str(rest.get(..end)?);
        rest = rest.get(end + 1..)?;
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

/// One `aclitem`; `None` where it is not of that form.
pub(crate) fn entry(text: &str) -> Option<Entry> {
    let (grantee, rest) = name(text)?;
    let (letters, rest) = rest.strip_prefix('=')?.split_once('/')?;
    let (grantor, rest) = name(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let mut rights = String::new();
    let mut grantable = String::new();
    let mut last = None;
    for letter in letters.chars() {
        match (letter, last) {
            ('*', Some(last)) => grantable.push(last),
            ('*', None) => return None,
            (letter, _) => {
                rights.push(letter);
                last = Some(letter);
            }
        }
    }
    Some(Entry {
        grantee: (!grantee.is_empty()).then_some(grantee),
        rights,
        grantable,
        grantor,
    })
}

/// What a missing list of rights stands for (`acldefault`): the owner's rights and PUBLIC's.
pub(crate) fn default(object: Object) -> (&'static str, &'static str) {
    match object {
        Object::Relation => ("arwdDxtm", ""),
        Object::Function => ("X", "X"),
        Object::Schema => ("UC", ""),
        Object::Database => ("CTc", "Tc"),
        Object::Language => ("U", "U"),
        Object::Server => ("U", ""),
        Object::Blob => ("rw", ""),
        Object::Parameter => ("", ""),
    }
}

/// A right's letter as GRANT names it.
pub(crate) fn word(right: char) -> &'static str {
    match right {
        'r' => "SELECT",
        'a' => "INSERT",
        'w' => "UPDATE",
        'd' => "DELETE",
        'D' => "TRUNCATE",
        'x' => "REFERENCES",
        't' => "TRIGGER",
        'm' => "MAINTAIN",
        'X' => "EXECUTE",
        'U' => "USAGE",
        'C' => "CREATE",
        'c' => "CONNECT",
        'T' => "TEMPORARY",
        's' => "SET",
        'A' => "ALTER SYSTEM",
        _ => "ALL",
    }
}

/// Kinds of objects that have access lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    Relation,
    Function,
    Schema,
    Database,
    Language,
    Server,
    Blob,
    Parameter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_taken_apart() {
        let one = entry("alice=ar*w/\"Bob \"\"B\"\"\"").unwrap();
        assert_eq!(one.grantee.as_deref(), Some("alice"));
        assert_eq!((one.rights.as_str(), one.grantable.as_str()), ("arw", "r"));
        assert_eq!(one.grantor, "Bob \"B\"");
        assert_eq!(entry("=X/postgres").unwrap().grantee, None);
        assert_eq!(entry("\"a=b/c\"=U/x").unwrap().grantee.as_deref(), Some("a=b/c"));
        for wrong in ["", "alice", "alice=r", "\"open=r/x", "a=*r/x", "a=r/\"x\"y"] {
            assert_eq!(entry(wrong), None, "{wrong}");
        }
    }
}
