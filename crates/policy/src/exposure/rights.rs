//! Who may do what, as PostgreSQL's own checks decide it: inherited roles, access lists, row security.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::acl::Object;
pub(crate) use super::acl::word;
use super::borrowed::Lending;
use super::kinds::Kind;
use super::links::{Grant, Hold, Link, Relied};
use super::login::Door;
use super::snapshot::{Acl, Function, Oid, Relation};
use super::states::Becoming;
use super::tree::Tree;
use super::world::{Entries, Holder, Place, RoleAt, World};

/// An object that has rights on it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) entries: Rc<Entries>,
    pub(crate) owner: Oid,
    /// As in GRANT: `TABLE "s"."t"`.
    pub(crate) object: String,
    /// As in ALTER ... OWNER TO, where that can be.
    pub(crate) alter: Option<String>,
    pub(crate) title: String,
    /// Without USAGE there, it cannot be named.
    pub(crate) schema: Option<Oid>,
}

/// One way to hold a right.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) kind: Kind,
    pub(crate) links: Vec<Link>,
}

/// The access lists of a relation's columns, by their names.
pub(super) type ColumnEntries = Vec<(String, Entries)>;

/// Who holds a right, and who gave it.
type Given = (Holder, Option<RoleAt>);

/// What a role can become, by the role and the place it is looked at in.
type Trees = HashMap<(RoleAt, Option<usize>), Rc<Tree>>;

/// Answers from a world, some of them kept.
#[derive(Debug)]
pub(crate) struct Rights<'w, 's> {
    pub(crate) world: &'w World<'s>,
    /// Questions about roles, counted for tests.
    pub(crate) asked: Cell<u64>,
    trees: RefCell<Trees>,
    entries: RefCell<HashMap<(usize, char, Oid), Rc<Entries>>>,
    /// Triggers that notify, by place and relation.
    pub(crate) telling: RefCell<HashMap<usize, Rc<super::telling::Telling<'s>>>>,
    /// Functions with the rights of who calls and a parsed body, by place and relation.
    pub(crate) invoked: RefCell<HashMap<usize, Rc<super::invoked::Invoked<'s>>>>,
    /// Views over catalogs that hold values, by place.
    pub(crate) shown: RefCell<HashMap<usize, Rc<Vec<super::values::Shown<'s>>>>>,
    pub(super) columns: RefCell<HashMap<(usize, Oid), Rc<ColumnEntries>>>,
    pub(super) becoming: RefCell<HashMap<RoleAt, Rc<Becoming>>>,
    pub(super) file_givers: RefCell<HashMap<usize, Rc<Vec<&'s Function>>>>,
    pub(super) looked_schemas: RefCell<HashMap<usize, Rc<Vec<Oid>>>>,
    pub(super) creating: RefCell<HashMap<(usize, RoleAt), bool>>,
    pub(super) lending: RefCell<HashMap<usize, Rc<Lending<'s>>>>,
    pub(super) members_of: RefCell<HashMap<RoleAt, Rc<Vec<RoleAt>>>>,
    pub(super) doors: RefCell<HashMap<(usize, RoleAt), Door>>,
    pub(super) relying: RefCell<HashMap<Relied, Rc<Vec<RoleAt>>>>,
    pub(crate) read_all: Option<RoleAt>,
    pub(crate) write_all: Option<RoleAt>,
}

impl<'w, 's> Rights<'w, 's> {
    pub(crate) fn new(world: &'w World<'s>) -> Self {
        let named = |name| world.by_name.get(name).copied();
        Self {
            world,
            asked: Cell::new(0),
            trees: RefCell::default(),
            entries: RefCell::default(),
            telling: RefCell::default(),
            invoked: RefCell::default(),
            shown: RefCell::default(),
            columns: RefCell::default(),
            becoming: RefCell::default(),
            file_givers: RefCell::default(),
            looked_schemas: RefCell::default(),
            creating: RefCell::default(),
            lending: RefCell::default(),
            members_of: RefCell::default(),
            doors: RefCell::default(),
            relying: RefCell::default(),
            read_all: named("pg_read_all_data"),
            write_all: named("pg_write_all_data"),
        }
    }

    pub(crate) fn place(&self, at: usize) -> Option<&'w Place<'s>> {
        self.world.places.get(at)
    }

    /// Roles whose rights `user` has in a database.
    pub(crate) fn tree(&self, place: usize, user: RoleAt) -> Rc<Tree> {
        self.asked.set(self.asked.get() + 1);
        let tree = self.kept_tree(user, None);
        // Only a database's owner has other rights there than elsewhere, and who has the owner's.
        let here = self.place(place);
        let owner = here.and_then(|here| here.owner);
        match owner {
            Some(owner) if self.world.database_owner.is_some() && tree.has(owner) => {
                self.kept_tree(user, Some(place))
            }
            _ => tree,
        }
    }

    /// Roles whose rights `user` has in every database.
    pub(crate) fn inherited(&self, user: RoleAt) -> Rc<Tree> {
        self.kept_tree(user, None)
    }

    fn kept_tree(&self, user: RoleAt, place: Option<usize>) -> Rc<Tree> {
        let key = (user, place);
        if let Some(tree) = self.trees.borrow().get(&key) {
            return Rc::clone(tree);
        }
        let here = place.and_then(|place| self.place(place));
        let tree = Rc::new(Tree::of(user, |role| self.world.edges(role, here).collect()));
        self.trees.borrow_mut().insert(key, Rc::clone(&tree));
        tree
    }

    /// The memberships by which `user` inherits from a role of its tree.
    pub(crate) fn chain(&self, tree: &Tree, role: RoleAt) -> Vec<Link> {
        let mut links = Vec::new();
        let mut at = tree.position(role);
        while let Some((role, Some(parent), membership)) = at.and_then(|at| tree.nodes.get(at)).copied() {
            let from = tree.nodes.get(parent).map_or(role, |node| node.0);
            links.push(self.member_link(from, role, membership, "inherits from"));
            at = Some(parent);
        }
        links.reverse();
        links
    }

    pub(crate) fn member_link(&self, from: RoleAt, to: RoleAt, membership: Option<usize>, by: &str) -> Link {
        let hold = membership.map_or(Hold::DatabaseOwner, Hold::Member);
        let by = if membership.is_none() {
            "owns the database, so is a member of"
        } else {
            by
        };
        Link::new(self.world.name(from), self.world.name(to), by, hold)
    }

    pub(super) fn kept(
        &self,
        place: usize,
        what: char,
        oid: Oid,
        make: impl FnOnce() -> Entries,
    ) -> Rc<Entries> {
        let key = (place, what, oid);
        if let Some(entries) = self.entries.borrow().get(&key) {
            return Rc::clone(entries);
        }
        let entries = Rc::new(make());
        self.entries.borrow_mut().insert(key, Rc::clone(&entries));
        entries
    }

    pub(crate) fn relation(&self, place: usize, relation: &Relation) -> Target {
        let title = self
            .place(place)
            .map(|here| here.title(relation))
            .unwrap_or_default();
        let sql = self.relation_sql(place, relation);
        let noun = match relation.kind.as_str() {
            "v" => "VIEW",
            "m" => "MATERIALIZED VIEW",
            "f" => "FOREIGN TABLE",
            _ => "TABLE",
        };
        Target {
            entries: self.relation_entries(place, relation),
            owner: relation.owner,
            object: format!("TABLE {sql}"),
            alter: Some(format!("{noun} {sql}")),
            title,
            schema: Some(relation.schema),
        }
    }

    pub(crate) fn relation_sql(&self, place: usize, relation: &Relation) -> String {
        let schema = self
            .place(place)
            .map_or("?", |here| here.schema_name(relation.schema));
        format!(
            "{}.{}",
            super::links::name(schema),
            super::links::name(&relation.name)
        )
    }

    pub(crate) fn function(&self, place: usize, function: &Function) -> Target {
        let here = self.place(place);
        let schema = here.map_or("?", |here| here.schema_name(function.schema));
        let noun = if function.kind == "p" {
            "PROCEDURE"
        } else {
            "FUNCTION"
        };
        let arguments = if function.kind == "a" && function.arguments.is_empty() {
            "*"
        } else {
            &function.arguments
        };
        let sql = format!(
            "{}.{}({arguments})",
            super::links::name(schema),
            super::links::name(&function.name)
        );
        Target {
            entries: self.function_entries(place, function),
            owner: function.owner,
            object: format!("{noun} {sql}"),
            alter: Some(format!(
                "{} {sql}",
                if function.kind == "a" { "AGGREGATE" } else { noun }
            )),
            title: here.map(|here| here.function_title(function)).unwrap_or_default(),
            schema: Some(function.schema),
        }
    }

    pub(crate) fn schema(&self, place: usize, oid: Oid) -> Option<Target> {
        let schema = self.place(place)?.schemas.get(&oid)?;
        Some(Target {
            entries: self.schema_entries(place, schema),
            owner: schema.owner,
            object: format!("SCHEMA {}", super::links::name(&schema.name)),
            alter: Some(format!("SCHEMA {}", super::links::name(&schema.name))),
            title: format!("schema {}", schema.name),
            schema: None,
        })
    }

    pub(crate) fn other(&self, acl: &Acl, object: Object, owner: Oid, sql: String, title: String) -> Target {
        Target {
            entries: Rc::new(self.world.entries(acl, object, owner)),
            owner,
            alter: (object == Object::Server).then(|| sql.replacen("FOREIGN SERVER", "SERVER", 1)),
            object: sql,
            title,
            schema: None,
        }
    }

    pub(crate) fn database(&self, place: usize) -> Option<Target> {
        let database = self.place(place)?.database;
        let sql = format!("DATABASE {}", super::links::name(&database.name));
        let title = format!("database {}", database.name);
        Some(self.other(&database.acl, Object::Database, database.owner, sql, title))
    }

    /// Whether `user` holds a right.
    pub(crate) fn may(&self, place: usize, user: RoleAt, target: &Target, right: char) -> bool {
        if self.world.superuser(user) {
            return true;
        }
        let tree = self.tree(place, user);
        target.entries.iter().any(|entry| {
            entry.rights.has(right)
                && match entry.holder {
                    Holder::Public => true,
                    Holder::Role(role) => tree.has(role),
                }
        }) || self.predefined(target, right).is_some_and(|role| tree.has(role))
    }

    /// The predefined role that holds a right on all objects of this kind.
    fn predefined(&self, target: &Target, right: char) -> Option<RoleAt> {
        match (target.object.split(' ').next(), right) {
            (Some("TABLE"), 'r') => self.read_all,
            (Some("TABLE"), 'a' | 'w' | 'd') => self.write_all,
            (Some("SCHEMA"), 'U') => self.read_all,
            _ => None,
        }
    }

    /// Whether `user` may name what is in a schema.
    pub(crate) fn usage(&self, place: usize, user: RoleAt, schema: Oid) -> bool {
        let Some(schema) = self.place(place).and_then(|here| here.schemas.get(&schema)) else {
            return true;
        };
        if self.world.superuser(user) {
            return true;
        }
        let tree = self.tree(place, user);
        let all = [self.read_all, self.write_all];
        self.schema_entries(place, schema)
            .iter()
            .any(|entry| entry.rights.has('U') && entry.holder.role().is_none_or(|role| tree.has(role)))
            || all.iter().flatten().any(|role| tree.has(*role))
    }

    /// All ways by which `user` holds a right.
    pub(crate) fn ways(&self, place: usize, user: RoleAt, target: &Target, right: char) -> Vec<Way> {
        let name = self.world.name(user);
        if self.world.superuser(user) {
            let hold = Hold::Attribute {
                role: user,
                undo: "NOSUPERUSER",
            };
            let link = Link::new(name, &target.title, "superuser: no right is asked for", hold);
            return vec![Way {
                kind: Kind::Superuser,
                links: vec![link],
            }];
        }
        let tree = self.tree(place, user);
        let mut ways = Vec::new();
        let owner = self.world.at(target.owner);
        for entry in target.entries.iter().filter(|entry| entry.rights.has(right)) {
            let (mut links, kind) = match entry.holder {
                Holder::Public => (Vec::new(), Kind::PublicGrant),
                Holder::Role(role) if !tree.has(role) => continue,
                Holder::Role(role) if Some(role) == owner && target.alter.is_some() => {
                    let kind = if role == user {
                        Kind::Owner
                    } else {
                        Kind::Membership
                    };
                    let mut links = self.chain(&tree, role);
                    links.push(self.owner_link(place, role, target));
                    ways.push(Way { kind, links });
                    continue;
                }
                Holder::Role(role) => {
                    let kind = if role == user {
                        Kind::TableGrant
                    } else {
                        Kind::Membership
                    };
                    (self.chain(&tree, role), kind)
                }
            };
            links.push(self.grant_link(place, user, target, right, None, (entry.holder, entry.grantor)));
            ways.push(Way { kind, links });
        }
        if let Some(role) = self.predefined(target, right).filter(|role| tree.has(*role)) {
            let mut links = self.chain(&tree, role);
            links.push(Link::new(
                self.world.name(role),
                &target.title,
                "reads or writes all data",
                Hold::Fixed,
            ));
            ways.push(Way {
                kind: Kind::PredefinedRole,
                links,
            });
        }
        ways
    }

    pub(crate) fn owner_link(&self, place: usize, role: RoleAt, target: &Target) -> Link {
        let hold = Hold::Owner {
            place,
            alter: target.alter.clone().unwrap_or_default(),
        };
        Link::new(self.world.name(role), &target.title, "owns", hold)
    }

    pub(crate) fn grant_link(
        &self,
        place: usize,
        user: RoleAt,
        target: &Target,
        right: char,
        columns: Option<&[String]>,
        (holder, grantor): (Holder, Option<RoleAt>),
    ) -> Link {
        let word = word(right);
        let grant = Grant {
            place,
            right: word.to_owned(),
            letter: right,
            columns: columns.map(<[String]>::to_vec),
            target: target.clone(),
            holder,
            grantor,
        };
        let by = match (holder, columns) {
            (Holder::Public, _) => format!("{word} of PUBLIC"),
            (_, Some(columns)) => format!("{word} ({})", columns.join(", ")),
            _ => word.to_owned(),
        };
        let from = match holder {
            Holder::Public => self.world.name(user),
            Holder::Role(role) => self.world.name(role),
        };
        Link::new(from, &target.title, &by, Hold::Grant(Box::new(grant)))
    }

    /// The columns that `user` may read by rights on columns alone, by holder.
    pub(crate) fn column_ways(
        &self,
        place: usize,
        user: RoleAt,
        relation: &Relation,
        right: char,
    ) -> Vec<(Way, Vec<String>)> {
        if relation.column_acls.is_none() {
            return Vec::new();
        }
        let tree = self.tree(place, user);
        let mut by_holder: Vec<(Given, Vec<String>)> = Vec::new();
        for (column, entries) in self.column_entries(place, relation).iter() {
            for entry in entries.iter().filter(|entry| entry.rights.has(right)) {
                let holds = match entry.holder {
                    Holder::Public => true,
                    Holder::Role(role) => tree.has(role),
                };
                if !holds {
                    continue;
                }
                let key = (entry.holder, entry.grantor);
                match by_holder.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, columns)) => columns.push(column.clone()),
                    None => by_holder.push((key, vec![column.clone()])),
                }
            }
        }
        if by_holder.is_empty() {
            return Vec::new();
        }
        let target = self.relation(place, relation);
        let way = |(key, columns): ((Holder, Option<RoleAt>), Vec<String>)| {
            let mut links = match key.0 {
                Holder::Public => Vec::new(),
                Holder::Role(role) => self.chain(&tree, role),
            };
            links.push(self.grant_link(place, user, &target, right, Some(&columns), key));
            (
                Way {
                    kind: Kind::ColumnGrant,
                    links,
                },
                columns,
            )
        };
        by_holder.into_iter().map(way).collect()
    }

    /// Whether `user` may read these columns, USAGE on the schema aside; any of them where none is named.
    pub(crate) fn selects_these(
        &self,
        place: usize,
        user: RoleAt,
        relation: &Relation,
        columns: Option<&[String]>,
    ) -> bool {
        let some = |columns: &&[String]| relation.column_acls.is_some() && !columns.is_empty();
        let Some(columns) = columns.filter(some) else {
            return self.selects(place, user, relation);
        };
        if self.may(place, user, &self.relation(place, relation), 'r') {
            return true;
        }
        let ways = self.column_ways(place, user, relation, 'r');
        columns
            .iter()
            .all(|column| ways.iter().any(|(_, held)| held.contains(column)))
    }

    /// Whether `user` may read any column, USAGE on the schema aside.
    pub(crate) fn selects(&self, place: usize, user: RoleAt, relation: &Relation) -> bool {
        if !self.touches(place, user, relation) {
            return false;
        }
        self.may(place, user, &self.relation(place, relation), 'r')
            || relation.column_acls.is_some() && !self.column_ways(place, user, relation, 'r').is_empty()
    }
}
