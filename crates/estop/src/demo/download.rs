//! A partner with a large result on its way: rows counted as they arrive, and the moment of the last one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use tokio::task::JoinHandle;

use super::partner::{Refused, Session};
use crate::clock;

/// Every foreign-born suspect with every incident in the same neighbourhood: some ten million rows, a gigabyte.
pub const QUERY: &str = "select p.person_id, p.name, p.birth_date, p.country_of_birth, n.incident_id, n.occurred_on, n.offence, \
                         n.neighbourhood from people p join incidents i using (incident_id) \
                         join incidents n on n.neighbourhood = i.neighbourhood";

/// How often a wait looks at the counters.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A download under way. The session lives as long as it does.
#[derive(Debug)]
pub struct Download {
    counters: Arc<Counters>,
    task: JoinHandle<Ended>,
}

#[derive(Debug, Default)]
struct Counters {
    rows: AtomicU64,
    bytes: AtomicU64,
}

/// How a download ended.
#[derive(Debug)]
pub struct Ended {
    /// Rows received.
    pub rows: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// When the last row was received; the start if there was none.
    pub last_row: Instant,
    /// What ended it; nothing when the result came to its end.
    pub why: Option<Refused>,
    /// What ended the connection.
    pub connection: Option<Refused>,
}

impl Download {
    /// Sends the query and counts what comes.
    #[must_use]
    pub fn begin(session: Session, sql: &'static str) -> Self {
        let counters = Arc::new(Counters::default());
        let task = tokio::spawn(receive(session, sql, Arc::clone(&counters)));
        Self { counters, task }
    }

    /// Rows received so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.counters.rows.load(Ordering::Relaxed)
    }

    /// Whether so many rows have come, waiting for them within a bound.
    pub async fn reaches(&self, rows: u64, within: Duration) -> bool {
        let began = clock::monotonic();
        while self.rows() < rows {
            if self.task.is_finished() || began.elapsed() > within {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        true
    }

    /// Waits for the end within a bound; nothing if it does not come.
    pub async fn end(self, within: Duration) -> Option<Ended> {
        tokio::time::timeout(within, self.task).await.ok()?.ok()
    }
}

async fn receive(session: Session, sql: &'static str, counters: Arc<Counters>) -> Ended {
    let mut last_row = clock::monotonic();
    let why = match rows(&session, sql, &counters, &mut last_row).await {
        Ok(()) => None,
        Err(error) => Some(Refused::from(error)),
    };
    let Session { client, connection } = session;
    drop(client);
    let connection = connection.await.ok().and_then(Result::err).map(Refused::from);
    let (rows, bytes) = (
        counters.rows.load(Ordering::Relaxed),
        counters.bytes.load(Ordering::Relaxed),
    );
    Ended {
        rows,
        bytes,
        last_row,
        why,
        connection,
    }
}

async fn rows(
    session: &Session,
    sql: &str,
    counters: &Counters,
    last_row: &mut Instant,
) -> Result<(), tokio_postgres::Error> {
    let stream = session.client.query_raw(sql, std::iter::empty::<&str>()).await?;
    let mut stream = std::pin::pin!(stream);
    while let Some(row) = stream.try_next().await? {
        *last_row = clock::monotonic();
        counters.rows.fetch_add(1, Ordering::Relaxed);
        counters.bytes.fetch_add(
            u64::try_from(row.raw_size_bytes()).unwrap_or_default(),
            Ordering::Relaxed,
        );
    }
    Ok(())
}
