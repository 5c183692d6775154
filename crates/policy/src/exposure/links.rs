//! A path's links, and what holds each: that is what the closing statements undo.

use std::rc::Rc;

use super::report::Step;
use super::rights::{Rights, Target};
use super::world::{Holder, RoleAt};
use crate::sql::ident;

/// One link of a path.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) by: String,
    pub(crate) hold: Hold,
}

/// A grant that holds a link.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) place: usize,
    pub(crate) right: String,
    pub(crate) letter: char,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) target: Target,
    pub(crate) holder: Holder,
    pub(crate) grantor: Option<RoleAt>,
}

/// What holds a link.
#[derive(Debug, Clone)]
pub(crate) enum Hold {
    /// Nothing that can be undone: the nature of what it links.
    Fixed,
    Grant(Box<Grant>),
    /// A membership, by its place in the snapshot.
    Member(usize),
    Owner {
        place: usize,
        alter: String,
    },
    DatabaseOwner,
    Attribute {
        role: RoleAt,
        undo: &'static str,
    },
    /// A statement of its own.
    Sql {
        place: Option<usize>,
        sql: String,
        breaks: Option<String>,
    },
}

impl Link {
    pub(crate) fn new(from: &str, to: &str, by: &str, hold: Hold) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            by: by.to_owned(),
            hold,
        }
    }

    pub(crate) fn step(&self) -> Step {
        Step {
            from: self.from.clone(),
            to: self.to.clone(),
            by: self.by.clone(),
        }
    }
}

/// An identifier as people write it, quoted where it must be.
pub(crate) fn name(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !RESERVED.contains(&text);
    if plain { text.to_owned() } else { ident(text) }
}

/// Words that must be quoted to be a name (PostgreSQL documentation, appendix C, "reserved"), those likely as names.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "public",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "none",
];

/// What closes a path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Closing {
    pub(crate) sql: String,
    pub(crate) database: Option<String>,
    pub(crate) breaks: Vec<String>,
}

/// A right of PUBLIC: where, on what, which.
pub(super) type Relied = (usize, String, char);

/// Answers about rights of PUBLIC that are kept at a time.
const RELIED: usize = 256;

/// Roles that are granted by name what PUBLIC loses: more than these are said to need it, not written out.
const REGRANTED: usize = 500;

impl Rights<'_, '_> {
    /// The statements that close a path of `role`: they undo its first link that can be undone.
    pub(crate) fn closing(&self, role: RoleAt, links: &[Link]) -> Closing {
        links
            .iter()
            .find_map(|link| self.undo(role, &link.hold))
            .unwrap_or_else(|| Closing {
                sql: format!("ALTER ROLE {} NOLOGIN;", name(self.world.name(role))),
                database: None,
                breaks: vec![format!("every login of {}", self.world.name(role))],
            })
    }

    fn undo(&self, role: RoleAt, hold: &Hold) -> Option<Closing> {
        let database = |place: usize| self.place(place).map(|here| here.database.name.clone());
        Some(match hold {
            Hold::Fixed => return None,
            Hold::Grant(grant) => self.revoke(role, grant),
            Hold::Member(at) => {
                let membership = self.world.snapshot.memberships.get(*at)?;
                let title = |oid| self.world.at(oid).map_or("?", |at| self.world.name(at));
                let (group, member) = (title(membership.role), title(membership.member));
                let by = match self.world.at(membership.grantor) {
                    Some(at) if membership.set.is_some() => {
                        format!(" GRANTED BY {}", name(self.world.name(at)))
                    }
                    _ => String::new(),
                };
                let onward = membership.admin
                    && self.world.snapshot.memberships.iter().any(|other| {
                        other.grantor == membership.member
                            && other.role == membership.role
                            && membership.set.is_some()
                    });
                let cascade = if onward { " CASCADE" } else { "" };
                Closing {
                    sql: format!("REVOKE {} FROM {}{by}{cascade};", name(group), name(member)),
                    database: None,
                    breaks: vec![format!("all else that {member} does by {group}")],
                }
            }
            Hold::Owner { place, alter } => {
                let heir = self.heir(*place, role);
                Closing {
                    sql: format!("ALTER {alter} OWNER TO {};", name(self.world.name(heir))),
                    database: database(*place),
                    breaks: vec![format!("{} no longer alters or drops it", self.world.name(role))],
                }
            }
            Hold::DatabaseOwner => {
                let owned = self
                    .world
                    .places
                    .iter()
                    .position(|place| place.owner == Some(role))?;
                let here = self.place(owned)?;
                Closing {
                    sql: format!(
                        "ALTER DATABASE {} OWNER TO {};",
                        name(&here.database.name),
                        name(self.world.name(self.superuser()?))
                    ),
                    database: None,
                    breaks: vec!["its rights as the database's owner".to_owned()],
                }
            }
            Hold::Attribute { role, undo } => Closing {
                sql: format!("ALTER ROLE {} {undo};", name(self.world.name(*role))),
                database: None,
                breaks: vec![format!("all else that {} does by it", self.world.name(*role))],
            },
            Hold::Sql { place, sql, breaks } => Closing {
                sql: sql.clone(),
                database: place.and_then(database),
                breaks: breaks.iter().cloned().collect(),
            },
        })
    }

    /// The superuser that `initdb` made.
    pub(crate) fn superuser(&self) -> Option<RoleAt> {
        self.world.at(10).or_else(|| {
            self.world
                .roles()
                .find(|(_, role)| role.superuser)
                .map(|(at, _)| at)
        })
    }

    /// Who owns what a role gives up: the database's owner, or the first superuser.
    fn heir(&self, place: usize, role: RoleAt) -> RoleAt {
        let owner = self
            .place(place)
            .and_then(|here| here.owner)
            .filter(|owner| *owner != role);
        owner.or_else(|| self.superuser()).unwrap_or(role)
    }

    fn revoke(&self, role: RoleAt, grant: &Grant) -> Closing {
        let world = self.world;
        let columns = grant.columns.as_ref().map(|columns| {
            let names: Vec<String> = columns.iter().map(|column| name(column)).collect();
            format!(" ({})", names.join(", "))
        });
        let right = format!("{}{}", grant.right, columns.unwrap_or_default());
        let object = &grant.target.object;
        let from = match grant.holder {
            Holder::Public => "PUBLIC".to_owned(),
            Holder::Role(role) => name(world.name(role)),
        };
        let mut breaks = Vec::new();
        // Rights that the holder gave on fall with its own.
        let onward: Vec<&str> = match grant.holder {
            Holder::Role(holder) => {
                let given = grant.target.entries.iter();
                let given =
                    given.filter(|entry| entry.grantor == Some(holder) && entry.rights.has(grant.letter));
                given
                    .filter(|entry| entry.holder != grant.holder)
                    .map(|entry| world.holder_name(entry.holder))
                    .collect()
            }
            Holder::Public => Vec::new(),
        };
        let cascade = if onward.is_empty() { "" } else { " CASCADE" };
        breaks.extend(
            onward
                .iter()
                .map(|holder| format!("{} of {holder}, which {from} gave", grant.right)),
        );
        let owner = world.at(grant.target.owner);
        let revoke = format!("REVOKE {right} ON {object} FROM {from}{cascade};");
        // REVOKE takes what the owner gave; what another gave, only that other takes.
        let mut sql = match grant.grantor {
            Some(grantor) if Some(grantor) != owner => {
                format!("SET ROLE {}; {revoke} RESET ROLE;", name(world.name(grantor)))
            }
            _ => revoke,
        };
        if grant.holder == Holder::Public {
            let others = self.relying(grant);
            let others: Vec<RoleAt> = others.iter().copied().filter(|other| *other != role).collect();
            let names: Vec<String> = others
                .iter()
                .take(REGRANTED)
                .map(|at| name(world.name(*at)))
                .collect();
            if !names.is_empty() {
                sql.push_str(&format!(" GRANT {right} ON {object} TO {};", names.join(", ")));
            }
            if others.len() > REGRANTED {
                breaks.push(format!(
                    "{} more roles live on PUBLIC's right here",
                    others.len() - REGRANTED
                ));
            }
            breaks.push(format!(
                "roles made later: they had {} here by PUBLIC",
                grant.right
            ));
        } else if grant.target.object.starts_with("TABLE") && grant.letter == 'r' {
            breaks.push(format!("statements of {from} that read {}", grant.target.title));
        } else {
            breaks.push(format!(
                "all else that {from} does by {} on {}",
                grant.right, grant.target.title
            ));
        }
        Closing {
            sql,
            database: self.place(grant.place).map(|here| here.database.name.clone()),
            breaks,
        }
    }

    /// Roles that use PUBLIC's right today: they log in, reach the object, and have it by nothing else.
    fn relying(&self, grant: &Grant) -> Rc<Vec<RoleAt>> {
        let key = (grant.place, grant.target.object.clone(), grant.letter);
        if let Some(known) = self.relying.borrow().get(&key) {
            return Rc::clone(known);
        }
        let named = Target {
            entries: grant
                .target
                .entries
                .iter()
                .filter(|entry| entry.holder != Holder::Public)
                .copied()
                .collect::<Vec<_>>()
                .into(),
            ..grant.target.clone()
        };
        let database = self.database(grant.place);
        let relies = |(at, role): &(RoleAt, &super::snapshot::Role)| {
            role.login
                && !role.superuser
                && database
                    .as_ref()
                    .is_none_or(|database| self.may(grant.place, *at, database, 'c'))
                && grant
                    .target
                    .schema
                    .is_none_or(|schema| self.usage(grant.place, *at, schema))
                && !self.may(grant.place, *at, &named, grant.letter)
        };
        let found: Rc<Vec<RoleAt>> = Rc::new(self.world.roles().filter(relies).map(|(at, _)| at).collect());
        let mut kept = self.relying.borrow_mut();
        if kept.len() >= RELIED {
            kept.clear();
        }
        kept.insert(key, Rc::clone(&found));
        found
    }
}
