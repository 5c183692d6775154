//! The custodian's database of the demo: real incidents, made-up people, as a records office would keep them.

use std::fmt::Write as _;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::{Client, Config, NoTls};

use super::incidents::Incident;
use super::people::Person;
use crate::postgres::{ADMIN, Scratch};

/// The database that is shared from.
pub const DATABASE: &str = "records";

/// The tables, written as a database engineer would who has not heard of Estop.
const TABLES: &str = include_str!("records.sql");

/// How much text goes into one message of a COPY, in bytes.
const PIECE: usize = 256 * 1024;

/// How much was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Loaded {
    /// Rows of `records.incidents`.
    pub incidents: u64,
    /// Rows of `records.people`.
    pub people: u64,
}

/// Makes the database and fills it.
///
/// # Errors
/// The server's answer.
pub async fn load(
    scratch: &Scratch,
    incidents: &[Incident],
    people: &[Person],
) -> Result<Loaded, tokio_postgres::Error> {
    let mut config = admin(scratch);
    connect(config.dbname("postgres"))
        .await?
        .batch_execute("CREATE DATABASE records")
        .await?;
    let client = connect(config.dbname(DATABASE)).await?;
    client.batch_execute(TABLES).await?;
    let loaded = Loaded {
        incidents: copy(&client, "records.incidents", incidents.iter().map(incident_line)).await?,
        people: copy(&client, "records.people", people.iter().map(person_line)).await?,
    };
    client
        .batch_execute("ANALYZE records.incidents; ANALYZE records.people")
        .await?;
    Ok(loaded)
}

/// How the custodian's own administrator reaches the scratch server.
#[must_use]
pub fn admin(scratch: &Scratch) -> Config {
    let mut config = Config::new();
    config
        .host_path(scratch.socket_directory())
        .port(scratch.port())
        .user(ADMIN)
        .password(scratch.password())
        .dbname(DATABASE);
    config
}

/// A client over the Unix socket; its connection is driven in the background until the client goes.
///
/// # Errors
/// The server's answer.
pub async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    // The client's own calls tell when the connection has ended, so its result is not needed here.
    tokio::spawn(connection);
    Ok(client)
}

async fn copy(
    client: &Client,
    table: &str,
    lines: impl Iterator<Item = String>,
) -> Result<u64, tokio_postgres::Error> {
    let sink = client
        .copy_in::<_, Bytes>(&format!("COPY {table} FROM STDIN (FORMAT csv)"))
        .await?;
    let mut sink = Box::pin(sink);
    let mut piece = String::with_capacity(PIECE);
    for line in lines {
        piece.push_str(&line);
        if piece.len() >= PIECE {
            sink.send(Bytes::from(std::mem::take(&mut piece))).await?;
        }
    }
    sink.send(Bytes::from(piece)).await?;
    sink.as_mut().finish().await
}

fn incident_line(incident: &Incident) -> String {
    csv_line(&[
        &incident.incident_id.to_string(),
        &incident.occurred_on.to_string(),
        &incident.hour.to_string(),
        &incident.premises,
        &incident.offence,
        &incident.neighbourhood,
        &incident.latitude,
        &incident.longitude,
    ])
}

fn person_line(person: &Person) -> String {
    csv_line(&[
        &person.person_id.to_string(),
        &person.incident_id.to_string(),
        person.role,
        &person.name,
        &person.birth_date.to_string(),
        person.case_status,
        if person.is_juvenile { "true" } else { "false" },
        person.country_of_birth,
    ])
}

/// One line of CSV as PostgreSQL reads it (COPY, "CSV Format"): every field quoted, quotes doubled.
fn csv_line(fields: &[&str]) -> String {
    let mut line = String::new();
    for (field, separator) in fields
        .iter()
        .zip(std::iter::once("").chain(std::iter::repeat(",")))
    {
        // Writing to a string cannot fail.
        let _ = write!(line, "{separator}\"{}\"", field.replace('"', "\"\""));
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_quoted() {
        assert_eq!(
            csv_line(&["1", "a,b", "say \"no\"", ""]),
            "\"1\",\"a,b\",\"say \"\"no\"\"\",\"\"\n"
        );
    }
}
