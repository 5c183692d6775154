//! Foreign tables over files and programs of the server (file_fdw), and tables of which nothing says what they hold.

use super::foreign::option;
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::points::Path;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::{ForeignTable, Oid, Relation};
use super::source::{commanded, meaning};
use super::states::State;
use super::trying::counting;
use super::world::Place;

/// Tables with the same columns are shown up to so many.
pub(super) const ALIKE: usize = 20;

/// What a file is, by its name.
fn is_log(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let folders = ["/log/", "/pg_log/", "/postgresql/"];
    name.ends_with(".log")
        || name == "log"
        || folders.iter().any(|folder| file.contains(folder)) && !name.ends_with(".conf")
}

impl<'s> Rights<'_, 's> {
    /// What a table over a file or program gives of a target, and why.
    fn file_gives(
        &self,
        table: &ForeignTable,
        home: &Place<'s>,
        target: &Relation,
    ) -> Option<(Class, String)> {
        let options = table.options.as_deref();
        let named =
            |text: &str| target.name.len() > 2 && text.to_lowercase().contains(&target.name.to_lowercase());
        if let Some(program) = option(options, "program") {
            let schema = home.schema_name(target.schema);
            let reads = meaning(&commanded(&program)).reads;
            let own = reads
                .iter()
                .any(|one| one.name == target.name && one.schema.as_deref().is_none_or(|of| of == schema));
            return if own {
                Some((Class::Rows, "its program reads the table".to_owned()))
            } else if program.contains("pg_dump") || program.contains("psql") && named(&program) {
                Some((
                    Class::Latent,
                    "its program may read the table: look at it".to_owned(),
                ))
            } else {
                None
            };
        }
        let file = option(options, "filename")?;
        if is_log(&file) {
            let why = "the server's log shows statements with the values in them, and rows that were refused";
            return Some((Class::Facts, why.to_owned()));
        }
        let name = file.rsplit('/').next().unwrap_or_default();
        named(name).then(|| {
            (
                Class::Latent,
                format!("file {file} is named as the table is: see whether it holds its rows"),
            )
        })
    }

    /// What the tables over files of all databases give of a target, in their order.
    pub(crate) fn files_give(&self, home: usize, target: &Relation) -> Vec<Option<Class>> {
        let Some(home) = self.place(home) else {
            return Vec::new();
        };
        let files = self.world.places.iter().flat_map(|place| &place.index.files);
        files
            .map(|table| self.file_gives(table, home, target).map(|(class, _)| class))
            .collect()
    }

    /// Tables that may be copies of a target, as nothing says what they hold.
    pub(crate) fn may_be_copies(&self, place: usize, target: &Relation) -> Vec<Oid> {
        let here = self.place(place).into_iter();
        let alike = here.flat_map(|here| here.index.alike(target).iter().take(ALIKE));
        alike
            .map(|one| one.oid)
            .filter(|one| *one != target.oid)
            .collect()
    }

    /// Paths by tables over files.
    pub(crate) fn by_files(&self, state: &State, home: usize, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let (Some(here), Some(home)) = (self.place(place), self.place(home)) else {
            return;
        };
        for table in &here.index.files {
            let Some(relation) = here.relation(table.relation) else {
                continue;
            };
            if !self.selects(place, user, relation) || !self.usage(place, user, relation.schema) {
                continue;
            }
            let Some((class, why)) = self.file_gives(table, home, target) else {
                continue;
            };
            let sql = format!("SELECT * FROM {}", self.relation_sql(place, relation));
            for way in self.ways(place, user, &self.relation(place, relation), 'r') {
                let mut links = way.links;
                let title = here.title(relation);
                links.push(Link::new(
                    &title,
                    &home.title(target),
                    "gives a file or a program of the server, as to",
                    Hold::Fixed,
                ));
                found.push(Path {
                    tries: Some((counting(&sql), false)),
                    ..self.simple(state, class, Kind::ForeignTable, links, Some(&why))
                });
            }
        }
    }

    /// Tables with the same columns that hold something and were never analyzed: nothing says whether they are copies.
    pub(crate) fn by_alike(&self, state: &State, target: &Relation, found: &mut Vec<Path>) {
        let (place, user) = (state.place, state.user);
        let Some(here) = self.place(place) else { return };
        for relation in here.index.alike(target).iter().take(ALIKE) {
            if relation.oid == target.oid
                || !self.selects(place, user, relation)
                || !self.usage(place, user, relation.schema)
            {
                continue;
            }
            for way in self.ways(place, user, &self.relation(place, relation), 'r') {
                let mut links = way.links;
                links.push(Link::new(
                    &here.title(relation),
                    &here.title(target),
                    "has the columns of",
                    Hold::Fixed,
                ));
                let why = "it has the same columns, holds something, and was never analyzed: see whether it is a copy";
                found.push(self.simple(state, Class::Latent, Kind::Copy, links, Some(why)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_log;

    #[test]
    fn logs_are_known_by_their_names() {
        for file in [
            "/var/log/postgresql/postgresql-15-main.log",
            "log/a.csv",
            "/srv/pg/log",
        ] {
            assert!(is_log(&format!("/{file}")), "{file}");
        }
        for file in [
            "/srv/cities.csv",
            "/etc/hostname",
            "/srv/catalog.csv",
            "/etc/postgresql/15/main/postgresql.conf",
        ] {
            assert!(!is_log(file), "{file}");
        }
    }
}
