//! A first estate, proposed from what a database holds.
//!
//! It describes and shares nothing: there is no partner and no agreement in it, only what they could look like, in comments.
//! What is guessed (tags, subject keys) says what the guess rests on. Every file of a proposal is one that
//! [`Estate::parse`](crate::estate::Estate::parse) takes.

mod dataset;
mod guess;
mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use evidence::id::{Custodian, DatasetId};
use serde::Serialize;

use crate::estate::Files;
use crate::estate::schema::{FileKind, printed};
use crate::outline::{Outline, OutlineRelation};

use dataset::Described;
use text::{comment, line, quoted};

/// What a proposal is made of, beside the database.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// The custodian's name; nobody but the custodian knows it.
    pub custodian: Custodian,
    /// How the database is reached, without a password.
    pub url: String,
    /// Whether the URL that the database was read by had a password, which is not written down.
    pub had_password: bool,
    /// The name of the upstream.
    pub upstream: DatasetId,
}

/// A first estate.
#[derive(Debug, Clone, Serialize)]
pub struct Proposal {
    /// Its files.
    #[serde(skip)]
    pub files: Files,
    /// Its data sets.
    pub datasets: Vec<ProposedDataset>,
    /// Relations that cannot be data sets.
    pub left_out: Vec<LeftOut>,
    /// What only a person can fill in, or has to look at.
    pub notes: Vec<String>,
}

/// A data set of a proposal.
#[derive(Debug, Clone, Serialize)]
pub struct ProposedDataset {
    /// Its id.
    pub id: DatasetId,
    /// Its relation, as the file writes it.
    pub relation: String,
    /// The columns of its primary key.
    pub primary_key: Vec<String>,
    /// The subject key that was guessed.
    pub subject_key: Option<String>,
    /// How many columns it has.
    pub columns: usize,
    /// The columns that may say something of a person, by tag.
    pub tags: BTreeMap<String, Vec<String>>,
    /// Columns that cannot be shared.
    pub left_out: Vec<LeftOut>,
}

/// Something that is in the database and cannot be in the estate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub name: String,
    /// Why it cannot be.
    pub why: String,
}

impl Proposal {
    /// A first estate over this database.
    #[must_use]
    pub fn new(outline: &Outline, wishes: &Wishes) -> Self {
        let people: BTreeSet<(&str, &str)> = outline
            .relations
            .iter()
            .filter(|relation| dataset::is_about_people(relation))
            .map(|relation| (relation.schema.as_str(), relation.name.as_str()))
            .collect();
        let ids = ids(&outline.relations);
        let mut proposal = Self {
            files: Files::new(),
            datasets: Vec::new(),
            left_out: Vec::new(),
            notes: Vec::new(),
        };
        for (relation, id) in outline.relations.iter().zip(ids) {
            match Described::new(relation, &id, &people) {
                Ok(described) => {
                    let file = described.file(&wishes.upstream);
                    proposal.files.insert(format!("datasets/{id}.toml"), file);
                    proposal.datasets.push(described.summary());
                }
                Err(why) => proposal.left_out.push(LeftOut {
                    name: line(&format!("{}.{}", relation.schema, relation.name)),
                    why: line(&why),
                }),
            }
        }
        proposal.notes = notes(&proposal, wishes);
        proposal.around(outline, wishes);
        proposal
    }

    /// The files that are not data sets.
    fn around(&mut self, outline: &Outline, wishes: &Wishes) {
        let example = Example::of(&self.datasets);
        let files = [
            ("estop.toml", settings(outline, wishes)),
            ("partners/example.toml.txt", example.partner()),
            ("agreements/example.toml.txt", example.agreement()),
            ("guardrails/example.cedar", example.guardrail()),
            ("authorities/allowed_signers", SIGNERS.to_owned()),
            (".gitignore", IGNORED.to_owned()),
            ("README.md", self.readme(outline)),
        ];
        for (path, text) in files {
            self.files.insert(path.to_owned(), text);
        }
        for kind in FileKind::ALL {
            self.files
                .insert(format!("schema/{}.json", kind.name()), printed(kind));
        }
    }

    fn readme(&self, outline: &Outline) -> String {
        let mut text = format!(
            "# Estate\n\nProposed by `estop init` from the catalog of database {}: {} data sets. **Nothing is shared**: there is no partner \
             and no agreement yet.\n\n## What only a person can do\n\n",
            code(&outline.database),
            self.datasets.len(),
        );
        for note in &self.notes {
            text.push_str(&format!("- {note}\n"));
        }
        text.push_str(
            "\n## The files\n\n\
             - `estop.toml`: custodian, database, gateway, state.\n\
             - `datasets/*.toml`: one for each relation. A column that is not listed there cannot be shared by any agreement: delete what \
             never may be. Tags are guesses by name and type: each says why.\n\
             - `partners/`, `agreements/`: `example.toml.txt` shows what they look like. Only files that end in `.toml` are read.\n\
             - `guardrails/*.cedar`: what no agreement may permit.\n\
             - `authorities/allowed_signers`: who may sign.\n\
             - `schema/*.json`: JSON Schemas by which editors complete and explain; `estop schema KIND` prints them anew.\n\n\
             `estop --estate . check` reads all of it and says what is wrong, and where.\n",
        );
        if !self.left_out.is_empty() {
            text.push_str("\n## Left out\n\n");
            for left in &self.left_out {
                text.push_str(&format!("- {}: {}\n", code(&left.name), left.why));
            }
        }
        text
    }
}

/// A name as Markdown shows it, on one line.
fn code(name: &str) -> String {
    format!("`{}`", line(name).replace('`', "'"))
}

fn notes(proposal: &Proposal, wishes: &Wishes) -> Vec<String> {
    let mut notes = Vec::new();
    if wishes.custodian.as_str() == PLACEHOLDER {
        notes.push(format!(
            "`estop.toml`: the custodian's `name` is a placeholder (`{PLACEHOLDER}`); it cannot be changed once there is a log"
        ));
    }
    notes.push(
        "`estop.toml`: the custodian's `title` and `time_zone`, the gateway's `listen` and `public_name`"
            .to_owned(),
    );
    notes.push("`estop.toml`: the database's `url` should name a role of Estop's own; the one written there is the one it was read as".to_owned());
    if wishes.had_password {
        notes.push(
            "`estop.toml`: the URL's password was left out, since the folder belongs in git".to_owned(),
        );
    }
    notes.push(
        "`tls/server.pem` and `tls/server.key`: the gateway's certificate and key, which `estop serve` needs"
            .to_owned(),
    );
    notes.push(
        "`authorities/allowed_signers`: at least two people's keys, or nothing can be ended".to_owned(),
    );
    let without_key = proposal
        .datasets
        .iter()
        .filter(|dataset| dataset.subject_key.is_none())
        .count();
    if without_key > 0 {
        notes.push(format!(
            "`datasets/`: {without_key} of {} have no subject key: say whom their rows are about, where they are about anybody",
            proposal.datasets.len()
        ));
    }
    let left_out: usize = proposal
        .datasets
        .iter()
        .map(|dataset| dataset.left_out.len())
        .sum();
    if left_out > 0 {
        notes.push(format!(
            "`datasets/`: {left_out} columns are of types that cannot be shared; they stand there as comments"
        ));
    }
    if proposal.datasets.is_empty() {
        notes.push("`datasets/`: the database has no relation that could be shared".to_owned());
    }
    notes
}

/// What stands for a custodian's name until a person fills it in.
pub const PLACEHOLDER: &str = "records.example.org";

fn settings(outline: &Outline, wishes: &Wishes) -> String {
    let mut text = format!(
        "#:schema schema/estop.json\n\
         # The main file. Proposed by `estop init`; what is marked FILL IN only a person knows.\n\n\
         [custodian]\n\
         # FILL IN: a lower-case DNS name of yours. It begins every log's origin and names the key.\n\
         name = {}\n\
         # FILL IN: what people call you.\n\
         title = \"Records Office\"\n\
         # FILL IN: where the days of agreements begin and end, such as \"America/Chicago\".\n\
         time_zone = \"UTC\"\n\n",
        quoted(wishes.custodian.as_str())
    );
    text.push_str(&comment(&format!(
        "Database \"{}\". FILL IN: a role that may create roles and views, and take rights from PUBLIC.",
        outline.database
    )));
    if wishes.had_password {
        text.push_str("# The password it was read with is left out: this file belongs in git.\n");
    }
    text.push_str(&format!(
        "[upstream.{}]\nurl = {}\n# What keeps partners apart: \"airlock\" or \"in-place\". Left out: what Estop takes for the better.\n# isolation = \"airlock\"\n\n\
         [gateway]\n\
         # FILL IN: 0.0.0.0:6432 for partners to reach it.\n\
         listen = \"127.0.0.1:6432\"\n\
         # FILL IN: put the certificate and its key there.\n\
         tls_certificate = \"tls/server.pem\"\n\
         tls_key = \"tls/server.key\"\n\
         # FILL IN: the host name in the certificate.\n\
         public_name = \"localhost\"\n\n\
         [state]\n\
         # Ledger, register, keys: not in git.\n\
         dir = \"state\"\n",
        wishes.upstream,
        quoted(&wishes.url)
    ));
    text
}

const IGNORED: &str = "/state/\n/tls/\n";

const SIGNERS: &str = "\
# Who may sign directives, one a line, as in ssh-keygen's ALLOWED SIGNERS: a person and a key (Ed25519, or a security key).
# Nothing is ended, and nothing granted, without two of them.
#
# mayor@example.org ssh-ed25519 AAAA...
# counsel@example.org sk-ssh-ed25519@openssh.com AAAA...
";

/// A data set that the examples can speak of.
struct Example {
    dataset: String,
    columns: Vec<String>,
    tag: String,
}

impl Example {
    fn of(datasets: &[ProposedDataset]) -> Self {
        let best = datasets.iter().max_by_key(|dataset| {
            let personal = dataset.subject_key.is_some();
            (
                personal,
                dataset.tags.len(),
                std::cmp::Reverse(dataset.id.as_str()),
            )
        });
        let tagged = best.and_then(|dataset| dataset.tags.iter().next_back());
        Self {
            dataset: best.map_or("people".to_owned(), |dataset| dataset.id.to_string()),
            columns: best
                .and_then(|dataset| dataset.subject_key.clone())
                .into_iter()
                .collect(),
            tag: tagged.map_or("juvenile".to_owned(), |(tag, _)| tag.clone()),
        }
    }

    fn partner(&self) -> String {
        "\
# What a partner's file looks like. This one is not read: it does not end in `.toml`.
#
# #:schema ../schema/partner.json
#
# [partner]
# id = \"state-police\"                  # also the file's name: partners/state-police.toml
# title = \"State Police\"
# tags = [\"law-enforcement\"]
#
# [[officer]]
# id = \"a.moreno\"
# name = \"A. Moreno\"
# scram = \"SCRAM-SHA-256$4096:...\"     # the line that `estop officer password` makes of a password
"
        .to_owned()
    }

    fn agreement(&self) -> String {
        let columns = if self.columns.is_empty() {
            "\"COLUMN\"".to_owned()
        } else {
            let columns: Vec<String> = self.columns.iter().map(|column| quoted(column)).collect();
            columns.join(", ")
        };
        format!(
            "\
# What an agreement's file looks like. This one is not read: it does not end in `.toml`, and shares nothing.
#
# #:schema ../schema/agreement.json
#
# [agreement]
# id = \"state-police-2026\"             # also the file's name, and the database name that the partner connects to
# partner = \"state-police\"
# legal_basis = \"ISA 2026-044, clause 3\"
# document = \"documents/isa-2026-044.pdf\"
# valid = {{ from = \"2026-01-01\", until = \"2028-12-31\" }}
# purposes = [\"criminal-investigation\"]
# case_reference = '^[A-Z]{{2}}-\\d{{4}}-\\d+$'
# onward = {{ permitted = false, clause = \"clause 7\" }}
#
# [[share]]
# dataset = {}
# columns = [{columns}]
# # mask = {{ COLUMN = \"initials\" }}
# # when = 'resource.COLUMN == \"open\"'
#
# [limits]
# sessions = 20
# statement_seconds = 60
# hours = \"Mon-Fri 06:00-22:00 America/Chicago\"
",
            quoted(&self.dataset)
        )
    }

    fn guardrail(&self) -> String {
        format!(
            "\
// What no agreement may permit: a statute, an ordinance, each with its citation. `estop check` holds every agreement against
// it. An example, in comments:
//
// @id(\"{tag}-is-not-shared\")
// @citation(\"Records Act, section 12\")
// forbid (principal, action == Action::\"read\", resource in Tag::\"personal\")
// when {{ context.column in ColumnTag::\"{tag}\" && !context.masked }};
",
            tag = self.tag
        )
    }
}

/// An id for each relation: its name, with the schema where several have it, with a number where that is not enough.
fn ids(relations: &[OutlineRelation]) -> Vec<DatasetId> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for relation in relations {
        *count.entry(text::slug(&relation.name)).or_default() += 1;
    }
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    let mut id = |relation: &OutlineRelation| {
        let bare = text::slug(&relation.name);
        let wanted = if count.get(&bare).is_some_and(|count| *count > 1) {
            text::slug(&format!("{}-{bare}", text::slug(&relation.schema)))
        } else {
            bare
        };
        let number = next.entry(wanted.clone()).or_insert(1);
        loop {
            let candidate = text::numbered(&wanted, *number);
            *number += 1;
            if taken.insert(candidate.clone()) {
                return candidate;
            }
        }
    };
    relations
        .iter()
        .filter_map(|relation| id(relation).parse().ok())
        .collect()
}
