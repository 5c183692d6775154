//! RowDescription and DataRow: what the columns are, and the values of one row.

use crate::Malformed;
use crate::frontend::Format;
use crate::read::Reader;

/// Bytes of a column's description behind its name.
const COLUMN_BYTES: usize = 18;

/// The columns of a result; all of them have been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowDescription<'a> {
    count: u16,
    columns: &'a [u8],
}

/// One column of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column<'a> {
    /// Its name in the result.
    pub name: &'a [u8],
    /// OID of the table or view that it comes from; `None` for an expression.
    pub table: Option<u32>,
    /// Its number in that table, from 1; `None` for an expression.
    pub attribute: Option<i16>,
    /// OID of its type.
    pub type_oid: u32,
    /// How its values are written (in the answer to Describe of a statement: not known yet, always text).
    pub format: Format,
}

impl<'a> Column<'a> {
    fn take(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let name = reader.cstr()?;
        let mut fixed = Reader::new(reader.take(COLUMN_BYTES)?);
        let table = fixed.u32()?;
        let attribute = fixed.i16()?;
        let type_oid = fixed.u32()?;
        let (_size, _modifier) = (fixed.i16()?, fixed.i32()?);
        let format = match fixed.i16()? {
            0 => Format::Text,
            1 => Format::Binary,
            _ => return Err(Malformed::Value("format code")),
        };
        let (table, attribute) = (
            (table != 0).then_some(table),
            (attribute != 0).then_some(attribute),
        );
        Ok(Self {
            name,
            table,
            attribute,
            type_oid,
            format,
        })
    }
}

impl<'a> RowDescription<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let count = reader.u16()?;
        let columns = reader.rest();
        for _ in 0..count {
            Column::take(&mut reader)?;
        }
        reader.end()?;
        Ok(Self { count, columns })
    }

    /// How many columns.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The columns in order.
    pub fn columns(&self) -> impl Iterator<Item = Column<'a>> + use<'a> {
        let mut reader = Reader::new(self.columns);
        (0..self.count).map_while(move |_| Column::take(&mut reader).ok())
    }
}

/// The values of one row; all lengths have been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataRow<'a> {
    count: u16,
    values: &'a [u8],
}

impl<'a> DataRow<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let count = reader.u16()?;
        let values = reader.rest();
        for _ in 0..count {
            reader.nullable("length of value")?;
        }
        reader.end()?;
        Ok(Self { count, values })
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The values in order; `None` is NULL.
    pub fn values(&self) -> impl Iterator<Item = Option<&'a [u8]>> + use<'a> {
        let mut reader = Reader::new(self.values);
        (0..self.count).map_while(move |_| reader.nullable("length of value").ok())
    }
}
