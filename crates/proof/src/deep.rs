//! Room for what recurses: the encoder goes as deep as there are policies.

/// Stack of a thread that encodes: a few kilobytes for each policy of a set, and sets of more than ten thousand fit. Memory is
/// taken as it is used.
const STACK_BYTES: usize = 512 << 20;

/// Runs something on a thread with a deep stack, and waits for it. What it makes and cannot be dropped elsewhere, it must
/// drop.
///
/// # Errors
/// There is no such thread to be had, or it broke off.
pub(crate) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("encoder".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|error| error.to_string())?;
        thread.join().map_err(|_| "the encoder broke off".to_owned())
    })
}
