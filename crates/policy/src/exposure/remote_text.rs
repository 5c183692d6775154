//! Views that ask this cluster itself, by dblink with a connection string in their text: whoever may SELECT them reads as the role
//! that the string names.

use super::kinds::Kind;
use super::links::{Hold, Link};
use super::login::Door;
use super::nodes::{Node, resolve};
use super::rights::Rights;
use super::snapshot::{Oid, Relation, Rule};
use super::source::tokens::{Token, tokens};
use super::source::{Named, meaning};
use super::world::{Place, RoleAt};

/// A view that connects.
#[derive(Debug, Clone)]
pub(crate) struct RemoteView<'s> {
    place: usize,
    rule: &'s Rule,
    database: String,
    user: Option<String>,
    password: bool,
    reads: Vec<Named>,
    /// The functions that connect.
    calls: Vec<Oid>,
}

/// The words of a connection string: `dbname=records user=clerk`.
fn words(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for part in text.split_whitespace() {
        if let Some((name, value)) = part.split_once('=') {
            found.push((name.to_lowercase(), value.trim_matches('\'').to_owned()));
        }
    }
    found
}

/// The views of a database that connect.
pub(crate) fn of_place<'s>(place: usize, here: &Place<'s>) -> Vec<RemoteView<'s>> {
    if !here.contents.extensions.iter().any(|one| one == "dblink") {
        return Vec::new();
    }
    let views = here.contents.rules.iter().filter(|rule| rule.event == "1");
    let connecting = views.filter_map(|rule| {
        let calls: Vec<Oid> = rule
            .calls
            .iter()
            .flatten()
            .copied()
            .filter(|oid| {
                here.function(*oid)
                    .is_some_and(|one| one.extension.as_deref() == Some("dblink"))
            })
            .collect();
        let text = rule.text.as_deref().filter(|_| !calls.is_empty())?;
        let texts = tokens(text).into_iter().filter_map(|token| match token {
            Token::Text(text) => Some(text),
            _ => None,
        });
        let words: Vec<(String, String)> = texts.flat_map(|text| words(&text)).collect();
        let word = |name: &str| {
            words
                .iter()
                .find(|(one, _)| one == name)
                .map(|(_, value)| value.clone())
        };
        Some(RemoteView {
            place,
            rule,
            database: word("dbname").unwrap_or_else(|| here.database.name.clone()),
            user: word("user"),
            password: word("password").is_some(),
            reads: meaning(text).reads,
            calls,
        })
    });
    connecting.collect()
}

impl<'s> Rights<'_, 's> {
    /// Views that connect and read a node.
    pub(crate) fn connecting(
        &self,
        views: &[RemoteView<'s>],
        node: &Node,
        here: &Place<'s>,
        relation: &Relation,
    ) -> Vec<Node> {
        let mut found = Vec::new();
        for view in views.iter().filter(|view| view.database == here.database.name) {
            let named = view
                .reads
                .iter()
                .flat_map(|named| resolve(here, named.schema.as_deref(), &named.name, None));
            if !named.into_iter().any(|one| one.oid == relation.oid) {
                continue;
            }
            let Some((there, of)) = self
                .place(view.place)
                .and_then(|there| Some((there, there.relation(view.rule.relation)?)))
            else {
                continue;
            };
            let copy = of.kind == "m";
            // Who is no superuser needs a password in the string; a copy was filled by its owner.
            let role: Option<RoleAt> = match &view.user {
                Some(user) => self.world.by_name.get(user.as_str()).copied(),
                None if copy => self.superuser(),
                None => None,
            };
            let Some(role) = role.filter(|_| view.password || copy) else {
                continue;
            };
            if matches!(self.door(node.place, role), Door::Shut(_))
                || !self.reads_as(node, role)
                || !self.usage(node.place, role, relation.schema)
            {
                continue;
            }
            let from = format!("{} in {}", there.title(of), there.database.name);
            let by = format!("connects as {}, and reads", self.world.name(role));
            let mut links = vec![Link::new(&from, &here.title(relation), &by, Hold::Fixed)];
            links.extend(node.links.iter().cloned());
            found.push(Node {
                place: view.place,
                relation: of.oid,
                links,
                columns: None,
                kind: Some(Kind::Dblink),
                needs: Vec::new(),
                views: Vec::new(),
                executes: if copy { Vec::new() } else { view.calls.clone() },
                ..node.clone()
            });
        }
        found
    }
}
