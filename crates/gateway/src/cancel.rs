//! Cancel requests: the gateway's own keys, and upstream's behind them.
//!
//! Upstream's key never reaches a client: with it, a partner could cancel around the gateway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::startup::{CancelKey, Version};

use crate::transport::Upstream;
use crate::upstream;

/// Bytes of the secret up to protocol 3.1.
const SECRET_BYTES: usize = 4;

/// Bytes of the secret from protocol 3.2 on; as many as PostgreSQL's.
const LONG_SECRET_BYTES: usize = 32;

/// The keys of all sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancels(Arc<Mutex<HashMap<u32, Entry>>>);

#[derive(Debug)]
struct Entry {
    ours: CancelKey,
    theirs: CancelKey,
    server: Upstream,
}

/// A session's key; dropping it makes the key worthless.
#[derive(Debug)]
pub(crate) struct Registered {
    cancels: Cancels,
    key: CancelKey,
}

impl Cancels {
    fn entries(&self) -> MutexGuard<'_, HashMap<u32, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a key for a session whose upstream key is `theirs`, for a client that speaks this minor version. `None`: no
    /// random bytes.
    pub(crate) fn register(&self, server: &Upstream, theirs: &CancelKey, minor: u16) -> Option<Registered> {
        const TRIES: usize = 64;
        let bytes = if minor >= Version::V3_2.minor {
            LONG_SECRET_BYTES
        } else {
            SECRET_BYTES
        };
        let mut entries = self.entries();
        for _ in 0..TRIES {
            let (mut pid, mut secret) = ([0u8; 4], [0u8; LONG_SECRET_BYTES]);
            getrandom::fill(&mut pid).ok()?;
            getrandom::fill(&mut secret).ok()?;
            let secret = secret.get(..bytes)?;
            // libpq and others read it as a positive 32-bit number.
            let pid = u32::from_be_bytes(pid) & 0x7fff_ffff;
            let ours = CancelKey::new(pid, secret)?;
            if pid != 0 && !entries.contains_key(&pid) {
                let entry = Entry {
                    ours: ours.clone(),
                    theirs: theirs.clone(),
                    server: server.clone(),
                };
                entries.insert(pid, entry);
                drop(entries);
                return Some(Registered {
                    cancels: self.clone(),
                    key: ours,
                });
            }
        }
        None
    }

    /// Passes a cancel request on, if its key is a session's. A wrong one is met with silence, as PostgreSQL does.
    pub(crate) async fn cancel(&self, key: &CancelKey) {
        let target = {
            let entries = self.entries();
            entries
                .get(&key.pid)
                .filter(|entry| entry.ours.matches(key))
                .map(|entry| (entry.server.clone(), entry.theirs.clone()))
        };
        if let Some((server, theirs)) = target {
            // Whether it came in time cannot be known, by the protocol: neither success nor failure is told.
            let _ = upstream::cancel(&server, &theirs).await;
        }
    }
}

impl Registered {
    pub(crate) fn key(&self) -> &CancelKey {
        &self.key
    }

    /// Cancels what the session itself is doing upstream.
    pub(crate) async fn cancel(&self) {
        self.canceling().await;
    }

    /// The same, for whoever does not wait here.
    pub(crate) fn canceling(&self) -> impl Future<Output = ()> + Send + 'static {
        let (cancels, key) = (self.cancels.clone(), self.key.clone());
        async move { cancels.cancel(&key).await }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.cancels.entries().remove(&self.key.pid);
    }
}
