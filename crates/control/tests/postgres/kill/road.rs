//! The road between control and PostgreSQL: it counts what is asked, and kills who asks, before the server sees a request or
//! after the server has done it and before the answer is read.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// When in a request's life its sender dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Moment {
    /// The server never sees it.
    Before,
    /// The server has done it, and nobody hears of it.
    After,
}

#[derive(Debug, Default)]
struct State {
    asked: Vec<String>,
    stop: Option<(usize, Moment)>,
    child: Option<Pid>,
    stopped: bool,
}

/// All doors lead over one road: requests are counted over all of them, from 1.
#[derive(Debug, Clone, Default)]
pub(crate) struct Road(Arc<Mutex<State>>);

/// A folder with a socket, and where it leads now.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) folder: PathBuf,
    to: Arc<Mutex<PathBuf>>,
}

impl Door {
    pub(crate) fn leads_to(&self, folder: &Path) {
        *self.to.lock().unwrap() = folder.to_owned();
    }
}

impl Road {
    pub(crate) fn door(&self, folder: PathBuf) -> Door {
        std::fs::create_dir_all(&folder).unwrap();
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).unwrap();
        let to = Arc::new(Mutex::new(PathBuf::new()));
        let (road, target) = (self.clone(), Arc::clone(&to));
        // It ends with the test's process: a listener has no other end here.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let target = target.lock().unwrap().join(".s.PGSQL.5432");
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(target)) else {
                    continue;
                };
                road.carry(client, server);
            }
        });
        Door { folder, to }
    }

    /// Counts anew; `stop` is the number of the request at which the child is killed.
    pub(crate) fn begin(&self, child: Option<u32>, stop: Option<(usize, Moment)>) {
        let child = child.map(|id| Pid::from_raw(i32::try_from(id).unwrap()).unwrap());
        *self.0.lock().unwrap() = State {
            stop,
            child,
            ..State::default()
        };
    }

    /// What was asked since, and whether the child was killed for it.
    pub(crate) fn end(&self) -> (Vec<String>, bool) {
        let state = std::mem::take(&mut *self.0.lock().unwrap());
        (state.asked, state.stopped)
    }

    fn carry(&self, client: UnixStream, server: UnixStream) {
        // The number of the answer that is held back, of this connection: the start-up's is the first.
        let held = Arc::new(AtomicUsize::new(0));
        let (road, to, from) = (
            self.clone(),
            server.try_clone().unwrap(),
            client.try_clone().unwrap(),
        );
        let holding = Arc::clone(&held);
        std::thread::spawn(move || {
            let _ = road.forth(&from, &to, &holding);
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
        let road = self.clone();
        std::thread::spawn(move || {
            let _ = road.back(&server, &client, &held);
            let _ = server.shutdown(Shutdown::Both);
            let _ = client.shutdown(Shutdown::Both);
        });
    }

    fn forth(
        &self,
        mut client: &UnixStream,
        mut server: &UnixStream,
        held: &AtomicUsize,
    ) -> std::io::Result<()> {
        server.write_all(&message(&mut client, 0)?)?;
        let mut answers = 1;
        let (mut kinds, mut texts) = (String::new(), BTreeMap::new());
        let mut text = String::new();
        loop {
            let bytes = message(&mut client, 1)?;
            kinds.push(char::from(bytes[0]));
            let strings: Vec<String> = bytes[5..]
                .split(|byte| *byte == 0)
                .map(|part| String::from_utf8_lossy(part).into_owned())
                .collect();
            match bytes[0] {
                b'Q' => text.clone_from(&strings[0]),
                b'P' => {
                    texts.insert(strings[0].clone(), strings[1].clone());
                    text.clone_from(&strings[1]);
                }
                // Portal, then statement.
                b'B' => text = texts.get(&strings[1]).cloned().unwrap_or_default(),
                _ => {}
            }
            if matches!(bytes[0], b'Q' | b'S') {
                answers += 1;
                match self.asked(format!("{} {text}", std::mem::take(&mut kinds))) {
                    Some(Moment::Before) => return self.kill(),
                    Some(Moment::After) => held.store(answers, Ordering::SeqCst),
                    None => {}
                }
                text.clear();
            }
            server.write_all(&bytes)?;
        }
    }

    fn back(
        &self,
        mut server: &UnixStream,
        mut client: &UnixStream,
        held: &AtomicUsize,
    ) -> std::io::Result<()> {
        let mut answers = 0;
        loop {
            let bytes = message(&mut server, 1)?;
            if bytes[0] == b'Z' {
                answers += 1;
                if answers == held.load(Ordering::SeqCst) {
                    return self.kill();
                }
            }
            client.write_all(&bytes)?;
        }
    }

    /// Counts a request, and says whether it is the last.
    fn asked(&self, text: String) -> Option<Moment> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(text);
        let number = state.asked.len();
        state
            .stop
            .filter(|(at, _)| *at == number)
            .map(|(_, moment)| moment)
    }

    fn kill(&self) -> std::io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.stopped = true;
        kill_process(state.child.expect("a child to be killed"), Signal::KILL)?;
        Ok(())
    }
}

/// A message with its type (of `kind` bytes) and length.
fn message(from: &mut &UnixStream, kind: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; kind + 4];
    from.read_exact(&mut bytes)?;
    let length = u32::from_be_bytes(bytes[kind..].try_into().unwrap());
    let rest = usize::try_from(length).unwrap() - 4;
    bytes.resize(kind + 4 + rest, 0);
    from.read_exact(&mut bytes[kind + 4..])?;
    Ok(bytes)
}
