//! PostgreSQL's parser, called so that hostile text can neither crash nor disturb the process.
//!
//! Depth is bounded three times: the parser's own stack check, its grammar stack of 10,000, and the 100 levels of the
//! decoder of its output, which is the one that counts: about 45 operators, joins or calls within one another. Everything
//! deeper is refused by an error, so the tree that comes back is small enough to be walked and dropped.

use std::panic;

use pg_query::protobuf::ParseResult;
use wire::backend::Sqlstate;

use super::verdict::Refused;

/// The parse tree of a text.
///
/// # Errors
/// [`Refused`] with PostgreSQL's own message for a text that it would not take either, or because it is too deep.
pub(super) fn parse(text: &str) -> Result<ParseResult, Refused> {
    // What the library does with the tree after parsing indexes and unwraps.
    match panic::catch_unwind(|| pg_query::parse(text, 0)) {
        Ok(Ok(result)) => Ok(result.protobuf),
        Ok(Err(pg_query::Error::Parse(message))) => Err(failed(&message)),
        Ok(Err(pg_query::Error::Decode(_))) => Err(too_deep()),
        Ok(Err(_)) | Err(_) => Err(Refused::new(
            Sqlstate::NOT_SUPPORTED,
            "statement cannot be judged",
        )),
    }
}

fn failed(message: &str) -> Refused {
    let deep = [
        "stack depth limit exceeded",
        "memory exhausted",
        "nested too deeply",
    ];
    if deep.iter().any(|words| message.contains(words)) {
        too_deep()
    } else {
        Refused::new(Sqlstate::SYNTAX_ERROR, message)
    }
}

fn too_deep() -> Refused {
    Refused::new(
        Sqlstate::TOO_COMPLEX,
        "statement is nested too deeply to be judged: at most about 45 operators, joins or calls within one another",
    )
}
