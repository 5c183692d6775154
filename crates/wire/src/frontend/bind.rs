//! Bind: a prepared statement and its parameters become a portal.

use crate::Malformed;
use crate::read::Reader;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As text.
    Text,
    /// In the type's own binary form.
    Binary,
}

/// The names at the beginning of a Bind: enough to attribute one whose parameters are too long to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindHead<'a> {
    /// Name of the portal to be made; empty is the unnamed one.
    pub portal: &'a [u8],
    /// Name of the prepared statement; empty is the unnamed one.
    pub statement: &'a [u8],
}

impl<'a> BindHead<'a> {
    /// Reads the names from the first bytes of a body.
    ///
    /// # Errors
    /// [`Malformed::Unended`] if the names do not end within `first`.
    pub fn parse(first: &'a [u8]) -> Result<Self, Malformed> {
        Self::take(&mut Reader::new(first))
    }

    fn take(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            portal: reader.cstr()?,
            statement: reader.cstr()?,
        })
    }
}

/// A whole Bind; all counts and lengths have been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    /// Portal and statement.
    pub head: BindHead<'a>,
    formats: &'a [u8],
    count: u16,
    values: &'a [u8],
    result_formats: &'a [u8],
}

impl<'a> Bind<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`], also for format codes other than 0 and 1 and for a number of them other than none, one, or one for
    /// each parameter.
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let head = BindHead::take(&mut reader)?;
        let formats = codes(&mut reader)?;
        let count = reader.u16()?;
        let values = reader.rest();
        for _ in 0..count {
            reader.nullable("length of parameter")?;
        }
        let used = values.len().saturating_sub(reader.rest().len());
        let values = values.get(..used).unwrap_or_default();
        let result_formats = codes(&mut reader)?;
        reader.end()?;
        let given = formats.len() / 2;
        if given > 1 && given != usize::from(count) {
            return Err(Malformed::Value("number of parameter formats"));
        }
        Ok(Self {
            head,
            formats,
            count,
            values,
            result_formats,
        })
    }

    /// How many parameters there are.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The parameters in order: format and value, `None` for NULL.
    pub fn parameters(&self) -> impl Iterator<Item = (Format, Option<&'a [u8]>)> + use<'a> {
        let mut reader = Reader::new(self.values);
        let formats = self.formats;
        (0..usize::from(self.count)).map_while(move |place| {
            let value = reader.nullable("length of parameter").ok()?;
            Some((format(formats, place), value))
        })
    }

    /// The formats of the result's columns as they are given: none for text, one for all columns, or one for each.
    pub fn result_formats(&self) -> impl Iterator<Item = Format> + use<'a> {
        let codes = self.result_formats;
        (0..codes.len() / 2).map(move |place| format(codes, place))
    }

    /// The format of the result's column number `place`, from 0.
    #[must_use]
    pub fn result_format(&self, place: usize) -> Format {
        format(self.result_formats, place)
    }
}

/// A count and so many format codes.
fn codes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let count = usize::from(reader.u16()?);
    let codes = reader.take(count.saturating_mul(2))?;
    match codes
        .as_chunks::<2>()
        .0
        .iter()
        .all(|code| matches!(code, [0, 0 | 1]))
    {
        true => Ok(codes),
        false => Err(Malformed::Value("format code")),
    }
}

/// None given: text. One given: for all. Otherwise one for each.
fn format(codes: &[u8], place: usize) -> Format {
    let (codes, _) = codes.as_chunks::<2>();
    let code = if codes.len() == 1 {
        codes.first()
    } else {
        codes.get(place)
    };
    match code {
        Some([0, 1]) => Format::Binary,
        _ => Format::Text,
    }
}
