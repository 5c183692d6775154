//! Who plays: the partners' officers, the authorities, and one incident in which every rule has somebody to bite on.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::partner::Login;
use super::people::Person;
use crate::failure::Failure;

/// The state police's officer.
pub const POLICE: &str = "d.achterberg";
/// The university's.
pub const UNIVERSITY: &str = "m.ibekwelu";
/// The federal agency's.
pub const FEDERAL: &str = "r.northcote";

/// The public health institute's, who sees counts.
pub const HEALTH: &str = "s.okonjoro";

/// Who may sign directives: the names of their keys.
pub const AUTHORITIES: [&str; 2] = ["mayor", "counsel"];

/// Letters and digits of passwords: 32, none of them like another.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567899";

/// Characters of a password: 5 bits each, so 80 bits.
const PASSWORD_CHARS: usize = 16;

/// The officers' passwords, new in each run.
#[derive(Debug, Clone)]
pub struct Passwords(BTreeMap<&'static str, Secret>);

/// Never printed by accident.
#[derive(Clone)]
struct Secret(Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Passwords {
    /// Draws one for each officer.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn draw() -> Result<Self, Failure> {
        let mut all = BTreeMap::new();
        for officer in [POLICE, UNIVERSITY, FEDERAL, HEALTH] {
            let mut bytes = Zeroizing::new([0_u8; PASSWORD_CHARS]);
            getrandom::fill(bytes.as_mut())
                .map_err(|_| Failure::absent("the system gave no random bytes"))?;
            let letter = |byte: &u8| {
                ALPHABET
                    .get(usize::from(byte % 32))
                    .copied()
                    .map_or('a', char::from)
            };
            all.insert(
                officer,
                Secret(Zeroizing::new(bytes.iter().map(letter).collect())),
            );
        }
        Ok(Self(all))
    }

    /// One officer's.
    #[must_use]
    pub fn of(&self, officer: &str) -> Zeroizing<String> {
        self.0
            .get(officer)
            .map(|secret| secret.0.clone())
            .unwrap_or_default()
    }

    /// What the estate holds of them.
    ///
    /// # Errors
    /// The system gives no random bytes for a salt.
    pub fn verifiers(&self) -> Result<BTreeMap<&'static str, String>, Failure> {
        self.0
            .iter()
            .map(|(officer, secret)| Ok((*officer, crate::commands::verifier(&secret.0)?.to_string())))
            .collect()
    }

    /// The state police, on a case.
    #[must_use]
    pub fn police(&self) -> Login {
        self.login(POLICE, "state-police-2018", None, Some("TO-2026-1181"))
    }

    /// The university, for its one purpose.
    #[must_use]
    pub fn university(&self) -> Login {
        self.login(UNIVERSITY, "university-2020", None, None)
    }

    /// The federal agency, for one of its two purposes.
    #[must_use]
    pub fn federal(&self) -> Login {
        self.login(FEDERAL, "federal-2019", Some("immigration-enforcement"), None)
    }

    /// The public health institute, for its one purpose.
    #[must_use]
    pub fn health(&self) -> Login {
        self.login(HEALTH, "public-health-2021", None, None)
    }

    fn login(
        &self,
        officer: &'static str,
        agreement: &'static str,
        purpose: Option<&'static str>,
        case: Option<&'static str>,
    ) -> Login {
        Login {
            officer,
            password: self.of(officer),
            agreement,
            purpose,
            case,
        }
    }
}

/// Whether the state police may see this person's row.
#[must_use]
pub fn police_sees(person: &Person) -> bool {
    person.case_status == "open" && !person.is_juvenile
}

/// Whether the university may.
#[must_use]
pub fn university_sees(person: &Person) -> bool {
    person.case_status != "sealed" && !person.is_juvenile
}

/// Whether the federal agency may, for immigration enforcement.
#[must_use]
pub fn federal_sees(person: &Person) -> bool {
    person.country_of_birth != "Canada" && person.role == "suspect" && !person.is_juvenile
}

/// An incident with exactly one person whom all partners see who see rows, and one at least whom none of them does.
///
/// `people` are in the order of their incidents.
#[must_use]
pub fn telling_incident(people: &[Person]) -> Option<&[Person]> {
    people
        .chunk_by(|one, next| one.incident_id == next.incident_id)
        .find(|group| {
            let all =
                |person: &&Person| police_sees(person) && university_sees(person) && federal_sees(person);
            let none =
                |person: &Person| !police_sees(person) && !university_sees(person) && !federal_sees(person);
            group.iter().filter(|person| police_sees(person)).count() == 1
                && group.iter().filter(all).count() == 1
                && group.iter().any(none)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{incidents, people};

    #[test]
    fn there_is_a_telling_incident() {
        let people = people::made_up(&incidents::shipped().unwrap(), people::SEED);
        let group = telling_incident(&people).unwrap();
        assert!(group.len() >= 2);
        assert!(
            group
                .iter()
                .all(|person| person.incident_id == group[0].incident_id)
        );
    }

    #[test]
    fn passwords_differ_and_are_not_printed() {
        let passwords = Passwords::draw().unwrap();
        let (first, second) = (passwords.of(POLICE), passwords.of(FEDERAL));
        assert_eq!(first.len(), PASSWORD_CHARS);
        assert_ne!(*first, *second);
        assert!(!format!("{passwords:?}").contains(first.as_str()));
    }
}
