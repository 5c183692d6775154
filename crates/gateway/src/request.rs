//! What a start-up message asks for: officer, agreement, purpose, case, settings. Parsed and bounded, nothing decided.

use std::str::FromStr;

use evidence::id::{AgreementId, OfficerId};
use wire::startup::{Start, options};

use crate::say::Say;

/// Prefix of the settings that are Estop's own.
const OWN: &str = "estop.";

/// Settings that a client may choose at start-up. What they return to on `RESET` is what it chose; none of them
/// changes what a statement means to the filter, or how much of the server a session may use.
const SETTINGS: &[&str] = &[
    "application_name",
    "bytea_output",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "statement_timeout",
    "timezone",
    "xmloption",
];

/// Start-up settings that drivers send and that are pinned: taken if they say what is so anyway.
const UTF8: &[&str] = &["utf8", "utf-8", "unicode", "'utf-8'", "'utf8'"];

/// Longest value of a setting or of a stated purpose or case, in bytes.
const VALUE_BYTES: usize = 500;

/// Who asks for what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The user name as it was sent.
    pub(crate) user: String,
    /// The database name as it was sent.
    pub(crate) database: String,
    /// Whom the user name means, if it can be anybody.
    pub(crate) officer: Option<OfficerId>,
    /// What the database name means, if it can be an agreement.
    pub(crate) agreement: Option<AgreementId>,
    pub(crate) purpose: Option<String>,
    pub(crate) case: Option<String>,
    pub(crate) application: Option<String>,
    /// Settings for the upstream session, in lower case.
    pub(crate) settings: Vec<(String, String)>,
}

impl Request {
    /// The officer's name as it was sent, whether it can be one or not.
    pub(crate) fn name(&self) -> &str {
        self.user.split('+').next().unwrap_or_default()
    }

    pub(crate) fn parse(start: &Start) -> Result<Self, Say> {
        let user = start.param("user").unwrap_or_default().to_owned();
        if user.is_empty() {
            return Err(Say::new(
                "28000",
                "no PostgreSQL user name specified in startup packet",
            ));
        }
        let database = start
            .param("database")
            .filter(|name| !name.is_empty())
            .unwrap_or(&user)
            .to_owned();
        let mut parts = user.splitn(3, '+');
        let officer = parts.next().unwrap_or_default();
        let stated = |part: Option<&str>| part.filter(|text| !text.is_empty()).map(str::to_owned);
        let (purpose, case) = (stated(parts.next()), stated(parts.next()));
        let officer = OfficerId::from_str(officer).ok();
        let agreement = AgreementId::from_str(&database).ok();
        let (application, settings) = (None, Vec::new());
        let mut request = Self {
            user: user.clone(),
            database,
            officer,
            agreement,
            purpose,
            case,
            application,
            settings,
        };
        for (name, value) in &start.params {
            match name.as_str() {
                "user" | "database" => {}
                "replication" => {
                    if !matches!(value.as_str(), "false" | "off" | "no" | "0") {
                        return Err(Say::new("0A000", "replication connections are not relayed"));
                    }
                }
                "options" => request.options(value)?,
                name if name.starts_with("_pq_.") => {}
                name => request.setting(name, value)?,
            }
        }
        Ok(request)
    }

    fn options(&mut self, value: &str) -> Result<(), Say> {
        let options = options::parse(value).map_err(|error| {
            Say::new("22023", format!("invalid `options`: {error}"))
                .hint("Write options=-cestop.purpose=PURPOSE%20-cestop.case=CASE.")
        })?;
        for (name, value) in options {
            self.setting(&name, &value)?;
        }
        Ok(())
    }

    fn setting(&mut self, name: &str, value: &str) -> Result<(), Say> {
        let name = name.to_ascii_lowercase();
        if value.len() > VALUE_BYTES {
            return Err(Say::new(
                "22023",
                format!("the value of `{}` is too long", shown(&name)),
            ));
        }
        if let Some(own) = name.strip_prefix(OWN) {
            return self.own(own, value);
        }
        match name.as_str() {
            "client_encoding" if UTF8.contains(&value.to_ascii_lowercase().as_str()) => Ok(()),
            "client_encoding" => Err(Say::new("22023", "only client_encoding UTF8 is spoken here")),
            "standard_conforming_strings" if matches!(value, "on" | "true" | "1" | "yes") => Ok(()),
            "application_name" => {
                self.application = Some(value.to_owned());
                self.settings.push((name, value.to_owned()));
                Ok(())
            }
            known if SETTINGS.contains(&known) => {
                self.settings.push((name, value.to_owned()));
                Ok(())
            }
            _ => Err(Say::new(
                "42501",
                format!("setting `{}` cannot be chosen through this gateway", shown(&name)),
            )
            .detail(format!(
                "What can be chosen at start-up: estop.purpose, estop.case, {}.",
                SETTINGS.join(", ")
            ))),
        }
    }

    fn own(&mut self, name: &str, value: &str) -> Result<(), Say> {
        let place = match name {
            "purpose" => &mut self.purpose,
            "case" => &mut self.case,
            _ => {
                return Err(
                    Say::new("42501", format!("`estop.{}` cannot be set", shown(name)))
                        .detail("What can be set: estop.purpose, estop.case."),
                );
            }
        };
        match place {
            Some(stated) if stated != value => Err(Say::new(
                "22023",
                format!("estop.{name} is stated twice, in different ways"),
            )),
            _ => {
                *place = Some(value.to_owned()).filter(|value| !value.is_empty());
                Ok(())
            }
        }
    }
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(63).collect()
}

#[cfg(test)]
mod tests;
