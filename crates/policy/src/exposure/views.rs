//! What the text and options of a view or function say: counts alone, no row for who asks, whose rights, which schemas.

use super::condition::{Who, view_gives};
use super::nodes::Node;
use super::rights::Rights;
use super::snapshot::{Function, Relation, Rule};
use super::source::Meaning;
use super::world::RoleAt;

/// Whether a view of aggregates gives nothing but counts.
pub(crate) fn only_counts(rule: &Rule) -> bool {
    let Some(text) = &rule.text else { return false };
    super::source::meaning(text).counts
}

impl Rights<'_, '_> {
    /// The view on the way to the target that gives `current` no row whatever rows there are, where `session` logged in.
    pub(crate) fn empty_view<'n>(
        &self,
        node: &'n Node,
        current: Option<RoleAt>,
        session: Option<&str>,
    ) -> Option<&'n str> {
        let has = self.has_roles(current);
        let who = Who {
            current: current.map(|at| self.world.name(at)),
            session,
            has: Some(&has),
        };
        node.views
            .iter()
            .find(|(_, text)| view_gives(text, who) == Some(false))
            .map(|(title, _)| title.as_str())
    }
}

impl Rights<'_, '_> {
    /// Whether a materialized view that reads a node can hold rows of it, and what is uncertain about that.
    pub(crate) fn filled(&self, rule: &Rule, view: &Relation, node: &Node) -> Option<Option<&'static str>> {
        let owner = self.world.at(view.owner);
        let has = self.has_roles(owner);
        let who = Who {
            current: owner.map(|at| self.world.name(at)),
            session: None,
            has: Some(&has),
        };
        let empty = rule.text.as_deref().and_then(|text| view_gives(text, who)) == Some(false);
        if empty || self.empty_view(node, owner, None).is_some() {
            return None;
        }
        let fills = owner.is_some_and(|owner| self.reads_for(node, owner, Some(owner)));
        Some(
            (!fills)
                .then_some("its owner could not fill it today: what it holds, if anything, is from before"),
        )
    }
}

/// Whether a view reads with the rights of who asks.
pub(crate) fn invoker(view: &Relation) -> bool {
    let on = |value: &str| {
        let value = value.to_lowercase();
        ["true", "yes"]
            .iter()
            .any(|word| !value.is_empty() && word.starts_with(&value))
            || ["on", "1"].contains(&value.as_str())
    };
    let mut options = view.options.iter().flatten();
    options.any(|option| option.strip_prefix("security_invoker=").is_some_and(on))
}

impl Rights<'_, '_> {
    /// The schemas in which the names in a function's text are looked up; none where that is not fixed.
    pub(crate) fn looks_in(&self, function: &Function, meaning: Option<&Meaning>) -> Option<Vec<String>> {
        if meaning.is_some_and(|meaning| meaning.sets_path) {
            return None;
        }
        let path = search_path(function.config.as_deref())?;
        let owner = self.world.at(function.owner).filter(|_| function.definer);
        Some(
            path.into_iter()
                .map(|one| match owner {
                    Some(owner) if one == "$user" => self.world.name(owner).to_owned(),
                    _ => one,
                })
                .collect(),
        )
    }
}

/// The schemas of a function's own `search_path`, where it has one.
pub(crate) fn search_path(config: Option<&[String]>) -> Option<Vec<String>> {
    let set = config?
        .iter()
        .find_map(|setting| setting.strip_prefix("search_path="))?;
    Some(schemas(set))
}

/// The names in a list of schemas as PostgreSQL prints it: in double quotes where they must be.
pub(crate) fn schemas(list: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut name = String::new();
    let mut quoted = false;
    let mut letters = list.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(std::mem::take(&mut name)),
            letter if letter.is_whitespace() && !quoted => {}
            letter => name.push(letter),
        }
    }
    found.push(name);
    found.retain(|one| !one.is_empty());
    found
}
