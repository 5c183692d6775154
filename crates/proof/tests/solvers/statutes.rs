//! Statutes as guardrails, agreements that break them, agreements that do not, and what is said of those that do.

use proof::properties::guardrails;
use proof::run::Verdict;

use crate::support::{Draft, claim, run, solvers};

/// The verdict on the guardrails, and all that is said of them.
async fn said(draft: &Draft) -> (Verdict, Vec<String>) {
    let estate = draft.estate();
    let examined = run(&estate, &guardrails(&estate), &solvers().await).await;
    assert_eq!(claim(&examined, "never-errs").verdict(), Verdict::Holds);
    let one = claim(&examined, "guardrails");
    (
        one.verdict(),
        one.findings
            .iter()
            .map(|finding| finding.lines().join("\n"))
            .collect(),
    )
}

async fn holds(draft: &Draft) {
    let (verdict, said) = said(draft).await;
    assert_eq!((verdict, said), (Verdict::Holds, Vec::new()));
}

/// The one finding there is.
async fn finding(draft: &Draft) -> String {
    let (verdict, mut said) = said(draft).await;
    assert_eq!(verdict, Verdict::Fails);
    assert_eq!(said.len(), 1, "{said:#?}");
    said.remove(0)
}

fn has(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
}

/// 28 CFR 23.20(a), (e): criminal intelligence only on reasonable suspicion, only to whoever has a need to know.
#[tokio::test]
async fn criminal_intelligence() {
    let draft = Draft::new()
        .dataset("intelligence", "\"criminal-intelligence\"", "subject_id = { type = \"bigint\" }\nname = { type = \"text\" }\nreasonable_suspicion = { type = \"boolean\" }\nvalidated_on = { type = \"date\", optional = true }")
        .dataset("towing", "", "plate = { type = \"text\" }")
        .partner("county-sheriff")
        .agreement("sheriff", "county-sheriff", "\"criminal-investigation\"", "[[share]]\ndataset = \"intelligence\"\ncolumns = [\"subject_id\", \"name\"]\nwhen = 'resource.reasonable_suspicion'\n[[share]]\ndataset = \"towing\"\ncolumns = [\"plate\"]")
        .guardrails("intelligence", "@id(\"reasonable-suspicion\") @citation(\"28 CFR 23.20(a)\")\nforbid (principal, action == Action::\"read\", resource in Tag::\"criminal-intelligence\")\nunless { resource.reasonable_suspicion };\n\
             @id(\"need-to-know\") @citation(\"28 CFR 23.20(e)\")\nforbid (principal, action == Action::\"read\", resource in Tag::\"criminal-intelligence\")\nunless { context.purpose in [Purpose::\"criminal-investigation\", Purpose::\"officer-safety\"] };\n\
             @id(\"five-years\") @citation(\"28 CFR 23.20(h)\")\nforbid (principal, action == Action::\"read\", resource in Tag::\"criminal-intelligence\")\nwhen { resource has validated_on && resource.validated_on < datetime(\"2019-01-01\") };\n");
    let said = finding(&draft).await;
    has(
        &said,
        &[
            "Kim of county-sheriff (kim) of The county-sheriff",
            "subject_id, name of data set intelligence",
            "28 CFR 23.20(h) (guardrails/intelligence.cedar:7:1)",
            "MOU sheriff, clause 2 (agreements/sheriff.toml)",
            "when      2024-01-01 (America/Chicago)",
            "reasonable_suspicion = true",
            "validated_on = ",
        ],
    );
    let fixed = draft.replace("agreements/sheriff.toml", "'resource.reasonable_suspicion'", "'resource.reasonable_suspicion && resource has validated_on && resource.validated_on >= datetime(\"2019-01-01\")'");
    holds(&fixed).await;
    let said = finding(&fixed.replace(
        "agreements/sheriff.toml",
        "\"criminal-investigation\"",
        "\"background-checks\"",
    ))
    .await;
    has(&said, &["28 CFR 23.20(e)", "purpose   background-checks"]);
}

/// 5 ILCS 805/15 (Illinois TRUST Act): nothing that is not public for immigration agents without a criminal warrant. The number of
/// one is what the agreement asks for as a case.
#[tokio::test]
async fn only_with_a_warrant() {
    let share = "case_reference = '^W-\\d{6}$'\n\n[[share]]\ndataset = \"custody\"\ncolumns = [\"name\"]\nwhen = 'resource has booked_on && resource.booked_on < datetime(\"2999-01-01\")'";
    let draft = Draft::new()
        .dataset("custody", "", "name = { type = \"text\" }\nbooked_on = { type = \"date\", optional = true }")
        .partner("ice")
        .agreement("detainers", "ice", "\"transfer\"", share)
        .guardrails("trust", "@id(\"warrant\") @citation(\"5 ILCS 805/15(h)\")\nforbid (principal, action, resource)\nunless { context has case && context.case like \"W-*\" };\n");
    holds(&draft).await;
    let (verdict, said) = said(
        &draft
            .clone()
            .replace("agreements/detainers.toml", "^W-", "^[A-Z]-"),
    )
    .await;
    assert_eq!((verdict, said.len()), (Verdict::Fails, 2));
    let form = r"case      one of the form ^[A-Z]-\d{6}$, as the agreement asks for";
    has(&said[0], &["connects  under agreement detainers", form]);
    has(&said[1], &["reads     name", form, "booked_on = 2024-01-01"]);
    let none = draft.replace("agreements/detainers.toml", "case_reference = '^W-\\d{6}$'\n", "");
    let (verdict, said) = self::said(&none).await;
    assert_eq!((verdict, said.len()), (Verdict::Fails, 2));
    has(&said[1], &["case      none stated"]);
}

/// 18 USC 2721(b): personal information of motor vehicle records, for the permissible uses only.
#[tokio::test]
async fn drivers_privacy() {
    let draft = Draft::new()
        .dataset("drivers", "\"motor-vehicle\"", "licence = { type = \"text\" }\nname = { type = \"text\", tags = [\"personal-information\"] }\nphoto_ref = { type = \"text\", tags = [\"highly-restricted\"] }\nclass = { type = \"text\" }\nconsented = { type = \"boolean\" }")
        .partner("insurer")
        .partner("city-police")
        .agreement("police", "city-police", "\"government-function\"", "[[share]]\ndataset = \"drivers\"\ncolumns = [\"licence\", \"name\", \"class\"]")
        .agreement("insurance", "insurer", "\"claims\", \"marketing\"", "[[share]]\ndataset = \"drivers\"\ncolumns = [\"licence\", \"name\", \"class\"]\nmask = { name = \"initials\" }\nwhen = 'resource.class == \"B\"'")
        .guardrails("dppa", "@id(\"not-personal\") @citation(\"18 USC 2725(3)\")\npermit (principal, action == Action::\"read\", resource in Tag::\"motor-vehicle\")\nunless { context.column in ColumnTag::\"personal-information\" || context.column in ColumnTag::\"highly-restricted\" };\n\
             @id(\"government\") @citation(\"18 USC 2721(b)(1)\")\npermit (principal, action == Action::\"read\", resource in Tag::\"motor-vehicle\")\nwhen { context.purpose == Purpose::\"government-function\" };\n\
             @id(\"insurers\") @citation(\"18 USC 2721(b)(6)\")\npermit (principal, action == Action::\"read\", resource in Tag::\"motor-vehicle\")\nwhen { context.purpose == Purpose::\"claims\" };\n\
             @id(\"consent\") @citation(\"18 USC 2721(b)(12)\")\npermit (principal, action == Action::\"read\", resource in Tag::\"motor-vehicle\")\nwhen { resource.consented };\n");
    let said = finding(&draft).await;
    has(
        &said,
        &[
            "purpose   marketing",
            "name (masked) of data set drivers",
            "consented = false",
            "class = \"B\"",
            "18 USC 2721(b)(12)",
            "18 USC 2725(3)",
        ],
    );
    holds(&draft.replace(
        "agreements/insurance.toml",
        "'resource.class == \"B\"'",
        "'resource.class == \"B\" && resource.consented'",
    ))
    .await;
}

/// 42 CFR 2.31, 2.32: substance use disorder records only with written consent; juvenile court records (705 ILCS 405/1-7).
#[tokio::test]
async fn treatment_records_and_juveniles() {
    let draft = Draft::new()
        .dataset("treatment", "\"part-2\"", "patient = { type = \"text\" }\ndrug = { type = \"text\" }\nconsent_until = { type = \"timestamptz\", optional = true }\nis_juvenile = { type = \"boolean\" }")
        .dataset("visits", "\"part-2\"", "patient = { type = \"text\" }\nconsent_until = { type = \"timestamptz\", optional = true }")
        .partner("court")
        .agreement("court", "court", "\"diversion\"", "[[share]]\ndataset = \"treatment\"\ncolumns = [\"patient\", \"drug\"]\nwhen = '!resource.is_juvenile && resource has consent_until'\n[[share]]\ndataset = \"visits\"\ncolumns = [\"patient\"]\nwhen = 'resource has consent_until && resource.consent_until >= datetime(\"2028-01-02\")'")
        .guardrails("health", "@id(\"consent\") @citation(\"42 CFR 2.31\")\nforbid (principal, action == Action::\"read\", resource in Tag::\"part-2\")\nunless { resource has consent_until && context.now <= resource.consent_until };\n\
             @id(\"juveniles\") @citation(\"705 ILCS 405/1-7\")\nforbid (principal, action, resource) when { resource.is_juvenile };\n");
    let said = finding(&draft).await;
    has(
        &said,
        &[
            "patient, drug of data set treatment",
            "42 CFR 2.31",
            "consent_until = ",
            "is_juvenile = false",
        ],
    );
    let notes = draft.estate().statute().notes().join("\n");
    assert!(
        notes.contains("`juveniles` does not apply to data set `visits`"),
        "{notes}"
    );
    let fixed = draft.replace(
        "agreements/court.toml",
        "resource has consent_until'",
        "resource has consent_until && resource.consent_until >= datetime(\"2028-01-02\")'",
    );
    holds(&fixed).await;
    let juvenile = fixed.replace("agreements/court.toml", "!resource.is_juvenile && ", "");
    has(
        &finding(&juvenile).await,
        &["705 ILCS 405/1-7", "is_juvenile = true"],
    );
}

/// A city's ordinance against use for civil immigration enforcement (Chicago, Municipal Code 2-173); GDPR article 10; columns
/// masked; sets; a case that must be stated; connecting.
#[tokio::test]
async fn ordinance_and_convictions() {
    let draft = Draft::new()
        .dataset("people", "\"residents\", \"convictions\"", "id = { type = \"bigint\" }\nname = { type = \"text\", tags = [\"identity\"] }\nborn_in = { type = \"text\", optional = true, tags = [\"immigration\"] }\nflags = { type = \"text[]\" }\nscore = { type = \"numeric(8,2)\" }")
        .partner("ice")
        .partner("university")
        .agreement("ice-2020", "ice", "\"immigration-enforcement\"", "[[share]]\ndataset = \"people\"\ncolumns = [\"id\"]")
        .agreement("uni-2021", "university", "\"research\"", "[[share]]\ndataset = \"people\"\ncolumns = [\"id\", \"name\", \"born_in\"]\nmask = { born_in = \"null\" }\nwhen = '[\"adult\", \"closed\"].containsAny(resource.flags)'")
        .guardrails("ordinance", "@id(\"no-civil-immigration\") @citation(\"Municipal Code of Chicago 2-173-020\")\nforbid (principal, action, resource) when { context.purpose == Purpose::\"immigration-enforcement\" };\n\
             @id(\"born-in-masked\") @citation(\"Municipal Code of Chicago 2-173-030\")\nforbid (principal, action, resource) when { context.column in ColumnTag::\"immigration\" && !context.masked };\n\
             @id(\"convictions\") @citation(\"GDPR art. 10\")\nforbid (principal in Partner::\"university\", action == Action::\"read\", resource in Tag::\"convictions\")\nwhen { resource.flags.contains(\"sealed\") && resource.score.greaterThan(decimal(\"2.5\")) };\n");
    let (verdict, findings) = said(&draft).await;
    assert_eq!((verdict, findings.len()), (Verdict::Fails, 3), "{findings:#?}");
    let all = findings.join("\n\n");
    has(
        &all,
        &[
            "connects  under agreement ice-2020",
            "2-173-020",
            "GDPR art. 10",
            "\"sealed\"",
            "id of data set people",
        ],
    );
    assert!(!all.contains("2-173-030"), "{all}");
    let fixed = draft
        .replace(
            "agreements/ice-2020.toml",
            "\"immigration-enforcement\"",
            "\"customs\"",
        )
        .replace(
            "agreements/uni-2021.toml",
            "'[\"adult\", \"closed\"].containsAny(resource.flags)'",
            "'!resource.flags.contains(\"sealed\")'",
        );
    holds(&fixed).await;
    let unmasked = fixed.replace("agreements/uni-2021.toml", "mask = { born_in = \"null\" }\n", "");
    has(
        &finding(&unmasked).await,
        &["born_in of data set people", "2-173-030"],
    );
}

/// A guardrail against one officer is shown with that officer.
#[tokio::test]
async fn the_officer_it_is_about_is_named() {
    let draft = Draft::new()
        .dataset("people", "", "id = { type = \"bigint\" }")
        .partner("p")
        .replace("partners/p.toml", "[[officer]]\nid = \"kim\"\nname = \"Kim of p\"", "[[officer]]\nid = \"kim\"\nname = \"Kim of p\"\nscram = \"@\"\n[[officer]]\nid = \"lee\"\nname = \"Lee\"")
        .verified("partners/p.toml")
        .agreement("a", "p", "\"x\"", "[[share]]\ndataset = \"people\"\ncolumns = [\"id\"]")
        .guardrails("g", "@id(\"suspended\") @citation(\"Order 7\")\nforbid (principal == Officer::\"p/lee\", action == Action::\"read\", resource);");
    has(
        &finding(&draft).await,
        &["who       Lee (lee) of The p (p)", "Order 7"],
    );
}

/// Every agreement that offends is named, against every guardrail.
#[tokio::test]
async fn all_offenders_are_named() {
    let mut draft = Draft::new()
        .dataset(
            "people",
            "",
            "id = { type = \"bigint\" }\nname = { type = \"text\" }\nsealed = { type = \"boolean\" }",
        )
        .partner("p");
    for number in 0..11 {
        let when = if number % 3 == 0 {
            ""
        } else {
            "\nwhen = '!resource.sealed'"
        };
        draft = draft.agreement(
            &format!("a-{number:02}"),
            "p",
            "\"x\"",
            &format!("[[share]]\ndataset = \"people\"\ncolumns = [\"id\"]{when}"),
        );
    }
    let draft = draft.guardrails("g", "@id(\"sealed\") @citation(\"Act 1\")\nforbid (principal, action, resource) when { resource.sealed };\n@id(\"low-ids\") @citation(\"Act 2\")\nforbid (principal, action, resource) when { resource.id < 0 && resource.sealed };\n");
    let estate = draft.estate();
    let examined = run(&estate, &guardrails(&estate), &solvers().await).await;
    let found: std::collections::BTreeSet<(String, String)> = claim(&examined, "guardrails")
        .findings
        .iter()
        .map(|finding| {
            (
                finding.permits.agreement.clone(),
                finding.forbids[0].guardrail.clone(),
            )
        })
        .collect();
    let offenders = ["a-00", "a-03", "a-06", "a-09"];
    let expected = offenders.iter().flat_map(|agreement| {
        ["low-ids", "sealed"].map(|guardrail| ((*agreement).to_owned(), guardrail.to_owned()))
    });
    assert_eq!(found, expected.collect());
}
