//! A column of a view: what is shown of it in which rows.

use cedar_policy::PolicyId;

use crate::estate::{Column, Share, SharedColumn};
use crate::mask::Mask;
use crate::row_filter::{RowFilter, Rows};

/// A column of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    column: Column,
    /// The least masked first.
    levels: Vec<Level>,
}

/// One way of showing a column, and the rows of the shares that show it so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// The column, bare or under a mask.
    pub shown: SharedColumn,
    /// In which rows.
    pub rows: Rows,
}

/// One share's way of giving a column.
pub(super) struct Giving<'a> {
    pub(super) permit: &'a PolicyId,
    shown: &'a SharedColumn,
}

impl Cell {
    pub(super) fn new(column: Column, levels: Vec<Level>) -> Self {
        let levels = levels.into_iter().filter(|level| !level.rows.are_none());
        Self {
            column,
            levels: levels.collect(),
        }
    }

    /// The data set's column.
    #[must_use]
    pub fn column(&self) -> &Column {
        &self.column
    }

    /// Its ways of being shown, the least masked first: in each row the first is taken whose rows it is among.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The rows in which it is shown at all.
    pub(super) fn rows(&self) -> Rows {
        let rows = self.levels.iter().map(|level| &level.rows);
        rows.fold(Rows::default(), |all, rows| all.and_also(rows))
    }

    pub(super) fn reads_base(&self) -> bool {
        let reads = |level: &Level| level.shown.mask.as_ref().is_none_or(Mask::reads_base);
        self.levels.iter().any(reads)
    }

    /// Whether in each of these rows it is bare, or its pseudonym: then the custodian can tell whose row it was.
    pub(super) fn tells_whose_in(&self, rows: &Rows) -> bool {
        let mut shown = Rows::default();
        for level in &self.levels {
            if !matches!(level.shown.mask, None | Some(Mask::Pseudonym(_))) {
                return false;
            }
            shown = shown.and_also(&level.rows);
            if rows.are_within(&shown) {
                return true;
            }
        }
        false
    }

    /// The SQL expression of it in a view of these rows, reading the base row under this alias.
    pub(super) fn sql(&self, rows: &Rows, alias: &str) -> String {
        let mut cases = Vec::new();
        let mut shown = Rows::default();
        for level in &self.levels {
            let sql = level.shown.sql(alias);
            shown = shown.and_also(&level.rows);
            if rows.are_within(&shown) {
                // All rows that come so far.
                return match cases.as_slice() {
                    [] => sql,
                    _ => format!("CASE {} ELSE {sql} END", cases.join(" ")),
                };
            }
            cases.push(format!("WHEN {} THEN {sql}", level.rows.sql(alias)));
        }
        match cases.as_slice() {
            [] => Mask::Null.sql(&self.column, alias),
            _ => format!("CASE {} END", cases.join(" ")),
        }
    }
}

/// How each share gives a column, bare or masked.
pub(super) fn giving<'a>(
    shares: &'a [(&'a Share, PolicyId)],
    column: &Column,
    masked: bool,
) -> Vec<Giving<'a>> {
    let given = |(share, permit): &'a (&'a Share, PolicyId)| {
        let mut columns = share.columns.iter();
        let shown =
            columns.find(|shared| shared.column.name == column.name && shared.mask.is_some() == masked)?;
        Some(Giving { permit, shown })
    };
    shares.iter().filter_map(given).collect()
}

/// The ways in which a column is given, each once, the least masked first.
pub(super) fn levels(giving: &[Giving<'_>], filter: &RowFilter) -> Vec<Level> {
    let mut ways: Vec<&SharedColumn> = Vec::new();
    for giving in giving {
        if !ways.contains(&giving.shown) {
            ways.push(giving.shown);
        }
    }
    ways.sort_by_cached_key(|shown| shown.mask.as_ref().map(strength));
    let level = |shown: &SharedColumn| {
        let gives = |id: &PolicyId| giving.iter().any(|g| g.permit == id && g.shown == shown);
        Level {
            shown: shown.clone(),
            rows: filter.rows_by(gives),
        }
    };
    ways.into_iter().map(level).collect()
}

/// How much a mask hides, as far as masks can be compared: by kind, then by how fine it is, then by its text.
fn strength(mask: &Mask) -> (u8, i16, String) {
    let (kind, coarseness) = match mask {
        Mask::Round(decimals) => (0, -i16::from(*decimals)),
        Mask::Month => (1, 0),
        Mask::Year => (2, 0),
        Mask::AgeBand { years } => (3, i16::from(*years)),
        Mask::First(count) => (4, -i16::from(*count)),
        Mask::Initials => (5, 0),
        Mask::Pseudonym(_) => (6, 0),
        Mask::Constant(_) => (7, 0),
        Mask::Null => (8, 0),
    };
    (kind, coarseness, mask.to_string())
}
