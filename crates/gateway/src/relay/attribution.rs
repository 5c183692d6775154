//! Whom the rows of one statement are about: the subject keys in them, tagged, or why there are none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use evidence::record::{Subjects, Unattributed, Why};
use evidence::subject::{Tag, TagSet};
use wire::frontend::Format;

use crate::say::Say;
use crate::views::{KeyColumn, Reads, Shape, ViewNumber, Views};

/// Where the columns of a prepared statement's result, or of a portal's, will stand once upstream has described them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns(Arc<Mutex<Option<Arc<Shape>>>>);

impl Columns {
    pub(crate) fn get(&self) -> Option<Arc<Shape>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// They are these from now on, unless they were known before: the same statement has the same columns.
    pub(crate) fn set(&self, shape: Shape) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_with(|| Arc::new(shape));
    }
}

/// The same place, whatever stands there.
impl PartialEq for Columns {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Columns {}

/// The formats in which a portal gives its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Formats(Box<[Format]>);

impl FromIterator<Format> for Formats {
    fn from_iter<I: IntoIterator<Item = Format>>(formats: I) -> Self {
        Self(formats.into_iter().collect())
    }
}

impl Formats {
    fn at(&self, place: usize) -> Format {
        let given = if self.0.len() == 1 {
            self.0.first()
        } else {
            self.0.get(place)
        };
        given.copied().unwrap_or(Format::Text)
    }
}

/// Where a statement's columns are known from.
#[derive(Debug)]
enum Source {
    /// A simple query: each result brings its description.
    Results,
    /// A portal.
    Portal(Columns, Formats),
}

/// What is known of one statement's rows, and not recorded yet.
#[derive(Debug)]
pub(crate) struct Attribution {
    reads: Arc<Reads>,
    source: Source,
    plan: Option<Plan>,
    counted: BTreeMap<ViewNumber, Counted>,
    unattributed: BTreeMap<(Option<ViewNumber>, Why), u64>,
    row: Vec<u8>,
}

/// What is done with each row of one result.
#[derive(Debug, Default)]
struct Plan {
    /// Subject keys by view.
    keys: Vec<(ViewNumber, Vec<KeyColumn>)>,
    /// What the rows are drawn from without a key.
    keyless: Vec<(Option<ViewNumber>, Why)>,
}

#[derive(Debug, Default)]
struct Counted {
    rows: u64,
    tags: Vec<Tag>,
    /// Columns not recorded yet.
    columns: BTreeSet<i16>,
    recorded: BTreeSet<i16>,
}

/// A value of a row.
enum Field<'a> {
    Value(&'a [u8]),
    Null,
    /// It stands behind the bytes that are there.
    Beyond,
}

impl Attribution {
    /// Of a simple query.
    pub(crate) fn of_results(reads: Arc<Reads>) -> Self {
        Self {
            reads,
            source: Source::Results,
            plan: None,
            counted: BTreeMap::new(),
            unattributed: BTreeMap::new(),
            row: Vec::new(),
        }
    }

    /// Of a portal.
    pub(crate) fn of_portal(reads: Arc<Reads>, columns: Columns, formats: Formats) -> Self {
        Self {
            source: Source::Portal(columns, formats),
            ..Self::of_results(reads)
        }
    }

    /// The next result has this shape. `Err`: it must not be given.
    pub(crate) fn described(&mut self, shape: &Shape, views: &Views) -> Result<(), Say> {
        views.demand(&self.reads, shape)?;
        self.plan = Some(self.plan_of(shape, |column| column.format));
        Ok(())
    }

    /// A row, or its beginning. `Err`: it must not be given.
    pub(crate) fn row(&mut self, body: &[u8], whole: bool, views: &Views) -> Result<(), Say> {
        if self.plan.is_none() {
            self.first_row(views)?;
        }
        let Some(plan) = &self.plan else { return Ok(()) };
        for place in &plan.keyless {
            add(&mut self.unattributed, *place);
        }
        for (number, columns) in &plan.keys {
            let Some(view) = views.view(*number) else { continue };
            let counted = self.counted.entry(*number).or_default();
            let (mut found, mut why) = (false, Why::NullKey);
            for &KeyColumn {
                place, sort, format, ..
            } in columns
            {
                let value = match field(body, place) {
                    Field::Null => continue,
                    Field::Beyond if whole => Err(Why::Unreadable),
                    Field::Beyond => Err(Why::LongRow),
                    Field::Value(value) => Ok(value),
                };
                self.row.clear();
                let read = value.and_then(|value| {
                    let sort = sort.ok_or(Why::Type)?;
                    sort.canonical(format, value, &mut self.row)
                        .map_err(|_| Why::Unreadable)
                });
                match (read, view.tagger()) {
                    (Ok(()), Some(tagger)) => {
                        counted.tags.push(tagger.tag(&self.row));
                        found = true;
                    }
                    (Ok(()), None) => why = Why::NoKey,
                    (Err(reason), _) => why = reason,
                }
            }
            if found {
                counted.rows = counted.rows.saturating_add(1);
            } else if view.required() {
                return Err(view.demanded());
            } else {
                add(&mut self.unattributed, (Some(*number), why));
            }
        }
        Ok(())
    }

    /// A piece of COPY data.
    pub(crate) fn copied(&mut self) {
        for number in &self.reads.named {
            add(&mut self.unattributed, (Some(*number), Why::Copy));
        }
    }

    /// A result goes on in another batch, or is over: what is to be recorded of the rows since the last call.
    pub(crate) fn drain(&mut self, views: &Views) -> (Vec<Subjects>, Vec<Unattributed>) {
        let dataset = |number: ViewNumber| views.view(number).map(|view| view.dataset.clone());
        let mut subjects = Vec::new();
        for (number, counted) in &mut self.counted {
            let (rows, tags) = (
                std::mem::take(&mut counted.rows),
                std::mem::take(&mut counted.tags),
            );
            let (Some(view), Some(key)) = (views.view(*number), views.key()) else {
                continue;
            };
            if rows == 0 {
                continue;
            }
            let new = std::mem::take(&mut counted.columns);
            let columns = view.names(new.difference(&counted.recorded).copied());
            counted.recorded.extend(new);
            subjects.push(Subjects {
                dataset: view.dataset.clone(),
                columns,
                rows,
                key,
                tags: TagSet::new(tags),
            });
        }
        let unattributed = std::mem::take(&mut self.unattributed).into_iter();
        let unattributed = unattributed.map(|((number, why), rows)| Unattributed {
            dataset: number.and_then(dataset),
            why,
            rows,
        });
        (subjects, unattributed.collect())
    }

    /// The first row of a portal: its columns have been described by now, or are not known.
    fn first_row(&mut self, views: &Views) -> Result<(), Say> {
        let unknown = Shape::unknown();
        let (shape, formats) = match &self.source {
            Source::Results => (None, None),
            Source::Portal(columns, formats) => (columns.get(), Some(formats.clone())),
        };
        let shape = shape.as_deref().unwrap_or(&unknown);
        views.demand(&self.reads, shape)?;
        let format = |column: &KeyColumn| match &formats {
            Some(formats) => formats.at(column.place),
            None => column.format,
        };
        self.plan = Some(self.plan_of(shape, format));
        Ok(())
    }

    fn plan_of(&mut self, shape: &Shape, format: impl Fn(&KeyColumn) -> Format) -> Plan {
        let mut plan = Plan::default();
        for key in &shape.keys {
            let column = KeyColumn {
                format: format(key),
                ..*key
            };
            match plan.keys.iter_mut().find(|(view, _)| *view == key.view) {
                Some((_, columns)) => columns.push(column),
                None => plan.keys.push((key.view, vec![column])),
            }
        }
        for (number, attributes) in &shape.views {
            let counted = self.counted.entry(*number).or_default();
            counted.columns.extend(attributes);
        }
        let drawn: BTreeSet<_> = self
            .reads
            .named
            .iter()
            .chain(shape.views.keys())
            .copied()
            .collect();
        let why = if shape.unknown {
            Why::Undescribed
        } else {
            Why::NoKey
        };
        let keyless = drawn
            .iter()
            .filter(|number| !plan.keys.iter().any(|(view, _)| view == *number));
        plan.keyless = keyless.map(|number| (Some(*number), why)).collect();
        // A cursor or prepared statement of before, which could be of anything.
        if self.reads.more && drawn.is_empty() && !shape.catalog {
            plan.keyless.push((None, why));
        }
        plan
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
}

/// The value at a place of a DataRow's body, or of its first bytes.
fn field(body: &[u8], place: usize) -> Field<'_> {
    let mut rest = body.get(2..).unwrap_or_default();
    for at in 0..=place {
        let Some((length, behind)) = rest.split_first_chunk::<4>() else {
            return Field::Beyond;
        };
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        let Some((value, next)) = behind.split_at_checked(length.unwrap_or_default()) else {
            return Field::Beyond;
        };
        if at == place {
            return if length.is_some() {
                Field::Value(value)
            } else {
                Field::Null
            };
        }
        rest = next;
    }
    Field::Beyond
}
