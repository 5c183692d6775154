//! A control group (cgroup v2) for each airlock, where this process may make one: the kernel's bound on all memory of a partner's
//! cluster, page cache and kernel memory included.
//!
//! Only in the part of the tree that was given to this process: one that systemd has marked as delegated, or the root of a
//! container's own namespace, or any that an ordinary account may write. Since a group with children has no processes of its
//! own, this process moves into a child first; where others share its group, nothing is done.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::memory::children;

/// The child group that this process moves into.
const OWN: &str = "estop";

/// The attributes by which systemd marks what it has given away.
const MARKS: [&str; 2] = ["user.delegate", "trusted.delegate"];

/// Where groups of airlocks are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Groups {
    folder: PathBuf,
}

/// One airlock's.
#[derive(Debug)]
pub(super) struct Group {
    folder: PathBuf,
}

impl Groups {
    /// Makes this process's group ready to have children with a bound of memory.
    ///
    /// # Errors
    /// In words, why it cannot be: for the operator.
    pub(super) fn take() -> Result<Self, String> {
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        let (folder, path) =
            own_folder(&own, &mounts).ok_or("this process is in no cgroup v2 that is mounted here")?;
        let marked = MARKS.iter().any(|mark| has_attribute(&folder, mark));
        let ordinary = !rustix::process::geteuid().is_root();
        if !(marked || ordinary || path == "/") {
            return Err(format!(
                "the cgroup {} is not delegated: `Delegate=yes` in the unit of `serve` does it",
                folder.display()
            ));
        }
        Self::prepare(folder, std::process::id())
    }

    /// The same in a folder of a group that has been chosen.
    fn prepare(folder: PathBuf, own: u32) -> Result<Self, String> {
        let failed = |doing: &str, error: io::Error| format!("{doing} in {}: {error}", folder.display());
        let list = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let has_memory = |name: &str| list(name).split_whitespace().any(|word| word == "memory");
        if !has_memory("cgroup.controllers") {
            return Err(format!("{} has no controller of memory", folder.display()));
        }
        if !has_memory("cgroup.subtree_control") {
            let inside = folder.join(OWN);
            let others = list("cgroup.procs");
            let own = own.to_string();
            if others.split_whitespace().any(|process| process != own) {
                return Err(format!("other processes are in {}", folder.display()));
            }
            make(&inside).map_err(|error| failed("a group cannot be made", error))?;
            fs::write(inside.join("cgroup.procs"), &own)
                .map_err(|error| failed("this process cannot be moved", error))?;
            fs::write(folder.join("cgroup.subtree_control"), "+memory")
                .map_err(|error| failed("memory cannot be bounded", error))?;
        }
        Ok(Self { folder })
    }

    /// A group for one airlock, with a bound in bytes. What an earlier process left of it is taken up.
    pub(super) fn group(&self, name: &str, bytes: u64) -> io::Result<Group> {
        let group = Group {
            folder: self.folder.join(format!("airlock-{name}")),
        };
        make(&group.folder)?;
        fs::write(group.folder.join("memory.max"), bytes.to_string())?;
        // Where there is no swap there is no such file.
        let _ = fs::write(group.folder.join("memory.swap.max"), "0");
        Ok(group)
    }
}

impl Group {
    /// Takes in a process that was just started, and what it has started since: what these start from now on is in it.
    pub(super) fn takes(&self, process: u32) -> io::Result<()> {
        let list = self.folder.join("cgroup.procs");
        fs::write(&list, process.to_string())?;
        for child in children(process) {
            match fs::write(&list, child.to_string()) {
                // It has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
                other => other?,
            }
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Not while a process is in it; then the next start takes it up.
        let _ = fs::remove_dir(&self.folder);
    }
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn has_attribute(folder: &Path, name: &str) -> bool {
    let mut value = [0_u8; 8];
    rustix::fs::getxattr(folder, name, &mut value).is_ok_and(|length| value.get(..length) == Some(b"1"))
}

/// The folder of this process's group in the tree of version 2, and its path as the kernel gives it: by `/proc/self/cgroup` and
/// `/proc/self/mountinfo` (cgroups(7), proc(5)).
fn own_folder(own: &str, mounts: &str) -> Option<(PathBuf, String)> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mounted = mounts.lines().find_map(|line| {
        // 30 24 0:26 /root /point options - cgroup2 source options
        let (before, after) = line.split_once(" - ")?;
        if after.split(' ').next()? != "cgroup2" {
            return None;
        }
        let mut words = before.split(' ').skip(3);
        let (root, point) = (words.next()?, words.next()?);
        let inside = if root == "/" {
            Some(path)
        } else {
            path.strip_prefix(root)
        };
        Some(Path::new(point).join(inside?.trim_start_matches('/')))
    })?;
    Some((mounted, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "24 1 0:22 / /sys rw - sysfs sysfs rw\n\
                          30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_own_group_is_found_by_what_is_mounted_where() {
        let unit = "0::/system.slice/estop.service\n";
        let found = own_folder(unit, MOUNTS).unwrap();
        assert_eq!(
            found,
            (
                PathBuf::from("/sys/fs/cgroup/system.slice/estop.service"),
                "/system.slice/estop.service".to_owned()
            )
        );
        // Both versions side by side: only the tree of version 2 counts.
        let mixed = "4:memory:/user\n1:name=systemd:/\n0::/\n";
        assert_eq!(
            own_folder(mixed, MOUNTS).unwrap().0,
            PathBuf::from("/sys/fs/cgroup/")
        );
        // A part of the tree, mounted elsewhere.
        let part = "30 24 0:26 /system.slice /groups rw - cgroup2 none rw\n";
        assert_eq!(
            own_folder(unit, part).unwrap().0,
            PathBuf::from("/groups/estop.service")
        );
        assert_eq!(own_folder("0::/other\n", part), None);
        assert_eq!(own_folder("4:memory:/user\n", MOUNTS), None);
        assert_eq!(own_folder(unit, "24 1 0:22 / /sys rw - sysfs sysfs rw\n"), None);
    }

    /// A folder with the files of a group. Plain files: what is written is what is tested.
    fn imitation(controllers: &str, processes: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("cgroup.controllers", controllers),
            ("cgroup.procs", processes),
            ("cgroup.subtree_control", ""),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn the_process_moves_out_of_the_way_and_each_airlock_has_its_bound() {
        let folder = imitation("cpu memory pids\n", "77\n");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let groups = Groups::prepare(folder.path().to_owned(), 77).unwrap();
        assert_eq!(read("estop/cgroup.procs"), "77");
        assert_eq!(read("cgroup.subtree_control"), "+memory");
        let group = groups.group("state-police", 512 << 20).unwrap();
        assert_eq!(read("airlock-state-police/memory.max"), "536870912");
        assert_eq!(read("airlock-state-police/memory.swap.max"), "0");
        let own = std::process::id();
        fs::write(group.folder.join("cgroup.procs"), "").unwrap();
        group.takes(own).unwrap();
        assert!(!read("airlock-state-police/cgroup.procs").is_empty());
    }

    #[test]
    fn nothing_is_done_where_it_cannot_be() {
        let none = imitation("cpu pids\n", "77\n");
        let said = Groups::prepare(none.path().to_owned(), 77).unwrap_err();
        assert!(said.contains("no controller of memory"), "{said}");
        let shared = imitation("memory\n", "76\n77\n");
        let said = Groups::prepare(shared.path().to_owned(), 77).unwrap_err();
        assert!(said.contains("other processes"), "{said}");
        assert!(!shared.path().join(OWN).exists());
    }

    /// On a real tree of version 2, if this machine lets us make a group there: processes are taken in, with their children,
    /// and the group is gone when it is dropped.
    #[test]
    fn a_process_and_its_children_are_taken_in() {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let Some((folder, _)) = own_folder(&own, &mounts) else {
            return;
        };
        let group = Group {
            folder: folder.join(format!("estop-test-{}", std::process::id())),
        };
        if make(&group.folder).is_err() {
            return;
        }
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "sleep 60 & wait"])
            .spawn()
            .unwrap();
        let began = crate::clock::monotonic();
        while children(shell.id()).is_empty() && began.elapsed().as_secs() < 10 {
            std::thread::yield_now();
        }
        let sleeper = children(shell.id());
        let taken = group.takes(shell.id());
        let inside = fs::read_to_string(group.folder.join("cgroup.procs")).unwrap();
        for process in &sleeper {
            let process = rustix::process::Pid::from_raw(*process).unwrap();
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        }
        shell.wait().unwrap();
        let folder = group.folder.clone();
        // The kernel forgets the dead a moment later.
        while fs::read_to_string(folder.join("cgroup.procs")).is_ok_and(|text| !text.is_empty()) {
            std::thread::yield_now();
        }
        drop(group);
        // A group that is a part of this machine's bounds may not take processes: then there was nothing to test.
        if taken.is_ok() {
            let mut expected: Vec<String> = sleeper.iter().map(ToString::to_string).collect();
            expected.push(shell.id().to_string());
            let found: Vec<&str> = inside.split_whitespace().collect();
            assert!(
                expected.iter().all(|process| found.contains(&process.as_str())),
                "{expected:?} in {found:?}"
            );
            assert!(!folder.exists());
        }
    }
}
