//! Made-up people, linked to real incidents. No real person's record belongs in this project: names are put together at random, and
//! dates, places of birth and the state of a case are drawn from a seeded generator.

use jiff::Span;
use jiff::civil::Date;

use super::incidents::Incident;
use super::random::SplitMix;

/// The seed of the demo, so that what it prints is the same on every machine.
pub const SEED: u64 = 2_019;

/// At most this many people are linked to one incident.
const PEOPLE_PER_INCIDENT: [(u32, u32); 4] = [(0, 18), (1, 52), (2, 22), (3, 8)];

const ROLES: [(&str, u32); 3] = [("suspect", 40), ("victim", 35), ("witness", 25)];
const CASE_STATUS: [(&str, u32); 3] = [("open", 30), ("closed", 60), ("sealed", 10)];
const COUNTRIES: [(&str, u32); 16] = [
    ("Canada", 540),
    ("India", 70),
    ("Philippines", 55),
    ("China", 50),
    ("Sri Lanka", 35),
    ("Jamaica", 35),
    ("Pakistan", 35),
    ("Iran", 28),
    ("Portugal", 24),
    ("Italy", 24),
    ("Guyana", 22),
    ("Ukraine", 20),
    ("Brazil", 18),
    ("Nigeria", 18),
    ("Colombia", 14),
    ("Poland", 12),
];
const GIVEN: [&str; 60] = [
    "Abena", "Adrian", "Aiko", "Alma", "Anil", "Anouk", "Ayesha", "Bashir", "Beatriz", "Bogdan", "Camille",
    "Carlos", "Chidi", "Clara", "Daria", "Dev", "Dilan", "Edith", "Elif", "Emeka", "Esther", "Farah",
    "Felix", "Gabriela", "Hana", "Hugo", "Imani", "Ines", "Ivan", "Jasmin", "Joao", "Kaito", "Kamala",
    "Kofi", "Lars", "Leila", "Lucia", "Luka", "Mairi", "Malik", "Mei", "Milan", "Nadia", "Nikhil", "Noor",
    "Olga", "Omar", "Petra", "Priya", "Rafael", "Rosa", "Samir", "Shanthi", "Sofia", "Tariq", "Teresa",
    "Tomas", "Uma", "Yusuf", "Zofia",
];
const FAMILY: [&str; 60] = [
    "Abara",
    "Achterberg",
    "Almeida",
    "Anand",
    "Ashdown",
    "Balakova",
    "Barreto",
    "Birchwood",
    "Bonsu",
    "Castellane",
    "Chandrak",
    "Copperfield",
    "Dalgaard",
    "Demirsoy",
    "Devlinson",
    "Eastlake",
    "Eriksdal",
    "Fairhollow",
    "Farrokhi",
    "Ferreirinha",
    "Gallowmere",
    "Ghorbanian",
    "Grunfeldt",
    "Hakimzade",
    "Harrowgate",
    "Hasegami",
    "Ibekwelu",
    "Iversholm",
    "Jayasund",
    "Jeziorska",
    "Kalantri",
    "Karimova",
    "Kingsmere",
    "Kowalczek",
    "Lindqvall",
    "Lorimond",
    "Mabasoko",
    "Marchetto",
    "Mendozal",
    "Mirchandal",
    "Nakashiro",
    "Northcote",
    "Nwachuku",
    "Obeyesinghe",
    "Okonjoro",
    "Oliveirense",
    "Parkhurstel",
    "Perovska",
    "Qureshani",
    "Ravenscar",
    "Rodriguela",
    "Sandhuvar",
    "Santorelli",
    "Szymandra",
    "Tamberlyn",
    "Thornquist",
    "Valderamo",
    "Weatherlow",
    "Yamashiro",
    "Zelenkova",
];

/// Who someone made up is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Dense, from 1.
    pub person_id: u32,
    /// The real incident this person is said to be part of.
    pub incident_id: u32,
    /// `suspect`, `victim` or `witness`.
    pub role: &'static str,
    /// Given and family name.
    pub name: String,
    /// Between 10 and 85 years before the incident.
    pub birth_date: Date,
    /// `open`, `closed` or `sealed`.
    pub case_status: &'static str,
    /// Under 18 on the day of the incident.
    pub is_juvenile: bool,
    /// In English.
    pub country_of_birth: &'static str,
}

/// The people of these incidents: a function of the incidents and the seed alone.
#[must_use]
pub fn made_up(incidents: &[Incident], seed: u64) -> Vec<Person> {
    let mut random = SplitMix::new(seed);
    let mut people = Vec::new();
    for incident in incidents {
        for _ in 0..random.weighted(&PEOPLE_PER_INCIDENT, 0) {
            let person_id = u32::try_from(people.len()).unwrap_or(u32::MAX).saturating_add(1);
            people.push(person(&mut random, person_id, incident));
        }
    }
    people
}

fn person(random: &mut SplitMix, person_id: u32, incident: &Incident) -> Person {
    let years: u32 = random.weighted(&[(10, 8), (18, 42), (30, 30), (45, 15), (60, 5)], 18);
    // The groups above are 8 to 25 years wide; one width for all keeps most people young, as in such registers.
    let days_old = (years * 365 + years / 4).saturating_add(random.below(25 * 365));
    let birth_date = incident
        .occurred_on
        .saturating_sub(Span::new().days(i64::from(days_old)));
    let of_age_on = birth_date.saturating_add(Span::new().years(18));
    Person {
        person_id,
        incident_id: incident.incident_id,
        role: random.weighted(&ROLES, "witness"),
        name: format!("{} {}", random.one_of(&GIVEN), random.one_of(&FAMILY)),
        birth_date,
        case_status: random.weighted(&CASE_STATUS, "closed"),
        is_juvenile: incident.occurred_on < of_age_on,
        country_of_birth: random.weighted(&COUNTRIES, "Canada"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::incidents;

    #[test]
    fn the_same_seed_gives_the_same_people_and_another_seed_others() {
        let incidents = incidents::shipped().unwrap();
        let first = made_up(&incidents, SEED);
        assert_eq!(first, made_up(&incidents, SEED));
        assert_ne!(first, made_up(&incidents, SEED + 1));
    }

    #[test]
    fn people_are_linked_to_incidents_that_exist_and_numbered_from_one() {
        let incidents = incidents::shipped().unwrap();
        let known: std::collections::BTreeSet<_> = incidents.iter().map(|i| i.incident_id).collect();
        let people = made_up(&incidents, SEED);
        assert!(people.len() > 60_000);
        assert!(people.iter().all(|p| known.contains(&p.incident_id)));
        assert!(people.iter().zip(1..).all(|(p, n)| p.person_id == n));
    }

    #[test]
    fn a_juvenile_is_under_eighteen_on_the_day() {
        let incidents = incidents::shipped().unwrap();
        let days: std::collections::BTreeMap<_, _> =
            incidents.iter().map(|i| (i.incident_id, i.occurred_on)).collect();
        let people = made_up(&incidents, SEED);
        let (juveniles, adults): (Vec<_>, Vec<_>) = people.iter().partition(|p| p.is_juvenile);
        assert!(!juveniles.is_empty() && !adults.is_empty());
        for person in people.iter().take(5_000) {
            let age = person
                .birth_date
                .until((jiff::Unit::Year, days[&person.incident_id]))
                .unwrap()
                .get_years();
            assert_eq!(person.is_juvenile, age < 18, "{person:?}");
        }
    }

    #[test]
    fn every_state_of_a_case_occurs() {
        let incidents = incidents::shipped().unwrap();
        let people = made_up(&incidents, SEED);
        for (status, _) in CASE_STATUS {
            assert!(people.iter().any(|p| p.case_status == status), "{status}");
        }
    }
}
