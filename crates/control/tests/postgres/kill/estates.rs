//! The estates between which control is killed.

use policy::estate::Files;

use crate::world::files;

/// Rows of the second database.
pub(crate) const VISITS: &str = "
revoke create on schema public from public;
create schema app;
create table app.visits (visit_id bigint primary key, person_id integer not null, note text);
insert into app.visits select i, i, 'note ' || i from generate_series(1, 200) i;
";

const BORN: &str = "columns = [\"id\", \"name\", \"born\"]\nmask = { born = \"year\" }";

const SHARE: &str =
    "[[share]]\ndataset = \"visits\"\nCOLUMNS\nwhen = 'resource.visit_id < 100'\n\n[limits]\nsessions = 5\n";

pub(crate) fn replace(files: &mut Files, path: &str, old: &str, new: &str) {
    let text = files.get_mut(path).unwrap();
    assert!(text.contains(old), "{path} has no {old}");
    *text = text.replacen(old, new, 1);
}

/// Another agreement and partner, like the transit's.
fn another(files: &mut Files, partner: &str, agreement: &str) {
    for (path, to) in [
        ("partners/transit.toml", format!("partners/{partner}.toml")),
        (
            "agreements/transit-2020.toml",
            format!("agreements/{agreement}.toml"),
        ),
    ] {
        let text = files[path]
            .replace("transit-2020", agreement)
            .replace("transit", partner);
        files.insert(to, text);
    }
}

/// Three agreements of three partners, four purposes.
pub(super) fn first(url: &str) -> Files {
    let mut files = files(url);
    another(&mut files, "court", "court-2019");
    files
}

/// As [`first`], changed in every way: the police's share is narrower in columns and rows, the transit's wider and with
/// pseudonyms, the court's agreement is gone, the harbour's is new.
pub(super) fn second(url: &str) -> Files {
    let mut files = files(url);
    another(&mut files, "harbour", "harbour-2021");
    let police = "agreements/police-2018.toml";
    replace(&mut files, police, BORN, "columns = [\"id\", \"name\"]");
    replace(
        &mut files,
        police,
        "!resource.sealed",
        "!resource.sealed && resource.id < 100",
    );
    let transit = "agreements/transit-2020.toml";
    let wide = "columns = [\"id\", \"name\", \"born\", \"ssn\"]\nmask = { ssn = \"pseudonym\" }";
    replace(&mut files, transit, BORN, wide);
    replace(&mut files, transit, "resource.id < 90000", "resource.id < 95000");
    files
}

/// The police alone, in an airlock.
pub(super) fn airlocked(mut files: Files) -> Files {
    files.retain(|path, _| {
        let others = ["transit", "court", "harbour"];
        !others.iter().any(|other| path.contains(other))
    });
    replace(&mut files, "estop.toml", "in-place", "airlock");
    files
}

/// The same, but for when the police may ask.
pub(super) fn with_hours(mut files: Files) -> Files {
    let hours = "[limits]\nhours = \"Mon-Sun 00:00-24:00 America/Chicago\"\n";
    replace(&mut files, "agreements/police-2018.toml", "[limits]\n", hours);
    files
}

/// The same with a second database, of which the harbour sees something.
pub(super) fn with_archive(mut files: Files, archive: &str, note: bool) -> Files {
    let upstream = format!("[upstream.archive]\nurl = \"{archive}\"\nisolation = \"in-place\"\n\n[gateway]");
    replace(&mut files, "estop.toml", "[gateway]", &upstream);
    let visits = "[dataset]\nid = \"visits\"\nupstream = \"archive\"\nrelation = \"app.visits\"\nsubject_key = \"person_id\"\n\n\
         [columns]\nvisit_id = { type = \"bigint\" }\nperson_id = { type = \"integer\" }\nnote = { type = \"text\", optional = true }\n";
    files.insert("datasets/visits.toml".to_owned(), visits.to_owned());
    another(&mut files, "rescue", "rescue-2022");
    let path = "agreements/rescue-2022.toml";
    let mine = files.get_mut(path).unwrap();
    *mine = mine.split_once("[[share]]").unwrap().0.to_owned() + SHARE;
    let columns = if note {
        "columns = [\"visit_id\", \"person_id\", \"note\"]\nmask = { note = \"pseudonym\" }"
    } else {
        "columns = [\"visit_id\", \"person_id\"]"
    };
    replace(&mut files, path, "COLUMNS", columns);
    files
}
