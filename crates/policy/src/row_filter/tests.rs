//! Tests of row filters.
