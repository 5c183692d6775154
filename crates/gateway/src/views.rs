//! Which columns of a result say whom its rows are about: the views of one session by the ids that its database gives them.
//!
//! The ids are asked for at the login, by the session's own role, on its own connection. A view that is made anew has
//! another id: a result whose columns come from a relation that was not there at the login ends the session, because nobody
//! could say what it holds.

use std::collections::{BTreeMap, BTreeSet};

use evidence::id::DatasetId;
use evidence::record::Clipped;
use evidence::subject::{AccountingKey, KeyId, Tagger};
use policy::estate::SqlName;
use policy::in_force::ViewInForce;
use wire::backend::RowDescription;
use wire::frontend::Format;
use wire::value::Sort;

use crate::say::Say;

#[cfg(test)]
pub(crate) mod tests;

/// PostgreSQL's own catalog has ids below this (`FirstNormalObjectId`).
const FIRST_ID: u32 = 16_384;

/// Place of a view among the session's.
pub(crate) type ViewNumber = usize;

/// The views of one session.
#[derive(Debug, Default)]
pub(crate) struct Views {
    views: Vec<View>,
    /// Those that the database has.
    by_id: BTreeMap<u32, ViewNumber>,
    /// Relations of the custodian's that everybody may read.
    others: BTreeSet<u32>,
    key: Option<KeyId>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct View {
    name: SqlName,
    pub(crate) dataset: DatasetId,
    columns: BTreeMap<i16, Clipped>,
    subject: Option<Subject>,
    required: bool,
}

/// The column that says whom a row of a view is about.
#[derive(Debug)]
struct Subject {
    name: SqlName,
    attribute: Option<i16>,
    tagger: Tagger,
}

/// A row of the answer to [`Views::question`].
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: u32,
    /// Name of the view, number and name of the column; none for a relation that is not one of the agreement's views.
    pub(crate) column: Option<(String, i16, String)>,
}

/// The relation that a column comes from was not there at the login.
#[derive(Debug)]
pub(crate) struct MadeAnew;

/// The columns of a result, as far as they matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) keys: Vec<KeyColumn>,
    /// The views that columns come from, with these columns.
    pub(crate) views: BTreeMap<ViewNumber, BTreeSet<i16>>,
    /// How many columns there are.
    pub(crate) columns: u16,
    /// Whether all columns are of PostgreSQL's own catalog.
    pub(crate) catalog: bool,
    /// Whether nothing is known of the columns.
    pub(crate) unknown: bool,
}

/// A column with a subject key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyColumn {
    /// From 0.
    pub(crate) place: usize,
    pub(crate) view: ViewNumber,
    /// How its values are read; none if its type has no one text for a value.
    pub(crate) sort: Option<Sort>,
    /// As the description says; a portal's own formats come first.
    pub(crate) format: Format,
}

/// What a statement may read, by its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Views that it names.
    pub(crate) named: BTreeSet<ViewNumber>,
    /// Whether it may read what it does not name.
    pub(crate) more: bool,
    pub(crate) copies: bool,
}

impl Shape {
    /// Of a result whose columns are not known.
    pub(crate) fn unknown() -> Self {
        Self {
            unknown: true,
            ..Self::default()
        }
    }
}

impl Views {
    /// The views of a permit, before the database has said which ids they have.
    pub(crate) fn new(views: &[ViewInForce], key: &AccountingKey) -> Self {
        let view = |view: &ViewInForce| View {
            name: view.name.clone(),
            dataset: view.dataset.clone(),
            columns: BTreeMap::new(),
            subject: view.subject_key.as_ref().map(|name| Subject {
                name: name.clone(),
                attribute: None,
                tagger: key.tagger(&view.dataset),
            }),
            required: view.subject_required,
        };
        Self {
            views: views.iter().map(view).collect(),
            key: Some(key.id()),
            ..Self::default()
        }
    }

    /// What the database is asked: the columns of the views in a schema, and what else everybody may read. Four columns:
    /// id; name of the view, number and name of the column, or three NULLs.
    pub(crate) fn question(schema: &SqlName) -> String {
        let schema = schema.as_str().replace('\'', "''");
        format!(
            "SELECT c.oid, c.relname, a.attnum, a.attname FROM pg_catalog.pg_class AS c \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid \
             WHERE n.nspname = '{schema}' AND c.relkind = 'v' AND a.attnum > 0 AND NOT a.attisdropped \
             UNION ALL \
             SELECT c.oid, NULL, NULL, NULL FROM pg_catalog.pg_class AS c \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE c.oid >= {FIRST_ID} AND n.nspname <> '{schema}' AND c.relkind IN ('r', 'v', 'm', 'f', 'p') \
             AND c.relacl IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) AS x \
             WHERE x.grantee = 0 AND x.privilege_type = 'SELECT')"
        )
    }

    /// The same views with what the database has answered.
    pub(crate) fn found(mut self, found: impl IntoIterator<Item = Found>) -> Self {
        for Found { id, column } in found {
            let Some((name, attribute, column)) = column else {
                self.others.insert(id);
                continue;
            };
            let place = self.views.iter().position(|view| view.name.as_str() == name);
            let Some((number, view)) = place.and_then(|at| Some((at, self.views.get_mut(at)?))) else {
                continue;
            };
            if let Some(subject) = view
                .subject
                .as_mut()
                .filter(|subject| subject.name.as_str() == column)
            {
                subject.attribute = Some(attribute);
            }
            view.columns.insert(attribute, column.into());
            self.by_id.insert(id, number);
        }
        self
    }

    pub(crate) fn view(&self, number: ViewNumber) -> Option<&View> {
        self.views.get(number)
    }

    /// Which key tags are made with.
    pub(crate) fn key(&self) -> Option<KeyId> {
        self.key
    }

    /// Whether the columns of results must be known.
    pub(crate) fn asks(&self) -> bool {
        self.views.iter().any(|view| view.subject.is_some())
    }

    /// Which views a statement that names these relations may read.
    pub(crate) fn reads(&self, names: &BTreeSet<String>, more: bool, copies: bool) -> Reads {
        let named = self.views.iter().enumerate();
        let named = named.filter(|(_, view)| names.contains(view.name.as_str()));
        Reads {
            named: named.map(|(number, _)| number).collect(),
            more,
            copies,
        }
    }

    /// What of a result's columns matters.
    pub(crate) fn shape(&self, described: &RowDescription<'_>) -> Result<Shape, MadeAnew> {
        let mut shape = Shape {
            columns: described.count(),
            catalog: described.count() > 0,
            ..Shape::default()
        };
        for (place, column) in described.columns().enumerate() {
            let (Some(id), Some(attribute)) = (column.table, column.attribute) else {
                shape.catalog = false;
                continue;
            };
            if id < FIRST_ID {
                continue;
            }
            shape.catalog = false;
            let Some(&number) = self.by_id.get(&id) else {
                // Where no view has a subject key the ids were not asked for.
                if self.others.contains(&id) || !self.asks() {
                    continue;
                }
                return Err(MadeAnew);
            };
            shape.views.entry(number).or_default().insert(attribute);
            let subject = self.view(number).and_then(|view| view.subject.as_ref());
            if subject.and_then(|subject| subject.attribute) == Some(attribute) {
                shape.keys.push(KeyColumn {
                    place,
                    view: number,
                    sort: Sort::of_type(column.type_oid),
                    format: column.format,
                });
            }
        }
        Ok(shape)
    }

    /// Whether a result of this shape, of a statement that reads this, may be given: `Err` with what the client is told if
    /// a subject key that must be in it is not.
    pub(crate) fn demand(&self, reads: &Reads, shape: &Shape) -> Result<(), Say> {
        let has = |number: &ViewNumber| {
            let mut keys = shape.keys.iter().filter(|key| key.view == *number);
            keys.next().is_some_and(|key| key.sort.is_some())
        };
        // What is not known, or drawn from something of before, could be of any view.
        let hidden = (reads.more || shape.unknown) && shape.keys.is_empty() && !shape.catalog;
        let required = self.views.iter().enumerate().filter(|(_, view)| view.required);
        for (number, view) in required {
            let drawn = reads.named.contains(&number) || shape.views.contains_key(&number) || hidden;
            if drawn && !has(&number) {
                return Err(view.demanded());
            }
        }
        Ok(())
    }

    /// Whether this statement may be sent at all: COPY has no columns that could be looked at.
    pub(crate) fn demand_text(&self, reads: &Reads) -> Result<(), Say> {
        let mut views = reads.named.iter().filter_map(|number| self.view(*number));
        match views.find(|view| view.required && reads.copies) {
            Some(view) => Err(view.demanded()),
            None => Ok(()),
        }
    }
}

impl View {
    /// The names of columns.
    pub(crate) fn names(&self, attributes: impl IntoIterator<Item = i16>) -> Vec<Clipped> {
        let names = attributes.into_iter();
        names
            .filter_map(|attribute| self.columns.get(&attribute).cloned())
            .collect()
    }

    pub(crate) fn tagger(&self) -> Option<&Tagger> {
        self.subject.as_ref().map(|subject| &subject.tagger)
    }

    pub(crate) fn required(&self) -> bool {
        self.required
    }

    /// What a client is told of a result, or a row, without the key.
    pub(crate) fn demanded(&self) -> Say {
        let key = self
            .subject
            .as_ref()
            .map_or("none", |subject| subject.name.as_str());
        Say::subject_required(self.name.as_str(), key)
    }
}
