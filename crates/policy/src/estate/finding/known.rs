//! What there is, where something refers to what is not there.

use std::fmt;

/// Most names a message lists.
const MAX_LISTED: usize = 12;

/// Most names that are looked at for one that could have been meant.
const MAX_LOOKED_AT: usize = 2_000;

/// Names that there are: some of them, and the one that was most likely meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    some: Vec<String>,
    more: bool,
    meant: Option<String>,
}

impl Known {
    /// The names there are, where `written` is not one of them.
    pub(crate) fn new<T: ToString>(written: &str, names: impl Iterator<Item = T>) -> Self {
        let names: Vec<String> = names.take(MAX_LOOKED_AT).map(|name| name.to_string()).collect();
        Self {
            meant: meant(written, names.iter().map(String::as_str)).map(str::to_owned),
            more: names.len() > MAX_LISTED,
            some: names.into_iter().take(MAX_LISTED).collect(),
        }
    }

    /// The one that was most likely meant.
    #[must_use]
    pub fn meant(&self) -> Option<&str> {
        self.meant.as_deref()
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.some.is_empty()
    }
}

impl fmt::Display for Known {
    /// `; there is ...`, or nothing where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "; there is ";
        for name in &self.some {
            write!(f, "{between}`{name}`")?;
            between = ", ";
        }
        f.write_str(if self.more { " and more" } else { "" })
    }
}

/// The name that a text was most likely meant to be: the nearest, if it is near.
pub(crate) fn meant<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let folded = written.to_lowercase().replace('_', "-");
    let count = folded.chars().count();
    // A slip of the hand in each three letters, at least one: `polise` for `police`, not `a` for `b`.
    let most = (count / 3).clamp(1, 4);
    names
        .filter(|name| name.len().abs_diff(written.len()) <= 8)
        .map(|name| {
            let distance = strsim::osa_distance(&folded, &name.to_lowercase().replace('_', "-"));
            (distance, name)
        })
        .filter(|(distance, name)| *distance <= most && *distance < name.chars().count())
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_meant_and_what_is_not_is_not() {
        let names = ["state-police", "federal-agency", "a"];
        let meant = |written: &str| meant(written, names.into_iter());
        assert_eq!(meant("state-polise"), Some("state-police"));
        assert_eq!(meant("State_Police"), Some("state-police"));
        assert_eq!(meant("statepolice"), Some("state-police"));
        assert_eq!(meant("university"), None);
        assert_eq!(meant("b"), None);
        assert_eq!(meant(""), None);
    }

    #[test]
    fn long_lists_are_cut() {
        let known = Known::new("x", (0..20).map(|n| format!("name-{n}")));
        let text = known.to_string();
        assert!(text.ends_with("`name-11` and more"), "{text}");
        assert_eq!(Known::new("x", std::iter::empty::<String>()).to_string(), "");
    }
}
