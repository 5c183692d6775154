//! The real incidents that are shipped with the program (data/README.md tells their source and licence).

use std::io::Read;

use flate2::read::GzDecoder;
use jiff::civil::Date;

/// `data/incidents.csv.gz`.
const SHIPPED: &[u8] = include_bytes!("../../../../data/incidents.csv.gz");

/// The table unpacked is 7 MB; more than this is not that table.
const TABLE_MAX: u64 = 64 * 1024 * 1024;

/// One incident. No person is named in it.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct Incident {
    /// Line number in the source table.
    pub incident_id: u32,
    /// Day, Toronto time.
    pub occurred_on: Date,
    /// Hour of the day, 0-23.
    pub hour: u8,
    /// Kind of place.
    pub premises: String,
    /// Kind of crime.
    pub offence: String,
    /// One of 140.
    pub neighbourhood: String,
    /// WGS 84, as in the table: five decimals.
    pub latitude: String,
    /// WGS 84, as in the table: five decimals.
    pub longitude: String,
}

/// The shipped table could not be read: it was changed before the program was built.
#[derive(Debug, thiserror::Error)]
#[error("the incidents built into this program are not readable")]
pub struct Unreadable(#[from] csv::Error);

/// All incidents, in the table's order.
///
/// # Errors
/// [`Unreadable`], which a test excludes for the shipped table.
pub fn shipped() -> Result<Vec<Incident>, Unreadable> {
    let table = GzDecoder::new(SHIPPED).take(TABLE_MAX);
    Ok(csv::Reader::from_reader(table)
        .deserialize()
        .collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_is_whole() {
        let incidents = shipped().unwrap();
        assert_eq!(incidents.len(), 81_553);
        assert!(
            incidents
                .iter()
                .all(|i| i.hour < 24 && i.occurred_on.year() >= 2019)
        );
        let mut numbers: Vec<_> = incidents.iter().map(|i| i.incident_id).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), incidents.len());
    }

    #[test]
    fn the_shipped_table_is_small() {
        assert!(SHIPPED.len() <= 1_500_000);
    }
}
