//! Definer functions that run their caller's statements or code as their owner.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::acl::Object;
use super::jobs::Step;
use super::kinds::Kind;
use super::links::{Hold, Link};
use super::planting::Planted;
use super::report::Class;
use super::rights::Rights;
use super::snapshot::{Function, Oid, Relation, Schema};
use super::source::{Dynamic, Remade};
use super::touched::Touched;
use super::world::{Holder, Place, RoleAt};

/// Definer functions by which some role might run statements of its own, by who may execute them.
#[derive(Debug, Default)]
pub(crate) struct Lending<'s> {
    pub(crate) functions: Vec<&'s Function>,
    by_holder: HashMap<Holder, Vec<usize>>,
    /// Functions with the rights of who calls that a relation's owner runs when it is maintained.
    pub(crate) computed: Vec<(&'s Relation, &'s Function)>,
    /// Relations on which a role may put triggers, by a grant, and others write.
    pub(crate) planted: Vec<Planted<'s>>,
    /// What scheduled jobs touch.
    pub(crate) jobs: Vec<Step<'s>>,
    /// What each of them touches.
    pub(crate) touched: HashMap<Oid, Vec<Touched<'s>>>,
}

/// So many members of a schema's owner are asked whether they may execute a function.
const MEMBERS: usize = 64;

/// Languages in which names are looked up when the function runs.
const LOOKING_UP: &[&str] = &[
    "sql",
    "plpgsql",
    "plperl",
    "plperlu",
    "plpython3u",
    "pltcl",
    "pltclu",
];

/// What a definer function makes of its caller.
#[derive(Debug, Clone)]
pub(crate) struct Borrowed {
    pub(crate) to: RoleAt,
    pub(crate) kind: Kind,
    pub(crate) class: Class,
    pub(crate) links: Vec<Link>,
    pub(crate) why: &'static str,
}

impl<'s> Rights<'_, 's> {
    /// The definer functions of a database that are worth asking about.
    pub(crate) fn lending(&self, place: usize) -> Rc<Lending<'s>> {
        if let Some(known) = self.lending.borrow().get(&place) {
            return Rc::clone(known);
        }
        let mut new = Lending::default();
        if let Some(here) = self.place(place) {
            let all = here.index.lending.iter().copied();
            for function in all.filter(|function| self.may_lend(place, here, function)) {
                let at = new.functions.len();
                new.functions.push(function);
                new.touched.insert(function.oid, self.touched(here, function));
                let entries = self.function_entries(place, function);
                for entry in entries.iter().filter(|entry| entry.rights.has('X')) {
                    new.by_holder.entry(entry.holder).or_default().push(at);
                }
            }
        }
        new.computed = self.computed(place);
        new.jobs = self.job_steps(place);
        new.planted = self.planted(place);
        let new = Rc::new(new);
        self.lending.borrow_mut().insert(place, Rc::clone(&new));
        new
    }

    /// Whether a function may run code of a role that is no superuser, whichever.
    fn may_lend(&self, place: usize, here: &Place<'s>, function: &'s Function) -> bool {
        let Some(meaning) = here.meanings.get(&function.oid) else {
            return false;
        };
        if ["trigger", "event_trigger"].contains(&function.returns.as_str()) {
            return false;
        }
        let touches_others = || {
            let touched = self.touched(here, function);
            touched.iter().any(|one| {
                let schema = here.schemas.get(&one.schema()).map(|schema| schema.owner);
                one.may_be_anothers(function.owner)
                    || schema.is_some_and(|owner| {
                        self.puts_anew(function, owner) && self.executes_too(place, function, owner)
                    })
            })
        };
        if meaning.dynamic == Dynamic::Anything
            || !meaning.remade.is_empty()
            || !self.given(function, &meaning.roles).is_empty()
            || touches_others()
        {
            return true;
        }
        if function.parsed || !LOOKING_UP.contains(&function.language.as_str()) {
            return false;
        }
        let Some(path) = super::views::search_path(function.config.as_deref()) else {
            return meaning.bare_call || meaning.bare_relation;
        };
        let temporary = meaning.bare_relation && !path.iter().any(|one| one == "pg_temp");
        let creates = |schema: &&Schema| {
            let entries = self.schema_entries(place, schema);
            let mut holders = entries
                .iter()
                .filter(|entry| entry.rights.has('C'))
                .map(|entry| entry.holder);
            holders.any(|holder| holder.role().is_none_or(|role| !self.world.superuser(role)))
        };
        let mut schemas = here
            .contents
            .schemas
            .iter()
            .filter(|schema| path.contains(&schema.name));
        temporary || path.iter().any(|one| one == "$user") || schemas.any(|schema| creates(&schema))
    }

    /// Whether the owner of a schema, who may drop what is in it, is another than the function's, and may make something there.
    pub(crate) fn puts_anew(&self, function: &Function, owner: Oid) -> bool {
        let owner = self.world.at(owner).filter(|_| owner != function.owner);
        owner.is_some_and(|owner| !self.world.superuser(owner))
    }

    /// Whether some role with the rights of a schema's owner may execute a function.
    fn executes_too(&self, place: usize, function: &Function, owner: Oid) -> bool {
        let Some(owner) = self.world.at(owner) else {
            return false;
        };
        let target = self.function(place, function);
        self.may(place, owner, &target, 'X')
            || self
                .members(owner)
                .iter()
                .any(|member| self.may(place, *member, &target, 'X'))
    }

    /// Who has the rights of a role without more, as far as so many.
    fn members(&self, role: RoleAt) -> Rc<Vec<RoleAt>> {
        if let Some(known) = self.members_of.borrow().get(&role) {
            return Rc::clone(known);
        }
        let mut found = vec![role];
        let mut at = 0;
        while let Some(&one) = found.get(at).filter(|_| found.len() < MEMBERS) {
            for member in self.world.members.get(one as usize).into_iter().flatten() {
                if !found.contains(member) {
                    found.push(*member);
                }
            }
            at += 1;
        }
        let found = Rc::new(found);
        self.members_of.borrow_mut().insert(role, Rc::clone(&found));
        found
    }

    /// SECURITY DEFINER functions of a database by which `user` runs statements of its own as their owner.
    pub(crate) fn borrowed(&self, place: usize, user: RoleAt) -> Vec<Borrowed> {
        let Some(here) = self.place(place) else {
            return Vec::new();
        };
        let lending = self.lending(place);
        let tree = self.tree(place, user);
        let holders = tree.roles().map(Holder::Role).chain([Holder::Public]);
        let at: BTreeSet<usize> = holders
            .filter_map(|holder| lending.by_holder.get(&holder))
            .flatten()
            .copied()
            .collect();
        let definers = at.into_iter().filter_map(|at| lending.functions.get(at).copied());
        let definers = definers.filter(|function| self.world.at(function.owner) != Some(user));
        let mut found = self.maintained(place, user, &lending);
        found.extend(self.scheduled(place, user, &lending.jobs));
        found.extend(self.plants(place, user, &lending.planted));
        for function in definers {
            let Some(meaning) = here.meanings.get(&function.oid) else {
                continue;
            };
            if !self.usage(place, user, function.schema) {
                continue;
            }
            let hijacked = !function.parsed && self.hijackable(place, user, function);
            let dynamic = !function.parsed && meaning.dynamic == Dynamic::Anything;
            let mut given: Vec<RoleAt> = self.given(function, &meaning.roles);
            given.retain(|_| meaning.to_any || self.is_named(user, &meaning.to));
            let remade = self.remade(user, function, &meaning.remade);
            let own = self.touches_own(
                place,
                user,
                function,
                lending.touched.get(&function.oid).map_or(&[], Vec::as_slice),
            );
            if !dynamic && !hijacked && given.is_empty() && own.is_none() && remade.is_empty() {
                continue;
            }
            let target = self.function(place, function);
            for way in self.ways(place, user, &target, 'X') {
                let Some(owner) = self.world.at(function.owner) else {
                    continue;
                };
                let mut linked = |to: RoleAt, kind: Kind, class: Class, by: &str, why: &'static str| {
                    let mut links = way.links.clone();
                    links.push(Link::new(&target.title, self.world.name(to), by, Hold::Fixed));
                    found.push(Borrowed {
                        to,
                        kind,
                        class,
                        links,
                        why,
                    });
                };
                for role in &given {
                    linked(
                        *role,
                        Kind::DefinerFunction,
                        Class::Grantable,
                        "grants",
                        "it grants a role that may read",
                    );
                }
                for role in &remade {
                    linked(
                        *role,
                        Kind::DefinerFunction,
                        Class::Grantable,
                        "makes a superuser, or gives a password or role, so one becomes",
                        "it changes what a role is or how it is entered",
                    );
                }
                if dynamic {
                    linked(
                        owner,
                        Kind::DefinerDynamic,
                        Class::Rows,
                        "runs what it is handed as its owner",
                        "it runs text that it is handed, as its owner",
                    );
                } else if hijacked {
                    linked(
                        owner,
                        Kind::SearchPath,
                        Class::Grantable,
                        "can be made to run the caller's code as its owner",
                        "its text uses names without their schema: a function or temporary relation of the caller's own is found first and runs as the owner",
                    );
                } else if let Some(own) = &own {
                    linked(
                        owner,
                        Kind::DefinerFunction,
                        Class::Grantable,
                        &format!("{own}, as its owner, which the caller may replace, so becomes"),
                        "it calls, reads or writes something of the caller's own: what the caller puts there runs as the owner",
                    );
                }
            }
        }
        found
    }

    /// The roles among those that a definer function's text grants which its owner may grant.
    fn given(&self, function: &Function, names: &[String]) -> Vec<RoleAt> {
        let Some(owner) = self.world.at(function.owner) else {
            return Vec::new();
        };
        let may = |role: &RoleAt| {
            let creates = self.world.role(owner).is_some_and(|role| role.create_role);
            self.world.superuser(owner)
                || creates
                    && self.world.version() < super::world::OPTIONS_SINCE
                    && !self.world.superuser(*role)
                || self
                    .world
                    .edges(owner, None)
                    .any(|edge| edge.to == *role && edge.admin)
        };
        let known = names
            .iter()
            .filter_map(|name| self.world.by_name.get(name.as_str()).copied());
        known.filter(may).collect()
    }

    /// Whether a role is one of these, or a member of one.
    fn is_named(&self, user: RoleAt, names: &[String]) -> bool {
        let mut roles = names
            .iter()
            .filter_map(|name| self.world.by_name.get(name.as_str()));
        roles.any(|role| self.member(user, *role))
    }

    /// Whom `user` becomes by a definer function whose text makes roles superusers, or gives them passwords.
    fn remade(&self, user: RoleAt, function: &Function, remade: &[Remade]) -> Vec<RoleAt> {
        let owner = self.world.at(function.owner);
        if !owner.is_some_and(|owner| self.world.superuser(owner)) {
            return Vec::new();
        }
        let becomes = |one: &Remade| match &one.role {
            None => self.superuser(),
            Some(name) => {
                let role = *self.world.by_name.get(name.as_str())?;
                match one.entered {
                    true => Some(role).filter(|role| *role != user),
                    false => self.superuser().filter(|_| self.member(user, role)),
                }
            }
        };
        let mut found: Vec<RoleAt> = remade.iter().filter_map(becomes).collect();
        found.dedup();
        found
    }

    /// Whether the owner of a function may put another body into it: that takes CREATE on its schema.
    pub(crate) fn replaces(&self, place: usize, user: RoleAt, function: &Function) -> bool {
        let schema = self.schema(place, function.schema);
        schema.is_some_and(|schema| self.may(place, user, &schema, 'C'))
    }

    /// Whether a definer function looks up names where `user` can put something.
    fn hijackable(&self, place: usize, user: RoleAt, function: &Function) -> bool {
        let Some(here) = self.place(place) else {
            return false;
        };
        let Some(meaning) = here.meanings.get(&function.oid) else {
            return false;
        };
        if !LOOKING_UP.contains(&function.language.as_str()) {
            return false;
        }
        let codes = here.contents.languages.iter().any(|language| {
            let target = self.other(
                &language.acl,
                Object::Language,
                language.owner,
                String::new(),
                String::new(),
            );
            language.trusted && self.may(place, user, &target, 'U')
        });
        if !codes {
            return false;
        }
        let right = |letter| {
            self.database(place)
                .is_some_and(|target| self.may(place, user, &target, letter))
        };
        match super::views::search_path(function.config.as_deref()) {
            None => {
                (meaning.bare_call || meaning.bare_relation) && self.creates_somewhere(place, user)
                    || meaning.bare_relation && right('T')
            }
            Some(path) => {
                let own_call = || {
                    meaning.calls.iter().any(|called| {
                        called.schema.is_none() && here.functions_named.contains_key(called.name.as_str())
                    })
                };
                let mine = |one: &String| {
                    // Within the function, that is its owner.
                    let schema = if one == "$user" {
                        self.world
                            .at(function.owner)
                            .map_or("", |owner| self.world.name(owner))
                    } else {
                        one
                    };
                    here.contents.schemas.iter().any(|known| {
                        known.name == schema
                            && self
                                .schema(place, known.oid)
                                .is_some_and(|target| self.may(place, user, &target, 'C'))
                    })
                };
                let creates = path.iter().any(mine);
                // An explicit pg_catalog is looked up in its turn: what stands before it hides the server's own functions.
                let catalog = path.iter().position(|one| one == "pg_catalog").unwrap_or(0);
                let hides = meaning.bare_call && path.iter().take(catalog).any(mine);
                hides
                    || creates && (meaning.bare_relation || own_call())
                    || meaning.bare_relation && right('T') && !path.iter().any(|one| one == "pg_temp")
            }
        }
    }
}
