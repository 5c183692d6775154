//! Guesses: what a column may say of a person, and which relations are about people. By names and types only; each guess
//! says what it rests on, and a person has to look at it.

/// A tag that a column may deserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) tag: &'static str,
    pub(super) why: &'static str,
}

/// Words of a name, in lower case: `lastName`, `LAST_NAME` and `last name` are `last`, `name`.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for char in name.chars() {
        let begins = char.is_uppercase() && before.is_lowercase();
        let digit = char.is_numeric() != before.is_numeric() && before.is_alphanumeric();
        if begins || digit || !char.is_alphanumeric() {
            words.push(String::new());
        }
        if char.is_alphanumeric()
            && let Some(last) = words.last_mut()
        {
            last.extend(char.to_lowercase());
        }
        before = char;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// One rule: all these words (a word with a `*` begins so) make this guess.
type Rule = (&'static [&'static str], &'static str, &'static str);

/// In this order: the first that fits is taken.
const RULES: &[Rule] = &[
    (&["password"], "credential", "a password"),
    (&["passwd"], "credential", "a password"),
    (&["pwd"], "credential", "a password"),
    (&["passphrase"], "credential", "a password"),
    (&["secret"], "credential", "a secret"),
    (&["token"], "credential", "a token lets its holder in"),
    (&["api", "key"], "credential", "a key lets its holder in"),
    (&["apikey"], "credential", "a key lets its holder in"),
    (&["private", "key"], "credential", "a private key"),
    (&["salt"], "credential", "part of a password's hash"),
    (&["pin"], "credential", "a secret number"),
    (&["otp"], "credential", "a one-time password"),
    (
        &["session", "key"],
        "credential",
        "a session's key lets its holder in",
    ),
    (
        &["session", "id"],
        "credential",
        "a session's key lets its holder in",
    ),
    (
        &["session", "data"],
        "credential",
        "what a session knows of somebody",
    ),
    (&["csrf*"], "credential", "a key lets its holder in"),
    (&["credential*"], "credential", "a credential"),
    (&["ssn"], "government-id", "a social security number"),
    (&["mrn"], "health", "a medical record's number"),
    (&["medical"], "health", "a medical record"),
    (
        &["social", "security"],
        "government-id",
        "a social security number",
    ),
    (&["passport"], "government-id", "a passport"),
    (&["national", "id"], "government-id", "a national identifier"),
    (&["tax", "id"], "government-id", "a tax identifier"),
    (&["itin"], "government-id", "a tax identifier"),
    (&["nino"], "government-id", "a national insurance number"),
    (&["bsn"], "government-id", "a citizen's number"),
    (&["curp"], "government-id", "a citizen's number"),
    (&["pesel"], "government-id", "a citizen's number"),
    (&["driver*", "licen*"], "government-id", "a driver's licence"),
    (&["licen*", "number"], "government-id", "the number of a licence"),
    (&["licen*", "no"], "government-id", "the number of a licence"),
    (
        &["license", "plate"],
        "vehicle",
        "a vehicle's plate leads to its holder",
    ),
    (
        &["licence", "plate"],
        "vehicle",
        "a vehicle's plate leads to its holder",
    ),
    (&["plate"], "vehicle", "a vehicle's plate leads to its holder"),
    (&["vin"], "vehicle", "a vehicle's number leads to its holder"),
    (&["juvenile*"], "juvenile", "whether somebody is a minor"),
    (&["minor"], "juvenile", "whether somebody is a minor"),
    (&["guardian"], "juvenile", "a minor's guardian"),
    (&["dob"], "birth", "a date of birth"),
    (&["birth*"], "birth", "when or where somebody was born"),
    (&["born"], "birth", "when or where somebody was born"),
    (&["age"], "birth", "an age"),
    (&["race"], "origin", "racial or ethnic origin"),
    (&["ethnic*"], "origin", "racial or ethnic origin"),
    (&["nationality"], "origin", "nationality"),
    (&["citizenship"], "origin", "nationality"),
    (&["immigration*"], "origin", "immigration status"),
    (&["visa"], "origin", "immigration status"),
    (&["religio*"], "belief", "religion"),
    (&["political"], "belief", "political opinion"),
    (&["union", "member*"], "belief", "membership of a union"),
    (&["sexual*"], "sex", "sexual life or orientation"),
    (&["gender"], "sex", "sex or gender"),
    (&["sex"], "sex", "sex or gender"),
    (&["diagnos*"], "health", "a diagnosis"),
    (&["icd"], "health", "a diagnosis"),
    (&["medication*"], "health", "a medication"),
    (&["prescription*"], "health", "a medication"),
    (&["allerg*"], "health", "an allergy"),
    (&["disease*"], "health", "a disease"),
    (&["symptom*"], "health", "a symptom"),
    (&["treatment*"], "health", "a treatment"),
    (&["blood"], "health", "blood"),
    (&["hiv"], "health", "a disease"),
    (&["disabilit*"], "health", "a disability"),
    (&["pregnan*"], "health", "a pregnancy"),
    (&["mental"], "health", "mental health"),
    (&["vaccin*"], "health", "a vaccination"),
    (&["insurance"], "health", "an insurance"),
    (&["fingerprint*"], "biometric", "a fingerprint"),
    (&["biometric*"], "biometric", "a biometric"),
    (&["iris"], "biometric", "a biometric"),
    (&["dna"], "biometric", "genetic data"),
    (&["photo*"], "biometric", "a picture"),
    (&["picture*"], "biometric", "a picture"),
    (&["mugshot*"], "biometric", "a picture"),
    (&["iban"], "financial", "a bank account"),
    (&["bank*"], "financial", "a bank account"),
    (&["account", "number"], "financial", "an account's number"),
    (&["account", "no"], "financial", "an account's number"),
    (&["card", "number"], "financial", "a card's number"),
    (&["credit*"], "financial", "credit"),
    (&["cvv"], "financial", "a card's code"),
    (&["salary"], "financial", "a salary"),
    (&["income"], "financial", "an income"),
    (&["wage*"], "financial", "a salary"),
    (&["balance"], "financial", "a balance"),
    (&["payment*"], "financial", "a payment"),
    (&["debt*"], "financial", "a debt"),
    (&["amount"], "financial", "an amount of money"),
    (&["arrest*"], "criminal", "an arrest"),
    (&["offen*"], "criminal", "an offence"),
    (&["convict*"], "criminal", "a conviction"),
    (&["charge*"], "criminal", "a charge"),
    (&["warrant*"], "criminal", "a warrant"),
    (&["sentence*"], "criminal", "a sentence"),
    (&["suspect*"], "criminal", "a suspicion"),
    (&["probation"], "criminal", "probation"),
    (&["gang*"], "criminal", "a gang"),
    (&["user", "agent"], "device", "which device somebody uses"),
    (&["imei"], "device", "a device's number"),
    (&["imsi"], "device", "a device's number"),
    (&["mac", "address"], "device", "a device's number"),
    (&["ip"], "device", "a network address"),
    (&["cookie*"], "device", "a device's mark"),
    (&["email*"], "contact", "an e-mail address"),
    (&["mail"], "contact", "an e-mail address"),
    (&["e", "mail"], "contact", "an e-mail address"),
    (&["phone*"], "contact", "a telephone number"),
    (&["telephone*"], "contact", "a telephone number"),
    (&["tel"], "contact", "a telephone number"),
    (&["mobile*"], "contact", "a telephone number"),
    (&["fax"], "contact", "a telephone number"),
    (&["address*"], "location", "an address"),
    (&["addr"], "location", "an address"),
    (&["street*"], "location", "an address"),
    (&["house", "number"], "location", "an address"),
    (&["zip*"], "location", "a postal code"),
    (&["postal*"], "location", "a postal code"),
    (&["postcode"], "location", "a postal code"),
    (&["lat"], "location", "a coordinate"),
    (&["latitude"], "location", "a coordinate"),
    (&["lon"], "location", "a coordinate"),
    (&["lng"], "location", "a coordinate"),
    (&["longitude"], "location", "a coordinate"),
    (&["gps*"], "location", "a coordinate"),
    (&["geo*"], "location", "a place"),
    (&["location*"], "location", "a place"),
    (&["surname"], "identity", "a person's name"),
    (&["forename*"], "identity", "a person's name"),
    (&["firstname"], "identity", "a person's name"),
    (&["lastname"], "identity", "a person's name"),
    (&["fullname"], "identity", "a person's name"),
    (&["username"], "identity", "a user's name"),
    (&["first", "name"], "identity", "a person's name"),
    (&["last", "name"], "identity", "a person's name"),
    (&["middle", "name"], "identity", "a person's name"),
    (&["given", "name*"], "identity", "a person's name"),
    (&["family", "name"], "identity", "a person's name"),
    (&["maiden", "name"], "identity", "a person's name"),
    (&["full", "name"], "identity", "a person's name"),
    (&["nick", "name"], "identity", "a person's name"),
    (&["user", "name"], "identity", "a user's name"),
    (&["alias*"], "identity", "a person's other name"),
    (&["signature*"], "identity", "a signature"),
    (&["note"], "free-text", "free text may say anything of anybody"),
    (&["notes"], "free-text", "free text may say anything of anybody"),
    (
        &["comment*"],
        "free-text",
        "free text may say anything of anybody",
    ),
    (&["remark*"], "free-text", "free text may say anything of anybody"),
    (
        &["narrative*"],
        "free-text",
        "free text may say anything of anybody",
    ),
    (&["memo"], "free-text", "free text may say anything of anybody"),
];

/// What a column of a relation may be, by both their names: the `key` of tokens lets its holder in.
pub(super) fn column_of(relation: &str, name: &str) -> Option<Guess> {
    let lets_in = ["token", "session", "credential", "secret"];
    let opens = words(relation)
        .iter()
        .any(|word| lets_in.contains(&word.trim_end_matches('s')));
    (opens && words(name) == ["key"]).then_some(Guess {
        tag: "credential",
        why: "a key lets its holder in",
    })
}

/// What a column may say of a person, by its name, or by its type where the name says nothing.
pub(super) fn column(name: &str, bare_type: &str, about_people: bool) -> Option<Guess> {
    let words = words(name);
    let by_name = RULES
        .iter()
        .find(|(wanted, ..)| wanted.iter().all(|want| words.iter().any(|word| is(word, want))));
    if let Some((_, tag, why)) = by_name {
        return Some(Guess { tag, why });
    }
    if about_people && words.last().is_some_and(|word| word == "name") {
        return Some(Guess {
            tag: "identity",
            why: "a name, in a relation about people",
        });
    }
    match bare_type {
        "inet" | "cidr" | "macaddr" | "macaddr8" => Some(Guess {
            tag: "device",
            why: "its type is that of network addresses",
        }),
        "json" | "jsonb" | "xml" => Some(Guess {
            tag: "free-text",
            why: "a document may say anything of anybody",
        }),
        "point" | "geometry" | "geography" => Some(Guess {
            tag: "location",
            why: "its type is that of places",
        }),
        _ => None,
    }
}

fn is(word: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(begin) => word.starts_with(begin),
        None => word == wanted,
    }
}

/// Words for people, in the singular.
const PEOPLE: &[&str] = &[
    "applicant",
    "beneficiary",
    "child",
    "citizen",
    "client",
    "contact",
    "customer",
    "defendant",
    "detainee",
    "driver",
    "employee",
    "guest",
    "individual",
    "inmate",
    "juvenile",
    "member",
    "offender",
    "parent",
    "passenger",
    "patient",
    "people",
    "person",
    "prisoner",
    "resident",
    "staff",
    "student",
    "subject",
    "suspect",
    "taxpayer",
    "tenant",
    "user",
    "victim",
    "visitor",
    "voter",
    "witness",
    "worker",
];

fn is_people(word: &str) -> bool {
    let singular = match word {
        "children" => "child",
        "persons" => "person",
        "witnesses" => "witness",
        "beneficiaries" => "beneficiary",
        _ => word
            .strip_suffix('s')
            .filter(|word| !word.is_empty())
            .unwrap_or(word),
    };
    PEOPLE.contains(&singular) || PEOPLE.contains(&word)
}

/// Whether the last word of a relation's name is a word for people: `customers`, not `customer_orders`.
pub(super) fn names_people(relation: &str) -> bool {
    words(relation).last().is_some_and(|word| is_people(word))
}

/// Whether a column's name is that of a person's number: `patient_id`, `personNo`, `ssn`.
pub(super) fn is_persons_key(column: &str) -> bool {
    let words = words(column);
    match words.as_slice() {
        [only] => matches!(only.as_str(), "ssn" | "bsn" | "curp" | "pesel" | "nino"),
        [.., before, last] => {
            matches!(
                last.as_str(),
                "id" | "no" | "nr" | "num" | "number" | "key" | "uuid"
            ) && is_people(before)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_however_names_are_written() {
        for name in ["last_name", "lastName", "LAST_NAME", "Last name", "last-name"] {
            assert_eq!(words(name), ["last", "name"], "{name}");
        }
        assert_eq!(words("phone2"), ["phone", "2"]);
        assert_eq!(words("Straße№"), ["straße"]);
        assert_eq!(words("\"\""), Vec::<String>::new());
    }

    #[test]
    fn guesses_rest_on_names_then_on_types() {
        let tag = |name: &str, kind: &str, people: bool| column(name, kind, people).map(|guess| guess.tag);
        for (name, expected) in [
            ("password_hash", Some("credential")),
            ("apiKey", Some("credential")),
            ("SSN", Some("government-id")),
            ("country_of_birth", Some("birth")),
            ("is_juvenile", Some("juvenile")),
            ("email2", Some("contact")),
            ("home_address", Some("location")),
            ("latitude", Some("location")),
            ("diagnosis_code", Some("health")),
            ("iban", Some("financial")),
            ("session_data", Some("credential")),
            ("arrest_date", Some("criminal")),
            ("film_id", None),
            ("title", None),
            ("page", None),
            ("description", None),
        ] {
            assert_eq!(tag(name, "text", false), expected, "{name}");
        }
        assert_eq!(tag("name", "text", true), Some("identity"));
        assert_eq!(tag("name", "text", false), None);
        assert_eq!(tag("seen_from", "inet", false), Some("device"));
        let of = |relation: &str, name: &str| column_of(relation, name).map(|guess| guess.tag);
        assert_eq!(of("authtoken_token", "key"), Some("credential"));
        assert_eq!(of("user_sessions", "Key"), Some("credential"));
        assert_eq!(of("settings", "key"), None);
        assert_eq!(of("authtoken_token", "created"), None);
    }

    #[test]
    fn people_are_told_from_things() {
        for people in ["customers", "Person", "people", "hospital_patients", "children"] {
            assert!(names_people(people), "{people}");
        }
        for things in ["film", "customer_orders", "", "s", "status"] {
            assert!(!names_people(things), "{things}");
        }
        for key in ["patient_id", "personNo", "ssn", "CUSTOMER_NUMBER"] {
            assert!(is_persons_key(key), "{key}");
        }
        for key in ["film_id", "id", "customer", "language_id"] {
            assert!(!is_persons_key(key), "{key}");
        }
    }
}
