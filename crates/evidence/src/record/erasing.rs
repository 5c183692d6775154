//! The records of an erasure, and of an opening of what was under seal.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Clipped, Kind, Record, time};
use crate::id::{HolderId, OverseersId};

records! {
    /// Keys of entries were destroyed. Which ones stands in the entry's body: see [`crate::erasure`].
    Erased: ErasedRecord {
        /// When it was begun.
        #[serde(with = "time::micros")]
        at: Timestamp,
        /// On what basis, in words.
        basis: Clipped,
        /// Who had it done: an account of the custodian's machine.
        by: Clipped,
        /// How many private records became unreadable by it.
        records: u64,
    }

    /// Overseers opened records that were under seal. Which ones stands in the entry's body: see [`crate::erasure`].
    Unsealed: UnsealedRecord {
        /// When it was handed in.
        #[serde(with = "time::micros")]
        at: Timestamp,
        /// To whom they were sealed.
        overseers: OverseersId,
        /// Whose shares it took, as they say.
        holders: Vec<HolderId>,
        /// The order that they opened it on, as they say; none where its time had come.
        order: Option<Clipped>,
        /// Who handed it in: an account of the custodian's machine.
        by: Clipped,
        /// How many private records became readable by it.
        records: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{decode, encode};
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let record = ErasedRecord {
            at: "2026-11-23T00:01:59.5Z".parse().unwrap(),
            basis: "art. 17".into(),
            by: "uid 0".into(),
            records: 3,
        };
        assert_eq!(decode::<ErasedRecord>(&encode(&record).unwrap()).unwrap(), record);
        assert!(
            decode::<ErasedRecord>(b"{\"at\":\"2026-11-23T00:01:59.5Z\",\"basis\":\"b\",\"by\":\"u\"}")
                .is_err()
        );
    }
}
