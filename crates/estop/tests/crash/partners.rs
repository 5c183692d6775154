//! Partners at work until the gateway dies under them: what each of them received, statement by statement.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::BytesMut;
use futures_util::future::join_all;
use futures_util::{Stream, StreamExt as _};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Error, Row, SimpleQueryMessage};

use super::connect;
use crate::stage::Login;

/// Statements that a pipeline has under way at a time.
const PIPELINED: u64 = 6;

/// What came of one statement.
#[derive(Debug)]
pub(crate) struct Received {
    /// Stands in the statement's text or in a parameter, and in no other statement.
    pub(crate) marker: String,
    /// Rows that came.
    pub(crate) rows: u64,
    /// Whom they were about, where they say so by number.
    pub(crate) people: BTreeSet<i32>,
    /// Whether the statement was answered to its end.
    pub(crate) complete: bool,
    /// The SQLSTATE, if it was refused.
    pub(crate) refused: Option<String>,
}

impl Received {
    /// Whether anything came of the statement.
    pub(crate) fn anything(&self) -> bool {
        self.complete || self.rows > 0
    }
}

/// The roads a statement can take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Road {
    /// Short statements of the simple protocol.
    Simple,
    /// One prepared statement, bound again and again, the marker being a parameter.
    Prepared,
    /// Several statements of the extended protocol on their way at once.
    Pipeline,
    /// A result of millions of rows, simple protocol.
    Stream,
    /// The same with the extended protocol.
    StreamExtended,
    /// The same as `COPY`; each piece of data is a row.
    Copy,
}

/// A parameter that goes as text; else this client sends all in binary form.
#[derive(Debug)]
struct AsText(String);

impl ToSql for AsText {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// Whom a row in binary form is about.
fn person(row: &Row) -> Option<Option<i32>> {
    Some(row.try_get("person_id").ok())
}

/// One partner's connection.
pub(crate) struct Partner {
    pub(crate) address: SocketAddr,
    pub(crate) login: Login,
    pub(crate) road: Road,
    /// Begins each of its markers.
    pub(crate) name: String,
    /// Whether it has received a row.
    pub(crate) at_work: AtomicBool,
    /// How many partners have.
    pub(crate) seen: Arc<AtomicU64>,
}

impl Partner {
    /// Sends statements until the connection breaks.
    pub(crate) async fn work(self) -> Vec<Received> {
        let mut all = Vec::new();
        // The gateway may die while somebody logs in.
        let Ok(client) = connect(self.address, &self.login).await else {
            return all;
        };
        let prepared = "select $1, person_id from people where person_id > $2::int4 limit 5";
        let prepared = match self.road {
            Road::Prepared => match client.prepare_typed(prepared, &[Type::TEXT]).await {
                Ok(prepared) => Some(prepared),
                Err(_) => return all,
            },
            _ => None,
        };
        for number in 0.. {
            let marker = format!("mark:{}-{number}:", self.name);
            let statement = match &prepared {
                Some(prepared) => vec![self.bound(&client, prepared, marker).await],
                None => self.statement(&client, marker, number).await,
            };
            let broken = statement.iter().any(|one| !one.complete);
            all.extend(statement);
            if broken {
                break;
            }
        }
        all
    }

    async fn statement(&self, client: &Client, marker: String, number: u64) -> Vec<Received> {
        let stream = format!(
            "select '{marker}', p.person_id, p.name, i.incident_id, i.offence from people p, incidents i"
        );
        match self.road {
            Road::Simple | Road::Prepared => {
                let sql = format!("select '{marker}', person_id from people limit {}", number % 7);
                vec![self.simple(client, marker, &sql).await]
            }
            Road::Pipeline => {
                let several = (0..PIPELINED).map(|place| {
                    let marker = format!("{}{place}:", marker);
                    self.extended(
                        client,
                        format!("select '{marker}', incident_id from incidents limit 40"),
                        marker,
                    )
                });
                join_all(several).await
            }
            Road::Stream => vec![self.simple(client, marker, &stream).await],
            Road::StreamExtended => vec![self.extended(client, stream, marker).await],
            Road::Copy => {
                let rows = client.copy_out(&format!("copy ({stream}) to stdout")).await;
                vec![self.receive(marker, rows, |_| Some(None)).await]
            }
        }
    }

    async fn simple(&self, client: &Client, marker: String, sql: &str) -> Received {
        let rows = client.simple_query_raw(sql).await;
        self.receive(marker, rows, |message| match message {
            SimpleQueryMessage::Row(row) => {
                let person = row.try_get("person_id").ok().flatten();
                Some(person.and_then(|person| person.parse().ok()))
            }
            _ => None,
        })
        .await
    }

    async fn extended(&self, client: &Client, sql: String, marker: String) -> Received {
        let rows = client.query_raw(&sql, std::iter::empty::<&str>()).await;
        self.receive(marker, rows, person).await
    }

    async fn bound(&self, client: &Client, prepared: &tokio_postgres::Statement, marker: String) -> Received {
        let parameters = [AsText(marker.clone()), AsText("3".to_owned())];
        let rows = client.query_raw(prepared, parameters).await;
        self.receive(marker, rows, person).await
    }

    /// Reads a result to its end, row by row (`row` says whom one is about), or to the end of the connection.
    async fn receive<T>(
        &self,
        marker: String,
        messages: Result<impl Stream<Item = Result<T, Error>>, Error>,
        row: impl Fn(&T) -> Option<Option<i32>>,
    ) -> Received {
        let mut received = Received {
            marker,
            rows: 0,
            people: BTreeSet::new(),
            complete: false,
            refused: None,
        };
        let broken = match messages {
            Err(error) => Some(error),
            Ok(messages) => {
                let mut messages = pin!(messages);
                loop {
                    match messages.next().await {
                        Some(Ok(message)) => {
                            if let Some(person) = row(&message) {
                                received.rows += 1;
                                received.people.extend(person);
                            }
                        }
                        Some(Err(error)) => break Some(error),
                        None => break None,
                    }
                    if received.rows == 1 && !self.at_work.swap(true, Ordering::Relaxed) {
                        self.seen.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        };
        received.complete = broken.is_none();
        received.refused = broken.and_then(|error| Some(error.code()?.code().to_owned()));
        received
    }
}
