//! Proof by trying: each claimed path is walked as the role that it is claimed for, in a transaction that writes nothing and is
//! rolled back. Rows are counted on the server, up to one; no value of them comes here.

use std::collections::BTreeMap;

use policy::exposure::{Attempt, Class, Report};
use policy::sql::ident;
use tokio_postgres::Client;

use super::{Progress, Way};
use crate::error::ControlError;

/// How long one attempt may take: a view that sorts everything is given up on, and stays untried.
const ATTEMPT_TIMEOUT: &str = "10s";

/// What an attempt showed.
enum Shown {
    Read,
    Nothing,
    Refused(String),
    Untried(String),
}

impl Way {
    /// Tries the paths of a report, and writes into it what came of that.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn verify(&self, report: &mut Report, progress: Progress<'_>) -> Result<(), ControlError> {
        let mut clients: BTreeMap<String, Option<Client>> = BTreeMap::new();
        let total = report.findings.len();
        for (at, finding) in report.findings.iter_mut().enumerate() {
            let tried = matches!(finding.class, Class::Rows | Class::Facts | Class::Blocked);
            let Some(attempt) = finding.attempt.clone().filter(|_| tried) else {
                continue;
            };
            progress(&format!("trying path {} of {total}", at + 1));
            if !clients.contains_key(&attempt.database) {
                let client = self.connect(Some(&attempt.database)).await.ok();
                clients.insert(attempt.database.clone(), client);
            }
            let Some(Some(client)) = clients.get(&attempt.database) else {
                continue;
            };
            let shown = attempt_one(client, &attempt).await;
            let note = match (&shown, finding.class) {
                (Shown::Read, Class::Blocked) => {
                    // Login is not tried here, so a shut door cannot be shown wrong by a session authorization.
                    if finding.why.as_deref().is_some_and(|why| why.contains("(role ")) {
                        None
                    } else {
                        finding.verified = Some(true);
                        Some("tried: it reads, so this finding is wrong: please report it".to_owned())
                    }
                }
                (_, Class::Blocked) => {
                    finding.verified = Some(false);
                    None
                }
                (Shown::Read, _) => {
                    finding.verified = Some(true);
                    None
                }
                (Shown::Nothing, _) if attempt.conclusive => {
                    finding.verified = Some(false);
                    Some("tried: no row, the relation being empty or its policies leaving none".to_owned())
                }
                (Shown::Nothing, _) => {
                    Some("tried: it ran, and gave nothing with made-up arguments".to_owned())
                }
                (Shown::Refused(message), _) => {
                    finding.verified = Some(false);
                    Some(format!(
                        "tried: refused ({message}), so this finding is wrong: please report it"
                    ))
                }
                (Shown::Untried(why), _) => Some(format!("not tried: {why}")),
            };
            if let Some(note) = note {
                finding.why = Some(match finding.why.take() {
                    Some(why) => format!("{why}; {note}"),
                    None => note,
                });
            }
        }
        Ok(())
    }
}

async fn attempt_one(client: &Client, attempt: &Attempt) -> Shown {
    let set = match &attempt.sets {
        Some(role) => format!("SET LOCAL ROLE {};", ident(role)),
        None => String::new(),
    };
    let prepare = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = '{ATTEMPT_TIMEOUT}'; SET LOCAL lock_timeout = '1s'; \
         SET LOCAL SESSION AUTHORIZATION {};",
        ident(&attempt.login)
    );
    if let Err(error) = client.batch_execute(&prepare).await {
        let _ = client.batch_execute("ROLLBACK").await;
        let why = match error.code() {
            Some(code) if code.code() == "42501" => "only a superuser may act as other roles".to_owned(),
            _ => message(&error),
        };
        return Shown::Untried(why);
    }
    let tried = async {
        client.batch_execute(&set).await?;
        client.query_one(attempt.sql.as_str(), &[]).await
    }
    .await;
    let shown = match tried {
        Ok(row) => match row.try_get::<_, i64>(0) {
            Ok(0) => Shown::Nothing,
            Ok(_) => Shown::Read,
            Err(error) => Shown::Untried(message(&error)),
        },
        Err(error) => match error.code().map(tokio_postgres::error::SqlState::code) {
            Some("42501" | "0LP01") => Shown::Refused(message(&error)),
            _ => Shown::Untried(message(&error)),
        },
    };
    // Whatever was done is undone, the session's role with it.
    let _ = client.batch_execute("ROLLBACK").await;
    shown
}

fn message(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
