//! Notices of corrections, and the answers to them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Clipped, Kind, Record, time};
use crate::id::{CorrectionNumber, OfficerId, PartnerId};

records! {
    /// A partner is to be told that a record it was given was corrected. Written before the notice is handed out.
    Correction: CorrectionRecord {
        /// The notice's number.
        number: CorrectionNumber,
        /// Who is told.
        partner: PartnerId,
        /// The notice, byte for byte: see [`crate::correction`].
        notice: String,
    }

    /// A partner has answered a notice.
    Acknowledged: AcknowledgedRecord {
        /// The notice's number.
        number: CorrectionNumber,
        /// When the answer was handed in.
        #[serde(with = "time::micros")]
        at: Timestamp,
        /// How it was answered.
        answer: Answer,
    }
}

/// How a notice of a correction was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// By an officer of the partner, with a signature over the notice.
    Signed {
        /// Who.
        officer: OfficerId,
        /// The officer's key, as the partner's file gave it: an OpenSSH public key.
        key: String,
        /// The armored OpenSSH signature.
        signature: String,
    },
    /// In another way, by the custodian's word alone.
    Word {
        /// What the custodian says of it.
        text: Clipped,
    },
}
