//! What the shares of one data set for one purpose come to: one view.
//!
//! The rows are those that any share gives. A column is shown in the rows of a share that gives it, and is NULL in the
//! others. Where several shares give a column of a row under different masks, the least of them is shown; their order in the
//! file means nothing. What decides is Cedar: for each column, bare and masked, the estate's policies are asked which rows
//! they permit ([`crate::row_filter`]), once for all columns that the same permits give.

mod cell;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema};
use evidence::id::{DatasetId, PurposeId};

use crate::cedar::{CedarError, read_permits, schema_of};
use crate::condition::Condition;
use crate::estate::{Aggregate, Agreement, Column, Dataset, Relation, Share, SmallGroups, SqlName, Timing};
use crate::mask::{KeyId, Mask};
use crate::row_filter::{Question, RowFilter, RowFilterError, Rows, check_known};
use crate::sql::ident;

pub use cell::{Cell, Level};

/// Most shares of one data set for one purpose: each is a condition that a reader of the agreement must keep apart from the
/// others, and that PostgreSQL must compute for each row.
pub const MAX_SHARES: usize = 16;

/// Longest definition of a view, in bytes: a hundred columns under several long conditions. PostgreSQL plans it anew for
/// each statement.
pub const MAX_DEFINITION_BYTES: usize = 1 << 20;

/// Keeps a view's SELECT whole: PostgreSQL moves no condition into a subquery with OFFSET, not even one that cannot leak.
const BARRIER: &str = " OFFSET 0";

/// Alias of the base relation in every view.
pub const BASE: &str = "base";

/// A view that is to be: what is shown of one data set for one purpose of one agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedView {
    dataset: DatasetId,
    cells: Vec<Cell>,
    rows: Rows,
    asked: BTreeSet<SqlName>,
    aggregate: Option<Aggregate>,
    timing: Timing,
}

/// Why shares come to no view.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SharedViewError {
    /// The policies cannot be compiled.
    #[error("{0}")]
    Filter(#[from] RowFilterError),
    /// A share has no permit: another estate's policies.
    #[error("no policy `{0}`")]
    NoPolicy(String),
    /// A data set has no schema: another estate's.
    #[error("no schema of data set `{0}`")]
    NoSchema(String),
    /// More text than a view should have.
    #[error("its view would be longer than {MAX_DEFINITION_BYTES} bytes")]
    TooLong,
}

impl SharedView {
    /// The views of a purpose, in the order in which the agreement first shares of each data set. The policies are the
    /// estate's; those of what directives have ended are not among them: they end the role that reads, and leave its views.
    ///
    /// # Errors
    /// The policies cannot be compiled, or come to a view that is too long; with the data set.
    pub fn of_purpose<'a>(
        agreement: &Agreement,
        purpose: &PurposeId,
        dataset_of: impl Fn(&Share) -> Option<&'a Dataset>,
        policies: &ReadPolicies<'_>,
    ) -> Result<Vec<Self>, (DatasetId, SharedViewError)> {
        let mut shares: Vec<(&Dataset, Vec<(&Share, PolicyId)>)> = Vec::new();
        for (share, id) in read_permits(agreement, purpose) {
            let Some(dataset) = dataset_of(share) else {
                continue;
            };
            let shared = (share, PolicyId::new(id));
            match shares.iter_mut().find(|(known, _)| known.id == dataset.id) {
                Some((_, known)) => known.push(shared),
                None => shares.push((dataset, vec![shared])),
            }
        }
        let view = |(dataset, shares): &(&Dataset, Vec<(&Share, PolicyId)>)| {
            let question = Question {
                partner: &agreement.partner,
                agreement: &agreement.id,
                valid: agreement.valid,
                purpose,
                case: agreement.case_reference.as_ref(),
                column: "",
                masked: false,
                aggregate: shares.iter().any(|(share, _)| share.aggregate().is_some()),
            };
            compile(dataset, shares, &question, policies).map_err(|error| (dataset.id.clone(), error))
        };
        shares.iter().map(view).collect()
    }

    /// Of which data set.
    #[must_use]
    pub fn dataset(&self) -> &DatasetId {
        &self.dataset
    }

    /// Its columns, in the order in which the shares first name them.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The names of its columns. An aggregate's count comes last.
    pub fn columns(&self) -> impl Iterator<Item = &SqlName> {
        let count = self.aggregate.iter().map(|aggregate| &aggregate.count);
        self.cells.iter().map(|cell| &cell.column().name).chain(count)
    }

    /// The key of its pseudonyms, if it shows any.
    #[must_use]
    pub fn key(&self) -> Option<&KeyId> {
        let levels = self.cells.iter().flat_map(Cell::levels);
        let mut masks = levels.filter_map(|level| level.shown.mask.as_ref());
        masks.find_map(Mask::key)
    }

    /// How it counts, if it does not show rows.
    #[must_use]
    pub fn aggregate(&self) -> Option<&Aggregate> {
        self.aggregate.as_ref()
    }

    /// The rows it shows.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The columns that its conditions ask for, whether or not partial evaluation left them in: what they count on must
    /// hold in the catalog.
    #[must_use]
    pub fn asked(&self) -> &BTreeSet<SqlName> {
        &self.asked
    }

    /// The columns of the base relation that it reads, and that its owner therefore needs `SELECT` on.
    #[must_use]
    pub fn base_columns(&self) -> BTreeSet<SqlName> {
        let shown = self.cells.iter().filter(|cell| cell.reads_base());
        let shown = shown.map(|cell| &cell.column().name);
        let counted = self
            .aggregate
            .iter()
            .filter_map(|aggregate| aggregate.subjects.as_ref());
        shown.chain(&self.asked).chain(counted).cloned().collect()
    }

    /// The subject key, if it is one of the columns, and bare or its pseudonym in every row. A count is about nobody.
    #[must_use]
    pub fn subject_key(&self, dataset: &Dataset) -> Option<SqlName> {
        let key = dataset
            .subject_key
            .as_ref()
            .filter(|_| self.aggregate.is_none())?;
        let cell = self.cells.iter().find(|cell| cell.column().name == *key)?;
        cell.tells_whose_in(&self.rows).then(|| key.clone())
    }

    /// Its SELECT over this relation. Everything in it is qualified but operators; it is to be read with
    /// `search_path = pg_catalog`.
    #[must_use]
    pub fn definition(&self, relation: &Relation) -> String {
        let shown: Vec<String> = self
            .cells
            .iter()
            .map(|cell| {
                format!(
                    "{} AS {}",
                    cell.sql(&self.rows, BASE),
                    cell.column().name.quoted()
                )
            })
            .collect();
        let rows = if self.rows.are_all() {
            String::new()
        } else {
            format!(" WHERE {}", self.rows.sql(BASE))
        };
        let from = format!("FROM {} AS {}{rows}", relation.quoted(), ident(BASE));
        match (&self.aggregate, self.timing) {
            (Some(aggregate), _) => counts(aggregate, &shown, &from),
            (None, Timing::Opaque) => format!("SELECT {} {from}{BARRIER}", shown.join(", ")),
            (None, Timing::Open) => format!("SELECT {} {from}", shown.join(", ")),
        }
    }
}

/// One row for each group, with the number of its rows where it is not small. The partner's conditions stay outside,
/// always: how long it takes to count one group would tell how large it is.
fn counts(aggregate: &Aggregate, shown: &[String], from: &str) -> String {
    let rows = "pg_catalog.count(*)";
    let size = aggregate.subjects.as_ref().map_or_else(
        || rows.to_owned(),
        |subject| format!("pg_catalog.count(DISTINCT {}.{})", ident(BASE), subject.quoted()),
    );
    let enough = format!("{size} >= {}", aggregate.min_group);
    let (count, having) = match aggregate.small_groups {
        SmallGroups::Null => (format!("CASE WHEN {enough} THEN {rows} END"), String::new()),
        SmallGroups::Absent => (rows.to_owned(), format!(" HAVING {enough}")),
    };
    let places: Vec<String> = (1..=shown.len()).map(|place| place.to_string()).collect();
    format!(
        "SELECT {}, {count} AS {} {from} GROUP BY {}{having}{BARRIER}",
        shown.join(", "),
        aggregate.count.quoted(),
        places.join(", ")
    )
}

fn compile(
    dataset: &Dataset,
    shares: &[(&Share, PolicyId)],
    question: &Question<'_>,
    policies: &ReadPolicies<'_>,
) -> Result<SharedView, SharedViewError> {
    // The permits are this program's own, made of conditions.
    check_known(policies.forbids.iter().copied(), question)?;
    let mut filters = Filters {
        known: BTreeMap::new(),
        slice: policies.slice(shares.iter().map(|(_, id)| id))?,
        policies,
        schema: policies.schema(dataset)?,
        dataset,
    };
    let mut cells = Vec::new();
    for column in columns(shares) {
        let mut levels = Vec::new();
        for masked in [false, true] {
            let giving = cell::giving(shares, column, masked);
            if giving.is_empty() {
                continue;
            }
            let question = Question {
                column: column.name.as_str(),
                masked,
                ..*question
            };
            let filter = filters.ask(&giving, &question)?;
            levels.extend(cell::levels(&giving, filter));
        }
        cells.push(Cell::new(column.clone(), levels));
    }
    let rows = cells
        .iter()
        .fold(Rows::default(), |rows, cell| rows.and_also(&cell.rows()));
    let asked = shares
        .iter()
        .filter_map(|(share, _)| share.condition.as_ref())
        .flat_map(Condition::columns);
    let view = SharedView {
        dataset: dataset.id.clone(),
        cells,
        rows,
        asked: asked.cloned().collect(),
        // Whatever else is shared of a relation that is counted has been refused; what is the same comes to one view.
        aggregate: shares.iter().find_map(|(share, _)| share.aggregate().cloned()),
        timing: if shares.iter().any(|(share, _)| share.timing == Timing::Opaque) {
            Timing::Opaque
        } else {
            Timing::Open
        },
    };
    if view.definition(&dataset.relation).len() > MAX_DEFINITION_BYTES {
        return Err(SharedViewError::TooLong);
    }
    Ok(view)
}

/// The columns of all shares, each once.
fn columns<'a>(shares: &[(&'a Share, PolicyId)]) -> Vec<&'a Column> {
    let mut columns: Vec<&Column> = Vec::new();
    for shared in shares.iter().flat_map(|(share, _)| &share.columns) {
        if !columns.iter().any(|known| known.name == shared.column.name) {
            columns.push(&shared.column);
        }
    }
    columns
}

/// The policies that decide on reading.
#[derive(Debug)]
pub struct ReadPolicies<'a> {
    policies: &'a PolicySet,
    forbids: Vec<&'a Policy>,
    /// Each data set in a schema of its own: what partial evaluation costs grows with the schema.
    schemas: BTreeMap<&'a DatasetId, Schema>,
}

impl<'a> ReadPolicies<'a> {
    /// These policies, valid against the schema of these data sets.
    ///
    /// # Errors
    /// A data set is no schema, which is a fault of this program.
    pub fn new(
        policies: &'a PolicySet,
        datasets: impl IntoIterator<Item = &'a Dataset>,
    ) -> Result<Self, CedarError> {
        let schema = |dataset: &'a Dataset| {
            let schema = Schema::from_cedarschema_str(&schema_of([dataset]));
            let (schema, _warnings) = schema.map_err(|error| CedarError::Schema(error.to_string()))?;
            Ok((&dataset.id, schema))
        };
        let forbids = policies
            .policies()
            .filter(|policy| policy.effect() == Effect::Forbid);
        Ok(Self {
            policies,
            forbids: forbids.collect(),
            schemas: datasets.into_iter().map(schema).collect::<Result<_, _>>()?,
        })
    }

    fn schema(&self, dataset: &Dataset) -> Result<&Schema, SharedViewError> {
        let schema = self.schemas.get(&dataset.id);
        schema.ok_or_else(|| SharedViewError::NoSchema(dataset.id.to_string()))
    }

    /// The permits of these ids, and whatever forbids.
    fn slice<'b>(&self, permits: impl Iterator<Item = &'b PolicyId>) -> Result<PolicySet, SharedViewError> {
        let permit = |id: &PolicyId| {
            let policy = self.policies.policy(id).cloned();
            policy.ok_or_else(|| SharedViewError::NoPolicy(id.to_string()))
        };
        let mut slice: Vec<Policy> = permits.map(permit).collect::<Result<_, _>>()?;
        slice.extend(self.forbids.iter().map(|policy| (*policy).clone()));
        let set = PolicySet::from_policies(slice);
        set.map_err(|error| RowFilterError::Cedar(error.to_string()).into())
    }
}

/// The permits of a question, and its column if that matters.
type Asked = (Vec<PolicyId>, Option<(String, bool)>);

/// What was asked already. Columns that the same permits give have the same answer, unless something that forbids could ask
/// which column it is.
struct Filters<'a> {
    known: BTreeMap<Asked, RowFilter>,
    slice: PolicySet,
    policies: &'a ReadPolicies<'a>,
    schema: &'a Schema,
    dataset: &'a Dataset,
}

impl Filters<'_> {
    fn ask(
        &mut self,
        giving: &[cell::Giving<'_>],
        question: &Question<'_>,
    ) -> Result<&RowFilter, RowFilterError> {
        let permits = giving.iter().map(|giving| giving.permit.clone()).collect();
        let column = || (question.column.to_owned(), question.masked);
        let key = (permits, (!self.policies.forbids.is_empty()).then(column));
        match self.known.entry(key) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(RowFilter::compile_known(
                &self.slice,
                self.schema,
                self.dataset,
                question,
            )?)),
        }
    }
}

#[cfg(test)]
mod tests;
