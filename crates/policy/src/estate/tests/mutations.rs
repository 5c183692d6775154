//! Files that have been changed at random: reading them ends, without a panic, and what is wrong has a place and a help.

use super::*;

/// One change of one file.
#[derive(Debug, Clone)]
enum Change {
    DropLine(usize),
    DoubleLine(usize),
    SwapLines(usize, usize),
    DropChar(usize),
    Insert(usize, String),
    Cut(usize),
    /// What stands between two quotes becomes something else.
    Value(usize, String),
    Number(usize, i128),
    CrLf,
    Mark,
    Rename(String),
    Remove,
}

fn change() -> impl Strategy<Value = Change> {
    let text = || {
        prop_oneof![
            Just(String::new()),
            Just("people".to_owned()),
            Just("resource.case_status == \"x\"".to_owned()),
            Just("documents/../x".to_owned()),
            Just("\u{feff}\u{202e}\0".to_owned()),
            Just("((((".repeat(40)),
            "[a-z0-9.:\\-]{1,70}",
            "\\PC{0,30}",
        ]
    };
    let at = || 0_usize..4_000;
    prop_oneof![
        at().prop_map(Change::DropLine),
        at().prop_map(Change::DoubleLine),
        (at(), at()).prop_map(|(a, b)| Change::SwapLines(a, b)),
        at().prop_map(Change::DropChar),
        (at(), text()).prop_map(|(at, text)| Change::Insert(at, text)),
        at().prop_map(Change::Cut),
        (at(), text()).prop_map(|(at, text)| Change::Value(at, text)),
        (at(), any::<i128>()).prop_map(|(at, number)| Change::Number(at, number)),
        Just(Change::CrLf),
        Just(Change::Mark),
        text().prop_map(Change::Rename),
        Just(Change::Remove),
    ]
}

fn place(text: &str, at: usize) -> usize {
    let count = text.chars().count().max(1);
    text.char_indices()
        .map(|(place, _)| place)
        .nth(at % count)
        .unwrap_or(0)
}

fn put(text: &str, span: std::ops::Range<usize>, instead: &str) -> String {
    let mut text = text.to_owned();
    text.replace_range(span, instead);
    text
}

fn changed(text: &str, change: &Change) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let count = lines.len().max(1);
    match change {
        Change::DropLine(at) if !lines.is_empty() => {
            lines.remove(at % count);
            lines.join("\n")
        }
        Change::DoubleLine(at) if !lines.is_empty() => {
            lines.insert(at % count, lines[at % count]);
            lines.join("\n")
        }
        Change::SwapLines(a, b) if !lines.is_empty() => {
            lines.swap(a % count, b % count);
            lines.join("\n")
        }
        Change::DropChar(at) if !text.is_empty() => {
            let mut text = text.to_owned();
            text.remove(place(&text, *at));
            text
        }
        Change::Insert(at, more) => {
            let (before, after) = text.split_at(place(text, *at));
            format!("{before}{more}{after}")
        }
        Change::Cut(at) => text.split_at(place(text, *at)).0.to_owned(),
        Change::Value(at, value) => {
            let quotes: Vec<usize> = text.match_indices('"').map(|(place, _)| place).collect();
            let pairs: Vec<&[usize]> = quotes.chunks_exact(2).collect();
            match pairs.get(at % pairs.len().max(1)) {
                Some([from, to]) => put(text, from + 1..*to, value),
                _ => text.to_owned(),
            }
        }
        Change::Number(at, number) => {
            let digits: Vec<(usize, &str)> = text.match_indices(|char: char| char.is_ascii_digit()).collect();
            match digits.get(at % digits.len().max(1)) {
                Some((from, digit)) => put(text, *from..from + digit.len(), &number.to_string()),
                None => text.to_owned(),
            }
        }
        Change::CrLf => text.replace('\n', "\r\n"),
        Change::Mark => format!("\u{feff}{text}"),
        _ => text.to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_changed_is_read_or_refused_with_place_and_help(
        changes in proptest::collection::vec((0_usize..12, change()), 1..4)
    ) {
        let mut files = files();
        for (which, change) in &changes {
            let Some(path) = files.keys().nth(which % files.len().max(1)).cloned() else {
                continue;
            };
            let text = files.remove(&path).unwrap();
            match change {
                Change::Remove => {}
                Change::Rename(name) => {
                    let folder = path.split('/').next().unwrap();
                    files.insert(format!("{folder}/{name}.toml"), text);
                }
                _ => {
                    files.insert(path, changed(&text, change));
                }
            }
        }
        let Err(errors) = Estate::parse(&files) else {
            return Ok(());
        };
        prop_assert!(!errors.findings().is_empty());
        for finding in errors.findings() {
            prop_assert!(finding.line() > 0 && finding.column() > 0 && !finding.file().is_empty());
            prop_assert!(!finding.problem().to_string().trim().is_empty());
            let help = finding.problem().help().unwrap_or_default();
            prop_assert!(!help.trim().is_empty(), "no help for {}", finding);
            if let Some(text) = files.get(finding.file()) {
                prop_assert!(finding.line() <= text.lines().count() + 1, "{finding}");
            }
        }
    }
}
