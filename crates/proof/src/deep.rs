//! Room for what recurses: the encoder goes as deep as there are policies.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Scope, ScopedJoinHandle};

/// Most threads that read texts side by side.
const SIDE_BY_SIDE: usize = 4;

/// Stack of a thread that encodes: a few kilobytes for each policy of a set, and sets of more than ten thousand fit. Memory is
/// taken as it is used.
const STACK_BYTES: usize = 512 << 20;

/// Runs something on a thread with a deep stack, and waits for it. What it makes and cannot be dropped elsewhere, it must
/// drop.
///
/// # Errors
/// There is no such thread to be had, or it broke off.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| joined(thread(scope, work)?))
}

/// Does something to each item, as many at a time as there are processors, and waits for all. What comes of them is in the order of
/// the items.
///
/// # Errors
/// There is no such thread to be had, or one broke off.
pub(crate) fn for_each<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&I) -> T + Sync,
) -> Result<Vec<T>, String> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            match items.get(place) {
                Some(item) => done.push((place, work(item))),
                None => return done,
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(SIDE_BY_SIDE).min(items.len());
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| thread(scope, some)).collect();
        let done = threads.into_iter().map(|thread| joined(thread?));
        done.collect::<Result<Vec<Vec<(usize, T)>>, String>>()
    })?;
    let mut done: Vec<(usize, T)> = done.into_iter().flatten().collect();
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, one)| one).collect())
}

fn thread<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, String> {
    std::thread::Builder::new()
        .name("encoder".to_owned())
        .stack_size(STACK_BYTES)
        .spawn_scoped(scope, work)
        .map_err(|error| error.to_string())
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> Result<T, String> {
    thread.join().map_err(|_| "the encoder broke off".to_owned())
}
