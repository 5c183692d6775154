//! The account as a letter to the person it is about, as text and as a page that opens in a browser.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Account, Given, Named, SealedGiven, by_reason};
use crate::demo::report::grouped;
use crate::html::escaped;

/// A letter, before it is text or a page.
#[derive(Debug)]
pub struct Letter {
    from: String,
    date: String,
    title: String,
    opening: String,
    items: Vec<Item>,
    closing: Vec<String>,
}

/// One disclosure: what heads it, and its particulars.
#[derive(Debug)]
struct Item {
    head: String,
    lines: Vec<(&'static str, String)>,
}

impl Letter {
    /// The letter of an account, written on this day by the clocks of this zone.
    #[must_use]
    pub fn of(account: &Account, now: Timestamp, zone: &TimeZone) -> Self {
        let dataset = called(&account.dataset);
        let covers = &account.covers;
        let (from, until) = (covers.from.unwrap_or(now), covers.until.unwrap_or(now));
        let period = format!("between {} and {}", day(from, zone), day(until, zone));
        let times = match account.disclosures.len() {
            1 => "once".to_owned(),
            more => format!("{more} times"),
        };
        let opening = if account.disclosures.is_empty() && !account.sealed.is_empty() {
            format!(
                "The record with {} {} in \"{dataset}\" was given to others {period}, in ways of which nothing more can be told yet.",
                account.subject_key, account.subject
            )
        } else if account.disclosures.is_empty() {
            format!(
                "No disclosure of the record with {} {} in \"{dataset}\" is recorded {period}.",
                account.subject_key, account.subject
            )
        } else {
            format!(
                "The record with {} {} in \"{dataset}\" was given to others {times} {period}. Each time is listed below.",
                account.subject_key, account.subject
            )
        };
        Self {
            from: called(&account.custodian).to_owned(),
            date: day(now, zone),
            title: "Who was given your record".to_owned(),
            opening,
            items: account
                .disclosures
                .iter()
                .map(|given| Item::of(given, zone))
                .collect(),
            closing: closing(account, from, until, zone),
        }
    }

    /// As plain text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n\n{}\n\n", self.from, self.date, self.title);
        paragraph(&mut text, &self.opening);
        for (number, item) in self.items.iter().enumerate() {
            text.push_str(&format!("{}. {}\n", number.saturating_add(1), item.head));
            for (name, value) in &item.lines {
                text.push_str(&format!("   {name:<12} {value}\n"));
            }
            text.push('\n');
        }
        text.push_str("What this letter covers\n\n");
        self.closing.iter().for_each(|line| paragraph(&mut text, line));
        format!("{}\n", text.trim_end())
    }

    /// As a page, with nothing from elsewhere in it.
    #[must_use]
    pub fn html(&self) -> String {
        let item = |item: &Item| {
            let rows = item.lines.iter();
            let rows: String = rows
                .map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(value)))
                .collect();
            format!("<li><b>{}</b>\n<dl>\n{rows}</dl></li>\n", escaped(&item.head))
        };
        let items: String = self.items.iter().map(item).collect();
        let closing = self.closing.iter();
        let closing: String = closing
            .map(|line| format!("<p>{}</p>\n", escaped(line)))
            .collect();
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>{STYLE}</style></head>\n\
             <body>\n<p>{from}<br>{date}</p>\n<h1>{title}</h1>\n<p>{opening}</p>\n<ol>\n{items}</ol>\n\
             <h2>What this letter covers</h2>\n{closing}</body></html>\n",
            title = escaped(&self.title),
            from = escaped(&self.from),
            date = escaped(&self.date),
            opening = escaped(&self.opening),
        )
    }
}

const STYLE: &str = "body{font:16px/1.5 serif;max-width:42em;margin:3em auto;padding:0 1em}\
                     dl{display:grid;grid-template-columns:8em 1fr;margin:.3em 0 1em}dd{margin:0}dt{color:#555}";

impl Item {
    fn of(given: &Given, zone: &TimeZone) -> Self {
        let columns = if given.columns.is_empty() {
            "the record, in a form that this list cannot name".to_owned()
        } else {
            given.columns.join(", ")
        };
        let mut lines = vec![
            ("to", with_id(&given.partner)),
            ("asked by", with_id(&given.officer)),
            ("for", given.purpose.clone()),
        ];
        lines.extend(given.case.iter().map(|case| ("case", case.clone())));
        lines.push(("under", format!("agreement {}", given.agreement)));
        lines.extend(
            given
                .legal_basis
                .iter()
                .map(|basis| ("legal basis", basis.clone())),
        );
        let pseudonym = given.pseudonym.iter();
        lines.extend(pseudonym.map(|pseudonym| ("shown as", format!("{pseudonym}, in place of the key"))));
        lines.push(("given", columns));
        lines.push(("entry", format!("{} of the ledger", given.entry)));
        Self {
            head: moment(given.at, zone),
            lines,
        }
    }
}

/// That there are disclosures of which no more is told.
fn under_seal(sealed: &SealedGiven, account: &Account, zone: &TimeZone) -> String {
    let times = match sealed.disclosures {
        1 => "Once".to_owned(),
        more => format!("{} times", grouped(more)),
    };
    let beside = if account.disclosures.is_empty() {
        ""
    } else {
        ", beside what is listed,"
    };
    let until = match sealed.until {
        Some(until) => format!("until {}", day(until, zone)),
        None => "until there is an order to open it".to_owned(),
    };
    format!(
        "{times}{beside} the record was given in a way that is under seal {until}. To whom, what for and on what basis cannot be told \
         before: only the overseers \"{}\" together can open it, and {} alone cannot.",
        sealed.overseers,
        called(&account.custodian)
    )
}

fn closing(account: &Account, from: Timestamp, until: Timestamp, zone: &TimeZone) -> Vec<String> {
    let covers = &account.covers;
    let mut lines = vec![format!(
        "All {} entries of the ledger from {} to {} were looked through. {} rows were disclosed in that time, of everybody.",
        grouped(covers.entries),
        moment(from, zone),
        moment(until, zone),
        grouped(covers.rows)
    )];
    lines.extend(
        account
            .sealed
            .iter()
            .map(|sealed| under_seal(sealed, account, zone)),
    );
    let reasons = by_reason(covers);
    if !reasons.is_empty() {
        let each = reasons.iter().map(|(reason, (results, rows))| {
            format!(
                "{} rows in {} results: {reason}",
                grouped(*rows),
                grouped(*results)
            )
        });
        lines.push(format!(
            "Disclosures of this data set that cannot be said to be about one person or another, and so are not listed: {}.",
            each.collect::<Vec<_>>().join("; ")
        ));
    }
    if covers.earlier_rows > 0 {
        lines.push(format!(
            "{} rows were disclosed before it was recorded whose they were.",
            grouped(covers.earlier_rows)
        ));
    }
    if covers.erasures > 0 {
        lines.push(
            "Records of earlier disclosures have been erased for good; what they said is not known to anybody and is not listed."
                .to_owned(),
        );
    }
    if covers.other_key_rows > 0 {
        lines.push(format!(
            "{} rows were recorded with a key that is not there any more; whose they were cannot be said.",
            grouped(covers.other_key_rows)
        ));
    }
    lines
}

fn called(named: &Named) -> &str {
    named.title.as_deref().unwrap_or(&named.id)
}

fn with_id(named: &Named) -> String {
    match &named.title {
        Some(title) => format!("{title} ({})", named.id),
        None => named.id.clone(),
    }
}

fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%-d %B %Y").to_string()
}

fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%-d %B %Y, %H:%M:%S (%Z)")
        .to_string()
}

/// Lines of at most 78 characters, where words allow, and an empty one.
fn paragraph(out: &mut String, text: &str) {
    let mut length = 0_usize;
    for word in text.split_whitespace() {
        let wide = word.chars().count();
        if length > 0 && length.saturating_add(wide) >= 78 {
            out.push('\n');
            length = 0;
        }
        if length > 0 {
            out.push(' ');
            length = length.saturating_add(1);
        }
        out.push_str(word);
        length = length.saturating_add(wide);
    }
    out.push_str("\n\n");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::accounting::Covers;
    use evidence::record::Why;
    use ledger::accounting::Unaccounted;

    fn named(id: &str, title: Option<&str>) -> Named {
        Named {
            id: id.to_owned(),
            title: title.map(str::to_owned),
        }
    }

    fn account(disclosures: Vec<Given>) -> Account {
        let time = |text: &str| Some(text.parse().unwrap());
        Account {
            custodian: named("records.example.org", Some("Records <Office>")),
            dataset: named("people", Some("People")),
            subject_key: "person_id".to_owned(),
            subject: "42".to_owned(),
            disclosures,
            sealed: Vec::new(),
            sealed_entries: Vec::new(),
            shown_as: BTreeMap::new(),
            covers: Covers {
                erasures: 1,
                from: time("2026-01-01T12:00:00Z"),
                until: time("2026-11-25T03:00:00Z"),
                entries: 1_234,
                rows: 5_000,
                unattributed: vec![Unaccounted {
                    dataset: None,
                    why: Why::NoKey,
                    results: 3,
                    rows: 7,
                }],
                earlier_rows: 0,
                other_key_rows: 9,
            },
        }
    }

    fn given() -> Given {
        Given {
            entry: 17,
            at: "2026-11-24T23:05:00Z".parse().unwrap(),
            partner: named("state-police", Some("State Police")),
            officer: named("d.achterberg", None),
            agreement: "state-police-2018".to_owned(),
            legal_basis: Some("ISA 2018-044".to_owned()),
            purpose: "criminal-investigation".to_owned(),
            case: Some("TO-2026-1".to_owned()),
            pseudonym: None,
            columns: vec!["person_id".to_owned(), "name".to_owned()],
        }
    }

    fn letter(account: &Account) -> Letter {
        let zone = TimeZone::get("America/Toronto").unwrap();
        Letter::of(account, "2026-11-25T12:00:00Z".parse().unwrap(), &zone)
    }

    #[test]
    fn a_letter_says_who_when_what_for_and_on_what_basis() {
        let account = account(vec![given()]);
        let text = letter(&account).text();
        for line in [
            "given to others once",
            "between 1 January 2026 and 24 November 2026",
            "1. 24 November 2026, 18:05:00 (EST)",
            "State Police (state-police)",
            "d.achterberg",
            "criminal-investigation",
            "case         TO-2026-1",
            "agreement state-police-2018",
            "ISA 2018-044",
            "person_id, name",
            "entry        17 of the ledger",
            "7 rows in 3 results: counts",
            "9 rows were recorded with a key",
        ] {
            let flat = text.split('\n').collect::<Vec<_>>().join(" ");
            assert!(text.contains(line) || flat.contains(line), "{line}\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 90), "{text}");
        let page = letter(&account).html();
        assert!(
            page.contains("Records &lt;Office&gt;") && page.contains("<dd>TO-2026-1</dd>"),
            "{page}"
        );
    }

    #[test]
    fn a_letter_says_when_there_is_nothing_to_tell() {
        let text = letter(&account(Vec::new())).text();
        let flat = text.replace('\n', " ");
        assert!(flat.contains("No disclosure of the record with person_id 42 in \"People\" is recorded between 1 January 2026"), "{text}");
    }
}
