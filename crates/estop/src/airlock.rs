//! The airlocks of an estate: one small PostgreSQL cluster for each partner whose shares are isolated so, made, watched
//! and started again by a thread of its own.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use control::Control;
use evidence::id::PartnerId;
use gateway::Upstream;
use policy::estate::{Estate, Isolation, role_name};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zeroize::Zeroizing;

use crate::estate::Loaded;
use crate::failure::{Exit, Failure};
use crate::files::{self, FileError, Readers};
use crate::output::alarm;
use crate::postgres::{Account, Binaries, PostgresError};

mod cgroup;
mod cluster;
mod memory;
mod settings;
mod supervisor;

use cgroup::Groups;
use cluster::{Cluster, PORT, Wanted};

/// The file in the state folder's `airlock` that says where the clusters are, if they cannot be there.
const PLACE: &str = "place";

/// Where clusters are that cannot be in the state folder. Not a folder for temporary files: what nobody reads for weeks is
/// removed there, and a server needs it.
const ELSEWHERE: &str = "/var/lib/estop";

/// Connections beyond those of agreements: control's own, and some to spare.
const CONNECTIONS_TO_SPARE: u32 = 8;

/// Most connections of one airlock, whatever agreements say: each takes memory before it does anything.
const CONNECTIONS_MAX: u32 = 500;

/// The clusters at work. Dropped or stopped, they shut down.
#[derive(Debug)]
pub struct Airlocks {
    /// Control's way to each.
    urls: BTreeMap<PartnerId, Zeroizing<String>>,
    /// The gateway's way to each.
    servers: BTreeMap<PartnerId, Upstream>,
    /// Held open where a socket's path leads through it.
    folders: Vec<fs::File>,
    /// Partners whose cluster is up again after it had ended.
    restarted: UnboundedReceiver<PartnerId>,
    /// The folder of all clusters, and the file that names it, if it is not in the state folder: gone when they end.
    elsewhere: Option<(PathBuf, PathBuf)>,
    /// How the memory of each is bounded, for the operator.
    memory: String,
    stop: Option<mpsc::Sender<()>>,
    watching: Option<thread::JoinHandle<()>>,
}

impl Airlocks {
    /// Makes and starts what the estate asks for; nothing if no upstream is isolated so. Blocks until all are ready.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or a cluster does not start.
    pub fn start(loaded: &Loaded) -> Result<Option<Self>, Failure> {
        let wanted = wanted(&loaded.estate)?;
        if wanted.is_empty() {
            return Ok(None);
        }
        let failed = |error: &PostgresError| {
            Failure::from_error(Exit::Absent, error).help(
                "upstreams with `isolation = \"airlock\"` need PostgreSQL's server programs on this machine",
            )
        };
        let binaries = Binaries::find().map_err(|error| failed(&error))?;
        let account = Account::choose().map_err(|error| failed(&error))?;
        let top = place(&loaded.state().airlock(), &account)?;
        let groups = Groups::take();
        let mut clusters = Vec::new();
        let (mut urls, mut servers, mut folders) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (partner, wanted) in wanted {
            let folder = top.join(partner.as_str());
            let bytes = wanted.memory;
            let mut cluster =
                Cluster::prepare(&binaries, &account, &folder, wanted).map_err(|error| failed(&error))?;
            if let Ok(groups) = &groups {
                let group = groups.group(partner.as_str(), bytes);
                cluster.keep_in(group.map_err(|error| {
                    Failure::absent("a cgroup for an airlock cannot be made").because(&error)
                })?);
            }
            let (socket, held) = short(&cluster.socket())?;
            folders.extend(held);
            urls.insert(partner.clone(), cluster.url(&socket));
            servers.insert(
                partner.clone(),
                Upstream::Unix {
                    dir: socket,
                    port: PORT,
                },
            );
            clusters.push((partner, cluster));
        }
        let (stop, stopped) = mpsc::channel();
        let (tell, restarted) = unbounded_channel();
        let (ready, readied) = mpsc::channel();
        // The clusters end with the thread that started them.
        let watching = thread::Builder::new()
            .name("airlocks".to_owned())
            .spawn(move || supervisor::watch(clusters, &ready, &tell, &stopped))
            .map_err(|error| Failure::absent("cannot start a thread").because(&error))?;
        let home = loaded.state().airlock();
        let airlocks = Self {
            memory: bounded_by(&loaded.estate, groups.as_ref().err()),
            elsewhere: (top != home).then(|| (top, home.join(PLACE))),
            urls,
            servers,
            folders,
            restarted,
            stop: Some(stop),
            watching: Some(watching),
        };
        match readied.recv() {
            Ok(Ok(())) => Ok(Some(airlocks)),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(Failure::absent("the airlocks' thread has ended")),
        }
    }

    /// Control's way to each partner's cluster.
    #[must_use]
    pub fn urls(&self) -> BTreeMap<PartnerId, Zeroizing<String>> {
        self.urls.clone()
    }

    /// The gateway's way to each partner's cluster.
    #[must_use]
    pub fn servers(&self) -> BTreeMap<PartnerId, Upstream> {
        self.servers.clone()
    }

    /// How the memory of each is bounded, in one line for the operator.
    #[must_use]
    pub fn memory(&self) -> &str {
        &self.memory
    }

    /// Comes back when a cluster has been started again. Cancel safe.
    pub async fn restarted(&mut self) -> Option<PartnerId> {
        self.restarted.recv().await
    }
}

impl Drop for Airlocks {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(watching) = self.watching.take() {
            // It ends when every server has, which is bounded.
            let _ = watching.join();
        }
        self.folders.clear();
        if let Some((folder, note)) = self.elsewhere.take() {
            // What is left of it is taken up, or left alone, at the next start.
            let _ = fs::remove_dir_all(folder);
            let _ = fs::remove_file(note);
        }
    }
}

/// Holds the airlocks, and has control make again what is missing in them: at the start, and whenever one was started
/// again. Never ends by itself.
pub(crate) async fn keep_restored(mut airlocks: Airlocks, control: Control) {
    /// Between two attempts, while an upstream cannot be reached.
    const AGAIN: Duration = Duration::from_secs(1);
    loop {
        let mut told = false;
        while let Err(error) = control.restore_airlocks().await {
            if !told {
                alarm(&format!(
                    "the airlocks cannot be made whole, and it is tried again every {} s: {}",
                    AGAIN.as_secs(),
                    Failure::from_error(Exit::Absent, &error).line()
                ));
                told = true;
            }
            tokio::time::sleep(AGAIN).await;
        }
        if airlocks.restarted().await.is_none() {
            return std::future::pending().await;
        }
    }
}

fn bounded_by(estate: &Estate, no_groups: Option<&String>) -> String {
    let memory = estate.airlock().memory_mib;
    match no_groups {
        None => format!("{memory} MiB for each partner, by a cgroup"),
        Some(why) => {
            format!("{memory} MiB for each partner, by ending its largest sessions; no cgroup: {why}")
        }
    }
}

/// What is wanted of each partner's cluster: by the agreements whose data sets are in an upstream that is isolated so.
fn wanted(estate: &Estate) -> Result<BTreeMap<PartnerId, Wanted>, Failure> {
    let mut wanted: BTreeMap<PartnerId, Wanted> = BTreeMap::new();
    for agreement in estate.agreements().values() {
        for purpose in &agreement.purposes {
            let upstream = agreement.shares_for(purpose).find_map(|share| {
                let upstream = estate.upstreams().get(&estate.dataset_of(share)?.upstream)?;
                (upstream.isolation == Isolation::Airlock).then_some(upstream)
            });
            let Some(upstream) = upstream else { continue };
            let entry = wanted.entry(agreement.partner.clone()).or_default();
            entry.connections = entry.connections.saturating_add(agreement.limits.sessions);
            let name = role_name(&agreement.id, purpose);
            entry.services.push(settings::service(name.as_str(), upstream)?);
        }
    }
    for entry in wanted.values_mut() {
        entry.memory = u64::from(estate.airlock().memory_mib) << 20;
        entry.connections = entry
            .connections
            .saturating_add(CONNECTIONS_TO_SPARE)
            .min(CONNECTIONS_MAX);
    }
    Ok(wanted)
}

/// The folder of the clusters: in the state folder, or, where PostgreSQL's account cannot reach that (root's own), a
/// private one elsewhere, which the file `place` names.
fn place(home: &Path, account: &Account) -> Result<PathBuf, Failure> {
    private(home)?;
    let handed = |path: &Path| {
        account
            .takes(path)
            .map_err(|error| Failure::from_error(Exit::Absent, &error))
    };
    let parent = home.parent().unwrap_or(home);
    if account.reaches(parent) {
        handed(home)?;
        return Ok(home.to_owned());
    }
    let note = home.join(PLACE);
    if note.exists() {
        let known = PathBuf::from(files::read(&note, 4096)?);
        // Somebody else's folder in a place that everybody can write to is not taken.
        let ours = fs::symlink_metadata(&known)
            .is_ok_and(|meta| meta.is_dir() && meta.uid() == account.uid() && meta.mode() & 0o077 == 0);
        if ours && account.reaches(&known) {
            return Ok(known);
        }
        fs::remove_file(&note).map_err(|source| FileError::new("remove", &note, source))?;
    }
    let mut builder = tempfile::Builder::new();
    builder
        .prefix("airlock-")
        .permissions(Permissions::from_mode(0o700));
    let shared = Path::new(ELSEWHERE);
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(shared)
        .and_then(|()| builder.tempdir_in(shared))
        .map_err(|source| FileError::new("create a folder in", shared, source))?
        .keep();
    handed(&made)?;
    files::create(&note, &made.display().to_string(), Readers::Owner)?;
    Ok(made)
}

fn private(folder: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| FileError::new("create", folder, source).into())
}

/// A path of a folder that leaves room for a socket's name: its own, or one through the open folder (proc(5)).
fn short(folder: &Path) -> Result<(PathBuf, Option<fs::File>), Failure> {
    use std::os::fd::AsRawFd as _;
    let name = format!("/.s.PGSQL.{PORT}").len();
    if folder.as_os_str().len().saturating_add(name) <= crate::unix::SOCKET_PATH_MAX {
        return Ok((folder.to_owned(), None));
    }
    let held = fs::File::open(folder).map_err(|source| FileError::new("open", folder, source))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
    Ok((path, Some(held)))
}
