//! Tables into which functions write what they read, where that can be read in its turn.

use super::nodes::resolve;
use super::rights::Rights;
use super::row_security::RowSecurity;
use super::snapshot::Function;
use super::source::Named;
use super::world::{Holder, Place, RoleAt};

impl<'s> Rights<'_, 's> {
    /// Tables into which a function writes and which `user` may read.
    pub(crate) fn sink(
        &self,
        place: usize,
        here: &Place<'s>,
        function: &Function,
        user: RoleAt,
    ) -> Option<String> {
        let meaning = here.meanings.get(&function.oid)?;
        let path = self.looks_in(function, Some(meaning));
        let mut written = meaning
            .writes
            .iter()
            .flat_map(|named| resolve(here, named.schema.as_deref(), &named.name, path.as_deref()));
        let readable = written.find(|relation| {
            self.selects(place, user, relation)
                && self.usage(place, user, relation.schema)
                && self.row_security(place, user, relation) != RowSecurity::Nothing
        });
        let made = || {
            let mut made = meaning.writes.iter();
            made.find(|named| self.makes_open(place, here, function, named, path.as_deref(), user))
        };
        readable
            .map(|relation| here.title(relation))
            .or_else(|| made().map(|named| named.name.clone()))
    }

    /// Whether a relation that is not there yet is open to `user` by default privileges when a definer function makes it.
    fn makes_open(
        &self,
        place: usize,
        here: &Place<'s>,
        function: &Function,
        named: &Named,
        path: Option<&[String]>,
        user: RoleAt,
    ) -> bool {
        if here.contents.defaults.is_empty() || !function.definer {
            return false;
        }
        let first =
            || path.and_then(|path| path.iter().find(|one| *one != "pg_temp" && *one != "pg_catalog"));
        let Some(schema) = named.schema.as_ref().or_else(first) else {
            return false;
        };
        let Some(schema) = here.contents.schemas.iter().find(|one| one.name == *schema) else {
            return false;
        };
        if !resolve(here, Some(&schema.name), &named.name, None).is_empty()
            || !self.usage(place, user, schema.oid)
        {
            return false;
        }
        let tree = self.tree(place, user);
        let of_owner = here.contents.defaults.iter().filter(|one| {
            one.role == function.owner && one.object == "r" && (one.schema == 0 || one.schema == schema.oid)
        });
        let mut entries = of_owner
            .flat_map(|one| one.acl.iter().flatten())
            .filter_map(|item| self.world.entry(item));
        entries.any(|entry| {
            let holds = match entry.holder {
                Holder::Public => true,
                Holder::Role(role) => tree.has(role),
            };
            holds && entry.rights.has('r')
        })
    }
}
