//! The partners' side of the demo: an ordinary PostgreSQL client that checks the gateway's certificate.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

use crate::tls::{self, TlsError};

/// Who connects, and what for.
#[derive(Clone)]
pub struct Login {
    /// User name.
    pub officer: &'static str,
    /// Password.
    pub password: Zeroizing<String>,
    /// Database name.
    pub agreement: &'static str,
    /// Purpose, where one is stated.
    pub purpose: Option<&'static str>,
    /// Case reference, where one is stated.
    pub case: Option<&'static str>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("officer", &self.officer)
            .field("agreement", &self.agreement)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// The value of libpq's `options` for what is stated.
    #[must_use]
    pub fn options(&self) -> String {
        let purpose = self.purpose.map(|purpose| format!("-cestop.purpose={purpose}"));
        let case = self.case.map(|case| format!("-cestop.case={case}"));
        purpose.into_iter().chain(case).collect::<Vec<_>>().join(" ")
    }

    /// A connection URI for psql and every other client on libpq. Its values need no escapes but those of `options`: names and
    /// passwords of the demo are letters, digits, dots and hyphens.
    #[must_use]
    pub fn uri(&self, port: u16, authority: &Path) -> String {
        let options = self.options().replace('=', "%3D").replace(' ', "%20");
        let options = if options.is_empty() {
            options
        } else {
            format!("&options={options}")
        };
        format!(
            "postgresql://{}:{}@localhost:{port}/{}?sslmode=verify-full&sslrootcert={}{options}",
            self.officer,
            self.password.as_str(),
            self.agreement,
            authority.display(),
        )
    }
}

/// How the gateway, or the database behind it, refused.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// PostgreSQL's code, or `none` where the connection simply broke.
    pub sqlstate: String,
    /// What was said.
    pub message: String,
    /// What more was said: the detail and the hint.
    pub more: Option<String>,
}

impl From<tokio_postgres::Error> for Refused {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) => Self {
                sqlstate: db.code().code().to_owned(),
                message: db.message().to_owned(),
                more: match (db.detail(), db.hint()) {
                    (Some(detail), Some(hint)) => Some(format!("{detail} {hint}")),
                    (detail, hint) => detail.or(hint).map(str::to_owned),
                },
            },
            None => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                Self {
                    sqlstate: "none".to_owned(),
                    message: format!("{error}{}", cause.unwrap_or_default()),
                    more: None,
                }
            }
        }
    }
}

/// Where the gateway is, and whom its certificate must be from.
#[derive(Clone)]
pub struct Gate {
    port: u16,
    tls: MakeRustlsConnect,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// A session, and the task that drives it: the task's end is the connection's.
#[derive(Debug)]
pub struct Session {
    /// To ask with.
    pub client: Client,
    /// Ends with the connection.
    pub connection: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Gate {
    /// The gateway at this address, whose certificate must be signed by the authority in this file.
    ///
    /// # Errors
    /// The authority's file cannot be used.
    pub fn new(address: SocketAddr, authority: &Path) -> Result<Self, TlsError> {
        Ok(Self {
            port: address.port(),
            tls: MakeRustlsConnect::new(tls::client(authority)?),
        })
    }

    /// Connects as `sslmode=verify-full` does.
    ///
    /// # Errors
    /// The gateway's refusal.
    pub async fn connect(&self, login: &Login) -> Result<Session, Refused> {
        let mut config = Config::new();
        config
            .host("localhost")
            .hostaddr(Ipv4Addr::LOCALHOST.into())
            .port(self.port)
            .ssl_mode(SslMode::Require)
            .user(login.officer)
            .password(login.password.as_bytes())
            .dbname(login.agreement)
            .application_name("estop demo");
        let options = login.options();
        if !options.is_empty() {
            config.options(options);
        }
        let (client, connection) = config.connect(self.tls.clone()).await?;
        Ok(Session {
            client,
            connection: tokio::spawn(connection),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(purpose: Option<&'static str>, case: Option<&'static str>) -> Login {
        Login {
            officer: "r.northcote",
            password: Zeroizing::new("secret".to_owned()),
            agreement: "federal-2019",
            purpose,
            case,
        }
    }

    #[test]
    fn the_uri_has_no_second_equals_sign_in_a_value() {
        let uri = login(Some("p"), Some("AB-1")).uri(6432, Path::new("/demo/tls/ca.pem"));
        assert_eq!(
            uri,
            "postgresql://r.northcote:secret@localhost:6432/federal-2019?sslmode=verify-full\
             &sslrootcert=/demo/tls/ca.pem&options=-cestop.purpose%3Dp%20-cestop.case%3DAB-1"
        );
        assert!(!login(None, None).uri(1, Path::new("/x")).contains("options"));
    }

    #[test]
    fn the_password_is_not_printed() {
        assert!(!format!("{:?}", login(None, None)).contains("secret"));
    }
}
