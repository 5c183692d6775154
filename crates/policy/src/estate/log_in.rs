//! How a partner's officers prove who they are.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogIn {
    /// By a password.
    Password,
    /// By a client certificate, and nothing else.
    Certificate,
    /// By both.
    CertificateAndPassword,
    /// By a token of the custodian's issuer (OAuth).
    Token,
}

impl LogIn {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Password,
        Self::Certificate,
        Self::CertificateAndPassword,
        Self::Token,
    ];

    /// What stands in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Certificate => "certificate",
            Self::CertificateAndPassword => "certificate-and-password",
            Self::Token => "token",
        }
    }

    /// The way if nothing is said.
    pub(crate) fn by_default() -> BTreeSet<Self> {
        BTreeSet::from([Self::Password])
    }

    /// Whether an officer needs a password for it.
    #[must_use]
    pub fn needs_password(self) -> bool {
        matches!(self, Self::Password | Self::CertificateAndPassword)
    }

    /// Whether an officer needs a certificate for it.
    #[must_use]
    pub fn needs_certificate(self) -> bool {
        matches!(self, Self::Certificate | Self::CertificateAndPassword)
    }
}

impl fmt::Display for LogIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with how a partner's officers log in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogInError {
    /// No such way.
    #[error("`{0}` is no way to log in")]
    Unknown(String),
    /// A name of a certificate that is none.
    #[error("`{0}` is no name of a certificate")]
    CertificateName(String),
    /// An officer without what the partner's way asks for.
    #[error("officers of this partner log in by {way}, and officer `{officer}` has no `{field}`")]
    Lacks {
        /// Who.
        officer: String,
        /// By what.
        way: LogIn,
        /// What is not there.
        field: &'static str,
    },
    /// A way that the gateway has nothing for.
    #[error("officers of this partner log in by {way}, and `{table}` of estop.toml is not there")]
    NotSetUp {
        /// By what.
        way: LogIn,
        /// What is not there.
        table: &'static str,
    },
}

impl LogInError {
    /// What would be right.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Unknown(_) => "`password`, `certificate`, `certificate-and-password` and `token` are".to_owned(),
            Self::CertificateName(_) => "`estop officer certificate FILE` prints the names of a certificate as they are written here: \
                 `subject:CN=Ada King,O=State Police`, `email:...`, `dns:...` or `uri:...`"
                .to_owned(),
            Self::Lacks { field, .. } => format!("write `{field}` down for the officer, or `log_in` otherwise for the partner"),
            Self::NotSetUp { table, .. } => format!("write `{table}` down: docs/guide.md, \"Log in\""),
        }
    }
}

impl FromStr for LogIn {
    type Err = LogInError;

    fn from_str(text: &str) -> Result<Self, LogInError> {
        let mut all = Self::ALL.into_iter();
        all.find(|way| way.as_str() == text)
            .ok_or_else(|| LogInError::Unknown(text.to_owned()))
    }
}

/// A name that a certificate has: its subject, or one of its alternative names, each with its kind before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CertificateName(String);

impl CertificateName {
    /// Longest, in bytes.
    pub const MAX_BYTES: usize = 1024;
    /// The kinds.
    const KINDS: [&'static str; 4] = ["subject", "email", "dns", "uri"];

    /// The name with its kind.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CertificateName {
    type Error = LogInError;

    fn try_from(text: String) -> Result<Self, LogInError> {
        let named = text
            .split_once(':')
            .is_some_and(|(kind, name)| Self::KINDS.contains(&kind) && !name.is_empty());
        let lower = !text.starts_with("dns:") || !text.bytes().any(|byte| byte.is_ascii_uppercase());
        if named && lower && text.len() <= Self::MAX_BYTES && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(LogInError::CertificateName(text.chars().take(64).collect()))
        }
    }
}

impl From<CertificateName> for String {
    fn from(name: CertificateName) -> Self {
        name.0
    }
}

/// `[gateway.tokens]` of `estop.toml`: whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The issuer's URL, as its tokens name it.
    pub issuer: String,
    /// Whom tokens must be for.
    pub audience: String,
    /// Path of the file with its keys (a JWK set), relative to the estate.
    pub keys: String,
    /// The scope that tokens must have, if any.
    pub scope: Option<String>,
    /// The claim that says who comes.
    pub claim: String,
}

impl Tokens {
    /// The claim if nothing is said.
    pub const DEFAULT_CLAIM: &'static str = "sub";
}
