//! Disclosures as Parquet, so that other engines can work on years of them: one row for each `disclosure`, `continuation` and
//! `outcome` entry, a row group at a time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use evidence::entry::{Entry, EntryError, Kind};
use evidence::hash::{self, Hash};
use evidence::id::Custodian;
use evidence::record::{self, Continuation, Disclosure, Excerpt, Outcome, OutcomeRecord, RecordError};
use ledger::Stored;
use ledger::look::{LookError, look};
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;

mod columns;

use columns::Columns;

/// Rows of a row group, at most.
const GROUP_ROWS: usize = 1 << 16;

/// Bytes of records in a row group from which on the next begins: what is held in memory is a small multiple of it.
const GROUP_BYTES: usize = 32 << 20;

/// How much of a disclosure is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// What the public log shows.
    Public,
    /// What the private records say, but for what was asked: statements by their hash.
    Records,
    /// Statements and parameters, too.
    Statements,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Exported {
    /// Entries that were looked through.
    pub entries: u64,
    /// Rows that were written.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Look(#[from] LookError),
    /// An entry cannot be.
    #[error("an entry of the ledger cannot be read")]
    Entry(#[from] EntryError),
    /// A record cannot be.
    #[error("a record of the ledger cannot be read")]
    Record(#[from] RecordError),
    /// The file cannot be written.
    #[error("the file cannot be written")]
    File(#[from] io::Error),
    /// Nor as Parquet.
    #[error("the rows cannot be written as Parquet")]
    Parquet(#[from] ParquetError),
}

const PUBLIC: &str = "
    required int64 index (INTEGER(64,false));
    required int64 time (TIMESTAMP(MILLIS,true));
    required binary kind (STRING);
    required binary partner (STRING);
    optional binary agreement (STRING);
    optional binary purpose (STRING);
    required int64 sequence (INTEGER(64,false));
    required fixed_len_byte_array(32) leaf;
";

const RECORDS: &str = "
    optional int64 erased_by (INTEGER(64,false));
    optional binary under_seal (STRING);
    optional binary session (STRING);
    optional int64 statement_number (INTEGER(64,false));
    optional binary officer (STRING);
    optional binary case_reference (STRING);
    optional binary legal_basis (STRING);
    optional int64 started (TIMESTAMP(MICROS,true));
    optional int64 rows (INTEGER(64,false));
    optional int64 bytes (INTEGER(64,false));
    optional binary outcome (STRING);
    optional binary outcome_says (STRING);
    optional fixed_len_byte_array(32) statement_sha256;
    optional int64 statement_bytes (INTEGER(64,false));
    required group subjects (LIST) { repeated group list { required group element {
        required binary dataset (STRING);
        required int64 rows (INTEGER(64,false));
        required binary key (STRING);
        required group columns (LIST) { repeated group list { required binary element (STRING); } }
        required group tags (LIST) { repeated group list { required int64 element (INTEGER(64,false)); } }
    } } }
    required group unattributed (LIST) { repeated group list { required group element {
        optional binary dataset (STRING);
        required binary why (STRING);
        required int64 rows (INTEGER(64,false));
    } } }
";

const STATEMENTS: &str = "
    optional binary statement (STRING);
    optional binary parameters (JSON);
";

/// Writes the disclosures of a ledger from an entry on to a file, which must not be there yet and is its owner's alone. `news` is told
/// how many entries have been read.
///
/// # Errors
/// See [`ExportError`]; there is no file then.
pub fn export(
    ledger: &Path,
    custodian: &Custodian,
    file: &Path,
    from: u64,
    told: Told,
    news: impl FnMut(u64),
) -> Result<Exported, ExportError> {
    let out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    let written = write(ledger, custodian, out, from, told, news).and_then(|mut exported| {
        exported.bytes = fs::metadata(file)?.len();
        Ok(exported)
    });
    if written.is_err() {
        // Half a file has no end and cannot be read; that it cannot be removed is the lesser trouble.
        let _ = fs::remove_file(file);
    }
    written
}

fn write(
    ledger: &Path,
    custodian: &Custodian,
    out: File,
    from: u64,
    told: Told,
    mut news: impl FnMut(u64),
) -> Result<Exported, ExportError> {
    let mut text = format!("message disclosures {{{PUBLIC}");
    if told >= Told::Records {
        text.push_str(RECORDS);
    }
    if told >= Told::Statements {
        text.push_str(STATEMENTS);
    }
    text.push('}');
    let schema = Arc::new(parse_message_type(&text)?);
    let mut exporting = Exporting {
        columns: Columns::new(told),
        writer: SerializedFileWriter::new(out, schema, Arc::new(properties()))?,
        told,
        rows: 0,
        bytes: 0,
        exported: Exported::default(),
    };
    look(ledger, custodian, from, |stored| {
        exporting.exported.entries = exporting.exported.entries.saturating_add(1);
        news(exporting.exported.entries);
        exporting.take(&stored)
    })?;
    exporting.flush()?;
    let Exporting {
        mut writer, exported, ..
    } = exporting;
    writer.finish()?;
    writer.inner().sync_all()?;
    Ok(exported)
}

/// Names repeat and are kept once; hashes and tags do not, and are written as they are.
fn properties() -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("estop {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(None);
    for path in ["index", "time", "sequence", "started"] {
        let path = ColumnPath::from(path);
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    let tags = ["subjects", "list", "element", "tags", "list", "element"].map(str::to_owned);
    for path in [ColumnPath::from("leaf"), ColumnPath::new(tags.to_vec())] {
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_compression(path, Compression::UNCOMPRESSED);
    }
    properties.build()
}

struct Exporting {
    columns: Columns,
    writer: SerializedFileWriter<File>,
    told: Told,
    rows: usize,
    bytes: usize,
    exported: Exported,
}

impl Exporting {
    fn take(&mut self, stored: &Stored) -> Result<(), ExportError> {
        let entry = stored.parse()?;
        if !matches!(entry.kind, Kind::Disclosure | Kind::Continuation | Kind::Outcome) {
            return Ok(());
        }
        self.columns
            .public(stored.index, &entry, &hash::leaf(&stored.entry));
        if self.told >= Told::Records {
            self.columns.erased_by(stored.erased_by);
            self.columns.under_seal(
                stored
                    .under_seal
                    .as_ref()
                    .map(|sealed| sealed.margin.under.overseers.as_str()),
            );
            if stored.erased_by.is_some() || stored.under_seal.is_some() {
                self.columns.nothing();
            } else {
                self.private(&entry, &stored.record)?;
            }
        }
        self.rows = self.rows.saturating_add(1);
        self.bytes = self.bytes.saturating_add(stored.record.len());
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn private(&mut self, entry: &Entry, record: &[u8]) -> Result<(), ExportError> {
        let columns = &mut self.columns;
        match entry.kind {
            Kind::Disclosure => {
                let one: Disclosure = record::decode(record)?;
                columns.statement(&one.session, one.statement_number);
                columns.asked(Some(&one));
                columns.given(Some((one.rows, one.bytes)), Some(&one.outcome));
                columns.subjects(&one.subjects, &one.unattributed);
            }
            Kind::Continuation => {
                let more: Continuation = record::decode(record)?;
                columns.statement(&more.session, more.statement_number);
                columns.asked(None);
                columns.given(Some((more.rows, more.bytes)), None);
                columns.subjects(&more.subjects, &more.unattributed);
            }
            _ => {
                let ended: OutcomeRecord = record::decode(record)?;
                columns.statement(&ended.session, ended.statement_number);
                columns.asked(None);
                // Its rows are those of the parts before.
                columns.given(None, Some(&ended.outcome));
                columns.subjects(&[], &[]);
            }
        }
        Ok(())
    }

    /// Writes a row group of what was taken in.
    fn flush(&mut self) -> Result<(), ExportError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in self.columns.all() {
            if let Some(mut to) = group.next_column()? {
                column.flush(&mut to)?;
                to.close()?;
            }
        }
        group.close()?;
        let rows = u64::try_from(self.rows).unwrap_or(u64::MAX);
        self.exported.rows = self.exported.rows.saturating_add(rows);
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

/// SHA-256 of a statement, and its length in bytes.
fn whole(text: &Excerpt) -> (Hash, u64) {
    match text.whole() {
        Some(whole) => (whole.sha256, whole.bytes),
        None => {
            let bytes = text.text().as_bytes();
            (
                hash::sha256(bytes),
                u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            )
        }
    }
}

/// An outcome in two words: what, and the tag or code.
fn words(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Complete { tag } => ("complete", Some(tag.as_str())),
        Outcome::Failed { sqlstate } => ("failed", Some(sqlstate.as_str())),
        Outcome::Streaming => ("streaming", None),
    }
}
