//! Which witnesses are trusted, and how many of them must have cosigned (C2SP tlog-policy).
//!
//! A policy is whoever checks' own: one that comes with the thing it is to judge proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::cosignature::WitnessKey;
use crate::note::{KeyError, Note, NoteError, VerifierKey};

/// Longest policy in bytes.
pub const MAX_POLICY_BYTES: usize = 64 << 10;

/// Most logs, witnesses or groups, each; the specification asks for 32 at least.
pub const MAX_OF_EACH: usize = 64;

/// Longest name of a witness or group in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// A policy: the logs it is for, the witnesses it knows, and its quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessPolicy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<Witness>,
    quorum: Quorum,
}

/// A witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its name in the policy.
    pub name: String,
    /// Its key.
    pub key: WitnessKey,
    /// Where it takes checkpoints, if the policy says so.
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Quorum {
    None,
    /// Place among the witnesses.
    Witness(usize),
    /// At least so many of these.
    Group(usize, Vec<Self>),
}

/// What a policy says of a checkpoint's note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// Who has cosigned, by the names in the policy, and when.
    pub by: Vec<(String, Timestamp)>,
    /// The latest time at which the quorum says that this was the largest tree they had seen; `None` if the policy asks
    /// for no witness.
    pub at: Option<Timestamp>,
}

/// Why a checkpoint is not cosigned as the policy asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// The note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Too few have.
    #[error("no quorum of witnesses has cosigned: {}", said(by))]
    TooFew {
        /// Who has.
        by: Vec<(String, Timestamp)>,
    },
}

/// A text that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the witness policy: {reason}")]
pub struct PolicyError {
    /// Number of the line, from 1; the one after the last for what is missing.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub reason: PolicyFault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// The policy is too long.
    #[error("a policy has at most {MAX_POLICY_BYTES} bytes")]
    TooLong,
    /// A control character.
    #[error("there are control characters in it")]
    Control,
    /// An unknown first word, or other words after it.
    #[error("expected `{0}`")]
    Form(&'static str),
    /// A key.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// A name is too long.
    #[error("a name has at most {MAX_NAME_BYTES} bytes")]
    NameTooLong,
    /// A name or key is there twice.
    #[error("`{0}` is there already")]
    Twice(String),
    /// A name that no line before defines.
    #[error("no line before this one defines `{0}`")]
    Unknown(String),
    /// A name is a member of two groups, or twice of one.
    #[error("`{0}` is a member already: each may count in one way only")]
    Member(String),
    /// The number of members that a group asks for is out of bounds.
    #[error("a group's number is `any`, `all`, or one from 1 to the number of its members")]
    Threshold,
    /// Too many.
    #[error("at most {MAX_OF_EACH} logs, witnesses and groups each")]
    TooMany,
    /// There is no quorum, or a second one.
    #[error("there must be one `quorum` line, and it must be the last that matters")]
    Quorum,
}

const LOG: &str = "log <vkey> [<url>]";
const WITNESS: &str = "witness <name> <vkey> [<url>]";
const GROUP: &str = "group <name> <k>|any|all <member>...";
const QUORUM: &str = "quorum <name>|none";

impl WitnessPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY_BYTES {
            return Err(PolicyError {
                line: 1,
                reason: PolicyFault::TooLong,
            });
        }
        let mut reader = Reader::default();
        for (number, line) in (1..).zip(text.split('\n')) {
            reader
                .line(line)
                .map_err(|reason| PolicyError { line: number, reason })?;
        }
        let quorum = reader.quorum.ok_or(PolicyError {
            line: text.lines().count().saturating_add(1),
            reason: PolicyFault::Quorum,
        })?;
        Ok(Self {
            logs: reader.logs,
            witnesses: reader.witnesses,
            quorum,
        })
    }

    /// The logs it is for; none: whoever uses it knows them.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// Its witnesses, in the order of their lines.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Whether it asks for witnesses at all.
    pub fn asks(&self) -> bool {
        self.quorum != Quorum::None
    }

    /// Who of its witnesses has cosigned a checkpoint's note, and whether they are enough. The log's own signature is not
    /// looked at.
    ///
    /// # Errors
    /// Too few have, or a line by one of them does not verify.
    pub fn examine(&self, note: &Note<'_>) -> Result<Cosigned, QuorumError> {
        let mut times = Vec::with_capacity(self.witnesses.len());
        for witness in &self.witnesses {
            times.push(witness.key.cosigned(note)?);
        }
        let by = self.witnesses.iter().zip(&times);
        let by: Vec<_> = by
            .filter_map(|(witness, time)| Some((witness.name.clone(), (*time)?)))
            .collect();
        match self.quorum.time(&times) {
            Some(at) => Ok(Cosigned { by, at }),
            None => Err(QuorumError::TooFew { by }),
        }
    }
}

impl Quorum {
    /// The latest time that so many have stated; the outer `None`: they are too few.
    fn time(&self, times: &[Option<Timestamp>]) -> Option<Option<Timestamp>> {
        match self {
            Self::None => Some(None),
            Self::Witness(place) => times.get(*place).copied().flatten().map(Some),
            Self::Group(least, members) => {
                let mut stated: Vec<Timestamp> = members
                    .iter()
                    .filter_map(|member| member.time(times).flatten())
                    .collect();
                stated.sort_unstable_by(|a, b| b.cmp(a));
                // The k-th latest: so many said it at that time or later.
                stated.get(least.checked_sub(1)?).copied().map(Some)
            }
        }
    }
}

#[derive(Debug, Default)]
struct Reader {
    logs: Vec<VerifierKey>,
    witnesses: Vec<Witness>,
    names: BTreeMap<String, Quorum>,
    members: BTreeSet<String>,
    keys: BTreeSet<Vec<u8>>,
    groups: usize,
    quorum: Option<Quorum>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), PolicyFault> {
        if line.chars().any(|c| c.is_ascii_control() && c != '\t') {
            return Err(PolicyFault::Control);
        }
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let Some(first) = words.next().filter(|word| !word.starts_with('#')) else {
            return Ok(());
        };
        let words: Vec<&str> = words.collect();
        match (first, words.as_slice()) {
            ("log", [key] | [key, _]) => self.log(key),
            ("log", _) => Err(PolicyFault::Form(LOG)),
            ("witness", [name, key]) => self.witness(name, key, None),
            ("witness", [name, key, url]) => self.witness(name, key, Some(url)),
            ("witness", _) => Err(PolicyFault::Form(WITNESS)),
            ("group", [name, least, members @ ..]) if !members.is_empty() => self.group(name, least, members),
            ("group", _) => Err(PolicyFault::Form(GROUP)),
            ("quorum", [name]) if self.quorum.is_none() => {
                let known = self.names.get(*name).cloned();
                let none = (*name == "none").then_some(Quorum::None);
                let quorum = none.or(known);
                self.quorum = Some(quorum.ok_or_else(|| PolicyFault::Unknown((*name).to_owned()))?);
                Ok(())
            }
            ("quorum", [_]) => Err(PolicyFault::Quorum),
            ("quorum", _) => Err(PolicyFault::Form(QUORUM)),
            _ => Err(PolicyFault::Form("log, witness, group or quorum")),
        }
    }

    fn log(&mut self, key: &str) -> Result<(), PolicyFault> {
        let key: VerifierKey = key.parse()?;
        if self.logs.len() == MAX_OF_EACH {
            return Err(PolicyFault::TooMany);
        }
        if self.logs.iter().any(|other| other.as_bytes() == key.as_bytes()) {
            return Err(PolicyFault::Twice(key.to_string()));
        }
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), PolicyFault> {
        let key: WitnessKey = key.parse()?;
        if self.witnesses.len() == MAX_OF_EACH {
            return Err(PolicyFault::TooMany);
        }
        if !self.keys.insert(key.as_bytes().to_vec()) {
            return Err(PolicyFault::Twice(key.to_string()));
        }
        self.define(name, Quorum::Witness(self.witnesses.len()))?;
        self.witnesses.push(Witness {
            name: name.to_owned(),
            key,
            url: url.map(str::to_owned),
        });
        Ok(())
    }

    fn group(&mut self, name: &str, least: &str, members: &[&str]) -> Result<(), PolicyFault> {
        if self.groups == MAX_OF_EACH {
            return Err(PolicyFault::TooMany);
        }
        let most = members.len();
        let number = |text: &str| {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
            plain.then(|| text.parse().ok()).flatten()
        };
        let least = match least {
            "any" => 1,
            "all" => most,
            text => number(text)
                .filter(|least| (1..=most).contains(least))
                .ok_or(PolicyFault::Threshold)?,
        };
        let mut rules = Vec::with_capacity(most);
        for member in members {
            let rule = self.names.get(*member);
            let rule = rule.ok_or_else(|| PolicyFault::Unknown((*member).to_owned()))?;
            if !self.members.insert((*member).to_owned()) {
                return Err(PolicyFault::Member((*member).to_owned()));
            }
            rules.push(rule.clone());
        }
        self.groups = self.groups.saturating_add(1);
        self.define(name, Quorum::Group(least, rules))
    }

    fn define(&mut self, name: &str, rule: Quorum) -> Result<(), PolicyFault> {
        if name.len() > MAX_NAME_BYTES {
            return Err(PolicyFault::NameTooLong);
        }
        if name == "none" || self.names.insert(name.to_owned(), rule).is_some() {
            return Err(PolicyFault::Twice(name.to_owned()));
        }
        Ok(())
    }
}

fn said(by: &[(String, Timestamp)]) -> String {
    if by.is_empty() {
        return "none that the policy knows".to_owned();
    }
    let names: Vec<&str> = by.iter().map(|(name, _)| name.as_str()).collect();
    format!("only {}", names.join(", "))
}

#[cfg(test)]
mod tests;
