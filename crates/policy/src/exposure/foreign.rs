//! Ways out of a database and back into this cluster: foreign servers, user mappings, dblink.

use super::acl::Object;
use super::kinds::Kind;
use super::links::{Hold, Link, name};
use super::login::Door;
use super::rights::{Rights, Way};
use super::snapshot::{ForeignServer, Mapping, Oid};
use super::world::RoleAt;

/// The value of an option `name=value`.
pub(crate) fn option(options: Option<&[String]>, name: &str) -> Option<String> {
    options?
        .iter()
        .find_map(|option| option.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

/// Whom a foreign server's mapping makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// The place the server leads to.
    pub(crate) place: usize,
    /// As whom; none where that was not seen.
    pub(crate) user: Option<RoleAt>,
    /// Whose mapping it is: none for PUBLIC's.
    pub(crate) mapped: Option<RoleAt>,
    pub(crate) server: String,
}

/// The database of this cluster that a foreign server leads to, if it does.
pub(crate) fn leads_to(rights: &Rights<'_, '_>, place: usize, server: Oid) -> Option<String> {
    let here = rights.place(place)?;
    let server = here.contents.servers.iter().find(|one| one.oid == server)?;
    postgres(server).then_some(())?;
    let option = |name: &str| option(server.options.as_deref(), name);
    let ours = &rights.world.snapshot.server;
    // Several may be named: one after the other is tried.
    let port = option("port").unwrap_or_else(|| "5432".to_owned());
    let unnamed = option("port").is_none() && ours.port.is_empty();
    let ours_is_named = port.split(',').any(|one| one.trim() == ours.port);
    if !unnamed && !ours_is_named {
        return None;
    }
    if let Some(hosts) = option("host").or_else(|| option("hostaddr"))
        && !hosts
            .split(',')
            .any(|host| is_this_host(host.trim(), ours.sockets.as_deref()))
    {
        return None;
    }
    let named = option("dbname").filter(|name| !name.is_empty());
    named.or_else(|| {
        // A database that is named as who connects.
        let mappings = here
            .contents
            .mappings
            .iter()
            .filter(|one| one.server == server.oid);
        let mut users = mappings.filter_map(|one| one.user.clone());
        let databases = &rights.world.snapshot.databases;
        users.find(|user| databases.iter().any(|one| one.name == *user))
    })
}

fn postgres(server: &ForeignServer) -> bool {
    matches!(
        server.wrapper.as_str(),
        "postgres_fdw" | "postgres_fdw_handler" | "dblink_fdw"
    )
}

/// A host that means the machine itself. A socket folder counts where it is ours, or ours is not known: a relative one is taken
/// from the server's data folder, which is not told to everybody.
fn is_this_host(host: &str, sockets: Option<&str>) -> bool {
    let local = ["localhost", "127.0.0.1", "::1", "0.0.0.0", ""].contains(&host) || host.starts_with("127.");
    let ours = |one: &str| {
        let one = one.trim().trim_matches('"');
        one == host || !one.is_empty() && !one.starts_with(['/', '@'])
    };
    let folder = host.starts_with('/') && sockets.is_none_or(|sockets| sockets.split(',').any(ours));
    local || folder
}

impl Rights<'_, '_> {
    fn mapping(&self, place: usize, server: Oid, user: RoleAt) -> Option<&Mapping> {
        let mappings = &self.place(place)?.contents.mappings;
        let of = |role: Oid| {
            mappings
                .iter()
                .find(move |one| one.server == server && one.role == role)
        };
        of(self.world.role(user)?.oid).or_else(|| of(0))
    }

    /// Whom a foreign table makes of `user`, and whether that one reads the remote relation: an error says why not.
    pub(crate) fn remote(&self, place: usize, table: Oid, user: RoleAt) -> Result<Remote, String> {
        let here = self.place(place).ok_or("no such database")?;
        let table = here.index.foreign_table(table).ok_or("no foreign table")?;
        let remote = self.remote_of(place, table.server, user)?;
        let Some(remote_user) = remote.user else {
            return Ok(remote);
        };
        let there = self
            .place(remote.place)
            .ok_or("the database it leads to was not entered")?;
        if let Door::Shut(why) = self.door(remote.place, remote_user) {
            return Err(why);
        }
        let relation = here.relation(table.relation).ok_or("no relation")?;
        let schema = option(table.options.as_deref(), "schema_name")
            .unwrap_or_else(|| here.schema_name(relation.schema).to_owned());
        let remote_name =
            option(table.options.as_deref(), "table_name").unwrap_or_else(|| relation.name.clone());
        let reads = super::nodes::resolve(there, Some(&schema), &remote_name, None)
            .into_iter()
            .any(|relation| {
                self.usage(remote.place, remote_user, relation.schema)
                    && self.selects(remote.place, remote_user, relation)
            });
        if reads {
            Ok(remote)
        } else {
            Err(format!(
                "the mapping leads to {}, who may not read it",
                self.world.name(remote_user)
            ))
        }
    }

    /// Whom a foreign table makes of `user`, where that one gets in.
    pub(crate) fn mapped(&self, place: usize, table: Oid, user: RoleAt) -> Result<Remote, String> {
        let here = self.place(place).ok_or("no such database")?;
        let table = here.index.foreign_table(table).ok_or("no foreign table")?;
        let remote = self.remote_of(place, table.server, user)?;
        match remote.user.map(|role| self.door(remote.place, role)) {
            Some(Door::Shut(why)) => Err(why),
            _ => Ok(remote),
        }
    }

    /// Whom a server's mapping makes of `user`.
    pub(crate) fn remote_of(&self, place: usize, server: Oid, user: RoleAt) -> Result<Remote, String> {
        let database = leads_to(self, place, server).ok_or("it does not lead back into this cluster")?;
        let title = self
            .place(place)
            .and_then(|here| here.contents.servers.iter().find(|one| one.oid == server))
            .map(|server| server.name.clone())
            .unwrap_or_default();
        let mapping = self
            .mapping(place, server, user)
            .ok_or_else(|| format!("{} has no user mapping for server {title}", self.world.name(user)))?;
        // Without a superuser's rights, a password must be asked for and given.
        if mapping.seen && !mapping.password && !mapping.unchecked && !self.world.superuser(user) {
            return Err(format!(
                "the mapping of server {title} has no password, which only a superuser may go without"
            ));
        }
        let at = self
            .world
            .places
            .iter()
            .position(|place| place.database.name == database)
            .ok_or("the database it leads to was not entered")?;
        let remote_user = match &mapping.user {
            Some(user) => Some(
                *self
                    .world
                    .by_name
                    .get(user.as_str())
                    .ok_or("the mapping names a role that there is not")?,
            ),
            None if mapping.seen => self.superuser(),
            None => None,
        };
        let socket = self.place(place).and_then(|here| {
            let one = here.contents.servers.iter().find(|one| one.oid == server)?;
            let host = option(one.options.as_deref(), "host");
            Some(host.is_none_or(|host| host.is_empty() || host.starts_with('/')))
        });
        if let Some(remote_user) = remote_user
            && mapping.seen
            && !mapping.unchecked
            && !self.world.superuser(user)
            && !self.asks_password(at, remote_user, socket.unwrap_or_default())
        {
            return Err(format!(
                "the server asks {} for no password, which only a superuser may go without",
                self.world.name(remote_user)
            ));
        }
        Ok(Remote {
            place: at,
            user: remote_user,
            mapped: self.world.at(mapping.role),
            server: title,
        })
    }

    /// What a mapping is held by.
    pub(crate) fn mapping_link(&self, place: usize, user: RoleAt, remote: &Remote) -> Link {
        let whose = remote
            .mapped
            .map_or("PUBLIC".to_owned(), |at| name(self.world.name(at)));
        let who = remote
            .user
            .map_or("a role that was not seen", |at| self.world.name(at));
        let hold = Hold::Sql {
            place: Some(place),
            sql: format!("DROP USER MAPPING FOR {whose} SERVER {};", name(&remote.server)),
            breaks: Some(format!("all that {whose} reads by server {}", remote.server)),
        };
        let by = format!("user mapping of server {}, for {whose}", remote.server);
        let mut link = Link::new(self.world.name(user), who, &by, hold);
        if remote.mapped != Some(user) {
            // Another's mapping, or PUBLIC's, serves others too: it is closed by what the role itself holds.
            link.hold = Hold::Fixed;
        }
        link
    }

    /// Servers that `user` may use with statements of its own: by dblink, or by making foreign tables.
    pub(crate) fn servers(&self, place: usize, user: RoleAt) -> Vec<(Remote, Vec<Link>, Kind)> {
        let Some(here) = self.place(place) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for server in &here.contents.servers {
            let Ok(remote) = self.remote_of(place, server.oid, user) else {
                continue;
            };
            if remote.user == Some(user) {
                continue;
            }
            let target = self.other(
                &server.acl,
                Object::Server,
                server.owner,
                format!("FOREIGN SERVER {}", name(&server.name)),
                format!("foreign server {}", server.name),
            );
            let used = self.ways(place, user, &target, 'U').into_iter().next();
            let owned = || self.owned_table(place, user, server.oid);
            let (way, owned) = match (used, owned()) {
                (Some(way), owned) => (way, owned.is_some()),
                (None, Some(way)) => (way, true),
                (None, None) => continue,
            };
            // dblink asks non-superusers for a password, whatever the mapping says.
            let password = self
                .mapping(place, server.oid, user)
                .is_some_and(|mapping| mapping.password || !mapping.seen);
            let dblink = (password || self.world.superuser(user))
                && here.contents.functions.iter().any(|function| {
                    super::extensions::runs_remotely(function)
                        && self.may(place, user, &self.function(place, function), 'X')
                        && self.usage(place, user, function.schema)
                });
            let creates =
                server.wrapper.starts_with("postgres_fdw") && (owned || self.creates_somewhere(place, user));
            if !dblink && !creates && !self.shown_password(place, server, user) {
                continue;
            }
            let mut links = way.links;
            links.push(self.mapping_link(place, user, &remote));
            found.push((
                remote,
                links,
                if dblink { Kind::Dblink } else { Kind::UserMapping },
            ));
        }
        found
    }

    /// A foreign table of a server that `user` owns: its owner has it lead to another relation, and asks for no right on the server.
    fn owned_table(&self, place: usize, user: RoleAt, server: Oid) -> Option<Way> {
        let here = self.place(place)?;
        let tree = self.tree(place, user);
        let tables = here
            .contents
            .foreign_tables
            .iter()
            .filter(|one| one.server == server);
        let mut relations = tables.filter_map(|one| here.relation(one.relation));
        let (relation, owner) = relations.find_map(|relation| {
            let owner = self.world.at(relation.owner).filter(|owner| tree.has(*owner))?;
            Some((relation, owner)).filter(|_| self.usage(place, user, relation.schema))
        })?;
        let mut links = self.chain(&tree, owner);
        links.push(self.owner_link(place, owner, &self.relation(place, relation)));
        Some(Way {
            kind: Kind::Owner,
            links,
        })
    }

    /// Whether `pg_user_mappings` shows `user` the password of the mapping that it uses: its own, or PUBLIC's to the server's owner.
    fn shown_password(&self, place: usize, server: &ForeignServer, user: RoleAt) -> bool {
        let Some(mapping) = self.mapping(place, server.oid, user).filter(|one| one.password) else {
            return false;
        };
        let owner = self.world.at(server.owner);
        mapping.role != 0 || owner.is_some_and(|owner| self.tree(place, user).has(owner))
    }

    /// Whether `user` may create objects in some schema of a database.
    pub(crate) fn creates_somewhere(&self, place: usize, user: RoleAt) -> bool {
        let Some(here) = self.place(place) else {
            return false;
        };
        if let Some(known) = self.creating.borrow().get(&(place, user)) {
            return *known;
        }
        let tree = self.tree(place, user);
        let creates = self
            .database(place)
            .is_some_and(|target| self.may(place, user, &target, 'C'))
            || here.contents.schemas.iter().any(|schema| {
                self.world.superuser(user)
                    || self.schema_entries(place, schema).iter().any(|entry| {
                        entry.rights.has('C') && entry.holder.role().is_none_or(|role| tree.has(role))
                    })
            });
        self.creating.borrow_mut().insert((place, user), creates);
        creates
    }
}
