//! From terms to SQL.
//!
//! Everything written here is total: no row makes it raise an error. What is unknown stays unknown: a NULL where none
//! should be, and a NaN, which no Cedar `decimal` is, make NULL of whatever hangs on them, `CASE` included. Strings compare byte for byte because the catalog
//! must give their columns a deterministic collation; moments compare in UTC and in milliseconds, whatever the session's
//! time zone, and dates are compared with them by PostgreSQL's own cross-type operators, which cannot overflow.

use super::term::{ColumnRef, Comparison, PatternPart, Scalar, Set, SetOp, Term};
use super::{compare, decimal};
use crate::estate::ColumnType;
use crate::sql::{ident, literal};

/// The term by itself: NULL where it is unknown, which `WHERE` and `WHEN` take for false. Not `IS TRUE`, by which
/// PostgreSQL's planner would see no index.
pub(crate) fn boolean(term: &Term, alias: &str) -> String {
    term_sql(term, alias)
}

/// `(..) IS FALSE`
pub(crate) fn is_false(term: &Term, alias: &str) -> String {
    format!("{} IS FALSE", in_parentheses(term, alias))
}

fn in_parentheses(term: &Term, alias: &str) -> String {
    let sql = term_sql(term, alias);
    match term {
        Term::Constant(_) | Term::Column(_) => format!("({sql})"),
        // Everything else brings its own.
        _ => sql,
    }
}

fn term_sql(term: &Term, alias: &str) -> String {
    let sub = |term: &Term| term_sql(term, alias);
    match term {
        Term::Constant(true) => "TRUE".to_owned(),
        Term::Constant(false) => "FALSE".to_owned(),
        Term::Column(column) => column_sql(column, alias),
        Term::Has(column) => format!("({} IS NOT NULL)", column_sql(column, alias)),
        Term::Not(inner) => format!("(NOT {})", sub(inner)),
        Term::All(terms) => joined(terms, " AND ", alias),
        Term::Any(terms) => joined(terms, " OR ", alias),
        Term::If {
            cond,
            then,
            otherwise,
        } => {
            format!(
                "(CASE {} WHEN TRUE THEN {} WHEN FALSE THEN {} END)",
                sub(cond),
                sub(then),
                sub(otherwise)
            )
        }
        Term::Same { negated, left, right } => {
            let op = if *negated { "<>" } else { "=" };
            format!("({} {op} {})", sub(left), sub(right))
        }
        Term::Compare { op, left, right } => {
            if let Some(sql) = compare::indexable(*op, left, right, alias) {
                return sql;
            }
            format!(
                "({} {} {})",
                scalar_sql(left, alias),
                operator(*op),
                scalar_sql(right, alias)
            )
        }
        Term::Like { value, pattern } => {
            format!("({} LIKE {})", scalar_sql(value, alias), pattern_sql(pattern))
        }
        Term::Among { value, members } => {
            if let Some(sql) = compare::among(value, members, alias) {
                return sql;
            }
            let members: Vec<String> = members.iter().map(|member| scalar_sql(member, alias)).collect();
            format!("({} IN ({}))", scalar_sql(value, alias), members.join(", "))
        }
        Term::Sets { op, left, right } => sets(*op, left, right, alias),
        Term::Member { set, value } => {
            format!(
                "({} @> ARRAY[{}]::pg_catalog.text[])",
                set_sql(set, alias),
                scalar_sql(value, alias)
            )
        }
        Term::Empty(set) => format!("(pg_catalog.cardinality({}) = 0)", members(set, alias)),
    }
}

fn joined(terms: &[Term], with: &str, alias: &str) -> String {
    let parts: Vec<String> = terms.iter().map(|term| term_sql(term, alias)).collect();
    format!("({})", parts.join(with))
}

pub(super) fn operator(op: Comparison) -> &'static str {
    match op {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

pub(super) fn column_sql(column: &ColumnRef, alias: &str) -> String {
    format!("{}.{}", ident(alias), column.name.quoted())
}

fn scalar_sql(scalar: &Scalar, alias: &str) -> String {
    match scalar {
        Scalar::Long(number) => format!("'{number}'::pg_catalog.int8"),
        Scalar::Decimal(number) => format!("'{}'::pg_catalog.numeric", decimal::digits(*number)),
        Scalar::Text(text) => format!("{}::pg_catalog.text", literal(text)),
        Scalar::Instant(at) => compare::instant(*at),
        Scalar::Column(column) => {
            let sql = column_sql(column, alias);
            match column.kind {
                ColumnType::Uuid | ColumnType::Enum => format!("{sql}::pg_catalog.text"),
                // A NaN would be greater than any number.
                ColumnType::Decimal(_) => format!("NULLIF({sql}, 'NaN'::pg_catalog.numeric)"),
                // Cedar counts milliseconds; PostgreSQL keeps microseconds.
                ColumnType::Timestamptz => {
                    format!("pg_catalog.date_trunc('milliseconds', pg_catalog.timezone('UTC', {sql}))")
                }
                _ => sql,
            }
        }
        Scalar::If {
            cond,
            then,
            otherwise,
        } => format!(
            "(CASE {} WHEN TRUE THEN {} WHEN FALSE THEN {} END)",
            term_sql(cond, alias),
            branch_sql(then, alias),
            branch_sql(otherwise, alias)
        ),
    }
}

/// A branch of a `CASE`: both must have one type, and a date's cast to a timestamp can overflow, so it is bounded first.
/// Whatever lies beyond the years of constants compares with them like infinity.
fn branch_sql(scalar: &Scalar, alias: &str) -> String {
    let sql = scalar_sql(scalar, alias);
    match scalar {
        Scalar::Column(column) if column.kind == ColumnType::Date => format!(
            "(CASE WHEN {sql} < '4713-01-01 BC'::pg_catalog.date THEN '-infinity'::pg_catalog.timestamp \
             WHEN {sql} > '294275-12-31'::pg_catalog.date THEN 'infinity'::pg_catalog.timestamp \
             ELSE {sql}::pg_catalog.timestamp END)"
        ),
        Scalar::Column(column) if matches!(column.kind, ColumnType::Smallint | ColumnType::Integer) => {
            format!("{sql}::pg_catalog.int8")
        }
        Scalar::Column(column) if column.kind == ColumnType::Varchar => format!("{sql}::pg_catalog.text"),
        _ => sql,
    }
}

fn pattern_sql(pattern: &[PatternPart]) -> String {
    let mut like = String::new();
    for part in pattern {
        match part {
            PatternPart::Any => like.push('%'),
            PatternPart::Char(char) => {
                if matches!(char, '%' | '_' | '\\') {
                    like.push('\\');
                }
                like.push(*char);
            }
        }
    }
    format!("{}::pg_catalog.text", literal(&like))
}

fn sets(op: SetOp, left: &Set, right: &Set, alias: &str) -> String {
    let contains =
        |left: &Set, right: &Set| format!("({} @> {})", set_sql(left, alias), members(right, alias));
    match op {
        SetOp::ContainsAll => contains(left, right),
        SetOp::ContainsAny => format!("({} && {})", set_sql(left, alias), set_sql(right, alias)),
        SetOp::Equal => format!("({} AND {})", contains(left, right), contains(right, left)),
        SetOp::NotEqual => format!("(NOT ({} AND {}))", contains(left, right), contains(right, left)),
    }
}

/// The set where NULL elements do no harm: nothing contains or overlaps by them.
fn set_sql(set: &Set, alias: &str) -> String {
    match set {
        Set::Constants(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| literal(text)).collect();
            format!("ARRAY[{}]::pg_catalog.text[]", texts.join(", "))
        }
        Set::Column(column) => column_sql(column, alias),
    }
}

/// The set without NULL elements, which are no members to Cedar.
fn members(set: &Set, alias: &str) -> String {
    match set {
        Set::Constants(_) => set_sql(set, alias),
        // Not `array_remove`, which raises an error for arrays of several dimensions; `unnest` takes them as they come.
        Set::Column(_) => format!(
            "(CASE WHEN {0} IS NOT NULL THEN ARRAY(SELECT m.m FROM pg_catalog.unnest({0}) AS m(m) WHERE m.m IS NOT NULL) END)",
            set_sql(set, alias)
        ),
    }
}
