//! Long, deep and random texts: compiled or refused, in bounded time, on a small stack.

use proptest::prelude::*;

use super::*;

#[test]
fn bounds_hold() {
    let long = format!("resource.name == \"{}\"", "x".repeat(MAX_CONDITION_BYTES));
    assert_eq!(
        Condition::compile(&long, &dataset()).unwrap_err().reason,
        Reason::TooLong
    );
    let deep = format!("{}true{}", "(".repeat(4000), ")".repeat(4000));
    assert_eq!(
        Condition::compile(&deep, &dataset()).unwrap_err().reason,
        Reason::TooDeep
    );
    let strings = format!("resource.name == \"{}\"", "(".repeat(4000));
    sql(&strings);
    let chain = vec!["resource.juvenile"; MAX_CHAIN + 1].join(" || ");
    assert!(sql(&chain).contains(" OR "));
    let longer = vec!["resource.juvenile"; MAX_CHAIN + 2].join(" || ");
    assert_eq!(
        Condition::compile(&longer, &dataset()).unwrap_err().reason,
        Reason::TooMany
    );
    let numbers: Vec<String> = (0..1500).map(|number| number.to_string()).collect();
    sql(&format!("[{}].contains(resource.charge)", numbers.join(", ")));
    let nested = "if true then true else ".repeat(100) + "true";
    assert_eq!(
        Condition::compile(&nested, &dataset()).unwrap_err().reason,
        Reason::TooDeep
    );
    let negated = format!("{}true", "!".repeat(4000));
    assert!(Condition::compile(&negated, &dataset()).is_err());
}

/// `head`, as much of `part` as fits, `middle`, and `tail` as often.
fn filled(head: &str, part: &str, middle: &str, tail: &str) -> String {
    let room = MAX_CONDITION_BYTES - head.len() - middle.len();
    let times = room / (part.len() + tail.len());
    [head, &part.repeat(times), middle, &tail.repeat(times)].concat()
}

/// On a thread with the stack of tests, 2 MiB; a main thread has more.
#[test]
fn the_longest_texts_are_compiled_or_refused() {
    let bombs = [
        filled("", "true && ", "true", ""),
        filled("", "true || ", "true", ""),
        filled("resource.juvenile", " && resource.juvenile", "", ""),
        filled("resource.charge == 1", " || resource.charge == 1", "", ""),
        filled("", "resource.juvenile && (", "true", ")"),
        filled("", "(", "true", ")"),
        filled("", "!", "true", ""),
        filled("", "-", "1 == 1", ""),
        filled("", "[", "1", "]"),
        filled("", "{a: ", "1", "}"),
        filled("resource", ".name", " == 1", ""),
        filled("resource", "[\"name\"]", " == 1", ""),
        filled("resource has name", ".name", "", ""),
        filled("resource.flags", ".contains(resource.flags", "", ")"),
        filled("", "if true then true else ", "true", ""),
        filled("", "if ", "true", " then true else true"),
        filled("1", " + 1", " == 1", ""),
        filled("1", " == 1", "", ""),
        filled(
            "datetime(\"2026-01-01\")",
            ".offset(duration(\"1d\"))",
            " == resource.at",
            "",
        ),
        filled("datetime(\"2026-01-01\")", ".toDate()", " == resource.at", ""),
        filled("[1", ", 1", "].contains(resource.charge)", ""),
        filled("[\"a\"", ", \"b\"", "].containsAll(resource.flags)", ""),
        filled("resource.name like \"", "*", "\"", ""),
        filled("resource.name like \"", "a*", "\"", ""),
        filled("resource.name == \"", "\\u{1F600}", "\"", ""),
        filled("resource.name == \"", "'", "\"", ""),
        filled("resource.name == \"", "\\\\", "\"", ""),
        filled("", "\u{1F600}", "", ""),
        filled("true", " // x\n", "", ""),
        filled("a", "::a", "::\"x\" == resource", ""),
        filled("resource is a", "::a", "", ""),
        filled("\"", "x", "", ""),
        filled("", "decimal(", "\"1.0\"", ")"),
        filled("resource in [", "A::\"x\", ", "A::\"x\"]", ""),
    ];
    let dataset = dataset();
    let mut compiled = 0;
    for bomb in &bombs {
        assert!(bomb.len() <= MAX_CONDITION_BYTES);
        if let Ok(condition) = Condition::compile(bomb, &dataset) {
            compiled += 1;
            assert!(!row_filter_sql(condition.cedar(), &dataset).is_empty());
        }
    }
    assert_eq!(compiled, 8);
}

proptest! {
    /// Whatever is written, compiling ends, and never with a panic; a place is always within the text.
    #[test]
    fn any_text_is_compiled_or_refused(source in "(resource|\\.|name|charge| |\\(|\\)|\\[|\\]|==|&&|!|has|like|decimal|lessThan|price|flags|contains|isEmpty|is|in|::|offset|duration|\u{1F600}|\"|a|\\\\|1|,|é|if|then|else|datetime|\\{|\\}){0,30}") {
        if let Err(error) = Condition::compile(&source, &dataset()) {
            prop_assert!(source.get(error.span).is_some());
        }
    }

    /// The same of anything at all.
    #[test]
    fn any_characters_are_compiled_or_refused(source in "\\PC{0,40}|[ -~\n\u{0}]{0,40}|.{0,20}") {
        if let Err(error) = Condition::compile(&source, &dataset()) {
            prop_assert!(source.get(error.span).is_some());
        }
    }
}
