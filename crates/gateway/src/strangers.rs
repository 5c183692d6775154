//! Connections that have not logged in yet: how many there may be, in all and from one address, so that a flood takes neither
//! memory nor descriptors from partners at work, and one address does not take the others' way in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::limits::{UNAUTHENTICATED, UNAUTHENTICATED_FROM_ONE};

/// Where connections come from, as far as one machine can be told from another: an IPv4 address, or the /64 that an IPv6
/// address is in, since whoever has one has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Source(IpAddr);

impl Source {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            short => Self(short),
        }
    }
}

/// Those who are in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strangers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    /// The last one has gone.
    gone: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    all: usize,
    from: HashMap<Source, usize>,
}

/// One of them; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Stranger {
    strangers: Strangers,
    from: Source,
}

impl Strangers {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one in, if there is room.
    pub(crate) fn enter(&self, from: Source) -> Option<Stranger> {
        let mut inner = self.inner();
        let theirs = inner.from.get(&from).copied().unwrap_or(0);
        if inner.all >= UNAUTHENTICATED || theirs >= UNAUTHENTICATED_FROM_ONE {
            return None;
        }
        inner.all = inner.all.saturating_add(1);
        inner.from.insert(from, theirs.saturating_add(1));
        drop(inner);
        Some(Stranger {
            strangers: self.clone(),
            from,
        })
    }

    /// Waits until none is left; new ones may come meanwhile. Cancel safe.
    pub(crate) async fn gone(&self) {
        loop {
            let gone = self.0.gone.notified();
            if self.inner().all == 0 {
                return;
            }
            gone.await;
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut inner = self.strangers.inner();
        inner.all = inner.all.saturating_sub(1);
        match inner.from.get_mut(&self.from) {
            Some(theirs) if *theirs > 1 => *theirs = theirs.saturating_sub(1),
            _ => drop(inner.from.remove(&self.from)),
        }
        if inner.all == 0 {
            self.strangers.0.gone.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap())
    }

    #[test]
    fn one_address_leaves_room_for_others_and_all_together_have_a_bound() {
        let strangers = Strangers::default();
        let enter = |from: &str| strangers.enter(source(from));
        let mut flood: Vec<_> = (0..UNAUTHENTICATED_FROM_ONE)
            .map(|_| enter("192.0.2.1").unwrap())
            .collect();
        assert!(enter("192.0.2.1").is_none());
        assert!(enter("::ffff:192.0.2.1").is_none(), "the same in other words");
        drop(enter("192.0.2.2").unwrap());
        flood.pop();
        drop(enter("192.0.2.1").unwrap());
        let others = (0..).map(|last| source(&format!("198.51.{}.{}", last / 256, last % 256)));
        let more: Vec<_> = others.map_while(|from| strangers.enter(from)).collect();
        assert_eq!(flood.len() + more.len(), UNAUTHENTICATED);
        drop((flood, more));
        assert_eq!(strangers.inner().all, 0);
        assert!(strangers.inner().from.is_empty());
    }

    #[test]
    fn addresses_of_one_network_of_64_bits_are_one() {
        assert_eq!(source("2001:db8:0:1::5"), source("2001:db8:0:1:ffff::9"));
        assert_ne!(source("2001:db8:0:1::5"), source("2001:db8:0:2::5"));
    }
}
