//! PostgreSQL protocol 3 between bytes and messages: start-up, framing, typed views, SCRAM, expected replies.
//!
//! Pure: no sockets, no clock, no randomness (nonces are handed in), no policy, no meaning of SQL. Every parser takes
//! bytes that a stranger may have chosen and answers with a value or an error, never with a panic; nothing is allocated
//! for a message that is only relayed.
//!
//! Source: the chapter "Frontend/Backend Protocol" of the PostgreSQL documentation.

pub mod backend;
pub mod certificate;
pub mod frame;
pub mod frontend;
mod read;
pub mod reply;
pub mod scram;
pub mod startup;
pub mod token;
pub mod value;
mod write;

pub use read::Malformed;
pub use write::Unencodable;
