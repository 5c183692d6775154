//! People and what they sign: allowed signers, directives and certificates, held against OpenSSH's own tools.

#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "all of it is tests, also what is not marked as one"
)]

mod approval;
mod certificates;
mod directives;
mod forgeries;
mod independent;
mod keygen;
mod security_key;
mod signers;
mod suspensions;
mod vectors;
mod world;
