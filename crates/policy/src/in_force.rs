//! The policy in force: the document that control publishes and gateways read, and the decision on a session.
//!
//! A [`Permit`] is made only here, after Cedar has allowed the session; whoever holds one need not ask again, until the
//! epoch changes.

mod decider;
mod document;
mod permit;
mod refusal;

#[cfg(test)]
mod tests;

pub use decider::{Decider, DeciderError, SessionRequest};
pub use document::{
    AgreementInForce, CedarText, DocumentInForce, EndedScope, InForce, MakeError, PartnerInForce,
    PurposeInForce, ViewInForce,
};
pub use permit::{Day, Permit};
pub use refusal::{Refusal, SqlState};
