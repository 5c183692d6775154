//! Tests of `scram`.
