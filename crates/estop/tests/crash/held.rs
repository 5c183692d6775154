//! A ledger that another process still holds.

use std::fs;
use std::process::Stdio;

use super::World;
use crate::stage::wait_for;

/// A process that was killed keeps its ledger until the kernel has taken all of it down, which can take a moment.
#[test]
fn a_ledger_that_is_still_held_is_waited_for_and_not_for_ever() {
    let world = World::set_in("in-place");
    let held = fs::File::options()
        .write(true)
        .open(world.state().join("ledger/lock"))
        .unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let errors = world.folder().join("errors");
    let mut command = world.command(&[], &["serve"]);
    let mut waiting = command
        .stdout(Stdio::null())
        .stderr(fs::File::create(&errors).unwrap())
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(&errors).unwrap();
    wait_for("`serve` to say that it waits", || {
        said().contains("is in use by another process; waiting up to 10 s")
    });
    assert_eq!(waiting.try_wait().unwrap(), None, "{}", said());
    drop(held);
    let lock = fs::File::options()
        .write(true)
        .open(world.state().join("ledger/lock"))
        .unwrap();
    let taken = || rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err();
    wait_for("`serve` to take it", || {
        let taken = taken();
        if !taken {
            rustix::fs::flock(&lock, rustix::fs::FlockOperation::Unlock).unwrap();
        }
        taken
    });
    // One that lives is not waited for longer than that.
    let output = world.command(&[], &["serve"]).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("is in use by another process"), "{text}");
    assert_eq!(waiting.try_wait().unwrap(), None, "{}", said());
    waiting.kill().unwrap();
    waiting.wait().unwrap();
}
