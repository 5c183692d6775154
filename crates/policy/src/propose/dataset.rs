//! A relation as a data set of a proposal.

use std::collections::{BTreeMap, BTreeSet};

use evidence::id::DatasetId;

use super::guess::{self, Guess};
use super::text::{comment, key, line, quoted, title};
use super::{LeftOut, ProposedDataset};
use crate::catalog::RelationKind;
use crate::condition::attribute_type;
use crate::estate::{ColumnType, Relation, SqlName};
use crate::outline::{OutlineColumn, OutlineRelation};

/// A relation that can be a data set.
pub(super) struct Described<'a> {
    relation: &'a OutlineRelation,
    id: DatasetId,
    written: String,
    columns: Vec<DescribedColumn<'a>>,
    keys: Vec<SubjectKey<'a>>,
}

struct DescribedColumn<'a> {
    column: &'a OutlineColumn,
    /// Its type, or why it cannot be shared.
    kind: Result<ColumnType, String>,
    guess: Option<Guess>,
}

/// A column that may say whom a row is about.
struct SubjectKey<'a> {
    column: &'a str,
    why: String,
    /// Why it cannot be, if it cannot.
    but: Option<&'static str>,
}

/// Whether a relation is one of people: by its name, or because its columns say who somebody is.
pub(super) fn is_about_people(relation: &OutlineRelation) -> bool {
    let names = relation.columns.iter().filter(|column| {
        let tag = guess::column(&column.name, bare(column), false).map(|guess| guess.tag);
        matches!(tag, Some("identity" | "birth" | "government-id"))
    });
    guess::names_people(&relation.name) || names.count() > 1
}

/// A type without a length.
fn bare(column: &OutlineColumn) -> &str {
    let printed = column.base_type.as_deref().unwrap_or(&column.type_name);
    printed.split('(').next().unwrap_or(printed)
}

impl<'a> Described<'a> {
    pub(super) fn new(
        relation: &'a OutlineRelation,
        id: &DatasetId,
        people: &BTreeSet<(&str, &str)>,
    ) -> Result<Self, String> {
        let name = |text: &str| text.parse::<SqlName>().map_err(|error| error.to_string());
        let written = Relation {
            schema: name(&relation.schema)?,
            name: name(&relation.name)?,
        }
        .to_string();
        let about_people = people.contains(&(relation.schema.as_str(), relation.name.as_str()));
        let columns: Vec<DescribedColumn<'_>> = relation
            .columns
            .iter()
            .map(|column| DescribedColumn {
                kind: kind(column),
                guess: guess::column_of(&relation.name, &column.name)
                    .or_else(|| guess::column(&column.name, bare(column), about_people)),
                column,
            })
            .collect();
        if !columns.iter().any(|column| column.kind.is_ok()) {
            return Err("it has no column of a type that can be shared".to_owned());
        }
        let mut described = Self {
            relation,
            id: id.clone(),
            written,
            columns,
            keys: Vec::new(),
        };
        described.keys = described.subject_keys(about_people, people);
        Ok(described)
    }

    /// The columns that may say whom a row is about, the likeliest first.
    fn subject_keys(&self, about_people: bool, people: &BTreeSet<(&str, &str)>) -> Vec<SubjectKey<'a>> {
        let relation = self.relation;
        let mut found: Vec<(&'a str, String)> = Vec::new();
        if let ([only], true) = (relation.primary_key.as_slice(), about_people) {
            found.push((only, "the primary key of a relation of people".to_owned()));
        }
        for reference in &relation.references {
            let to_people = people.contains(&(reference.schema.as_str(), reference.relation.as_str()));
            let itself = reference.schema == relation.schema && reference.relation == relation.name;
            if let ([only], true, false) = (reference.columns.as_slice(), to_people, itself) {
                let why = format!(
                    "it refers to `{}`, a relation of people",
                    line(&reference.relation)
                );
                found.push((only, why));
            }
        }
        for column in &relation.columns {
            if guess::is_persons_key(&column.name) {
                found.push((&column.name, "its name is that of a person's number".to_owned()));
            }
        }
        let mut keys: Vec<SubjectKey<'a>> = Vec::new();
        for (name, why) in found {
            let column = self.columns.iter().find(|column| column.column.name == name);
            let Some(column) = column.filter(|_| keys.iter().all(|key| key.column != name)) else {
                continue;
            };
            keys.push(SubjectKey {
                column: name,
                why,
                but: match &column.kind {
                    Err(_) => Some("its type cannot be shared"),
                    Ok(_) if column.column.not_null => None,
                    Ok(_) => Some("the catalog does not say that it is NOT NULL"),
                },
            });
        }
        keys.sort_by_key(|key| key.but.is_some());
        keys
    }

    fn subject_key(&self) -> Option<&SubjectKey<'a>> {
        self.keys.first().filter(|key| key.but.is_none())
    }

    /// What it comes to, for a program.
    pub(super) fn summary(&self) -> ProposedDataset {
        let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut left_out = Vec::new();
        let mut columns = 0;
        for column in &self.columns {
            match &column.kind {
                Ok(_) => {
                    columns += 1;
                    if let Some(guess) = column.guess {
                        tags.entry(guess.tag.to_owned())
                            .or_default()
                            .push(column.column.name.clone());
                    }
                }
                Err(why) => left_out.push(LeftOut {
                    name: column.column.name.clone(),
                    why: why.clone(),
                }),
            }
        }
        ProposedDataset {
            id: self.id.clone(),
            relation: self.written.clone(),
            primary_key: self.relation.primary_key.clone(),
            subject_key: self.subject_key().map(|key| key.column.to_owned()),
            columns,
            tags,
            left_out,
        }
    }

    /// Its file.
    pub(super) fn file(&self, upstream: &DatasetId) -> String {
        let mut text = String::from("#:schema ../schema/dataset.json\n");
        text.push_str(&comment(&format!(
            "Proposed by `estop init` from {} {}. Shared with nobody until an agreement says so.",
            words(self.relation.kind),
            self.written
        )));
        if self.relation.row_security {
            text.push_str("# It has row-level security: shares show only rows that its policies give to Estop's role.\n");
        }
        text.push_str(&format!("\n[dataset]\nid = {}\n", quoted(self.id.as_str())));
        let title = self.relation.comment.as_deref().map(title);
        if let Some(title) = title.filter(|title| !title.is_empty()) {
            text.push_str(&format!("title = {}\n", quoted(&title)));
        }
        text.push_str(&format!(
            "upstream = {}\nrelation = {}\n",
            quoted(upstream.as_str()),
            quoted(&self.written)
        ));
        if !self.relation.primary_key.is_empty() {
            let names: Vec<_> = self.relation.primary_key.iter().map(|name| key(name)).collect();
            text.push_str(&comment(&format!("Primary key: {}.", names.join(", "))));
        }
        text.push_str(&self.key_lines());
        if self.is_personal() {
            text.push_str("# A guess: its rows say something of people.\ntags = [\"personal\"]\n");
        }
        text.push_str("\n[columns]\n");
        for column in &self.columns {
            text.push_str(&column.lines());
        }
        text
    }

    fn key_lines(&self) -> String {
        if self.keys.is_empty() {
            return "# subject_key = \"...\"   # the column that says whom a row is about, if it is about anybody\n".to_owned();
        }
        let mut text = String::new();
        for (place, key) in self.keys.iter().enumerate() {
            let written = quoted(key.column);
            match key.but {
                None if place == 0 => {
                    text.push_str(&comment(&format!("A guess: {}.", key.why)));
                    text.push_str(&format!("subject_key = {written}\n"));
                }
                None => text.push_str(&comment(&format!("or subject_key = {written}: {}", key.why))),
                Some(but) => text.push_str(&comment(&format!(
                    "subject_key = {written}   # {}; but {but}",
                    key.why
                ))),
            }
        }
        text
    }

    fn is_personal(&self) -> bool {
        let says = |column: &DescribedColumn<'_>| column.guess.is_some_and(|guess| guess.tag == "identity");
        self.subject_key().is_some() || self.columns.iter().any(says)
    }
}

fn words(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Foreign => "foreign table",
        RelationKind::Materialised => "materialized view",
        RelationKind::Partitioned => "partitioned table",
        RelationKind::Sequence => "sequence",
        RelationKind::Table => "table",
        RelationKind::View => "view",
    }
}

fn kind(column: &OutlineColumn) -> Result<ColumnType, String> {
    column
        .name
        .parse::<SqlName>()
        .map_err(|error| error.to_string())?;
    let printed = column.base_type.as_deref().unwrap_or(&column.type_name);
    ColumnType::of_catalog(printed).ok_or_else(|| match printed {
        "tsvector" => "`tsvector` says what the columns it is made of say; share those".to_owned(),
        other => format!(
            "type `{}` cannot be shared; a view that casts it to `text` can",
            line(other)
        ),
    })
}

impl DescribedColumn<'_> {
    fn lines(&self) -> String {
        let column = self.column;
        let mut text = String::new();
        if let Some(said) = column
            .comment
            .as_deref()
            .map(line)
            .filter(|said| !said.is_empty())
        {
            text.push_str(&comment(&said));
        }
        let kind = match &self.kind {
            Ok(kind) => kind,
            Err(why) => {
                text.push_str(&comment(&format!("{} is left out: {why}", key(&column.name))));
                return text;
            }
        };
        if let Some(guess) = self.guess {
            text.push_str(&comment(&format!("{}? {}", guess.tag, guess.why)));
        }
        if column.base_type.is_some() {
            text.push_str(&comment(&format!("its type is {}", column.type_name)));
        }
        if column.folds && attribute_type(*kind).is_some() {
            text.push_str("# its collation takes different texts for equal: it can be shared, not asked for in conditions\n");
        }
        let mut parts = vec![format!("type = {}", quoted(&kind.name()))];
        if !column.not_null {
            parts.push("optional = true".to_owned());
        }
        if let Some(guess) = self.guess {
            parts.push(format!("tags = [{}]", quoted(guess.tag)));
        }
        text.push_str(&format!("{} = {{ {} }}\n", key(&column.name), parts.join(", ")));
        text
    }
}
