//! Estate files in; Cedar set, desired roles and views, plans, drift and the policy in force out.
//!
//! Pure: the catalog is a plain value, the time is handed in, nothing here connects to anything.

pub mod admin_role;
pub mod airlock;
pub mod as_of;
pub mod audit;
pub mod catalog;
pub mod cedar;
pub mod condition;
pub mod desired;
pub mod ending;
pub mod estate;
pub mod exposure;
pub mod guardrail;
pub mod harden;
pub mod in_force;
pub mod mask;
pub mod outline;
pub mod plan;
pub mod propose;
pub mod row_filter;
pub mod shared_view;
pub mod sql;
pub mod terms;
