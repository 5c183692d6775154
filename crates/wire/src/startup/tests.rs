//! Tests of `startup`.
