//! What a client may be told: every error that the gateway itself says, with its SQLSTATE.
//!
//! The one place in which faults become words for a partner. Causes stay inside: a client learns which clause,
//! directive or limit stopped it and how to check that, never what the custodian's side looks like.

use std::borrow::Cow;
use std::time::Duration;

use bytes::BytesMut;
use evidence::id::AgreementId;
use policy::in_force::Refusal;
use wire::backend::{Fields, Severity, Sqlstate};

/// One error message of the gateway's own (PostgreSQL documentation, 55.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Say {
    pub(crate) sqlstate: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    pub(crate) detail: Option<Cow<'static, str>>,
    pub(crate) hint: Option<Cow<'static, str>>,
}

impl Say {
    pub(crate) fn new(sqlstate: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            sqlstate: sqlstate.into(),
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Appends the error message, for one statement.
    pub(crate) fn encode_error(&self, out: &mut BytesMut) {
        self.fields(Severity::Error).encode_error(out);
    }

    /// Appends the error message that ends a session.
    pub(crate) fn encode_fatal(&self, out: &mut BytesMut) {
        self.fields(Severity::Fatal).encode_error(out);
    }

    /// Appends a notice.
    pub(crate) fn encode_notice(&self, out: &mut BytesMut) {
        self.fields(Severity::Notice).encode_notice(out);
    }

    fn fields(&self, severity: Severity) -> Fields {
        let sqlstate = Sqlstate::new(self.sqlstate.as_bytes()).unwrap_or(Sqlstate::INTERNAL);
        let mut fields = Fields::new(severity, sqlstate, &self.message);
        if let Some(detail) = &self.detail {
            fields = fields.detail(detail);
        }
        if let Some(hint) = &self.hint {
            fields = fields.hint(hint);
        }
        fields
    }

    /// What was disclosed is recorded, and this is signed to say so.
    pub(crate) fn receipt(last: u64, signed: String) -> Self {
        Self::new(
            "00000",
            format!("recorded up to leaf {last} of your log of disclosures"),
        )
        .detail(signed)
        .hint("The detail is a receipt: kept as a file, `estop receipts check` holds it against the log.")
    }

    /// A decision of the policy crate's, in its own words.
    pub(crate) fn from_refusal(refusal: &Refusal) -> Self {
        let say = Self::new(refusal.sqlstate().as_str(), refusal.to_string());
        match refusal.hint() {
            Some(hint) => say.hint(hint),
            None => say,
        }
    }

    pub(crate) fn protocol(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("08P01", message)
    }

    pub(crate) fn tls_required() -> Self {
        Self::new("28000", "this gateway takes encrypted connections only")
            .hint("Connect with sslmode=verify-full (or at least sslmode=require).")
    }

    pub(crate) fn too_slow() -> Self {
        Self::new("08006", "the login took too long")
    }

    /// A database name that no agreement can have: the words of [`Refusal::NoAgreement`].
    pub(crate) fn no_agreement(name: &str) -> Self {
        Self::new(
            "28000",
            format!("no agreement `{}` permits this officer anything", short(name)),
        )
        .hint("The database's name is the agreement's, the user's name the officer's.")
    }

    /// The same words for an unknown officer and a wrong password.
    pub(crate) fn wrong_password(officer: &str) -> Self {
        Self::new(
            "28P01",
            format!("password authentication failed for user \"{}\"", short(officer)),
        )
    }

    /// The same words for an unknown officer and a certificate of somebody else.
    pub(crate) fn no_certificate(officer: &str) -> Self {
        Self::new(
            "28000",
            format!(
                "certificate authentication failed for user \"{}\"",
                short(officer)
            ),
        )
        .hint("Under this agreement officers show a client certificate (sslcert, sslkey).")
    }

    /// The same words for an unknown officer and a token that does not hold.
    pub(crate) fn no_token(officer: &str) -> Self {
        Self::new(
            "28000",
            format!(
                "OAuth bearer authentication failed for user \"{}\"",
                short(officer)
            ),
        )
    }

    /// The same words for an unknown officer and one who exists.
    pub(crate) fn locked_out(officer: &str, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(1);
        Self::new(
            "28000",
            format!("too many failed logins for user \"{}\"", short(officer)),
        )
        .hint(format!("Try again in {seconds} s."))
    }

    pub(crate) fn not_recorded() -> Self {
        Self::new(
            "58030",
            "the statement could not be recorded, so its result is withheld",
        )
        .hint("Nothing was disclosed. Try again; the custodian has been alerted.")
    }

    /// The agreement asks that each row can be accounted for by person.
    pub(crate) fn subject_required(view: &str, key: &str) -> Self {
        Self::new(
            "42501",
            format!("the agreement gives rows of \"{view}\" only with their subject key \"{key}\""),
        )
        .detail(format!(
            "Clause `subject_key = \"required\"` of its share of \"{view}\": each row given must be accounted for by person."
        ))
        .hint(format!("Select the column {key} of {view} as it is, without COPY."))
    }

    /// A view is another one than at the login.
    pub(crate) fn views_made_anew() -> Self {
        Self::new("57P01", "what is shared was made anew since this session began").hint("Connect again.")
    }

    pub(crate) fn upstream_unreachable() -> Self {
        Self::new(
            "57P03",
            "the custodian's database cannot be reached at the moment",
        )
        .hint("Try again later.")
    }

    pub(crate) fn upstream_lost() -> Self {
        Self::new("57P01", "the connection to the custodian's database was lost").hint("Connect again.")
    }

    pub(crate) fn shutting_down() -> Self {
        Self::new("57P01", "the gateway is shutting down").hint("Connect again.")
    }

    pub(crate) fn too_many_sessions(limit: u32) -> Self {
        Self::new("53300", "too many sessions under this agreement")
            .detail(format!("The agreement allows {limit} at a time."))
    }

    pub(crate) fn function_call() -> Self {
        Self::new("0A000", "function call messages are not relayed").hint("Call the function in a SELECT.")
    }

    pub(crate) fn too_large(what: &str, limit: usize) -> Self {
        Self::new("54000", format!("{what} is larger than this gateway takes"))
            .detail(format!("The limit is {limit} bytes."))
    }

    pub(crate) fn too_many_names() -> Self {
        Self::new(
            "54000",
            "this session holds too many prepared statements or portals",
        )
        .hint("Close or DEALLOCATE those that are not needed.")
    }

    pub(crate) fn no_such_statement(name: &[u8]) -> Self {
        Self::new(
            "26000",
            format!("prepared statement \"{}\" does not exist", lossy(name)),
        )
    }

    pub(crate) fn no_such_portal(name: &[u8]) -> Self {
        Self::new("34000", format!("portal \"{}\" does not exist", lossy(name)))
    }

    pub(crate) fn over_budget(agreement: &AgreementId, most: &str, again: &str) -> Self {
        Self::new(
            "53400",
            format!("agreement `{agreement}` allows {most} a day, and no more are left of this day"),
        )
        .detail("What came before this error was given, and is recorded.")
        .hint(format!("The next day begins at {again}."))
    }

    /// In place of the server's own words, when its timer has ended a statement.
    pub(crate) fn statement_ended(limit: Duration) -> Self {
        Self::new("57014", "the statement took longer than the agreement allows")
            .detail(format!("The agreement allows {} seconds.", limit.as_secs()))
            .hint("Ask for less at a time.")
    }

    pub(crate) fn statement_too_long(limit: Duration) -> Self {
        Self::new(
            "57014",
            "the statement took longer than the agreement allows, reading its result included",
        )
        .detail(format!("The agreement allows {} seconds.", limit.as_secs()))
        .hint("Ask for less at a time, or read the result with a cursor.")
    }

    pub(crate) fn idle_in_transaction(limit: Duration) -> Self {
        Self::new(
            "25P03",
            "the transaction was left open without a statement for too long",
        )
        .detail(format!("The limit is {} seconds.", limit.as_secs()))
        .hint("Connect again. End transactions when nothing more is read in them, or use autocommit.")
    }

    pub(crate) fn transaction_too_long(limit: Duration) -> Self {
        Self::new("25P04", "the transaction was open for too long")
            .detail(format!("The limit is {} seconds.", limit.as_secs()))
            .hint("Connect again, and read in several transactions.")
    }

    pub(crate) fn case_in_transaction() -> Self {
        Self::new(
            "25001",
            "estop.case cannot be changed inside a transaction or a pipeline",
        )
        .hint("End the transaction, set the case, and begin a new one.")
    }
}

/// A client's own text, bounded, to be said back to it.
fn short(text: &str) -> String {
    const CHARACTERS: usize = 63;
    text.chars().take(CHARACTERS).collect()
}

fn lossy(name: &[u8]) -> String {
    short(&String::from_utf8_lossy(name))
}
