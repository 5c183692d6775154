//! Claims over many permits, cut into slices: solvers take much longer for two hundred permits at once than for ten times twenty.
//!
//! What a set permits is what its permits permit one by one, less what its forbids forbid. So it implies another set, or is
//! disjoint from it, exactly if each slice of its permits is, with all forbids. Of permits that are alike but for names
//! (`alike`) one is asked about.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};

use crate::alike;
use crate::case::only;
use crate::said::Sayings;
use crate::stated::{Asked, forbids_stand, texts};
use crate::symbolic::Asks;

/// Permits of a slice: about where both solvers take as long to start as to answer.
pub(crate) const PERMITS: usize = 24;

/// The name of a permit of everything, which stands for whatever permits there are. No policy of an estate is called so.
pub(crate) const ANY: &str = "*";

/// Permits of the right that are about no agreement alone, of which it is looked whether one of the left states them: guardrails'
/// exceptions are fewer.
const LOOSE: usize = 64;

/// A part of a claim.
#[derive(Debug)]
pub(crate) struct Slice {
    /// What it is called, if it is not the whole.
    pub(crate) name: Option<String>,
    /// A part of the permits of the left, and its forbids.
    pub(crate) left: PolicySet,
    /// The right, as far as it can matter.
    pub(crate) right: PolicySet,
    /// How many permits of the left are not in it because they are like one of its own.
    pub(crate) alike: usize,
}

/// The slices of a claim that whatever the left permits the right permits, and how many permits of the left are in none, since a
/// permit of the right is stated by each (`stated`).
pub(crate) fn slices_implied(
    left: (&PolicySet, &Sayings),
    right: (&PolicySet, &Sayings),
    exchangeable: bool,
) -> (Vec<Slice>, usize) {
    let all = permits(left.0);
    let open = unstated(&all, left, right);
    let stated = all.len() - open.len();
    let slices = match (stated, open.as_slice()) {
        (0, _) => slices(left, right, exchangeable),
        // Nothing is permitted by what is left of the left.
        (_, []) => vec![whole(&only(left.0, &[]), &only(right.0, &[]))],
        _ => cut(left, right, &open, exchangeable),
    };
    (slices, stated)
}

/// The permits that state no permit of the right.
fn unstated<'a>(
    permits: &[&'a Policy],
    left: (&PolicySet, &Sayings),
    right: (&PolicySet, &Sayings),
) -> Vec<&'a Policy> {
    if !forbids_stand(left, right) {
        return permits.to_vec();
    }
    let same = texts(right.0);
    let others = permits
        .iter()
        .copied()
        .filter(|permit| !same.contains(&permit.to_string()));
    let others: Vec<&Policy> = others.collect();
    if others.is_empty() {
        return others;
    }
    let by_agreement = Right::of(right.0, right.1);
    let states = |permit: &&Policy| {
        let said = left.1.get(permit.id())?;
        let asked = Asked::of(&said)?;
        let companions = by_agreement.companions(said.pin.as_deref())?.iter();
        let common = by_agreement.common.iter().take(LOOSE);
        companions
            .chain(common)
            .any(|other| right.1.get(other.id()).is_some_and(|other| asked.states(&other)))
            .then_some(())
    };
    others
        .into_iter()
        .filter(|permit| states(permit).is_none())
        .collect()
}

/// The slices of a claim. `exchangeable`: names may be exchanged for others.
pub(crate) fn slices(
    left: (&PolicySet, &Sayings),
    right: (&PolicySet, &Sayings),
    exchangeable: bool,
) -> Vec<Slice> {
    let permits = permits(left.0);
    if permits.len() <= PERMITS {
        return vec![whole(left.0, right.0)];
    }
    cut(left, right, &permits, exchangeable)
}

/// The slices of these permits of the left.
fn cut(
    (left, of_left): (&PolicySet, &Sayings),
    (right, of_right): (&PolicySet, &Sayings),
    permits: &[&Policy],
    exchangeable: bool,
) -> Vec<Slice> {
    let right = Right::of(right, of_right);
    let groups = groups((left, of_left), &right, permits, exchangeable);
    groups
        .chunks(PERMITS)
        .map(|chunk| {
            let ids: Vec<PolicyId> = chunk.iter().map(|group| group.permit.id().clone()).collect();
            Slice {
                name: named(&ids),
                left: only(left, &ids),
                right: right.beside(chunk.iter().map(|group| group.pin.as_deref())),
                alike: chunk.iter().map(|group| group.others).sum(),
            }
        })
        .collect()
}

/// A claim over a left with forbids as it would be if everything were permitted: where that holds, it holds whatever the permits
/// are, since a forbid forbids whatever they say. `None`: a claim of which that cannot be said, or that its forbids do not decide.
pub(crate) fn whatever_is_permitted(asks: Asks, left: &PolicySet, right: &PolicySet) -> Option<Slice> {
    let permits = permits(left);
    let right = match asks {
        Asks::Disjoint if forbids(left).next().is_some() => right.clone(),
        Asks::Equivalent if permits == self::permits(right) => forbids_alone(right)?,
        _ => return None,
    };
    (!permits.is_empty()).then_some(())?;
    Some(Slice {
        name: Some(ANY.to_owned()),
        left: forbids_alone(left)?,
        right,
        alike: permits.len(),
    })
}

/// The forbids of a set, and a permit of everything.
fn forbids_alone(set: &PolicySet) -> Option<PolicySet> {
    let any = Policy::parse(Some(PolicyId::new(ANY)), "permit (principal, action, resource);").ok()?;
    PolicySet::from_policies(forbids(set).cloned().chain([any])).ok()
}

/// The slices of a claim that two sets decide alike. With the same permits and other forbids they do exactly if each slice of the
/// permits does, with the forbids of either side; other sets are one slice.
pub(crate) fn slices_of_both(
    (left, of_left): (&PolicySet, &Sayings),
    (right, of_right): (&PolicySet, &Sayings),
    exchangeable: bool,
) -> Vec<Slice> {
    let permits = permits(left);
    if permits.len() <= PERMITS || permits != self::permits(right) {
        return vec![whole(left, right)];
    }
    let forbids = Right {
        whole: right,
        said: of_right,
        common: forbids(right).collect(),
        pinned: BTreeMap::new(),
    };
    let groups = groups((left, of_left), &forbids, &permits, exchangeable);
    groups
        .chunks(PERMITS)
        .map(|chunk| {
            let ids: Vec<PolicyId> = chunk.iter().map(|group| group.permit.id().clone()).collect();
            Slice {
                name: named(&ids),
                left: only(left, &ids),
                right: only(right, &ids),
                alike: chunk.iter().map(|group| group.others).sum(),
            }
        })
        .collect()
}

fn whole(left: &PolicySet, right: &PolicySet) -> Slice {
    Slice {
        name: None,
        left: left.clone(),
        right: right.clone(),
        alike: 0,
    }
}

fn forbids(set: &PolicySet) -> impl Iterator<Item = &Policy> {
    set.policies().filter(|policy| policy.effect() == Effect::Forbid)
}

/// The right, by what its permits are about.
struct Right<'a> {
    whole: &'a PolicySet,
    said: &'a Sayings,
    /// What may matter to whatever is on the left.
    common: Vec<&'a Policy>,
    /// Permits that have a say under one agreement only, by that, in the order of their names.
    pinned: BTreeMap<String, Vec<&'a Policy>>,
}

impl<'a> Right<'a> {
    fn of(whole: &'a PolicySet, said: &'a Sayings) -> Self {
        let mut right = Self {
            whole,
            said,
            common: forbids(whole).collect(),
            pinned: BTreeMap::new(),
        };
        for permit in permits(whole) {
            match said.get(permit.id()).and_then(|said| said.pin.clone()) {
                Some(agreement) => right.pinned.entry(agreement).or_default().push(permit),
                None => right.common.push(permit),
            }
        }
        right
    }

    /// Its permits that have a say under this agreement only. `None`: the left is not about one agreement, so all may matter.
    fn companions(&self, pin: Option<&str>) -> Option<&[&'a Policy]> {
        match pin {
            _ if self.pinned.is_empty() => Some(&[]),
            Some(agreement) => Some(self.pinned.get(agreement).map_or(&[], Vec::as_slice)),
            None => None,
        }
    }

    /// What of it can matter to permits that have a say under these agreements only. A permit under one agreement has nothing in
    /// common with a permit under another.
    fn beside<'p>(&self, pins: impl Iterator<Item = Option<&'p str>>) -> PolicySet {
        let pins: BTreeSet<Option<&str>> = pins.collect();
        let companions: Option<Vec<_>> = pins.into_iter().map(|pin| self.companions(pin)).collect();
        let Some(companions) = companions else {
            return self.whole.clone();
        };
        let kept = self.common.iter().chain(companions.into_iter().flatten());
        // Ids within one set differ already.
        PolicySet::from_policies(kept.map(|policy| (*policy).clone())).unwrap_or_else(|_| self.whole.clone())
    }
}

/// Permits that are alike but for names.
struct Group<'a> {
    /// The one that is asked about.
    permit: &'a Policy,
    /// The agreement under which alone it has a say.
    pin: Option<String>,
    /// How many others there are.
    others: usize,
}

/// The permits in groups, in the order of their first names. A permit goes by what it says together with what the right says
/// under its agreement; ids that nothing else names are free.
fn groups<'a>(
    (left, of_left): (&PolicySet, &Sayings),
    right: &Right<'_>,
    permits: &[&'a Policy],
    exchangeable: bool,
) -> Vec<Group<'a>> {
    let of_right = right.said;
    let fixed = match exchangeable {
        true => alike::named(
            forbids(left)
                .map(|policy| of_left.get(policy.id()))
                .chain(right.common.iter().map(|policy| of_right.get(policy.id()))),
        ),
        false => None,
    };
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for permit in permits {
        let said = of_left.get(permit.id());
        let pin = said.as_ref().and_then(|said| said.pin.clone());
        let form = fixed.as_ref().and_then(|fixed| {
            let companions = right.companions(pin.as_deref())?;
            let beside = companions.iter().map(|policy| of_right.get(policy.id()));
            alike::form(std::iter::once(said.clone()).chain(beside), fixed)
        });
        let known = form.as_ref().and_then(|form| places.get(form)).copied();
        match known.and_then(|place| groups.get_mut(place)) {
            Some(group) => group.others += 1,
            None => {
                if let Some(form) = form {
                    places.insert(form, groups.len());
                }
                groups.push(Group {
                    permit,
                    pin,
                    others: 0,
                });
            }
        }
    }
    groups
}

fn permits(set: &PolicySet) -> Vec<&Policy> {
    let permits = set.policies().filter(|policy| policy.effect() == Effect::Permit);
    let mut permits: Vec<&Policy> = permits.collect();
    permits.sort_by_cached_key(|policy| policy.id().to_string());
    permits
}

fn named(chunk: &[PolicyId]) -> Option<String> {
    match chunk {
        [] => None,
        [one] => Some(one.to_string()),
        [first, .., last] => Some(format!("{first} .. {last}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::said::OfText;

    fn sayings(set: &PolicySet) -> Sayings {
        Sayings(vec![Arc::new(OfText::new(set))])
    }

    fn sliced(left: &PolicySet, right: &PolicySet, exchangeable: bool) -> Vec<Slice> {
        slices((left, &sayings(left)), (right, &sayings(right)), exchangeable)
    }

    fn cut_both(left: &PolicySet, right: &PolicySet) -> Vec<Slice> {
        slices_of_both((left, &sayings(left)), (right, &sayings(right)), true)
    }

    fn set(text: &str) -> PolicySet {
        let parsed: PolicySet = text.parse().unwrap();
        let named = parsed
            .policies()
            .map(|policy| policy.new_id(PolicyId::new(policy.annotation("id").unwrap())));
        PolicySet::from_policies(named).unwrap()
    }

    fn ids(set: &PolicySet) -> Vec<String> {
        permits(set)
            .iter()
            .map(|policy| policy.id().to_string())
            .collect()
    }

    fn permit(id: usize, kind: usize) -> String {
        format!(
            "@id(\"p-{id:03}\") permit (principal, action, resource) when {{ context.agreement == Agreement::\"{id:03}\" && context.n < {kind} }};\n"
        )
    }

    #[test]
    fn one_of_those_that_are_alike_stands_for_them_and_all_are_counted() {
        // A hundred permits of 30 forms; one is named by the right, so it is like no other.
        let left = set(&(0..100).map(|id| permit(id, id % 30)).collect::<String>());
        let right = set(
            "@id(\"r\") permit (principal, action, resource) when { context.agreement != Agreement::\"077\" };",
        );
        let parts = sliced(&left, &right, true);
        let asked: Vec<String> = parts.iter().flat_map(|part| ids(&part.left)).collect();
        assert_eq!(asked.len(), 31, "{asked:?}");
        assert!(asked.contains(&"p-077".to_owned()));
        let alike: usize = parts.iter().map(|part| part.alike).sum();
        assert_eq!(asked.len() + alike, 100);
        let none: usize = sliced(&left, &right, false)
            .iter()
            .map(|part| ids(&part.left).len())
            .sum();
        assert_eq!(none, 100);
    }

    #[test]
    fn a_slice_keeps_of_the_right_what_can_matter_to_it() {
        let left = set(&(0..60).map(|id| permit(id, id)).collect::<String>());
        let loose = "@id(\"z\") permit (principal, action, resource) when { context.n < 3 };";
        let right = set(&format!(
            "{}{loose}",
            (0..60).map(|id| permit(id, 99)).collect::<String>()
        ));
        let parts = sliced(&left, &right, true);
        assert_eq!(parts.len(), 3);
        for part in &parts {
            let mut expected = ids(&part.left);
            expected.push("z".to_owned());
            assert_eq!(ids(&part.right), expected);
        }
    }

    #[test]
    fn what_the_right_says_under_the_same_agreement_tells_permits_apart() {
        // Fifty permits of one form; the right says one thing of 25 of them, another of the others, and nothing of the last.
        let left = set(&(0..50).map(|id| permit(id, 5)).collect::<String>());
        let right = set(&(0..49)
            .map(|id| permit(id, if id < 25 { 6 } else { 4 }))
            .collect::<String>());
        let parts = sliced(&left, &right, true);
        let asked: Vec<String> = parts.iter().flat_map(|part| ids(&part.left)).collect();
        assert_eq!(asked, ["p-000", "p-025", "p-049"]);
        assert_eq!(parts.iter().map(|part| part.alike).sum::<usize>(), 47);
        assert_eq!(ids(&parts[0].right), ["p-000", "p-025"]);
    }

    #[test]
    fn a_permit_that_is_not_about_one_agreement_is_held_against_the_whole() {
        let loose = "@id(\"z\") permit (principal, action, resource) when { context.n < 3 };";
        let left = set(&format!(
            "{}{loose}",
            (0..30).map(|id| permit(id, id)).collect::<String>()
        ));
        let right = set(&(0..60).map(|id| permit(id, 99)).collect::<String>());
        let parts = sliced(&left, &right, true);
        assert_eq!(ids(&parts[1].left).last().unwrap(), "z");
        assert_eq!(ids(&parts[1].right).len(), 60);
        assert_eq!(ids(&parts[0].right).len(), 24);
    }

    #[test]
    fn two_sets_are_cut_only_if_their_permits_are_the_same() {
        let text: String = (0..60).map(|id| permit(id, id % 30)).collect();
        let forbid = "@id(\"f\") forbid (principal, action, resource) when { context.agreement == Agreement::\"007\" };";
        let (left, right) = (set(&text), set(&format!("{text}{forbid}")));
        let parts = cut_both(&left, &right);
        assert_eq!(parts.len(), 2);
        for part in &parts {
            assert_eq!(ids(&part.left), ids(&part.right));
            assert_eq!(forbids(&part.left).count(), 0);
            assert_eq!(forbids(&part.right).count(), 1);
        }
        // One that the forbid names is like no other.
        let asked: Vec<String> = parts.iter().flat_map(|part| ids(&part.left)).collect();
        assert_eq!(asked.len(), 31);
        assert!(asked.contains(&"p-007".to_owned()) && asked.contains(&"p-037".to_owned()));
        let other = set(&format!("{text}{}", permit(60, 3)));
        let parts = cut_both(&left, &other);
        assert!(matches!(
            parts.as_slice(),
            [Slice {
                name: None,
                alike: 0,
                ..
            }]
        ));
    }
}
