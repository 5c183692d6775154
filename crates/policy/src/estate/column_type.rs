//! The types of columns that can be shared.

use std::borrow::Cow;

use super::decimal::Decimal;
use super::finding::Problem;

/// The types of columns that can be shared. What is not here has no sense that Estop knows, or one that differs from
/// server to server (`money`), or says what other columns say already (`tsvector`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnType {
    /// `boolean`
    Boolean,
    /// `smallint`
    Smallint,
    /// `integer`
    Integer,
    /// `bigint`
    Bigint,
    /// `text`, with a deterministic collation where a condition asks for it: conditions compare byte for byte.
    Text,
    /// `varchar`, `character varying`, of any length: in conditions like `text`.
    Varchar,
    /// `char`, `character`, of any length. Not for conditions: PostgreSQL takes `'a'` and `'a  '` for equal.
    Char,
    /// An enumerated type of the custodian's. Shown, and compared, as the `text` of its label.
    Enum,
    /// `date`
    Date,
    /// `timestamptz`, `timestamp with time zone`
    Timestamptz,
    /// `timestamp`, `timestamp without time zone`. Not for conditions: without a zone it is no moment.
    Timestamp,
    /// `time`, `time without time zone`
    Time,
    /// `interval`
    Interval,
    /// `numeric` of any precision, which conditions cannot ask for.
    Numeric,
    /// `numeric(P,S)` that a Cedar `decimal` holds.
    Decimal(Decimal),
    /// `double precision`
    DoublePrecision,
    /// `real`
    Real,
    /// `json`
    Json,
    /// `jsonb`
    Jsonb,
    /// `bytea`
    Bytea,
    /// `inet`
    Inet,
    /// `cidr`
    Cidr,
    /// `macaddr`
    Macaddr,
    /// `text[]`
    TextArray,
    /// `varchar[]`, `character varying[]`
    VarcharArray,
    /// `integer[]`
    IntegerArray,
    /// `bigint[]`
    BigintArray,
    /// `uuid`
    Uuid,
}

impl ColumnType {
    /// All of them, but for the many [`ColumnType::Decimal`].
    pub const ALL: [Self; 27] = [
        Self::Boolean,
        Self::Smallint,
        Self::Integer,
        Self::Bigint,
        Self::Text,
        Self::Varchar,
        Self::Char,
        Self::Enum,
        Self::Date,
        Self::Timestamptz,
        Self::Timestamp,
        Self::Time,
        Self::Interval,
        Self::Numeric,
        Self::DoublePrecision,
        Self::Real,
        Self::Json,
        Self::Jsonb,
        Self::Bytea,
        Self::Inet,
        Self::Cidr,
        Self::Macaddr,
        Self::TextArray,
        Self::VarcharArray,
        Self::IntegerArray,
        Self::BigintArray,
        Self::Uuid,
    ];

    /// The name in an estate's files.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Timestamptz => "timestamptz".into(),
            Self::Timestamp => "timestamp".into(),
            Self::Time => "time".into(),
            Self::Varchar => "varchar".into(),
            Self::Char => "char".into(),
            Self::VarcharArray => "varchar[]".into(),
            _ => self.sql(),
        }
    }

    /// The name as PostgreSQL's `format_type` gives it (PostgreSQL documentation, 9.27), but a decimal's without a length. `enum` stands
    /// for every enumerated type, as in [`crate::catalog::Column::base_type`].
    #[must_use]
    pub fn sql(self) -> Cow<'static, str> {
        let name = match self {
            Self::Decimal(decimal) => return decimal.to_string().into(),
            Self::Boolean => "boolean",
            Self::Smallint => "smallint",
            Self::Integer => "integer",
            Self::Bigint => "bigint",
            Self::Text => "text",
            Self::Varchar => "character varying",
            Self::Char => "character",
            Self::Enum => "enum",
            Self::Date => "date",
            Self::Timestamptz => "timestamp with time zone",
            Self::Timestamp => "timestamp without time zone",
            Self::Time => "time without time zone",
            Self::Interval => "interval",
            Self::Numeric => "numeric",
            Self::DoublePrecision => "double precision",
            Self::Real => "real",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
            Self::Bytea => "bytea",
            Self::Inet => "inet",
            Self::Cidr => "cidr",
            Self::Macaddr => "macaddr",
            Self::TextArray => "text[]",
            Self::VarcharArray => "character varying[]",
            Self::IntegerArray => "integer[]",
            Self::BigintArray => "bigint[]",
            Self::Uuid => "uuid",
        };
        name.into()
    }

    /// The type in SQL by its full name, so that no schema of the search path can put another in its place: of the type
    /// as it is [shown](Self::shown).
    #[must_use]
    pub fn qualified(self) -> Cow<'static, str> {
        let name = match self {
            Self::Decimal(decimal) => return format!("pg_catalog.{decimal}").into(),
            Self::Boolean => "pg_catalog.bool",
            Self::Smallint => "pg_catalog.int2",
            Self::Integer => "pg_catalog.int4",
            Self::Bigint => "pg_catalog.int8",
            Self::Text | Self::Enum => "pg_catalog.text",
            Self::Varchar => "pg_catalog.varchar",
            Self::Char => "pg_catalog.bpchar",
            Self::Date => "pg_catalog.date",
            Self::Timestamptz => "pg_catalog.timestamptz",
            Self::Timestamp => "pg_catalog.timestamp",
            Self::Time => "pg_catalog.time",
            Self::Interval => "pg_catalog.interval",
            Self::Numeric => "pg_catalog.numeric",
            Self::DoublePrecision => "pg_catalog.float8",
            Self::Real => "pg_catalog.float4",
            Self::Json => "pg_catalog.json",
            Self::Jsonb => "pg_catalog.jsonb",
            Self::Bytea => "pg_catalog.bytea",
            Self::Inet => "pg_catalog.inet",
            Self::Cidr => "pg_catalog.cidr",
            Self::Macaddr => "pg_catalog.macaddr",
            Self::TextArray => "pg_catalog.text[]",
            Self::VarcharArray => "pg_catalog.varchar[]",
            Self::IntegerArray => "pg_catalog.int4[]",
            Self::BigintArray => "pg_catalog.int8[]",
            Self::Uuid => "pg_catalog.uuid",
        };
        name.into()
    }

    /// The type of a column of this type where a view shows it without a mask. A partner's tools know no type of the
    /// custodian's, so an enumerated one is shown as text.
    #[must_use]
    pub fn shown(self) -> Self {
        match self {
            Self::Enum => Self::Text,
            _ => self,
        }
    }

    /// Whether its values are texts that masks of texts apply to.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Varchar | Self::Char | Self::Enum)
    }

    /// The type an estate's file calls by this name: [`ColumnType::name`] or [`ColumnType::sql`].
    ///
    /// # Errors
    /// No type has this name, or it is a `numeric(P,S)` that conditions could not compare.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if let Some(decimal) = Decimal::parse(text) {
            return Ok(Self::Decimal(decimal?));
        }
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text || kind.sql() == text)
            .ok_or_else(|| Problem::ColumnType(text.to_owned()))
    }

    /// The type that PostgreSQL's `format_type` prints like this. A `numeric` with more digits than a decimal holds is a
    /// `numeric`; other lengths make no difference.
    #[must_use]
    pub fn of_catalog(printed: &str) -> Option<Self> {
        if let Some(Ok(decimal)) = Decimal::parse(printed) {
            return Some(Self::Decimal(decimal));
        }
        let bare = without_length(printed);
        Self::ALL
            .into_iter()
            .find(|kind| kind.sql() == bare || (*kind == Self::Char && bare == "bpchar"))
    }

    /// Whether a column that the catalog prints like this is of this type. A decimal is meant with its digits; a `numeric`
    /// may have any.
    #[must_use]
    pub fn fits(self, printed: &str) -> bool {
        match Self::of_catalog(printed) {
            Some(Self::Decimal(_)) if self == Self::Numeric => true,
            Some(kind) => kind == self,
            None => false,
        }
    }
}

/// A type as `format_type` prints it, without its length or precision: `numeric(10,2)` is `numeric`.
fn without_length(printed: &str) -> String {
    let cut = printed
        .split_once('(')
        .and_then(|(head, rest)| Some((head, rest.split_once(')')?.1)));
    cut.map_or_else(|| printed.to_owned(), |(head, tail)| format!("{head}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_each_of_its_names() {
        for kind in ColumnType::ALL {
            assert_eq!(ColumnType::parse(&kind.name()), Ok(kind));
            assert_eq!(ColumnType::parse(&kind.sql()), Ok(kind));
            assert_eq!(ColumnType::of_catalog(&kind.sql()), Some(kind));
            assert!(kind.fits(&kind.sql()));
        }
    }

    #[test]
    fn what_the_catalog_prints_is_known_with_its_length() {
        for (printed, kind) in [
            ("numeric(10,2)", Decimal::new(10, 2).map(ColumnType::Decimal)),
            ("numeric(30,10)", Some(ColumnType::Numeric)),
            ("character varying(20)", Some(ColumnType::Varchar)),
            ("character varying(20)[]", Some(ColumnType::VarcharArray)),
            ("character(2)", Some(ColumnType::Char)),
            ("bpchar", Some(ColumnType::Char)),
            ("timestamp(3) with time zone", Some(ColumnType::Timestamptz)),
            ("timestamp(0) without time zone", Some(ColumnType::Timestamp)),
            ("\"char\"", None),
            ("money", None),
            ("public.citext", None),
            ("interval year to month", None),
            ("(", None),
        ] {
            assert_eq!(ColumnType::of_catalog(printed), kind, "{printed}");
        }
        let cents = ColumnType::parse("numeric(10,2)").unwrap();
        assert!(cents.fits("numeric(10,2)") && ColumnType::Numeric.fits("numeric(10,2)"));
        assert!(!cents.fits("numeric(10,3)") && !cents.fits("numeric") && !cents.fits("enum"));
    }
}
