//! The columns of an export, as Parquet takes them: values, and levels that say where one is missing or a list goes on.

use evidence::entry::Entry;
use evidence::hash::Hash;
use evidence::id::SessionId;
use evidence::record::{Disclosure, Outcome, Subjects, Unattributed};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedColumnWriter;

use super::{Told, whole, words};

/// A column that can be written.
pub(super) trait Flush {
    /// Writes all that there is, and begins anew.
    fn flush(&mut self, to: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError>;
}

/// One column.
struct Column<D: DataType> {
    values: Vec<D::T>,
    /// How much of the way to the value is there; not needed where all of it always is.
    present: Vec<i16>,
    /// Which list goes on; not needed outside lists.
    repeated: Vec<i16>,
}

type Text = Column<ByteArrayType>;
type Number = Column<Int64Type>;
type Digest = Column<FixedLenByteArrayType>;

impl<D: DataType> Default for Column<D> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            present: Vec::new(),
            repeated: Vec::new(),
        }
    }
}

impl<D: DataType> Flush for Column<D> {
    fn flush(&mut self, to: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = |levels: &'_ Vec<i16>| (!levels.is_empty()).then(|| levels.clone());
        let (present, repeated) = (levels(&self.present), levels(&self.repeated));
        to.typed::<D>()
            .write_batch(&self.values, present.as_deref(), repeated.as_deref())?;
        self.values.clear();
        self.present.clear();
        self.repeated.clear();
        Ok(())
    }
}

impl<D: DataType> Column<D> {
    fn required(&mut self, value: impl Into<D::T>) {
        self.values.push(value.into());
    }

    fn optional(&mut self, value: Option<impl Into<D::T>>) {
        self.present.push(i16::from(value.is_some()));
        self.values.extend(value.map(Into::into));
    }

    /// The values of a list of one row, of which each may be missing: levels 0 for no elements, `full` for a value.
    fn list(&mut self, full: i16, values: impl ExactSizeIterator<Item = Option<D::T>>) {
        if values.len() == 0 {
            self.present.push(0);
            self.repeated.push(0);
        }
        for (at, value) in values.enumerate() {
            self.present.push(if value.is_some() {
                full
            } else {
                full.saturating_sub(1)
            });
            self.repeated.push(i16::from(at > 0));
            self.values.extend(value);
        }
    }

    /// The values of lists within a list of one row.
    fn lists<I: ExactSizeIterator<Item = D::T>>(&mut self, lists: impl ExactSizeIterator<Item = I>) {
        if lists.len() == 0 {
            self.present.push(0);
            self.repeated.push(0);
        }
        for (at, list) in lists.enumerate() {
            let first = i16::from(at > 0);
            if list.len() == 0 {
                self.present.push(1);
                self.repeated.push(first);
            }
            for (within, value) in list.enumerate() {
                self.present.push(2);
                self.repeated.push(if within > 0 { 2 } else { first });
                self.values.push(value);
            }
        }
    }
}

/// All columns.
pub(super) struct Columns {
    told: Told,
    index: Number,
    time: Number,
    kind: Text,
    partner: Text,
    agreement: Text,
    purpose: Text,
    sequence: Number,
    leaf: Digest,
    erased_by: Number,
    under_seal: Text,
    session: Text,
    statement_number: Number,
    officer: Text,
    case: Text,
    legal_basis: Text,
    started: Number,
    rows: Number,
    bytes: Number,
    outcome: Text,
    outcome_says: Text,
    statement_sha256: Digest,
    statement_bytes: Number,
    subject_dataset: Text,
    subject_rows: Number,
    subject_key: Text,
    subject_columns: Text,
    subject_tags: Number,
    unattributed_dataset: Text,
    unattributed_why: Text,
    unattributed_rows: Number,
    statement: Text,
    parameters: Text,
}

impl Columns {
    pub(super) fn new(told: Told) -> Self {
        Self {
            told,
            index: Column::default(),
            time: Column::default(),
            kind: Column::default(),
            partner: Column::default(),
            agreement: Column::default(),
            purpose: Column::default(),
            sequence: Column::default(),
            leaf: Column::default(),
            erased_by: Column::default(),
            under_seal: Column::default(),
            session: Column::default(),
            statement_number: Column::default(),
            officer: Column::default(),
            case: Column::default(),
            legal_basis: Column::default(),
            started: Column::default(),
            rows: Column::default(),
            bytes: Column::default(),
            outcome: Column::default(),
            outcome_says: Column::default(),
            statement_sha256: Column::default(),
            statement_bytes: Column::default(),
            subject_dataset: Column::default(),
            subject_rows: Column::default(),
            subject_key: Column::default(),
            subject_columns: Column::default(),
            subject_tags: Column::default(),
            unattributed_dataset: Column::default(),
            unattributed_why: Column::default(),
            unattributed_rows: Column::default(),
            statement: Column::default(),
            parameters: Column::default(),
        }
    }

    /// Those that are written, in the order of the schema.
    pub(super) fn all(&mut self) -> Vec<&mut dyn Flush> {
        let mut all: Vec<&mut dyn Flush> = vec![
            &mut self.index,
            &mut self.time,
            &mut self.kind,
            &mut self.partner,
            &mut self.agreement,
            &mut self.purpose,
            &mut self.sequence,
            &mut self.leaf,
        ];
        if self.told >= Told::Records {
            let records: [&mut dyn Flush; 22] = [
                &mut self.erased_by,
                &mut self.under_seal,
                &mut self.session,
                &mut self.statement_number,
                &mut self.officer,
                &mut self.case,
                &mut self.legal_basis,
                &mut self.started,
                &mut self.rows,
                &mut self.bytes,
                &mut self.outcome,
                &mut self.outcome_says,
                &mut self.statement_sha256,
                &mut self.statement_bytes,
                &mut self.subject_dataset,
                &mut self.subject_rows,
                &mut self.subject_key,
                &mut self.subject_columns,
                &mut self.subject_tags,
                &mut self.unattributed_dataset,
                &mut self.unattributed_why,
                &mut self.unattributed_rows,
            ];
            all.extend(records);
        }
        if self.told >= Told::Statements {
            let statements: [&mut dyn Flush; 2] = [&mut self.statement, &mut self.parameters];
            all.extend(statements);
        }
        all
    }

    /// What the public log shows of an entry of a partner's log.
    pub(super) fn public(&mut self, index: u64, entry: &Entry, leaf: &Hash) {
        self.index.required(index.cast_signed());
        self.time.required(entry.time.as_millisecond());
        self.kind.required(entry.kind.as_str());
        self.partner
            .required(entry.partner.as_ref().map_or("", |id| id.as_str()));
        self.agreement
            .optional(entry.agreement.as_ref().map(|id| id.as_str()));
        self.purpose
            .optional(entry.purpose.as_ref().map(|id| id.as_str()));
        let sequence = entry.place.map_or(0, |place| place.sequence);
        self.sequence.required(sequence.cast_signed());
        self.leaf.required(digest(leaf));
    }

    /// Which statement it is about.
    pub(super) fn statement(&mut self, session: &SessionId, number: u64) {
        self.session.optional(Some(session.as_str()));
        self.statement_number.optional(Some(number.cast_signed()));
    }

    /// By which entry the record was erased, if it was.
    pub(super) fn erased_by(&mut self, entry: Option<u64>) {
        self.erased_by.optional(entry.map(u64::cast_signed));
    }

    /// To which overseers the record is sealed, if it is.
    pub(super) fn under_seal(&mut self, overseers: Option<&str>) {
        self.under_seal.optional(overseers);
    }

    /// Of a record that is erased or under seal there is nothing.
    pub(super) fn nothing(&mut self) {
        self.session.optional(None::<&str>);
        self.statement_number.optional(None::<i64>);
        self.asked(None);
        self.given(None, None);
        self.subjects(&[], &[]);
    }

    /// Who asked, what, when; once for each statement.
    pub(super) fn asked(&mut self, one: Option<&Disclosure>) {
        self.officer.optional(one.map(|one| one.officer.as_str()));
        let case = one.and_then(|one| one.case.as_ref());
        self.case.optional(case.map(|text| text.as_str()));
        let basis = one.and_then(|one| one.legal_basis.as_ref());
        self.legal_basis.optional(basis.map(|text| text.as_str()));
        self.started.optional(one.map(|one| one.started.as_microsecond()));
        let whole = one.map(|one| whole(&one.text));
        self.statement_sha256
            .optional(whole.map(|(hash, _)| digest(&hash)));
        self.statement_bytes
            .optional(whole.map(|(_, bytes)| bytes.cast_signed()));
        if self.told >= Told::Statements {
            self.statement.optional(one.map(|one| one.text.text()));
            // Texts and numbers only: it cannot fail.
            let parameters = one.and_then(|one| serde_json::to_string(&one.parameters).ok());
            self.parameters
                .optional(parameters.map(|json| ByteArray::from(json.into_bytes())));
        }
    }

    /// How much was released with this entry, and how it ended.
    pub(super) fn given(&mut self, released: Option<(u64, u64)>, outcome: Option<&Outcome>) {
        self.rows.optional(released.map(|(rows, _)| rows.cast_signed()));
        self.bytes
            .optional(released.map(|(_, bytes)| bytes.cast_signed()));
        let words = outcome.map(words);
        self.outcome.optional(words.map(|(what, _)| what));
        self.outcome_says.optional(words.and_then(|(_, says)| says));
    }

    /// Whom the rows are about.
    pub(super) fn subjects(&mut self, subjects: &[Subjects], unattributed: &[Unattributed]) {
        let one = |text: &str| Some(ByteArray::from(text));
        self.subject_dataset
            .list(1, subjects.iter().map(|of| one(of.dataset.as_str())));
        self.subject_rows
            .list(1, subjects.iter().map(|of| Some(of.rows.cast_signed())));
        self.subject_key
            .list(1, subjects.iter().map(|of| one(&of.key.to_string())));
        let columns = |of: &'_ Subjects| {
            let names: Vec<ByteArray> = of
                .columns
                .iter()
                .map(|name| ByteArray::from(name.as_str()))
                .collect();
            names.into_iter()
        };
        self.subject_columns.lists(subjects.iter().map(columns));
        let tags = subjects
            .iter()
            .map(|of| of.tags.tags().iter().map(|tag| tag.0.cast_signed()));
        self.subject_tags.lists(tags);
        let dataset = unattributed
            .iter()
            .map(|of| of.dataset.as_ref().map(|id| ByteArray::from(id.as_str())));
        self.unattributed_dataset.list(2, dataset);
        // As in the record.
        let why = |of: &Unattributed| serde_json::to_value(of.why).ok();
        let why = unattributed
            .iter()
            .map(|of| one(why(of).as_ref().and_then(|why| why.as_str()).unwrap_or_default()));
        self.unattributed_why.list(1, why);
        self.unattributed_rows
            .list(1, unattributed.iter().map(|of| Some(of.rows.cast_signed())));
    }
}

fn digest(hash: &Hash) -> FixedLenByteArray {
    FixedLenByteArray::from(hash.as_bytes().to_vec())
}
