//! Random conditions on the rows of [`super::rows`].

use cedar_policy::Expression;
use policy::estate::ColumnType;

use super::random::Random;
use super::rows::{COLUMNS, DAYS, DECIMALS, INSTANTS, LONGS, TEXTS, UUIDS, instant};

/// A condition that is valid for [`dataset`].
pub(crate) fn condition(random: &mut Random) -> String {
    boolean(random, 3)
}

fn boolean(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return atom(random);
    }
    let below = depth - 1;
    match random.below(9) {
        0 | 1 => format!("({} && {})", boolean(random, below), boolean(random, below)),
        2 | 3 => format!("({} || {})", boolean(random, below), boolean(random, below)),
        4 => format!("!({})", boolean(random, below)),
        5 => format!(
            "(if {} then {} else {})",
            boolean(random, below),
            boolean(random, below),
            boolean(random, below)
        ),
        6 => format!(
            "({}) {} ({})",
            boolean(random, below),
            random.pick(&["==", "!="]),
            boolean(random, below)
        ),
        _ => atom(random),
    }
}

/// Something about one column, guarded if the column is optional.
fn atom(random: &mut Random) -> String {
    let (name, kind, nullable) = random.pick(&COLUMNS);
    let quoted = string(name);
    let column = format!("resource[{quoted}]");
    let test = test(random, &column, kind);
    let has = format!("resource has {quoted}");
    if !nullable {
        return if random.one_in(8) {
            format!("({has} && {test})")
        } else {
            format!("({test})")
        };
    }
    match random.below(5) {
        0 => has,
        1 => format!("!({has})"),
        2 => format!(
            "(if {has} then {test} else {})",
            random.pick(&["true", "false", "resource.b"])
        ),
        _ => format!("({has} && {test})"),
    }
}

fn test(random: &mut Random, column: &str, kind: ColumnType) -> String {
    let order = ["==", "!=", "<", "<=", ">", ">="];
    match kind {
        ColumnType::Boolean => match random.below(3) {
            0 => column.to_owned(),
            1 => format!("!{column}"),
            _ => format!("{column} == {}", random.pick(&["true", "false", "resource.b"])),
        },
        ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => {
            if random.one_in(4) {
                let members: Vec<String> = (0..1 + random.below(3)).map(|_| long(random)).collect();
                return format!("[{}].contains({column})", members.join(", "));
            }
            format!("{column} {} {}", random.pick(&order), long(random))
        }
        ColumnType::Text | ColumnType::Varchar | ColumnType::Enum => match random.below(4) {
            0 => format!("{column} like {}", pattern(random)),
            1 => {
                let members: Vec<String> = (0..1 + random.below(3))
                    .map(|_| string(random.pick(&TEXTS)))
                    .collect();
                format!("[{}].contains({column})", members.join(", "))
            }
            2 => format!("resource.a.contains({column})"),
            _ => format!("{column} {} {}", random.pick(&order[..2]), text(random)),
        },
        ColumnType::Uuid => format!(
            "{column} {} {}",
            random.pick(&order[..2]),
            string(random.pick(&UUIDS))
        ),
        ColumnType::Date | ColumnType::Timestamptz => {
            format!("{column} {} {}", random.pick(&order), moment(random))
        }
        ColumnType::Decimal(_) => decimals(random, column),
        ColumnType::TextArray => array(random, column),
        _ => unreachable!("conditions cannot ask for it"),
    }
}

fn array(random: &mut Random, column: &str) -> String {
    let members: Vec<String> = (0..1 + random.below(3))
        .map(|_| string(random.pick(&TEXTS[..8])))
        .collect();
    let other = if random.one_in(3) {
        "resource.a".to_owned()
    } else {
        format!("[{}]", members.join(", "))
    };
    match random.below(7) {
        0 => format!("{column}.contains({})", string(random.pick(&TEXTS[..8]))),
        1 => format!("{column}.containsAll({other})"),
        2 => format!("{other}.containsAll({column})"),
        3 => format!("{column}.containsAny({other})"),
        4 => format!("{column}.isEmpty()"),
        5 => format!("{column} != {other}"),
        _ => format!("{column} == {other}"),
    }
}

fn decimals(random: &mut Random, column: &str) -> String {
    let constant = |random: &mut Random| format!("decimal(\"{}\")", random.pick(&DECIMALS));
    let other = match random.below(4) {
        0 => "resource.f".to_owned(),
        1 => format!("(if resource.b then resource.f else {})", constant(random)),
        _ => constant(random),
    };
    match random.below(7) {
        0 => format!("{column} == {other}"),
        1 => format!("{column} != {other}"),
        2 => format!("{column}.lessThan({other})"),
        3 => format!("{column}.lessThanOrEqual({other})"),
        4 => format!("{column}.greaterThan({other})"),
        5 => format!("{column}.greaterThanOrEqual({other})"),
        _ => {
            let members: Vec<String> = (0..1 + random.below(3)).map(|_| constant(random)).collect();
            format!("[{}].contains({column})", members.join(", "))
        }
    }
}

fn long(random: &mut Random) -> String {
    match random.below(5) {
        0 => "resource.s".to_owned(),
        1 => "resource.l".to_owned(),
        2 => format!("(if resource.b then resource.n else {})", random.pick(&LONGS)),
        _ => random.pick(&LONGS).to_string(),
    }
}

fn text(random: &mut Random) -> String {
    match random.below(6) {
        0 => "resource.t".to_owned(),
        5 => random
            .pick(&["resource.v", "resource.e", "resource.u"])
            .to_owned(),
        1 => format!(
            "(if resource.b then {} else {})",
            random.pick(&["resource.t", "resource.v", "resource.e"]),
            string(random.pick(&TEXTS))
        ),
        _ => string(random.pick(&TEXTS)),
    }
}

fn moment(random: &mut Random) -> String {
    match random.below(7) {
        0 => "resource.d".to_owned(),
        1 => "resource.ts".to_owned(),
        2 => "(if resource.b then resource.d else resource.ts)".to_owned(),
        3 => format!("datetime(\"{}\")", random.pick(&DAYS[..4])),
        4 => format!(
            "datetime(\"{}\").offset(duration(\"-1d1ms\"))",
            random.pick(&DAYS[4..])
        ),
        5 => "datetime(\"2024-02-29T23:30:00.500+0130\").toDate()".to_owned(),
        _ => format!("datetime(\"{}\")", instant(random.pick(&INSTANTS))),
    }
}

fn pattern(random: &mut Random) -> String {
    let mut pattern = String::from("\"");
    for _ in 0..random.below(5) {
        match random.below(3) {
            0 => pattern.push('*'),
            _ => {
                let text = string(random.pick(&["a", "b", "%", "_", "\\", "日", "\n", "'", "x", "*"]));
                let inner = text.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
                pattern.push_str(&inner.replace('*', "\\*"));
            }
        }
    }
    pattern.push('"');
    pattern
}

fn string(text: &str) -> String {
    Expression::new_string(text.to_owned()).to_string()
}
