//! Tests of `backend`.
