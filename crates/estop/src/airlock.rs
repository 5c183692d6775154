//! The airlocks of an estate: one small PostgreSQL cluster for each partner whose shares are isolated so, made, watched
//! and started again by a thread of its own.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use control::Served;
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
use supervisor::{Now, Order, Ordered};

/// The file in the state folder's `airlock` that says where the clusters are, if they cannot be there.
const PLACE: &str = "place";

/// Where clusters are that cannot be in the state folder. Not a folder for temporary files: what nobody reads for weeks is
/// removed there, and a server needs it.
const ELSEWHERE: &str = "/var/lib/estop";

/// Connections beyond those of agreements: control's own, and some to spare.
const CONNECTIONS_TO_SPARE: u32 = 8;

/// Most connections of one airlock, whatever agreements say: each takes memory before it does anything.
const CONNECTIONS_MAX: u32 = 500;

/// The clusters at work. Ended or dropped, they shut down.
#[derive(Debug)]
pub struct Airlocks {
    ground: Ground,
    ways: Mutex<Ways>,
    /// How the memory of each is bounded, for the operator.
    memory: String,
    thread: Mutex<Option<Thread>>,
}

/// Partners whose cluster is up again after it had ended.
pub type Restarted = UnboundedReceiver<PartnerId>;

/// What clusters are made with, and where.
#[derive(Debug)]
struct Ground {
    binaries: Binaries,
    account: Account,
    groups: Result<Groups, String>,
    top: PathBuf,
    /// The folder of all clusters, and the file that names it, if it is not in the state folder: gone when they end.
    elsewhere: Option<(PathBuf, PathBuf)>,
}

/// The ways to the clusters.
#[derive(Debug, Default)]
struct Ways {
    /// Control's way to each.
    urls: BTreeMap<PartnerId, Zeroizing<String>>,
    /// The gateway's way to each.
    servers: BTreeMap<PartnerId, Upstream>,
    /// What was asked of each last.
    wanted: BTreeMap<PartnerId, Wanted>,
    /// Held open where a socket's path leads through it.
    folders: BTreeMap<PartnerId, fs::File>,
}

/// The thread that starts the clusters. They end with it, and it ends when nobody can give it orders.
#[derive(Debug)]
struct Thread {
    orders: mpsc::Sender<Ordered>,
    handle: thread::JoinHandle<()>,
}

fn failed(error: &PostgresError) -> Failure {
    Failure::from_error(Exit::Absent, error)
        .help("upstreams with `isolation = \"airlock\"` need PostgreSQL's server programs on this machine")
}

impl Airlocks {
    /// Makes and starts what the estate asks for; nothing if no upstream is isolated so. Blocks until all are ready.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or a cluster does not start.
    pub fn start(loaded: &Loaded) -> Result<Option<(Self, Restarted)>, Failure> {
        if !is_asked_for(&loaded.estate) {
            return Ok(None);
        }
        let account = Account::choose().map_err(|error| failed(&error))?;
        let home = loaded.state().airlock();
        let top = place(&home, &account)?;
        let groups = Groups::take();
        let (orders, ordered) = mpsc::channel();
        let (tell, restarted) = unbounded_channel();
        let handle = thread::Builder::new()
            .name("airlocks".to_owned())
            .spawn(move || supervisor::watch(&tell, &ordered))
            .map_err(|error| Failure::absent("cannot start a thread").because(&error))?;
        let airlocks = Self {
            memory: bounded_by(&loaded.estate, groups.as_ref().err()),
            ground: Ground {
                binaries: Binaries::find().map_err(|error| failed(&error))?,
                account,
                groups,
                elsewhere: (top != home).then(|| (top.clone(), home.join(PLACE))),
                top,
            },
            ways: Mutex::default(),
            thread: Mutex::new(Some(Thread { orders, handle })),
        };
        airlocks.extend(&loaded.estate)?;
        Ok(Some((airlocks, restarted)))
    }

    /// Makes and starts what an estate asks for beside what there is. Whose cluster there is keeps it, and all it finds by it.
    /// Blocks until all are ready.
    ///
    /// # Errors
    /// A cluster does not start.
    pub fn extend(&self, estate: &Estate) -> Result<(), Failure> {
        for (partner, mut wanted) in wanted(estate)? {
            let before = self.ways().wanted.get(&partner).cloned();
            if let Some(before) = before {
                let known =
                    |section: &String| wanted.services.iter().any(|new| name_of(new) == name_of(section));
                let kept: Vec<String> = before.services.into_iter().filter(|one| !known(one)).collect();
                wanted.services.extend(kept);
                self.order(Order::Want(partner.clone(), wanted.clone(), Now::No))?;
                self.ways().wanted.insert(partner, wanted);
            } else {
                self.take(partner, wanted)?;
            }
        }
        Ok(())
    }

    /// Forgets the ways to the clusters of partners for whom an estate asks for none. Whether there were any.
    ///
    /// # Errors
    /// What the estate asks for cannot be told.
    pub fn forget(&self, estate: &Estate) -> Result<bool, Failure> {
        let wanted = wanted(estate)?;
        let mut ways = self.ways();
        let before = ways.urls.len();
        ways.urls.retain(|partner, _| wanted.contains_key(partner));
        ways.servers.retain(|partner, _| wanted.contains_key(partner));
        Ok(ways.urls.len() < before)
    }

    /// Ends the clusters of partners for whom an estate asks for none, and makes the others as it asks. Blocks until they have
    /// ended.
    ///
    /// # Errors
    /// A cluster does not start again.
    pub fn settle(&self, estate: &Estate) -> Result<(), Failure> {
        let wanted = wanted(estate)?;
        let there: Vec<PartnerId> = self.ways().wanted.keys().cloned().collect();
        for partner in there {
            match wanted.get(&partner) {
                Some(wanted) => {
                    self.order(Order::Want(partner.clone(), wanted.clone(), Now::Yes))?;
                    self.ways().wanted.insert(partner, wanted.clone());
                }
                None => {
                    self.order(Order::Remove(partner.clone()))?;
                    let mut ways = self.ways();
                    ways.wanted.remove(&partner);
                    ways.folders.remove(&partner);
                }
            }
        }
        Ok(())
    }

    fn take(&self, partner: PartnerId, wanted: Wanted) -> Result<(), Failure> {
        let Ground {
            binaries,
            account,
            groups,
            top,
            ..
        } = &self.ground;
        let (folder, bytes) = (top.join(partner.as_str()), wanted.memory);
        let mut cluster =
            Cluster::prepare(binaries, account, &folder, wanted.clone()).map_err(|error| failed(&error))?;
        if let Ok(groups) = groups {
            let group = groups.group(partner.as_str(), bytes);
            cluster.keep_in(group.map_err(|error| {
                Failure::absent("a cgroup for an airlock cannot be made").because(&error)
            })?);
        }
        let (socket, held) = short(&cluster.socket())?;
        let url = cluster.url(&socket);
        // What takes longest is done here, so that the others are looked after meanwhile.
        cluster.make_ready().map_err(|error| failed(&error))?;
        self.order(Order::Take(partner.clone(), Box::new(cluster)))?;
        let mut ways = self.ways();
        ways.folders.extend(held.map(|held| (partner.clone(), held)));
        ways.urls.insert(partner.clone(), url);
        let dir = socket;
        ways.servers
            .insert(partner.clone(), Upstream::Unix { dir, port: PORT });
        ways.wanted.insert(partner, wanted);
        Ok(())
    }

    fn order(&self, order: Order) -> Result<(), Failure> {
        let (tell, done) = mpsc::channel();
        let ended = || Failure::absent("the airlocks' thread has ended");
        {
            let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            let thread = thread.as_ref().ok_or_else(ended)?;
            thread.orders.send((order, tell)).map_err(|_| ended())?;
        }
        match done.recv() {
            Ok(done) => done.map_err(|error| failed(&error)),
            Err(_) => Err(ended()),
        }
    }

    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Control's way to each partner's cluster.
    #[must_use]
    pub fn urls(&self) -> BTreeMap<PartnerId, Zeroizing<String>> {
        self.ways().urls.clone()
    }

    /// The gateway's way to each partner's cluster.
    #[must_use]
    pub fn servers(&self) -> BTreeMap<PartnerId, Upstream> {
        self.ways().servers.clone()
    }

    /// How the memory of each is bounded, in one line for the operator.
    #[must_use]
    pub fn memory(&self) -> &str {
        &self.memory
    }

    /// Ends all of them. Blocks until they have.
    pub fn end(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Thread { orders, handle }) = thread else {
            return;
        };
        drop(orders);
        // It ends when every server has, which is bounded.
        let _ = handle.join();
        self.ways().folders.clear();
        if let Some((folder, note)) = &self.ground.elsewhere {
            // What is left of it is taken up, or left alone, at the next start.
            let _ = fs::remove_dir_all(folder);
            let _ = fs::remove_file(note);
        }
    }
}

impl Drop for Airlocks {
    fn drop(&mut self) {
        self.end();
    }
}

/// The name in the first line of a section.
fn name_of(section: &str) -> &str {
    section.lines().next().unwrap_or_default()
}

/// Whether any upstream is isolated by airlocks.
fn is_asked_for(estate: &Estate) -> bool {
    let mut upstreams = estate.upstreams().values();
    upstreams.any(|upstream| upstream.isolation == Isolation::Airlock)
}

/// Has control make again what is missing in the airlocks: at the start, and whenever one was started again. Never ends by
/// itself.
pub(crate) async fn keep_restored(mut restarted: Restarted, served: Served) {
    /// Between two attempts, while an upstream cannot be reached.
    const AGAIN: Duration = Duration::from_secs(1);
    loop {
        let mut told = false;
        while let Err(error) = served.standing().restore_airlocks().await {
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
        if restarted.recv().await.is_none() {
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
