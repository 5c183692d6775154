//! A custodian with a database, an estate, two authorities, a ledger and a register.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use control::api::{ApprovalRequest, DirectiveDraft, DraftRequest, Outcome};
use control::{Config, Control, ControlError, Credential, Patience, UpstreamPlan};
use evidence::id::Custodian;
use evidence::note::SignerKey;
use evidence::record::Drained;
use jiff::Timestamp;
use ledger::register::{Register, SqliteRegister};
use ledger::{Clock, Draft, Ledger, OpenError};
use policy::estate::{Estate, Files, role_name};
use policy::in_force::InForce;
use proof::hold::{Prover, Proving};
use proof::solver::Programs;
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey};
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::server::{Server, connect, scratch};

/// Looks at a ledger that is in use, and the time between two.
const LOCK_LOOKS: u32 = 200;
const LOCK_LOOK: Duration = Duration::from_millis(10);

const SCRAM: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

pub(crate) const DATA: &str = "
revoke create on schema public from public;
create schema app;
create table app.people (id bigint primary key, name text not null, born date, sealed boolean not null, ssn text);
insert into app.people select i, 'Person ' || i, date '1980-01-01' + i, false, '000-' || i from generate_series(1, 5000) i;
insert into app.people values (90001, 'Zoe Hidden', '1999-09-09', true, '999-99-9999');
create role clerk login;
grant usage on schema app to clerk;
grant select on app.people to clerk;
";

#[derive(Debug)]
pub(crate) struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the test hands this clock in")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) ledger: Ledger,
    pub(crate) register: Arc<SqliteRegister>,
    pub(crate) server: Server,
    pub(crate) dir: TempDir,
}

pub(crate) fn files(url: &str) -> Files {
    let estop = format!(
        "[custodian]\nname = \"records.example.org\"\ntitle = \"Records\"\n\n[upstream.main]\nurl = \"{url}\"\n\
         isolation = \"in-place\"\n\n[gateway]\nlisten = \"127.0.0.1:6432\"\ntls_certificate = \"tls/cert.pem\"\n\
         tls_key = \"tls/key.pem\"\npublic_name = \"gateway.example.org\"\n\n[state]\ndir = \"state\"\n"
    );
    let people = "[dataset]\nid = \"people\"\nupstream = \"main\"\nrelation = \"app.people\"\nsubject_key = \"id\"\n\n\
         [columns]\nid = { type = \"bigint\" }\nname = { type = \"text\" }\nborn = { type = \"date\", optional = true }\n\
         sealed = { type = \"boolean\" }\nssn = { type = \"text\", optional = true }\n";
    let partner = |id: &str| {
        format!(
            "[partner]\nid = \"{id}\"\ntitle = \"{id}\"\n\n[[officer]]\nid = \"{id}.ada\"\nname = \"Ada\"\nscram = \"{SCRAM}\"\n"
        )
    };
    let agreement = |id: &str, partner: &str, purposes: &str, when: &str| {
        format!(
            "[agreement]\nid = \"{id}\"\npartner = \"{partner}\"\nlegal_basis = \"ISA\"\n\
             valid = {{ from = \"2018-06-01\", until = \"2099-05-31\" }}\npurposes = [{purposes}]\n\n[[share]]\n\
             dataset = \"people\"\ncolumns = [\"id\", \"name\", \"born\"]\nmask = {{ born = \"year\" }}\n\
             when = '{when}'\n\n[limits]\nsessions = 5\nstatement_seconds = 30\n"
        )
    };
    let entries = [
        ("estop.toml", estop),
        ("datasets/people.toml", people.to_owned()),
        ("partners/police.toml", partner("police")),
        ("partners/transit.toml", partner("transit")),
        (
            "agreements/police-2018.toml",
            agreement(
                "police-2018",
                "police",
                "\"investigation\", \"audit\"",
                "!resource.sealed",
            ),
        ),
        (
            "agreements/transit-2020.toml",
            agreement("transit-2020", "transit", "\"planning\"", "resource.id < 90000"),
        ),
        (
            "authorities/allowed_signers",
            ["mayor", "counsel"].map(signers_line).concat(),
        ),
    ];
    entries
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text))
        .collect::<BTreeMap<_, _>>()
}

/// A line of `allowed_signers`.
pub(crate) fn signers_line(name: &str) -> String {
    format!("{name} {}\n", key(name).public_key().to_openssh().unwrap())
}

fn key(name: &str) -> PrivateKey {
    let seed = evidence::hash::sha256(name.as_bytes()).0;
    PrivateKey::from(Ed25519Keypair::from_seed(&seed))
}

/// An armored signature by `name` over a directive of this custodian.
pub(crate) fn sign(name: &str, text: &str) -> String {
    let signature = key(name)
        .sign("directive@records.example.org", HashAlg::Sha512, text.as_bytes())
        .unwrap();
    format!("{}\n", signature.to_pem(LineEnding::LF).unwrap().trim_end())
}

pub(crate) fn signer() -> SignerKey {
    let custodian: Custodian = "records.example.org".parse().unwrap();
    SignerKey::generate([7; 32], custodian.key_name())
}

/// The role of a purpose.
pub(crate) fn role(agreement: &str, purpose: &str) -> String {
    role_name(&agreement.parse().unwrap(), &purpose.parse().unwrap())
        .as_str()
        .to_owned()
}

pub(crate) fn investigation() -> String {
    role("police-2018", "investigation")
}

/// A server with database `records`, and [`DATA`] in it.
pub(crate) async fn server_with_data(settings: &[(&'static str, &'static str)]) -> Server {
    let server = Server::start(settings).await;
    let admin = server.superuser("postgres").await;
    admin.batch_execute("create database records").await.unwrap();
    server
        .superuser("records")
        .await
        .batch_execute(DATA)
        .await
        .unwrap();
    server
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A world with a database and an approved estate, nothing applied.
    pub(crate) async fn with(settings: &[(&'static str, &'static str)]) -> Self {
        let world = Self::unapproved(settings).await;
        world.approve().await.unwrap();
        world
    }

    /// The same, and nobody has approved the estate.
    pub(crate) async fn unapproved(settings: &[(&'static str, &'static str)]) -> Self {
        let server = server_with_data(settings).await;
        let dir = scratch("estop-state-");
        let ledger = ledger_in(dir.path());
        let register = Arc::new(SqliteRegister::open(&dir.path().join("register.db")).unwrap());
        let control = control(&server, &ledger, &register);
        Self {
            control,
            ledger,
            register,
            server,
            dir,
        }
    }

    /// Both authorities approve the estate as it is served.
    pub(crate) async fn approve(&self) -> Result<Outcome, ControlError> {
        approve(&self.control).await
    }

    /// A world in which the estate is applied.
    pub(crate) async fn applied(settings: &[(&'static str, &'static str)]) -> Self {
        let world = Self::with(settings).await;
        world.control.apply(&[]).await.unwrap();
        world
    }

    /// A new control over the same state, as after a restart.
    pub(crate) fn restart(&mut self) {
        self.control = control(&self.server, &self.ledger, &self.register);
    }

    /// The same with other files, as somebody with an editor makes them.
    pub(crate) fn restart_with(&mut self, edit: impl FnOnce(&mut Files)) {
        let mut files = files(&self.server.url("records"));
        edit(&mut files);
        self.control = control_of(files, &self.ledger, &self.register);
    }

    /// The same, with other solvers.
    pub(crate) fn restart_proving(&mut self, edit: impl FnOnce(&mut Files), proving: Proving) {
        let mut files = files(&self.server.url("records"));
        edit(&mut files);
        self.control = control_proving(
            files,
            &BTreeMap::new(),
            &self.ledger,
            self.register.clone(),
            Arc::new(WallClock),
            proving,
        );
    }

    pub(crate) async fn admin(&self) -> Client {
        self.server.superuser("records").await
    }

    pub(crate) fn password(&self, role: &str) -> String {
        let found = self
            .register
            .read(&format!("upstream/{role}"))
            .unwrap()
            .expect("a password");
        serde_json::from_slice::<Credential>(&found.value)
            .unwrap()
            .reveal()
            .to_owned()
    }

    /// Logs in as a share role, as gateways do.
    pub(crate) async fn log_in(&self, role: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = self.server.config(role, "records");
        config.password(self.password(role));
        connect(&config).await
    }

    pub(crate) async fn drift(&self) -> UpstreamPlan {
        self.control.plan().await.unwrap().remove(0)
    }

    pub(crate) async fn draw_up(&self, partner: &str) -> DirectiveDraft {
        self.control.draw_up(request(partner)).await.unwrap()
    }

    pub(crate) async fn submit(&self, text: &str) -> Result<Outcome, ControlError> {
        submit(&self.control, text).await
    }

    pub(crate) async fn terminate(&self, partner: &str) -> Outcome {
        let draft = self.draw_up(partner).await;
        self.submit(&draft.text).await.unwrap()
    }

    /// A gateway that has no sessions: says of each directive in the policy that it is drained.
    pub(crate) fn gateway(&self, id: &str) -> tokio::task::JoinHandle<()> {
        let (ledger, register, id) = (self.ledger.clone(), Arc::clone(&self.register), id.to_owned());
        let key = format!("gateway/{id}");
        let mut version = register.create(&key, br#"{"epoch":1,"drained":[]}"#).unwrap();
        // Here and not in the task: it may begin when the policy has changed already.
        let mut changes = register.watch("policy").unwrap();
        tokio::spawn(async move {
            let mut drained = Vec::new();
            while changes.changed().await.is_ok() {
                let found = register.read("policy").unwrap().unwrap();
                let policy: InForce = serde_json::from_slice(&found.value).unwrap();
                for ended in policy
                    .ended
                    .iter()
                    .filter(|ended| !drained.contains(&ended.directive))
                    .collect::<Vec<_>>()
                {
                    drained.push(ended.directive.clone());
                    let record = Drained {
                        gateway: id.as_str().into(),
                        epoch: policy.epoch,
                        directive: ended.directive.clone(),
                        sessions_cut: 0,
                        at: WallClock.now(),
                    };
                    ledger.append(vec![Draft::of(&record).unwrap()]).await.unwrap();
                }
                let state = serde_json::json!({"epoch": policy.epoch, "drained": drained}).to_string();
                version = register
                    .compare_and_swap(&key, version, state.as_bytes())
                    .unwrap();
            }
        })
    }
}

pub(crate) fn approval() -> ApprovalRequest {
    ApprovalRequest {
        basis: "ISA".to_owned(),
        hours: None,
    }
}

pub(crate) fn request(partner: &str) -> DraftRequest {
    let basis = "Executive order 2026-14".to_owned();
    DraftRequest {
        partner: partner.parse().unwrap(),
        agreement: None,
        purpose: None,
        until: None,
        basis,
        particulars: evidence::directive::Particulars::default(),
        hours: None,
    }
}

fn control(server: &Server, ledger: &Ledger, register: &Arc<SqliteRegister>) -> Control {
    control_of(files(&server.url("records")), ledger, register)
}

/// The solvers of Debian, with what is proved kept for as long as the tests run.
#[expect(clippy::disallowed_methods, reason = "the tests hand these clocks in")]
pub(crate) fn proving() -> Proving {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().unwrap());
    Proving {
        programs: || Programs {
            cvc5: "/usr/bin/cvc5".into(),
            z3: "/usr/bin/z3".into(),
            limit: Duration::from_secs(60),
            at_once: 2,
            clock: Instant::now,
        },
        folder: folder.path().to_owned(),
        now: Timestamp::now,
        version: "tests",
    }
}

fn control_of(files: Files, ledger: &Ledger, register: &Arc<SqliteRegister>) -> Control {
    control_with(
        files,
        &BTreeMap::new(),
        ledger,
        register.clone(),
        Arc::new(WallClock),
    )
}

/// The ledger in a folder of state.
pub(crate) fn ledger_in(state: &Path) -> Ledger {
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    ledger_with(state, &clock)
}

/// The same, by another clock.
pub(crate) fn ledger_with(state: &Path, clock: &Arc<dyn Clock>) -> Ledger {
    let config = || {
        let custodian: Custodian = "records.example.org".parse().unwrap();
        let mut config = ledger::Config::new(state.join("ledger"), custodian, signer(), Arc::clone(clock));
        // Room for what tests write; these folders are copied.
        config.segment_bytes = 4 << 20;
        config
    };
    // A process that another test of this program starts has its files open, locks too, until it is the other program.
    for _ in 0..LOCK_LOOKS {
        match Ledger::open(config()) {
            Err(OpenError::InUse { .. }) => std::thread::sleep(LOCK_LOOK),
            opened => return opened.unwrap(),
        }
    }
    Ledger::open(config()).unwrap()
}

/// Control over files, with the ways to the partners' airlocks.
pub(crate) fn control_with(
    files: Files,
    airlocks: &BTreeMap<String, String>,
    ledger: &Ledger,
    register: Arc<dyn Register>,
    clock: Arc<dyn Clock>,
) -> Control {
    control_proving(files, airlocks, ledger, register, clock, proving())
}

fn control_proving(
    files: Files,
    airlocks: &BTreeMap<String, String>,
    ledger: &Ledger,
    register: Arc<dyn Register>,
    clock: Arc<dyn Clock>,
    proving: Proving,
) -> Control {
    let airlocks = airlocks
        .iter()
        .map(|(partner, url)| (partner.parse().unwrap(), url.clone().into()))
        .collect();
    let config = Config {
        estate: Estate::parse(&files).unwrap(),
        files,
        airlocks,
        signer: signer(),
        ledger: ledger.clone(),
        register,
        clock,
        // What users wait for at last; the test of a silent gateway waits it out.
        patience: Patience {
            first: Duration::from_millis(200),
            ..Patience::default()
        },
        cosigning: None,
        prover: Prover::new(proving),
    };
    Control::new(config).unwrap()
}

/// Both authorities sign a directive, and it is handed in.
pub(crate) async fn submit(control: &Control, text: &str) -> Result<Outcome, ControlError> {
    let (mayor, counsel) = (sign("mayor", text), sign("counsel", text));
    control.submit(text.as_bytes(), &[&mayor, &counsel]).await
}

/// Both authorities approve the estate that is served.
pub(crate) async fn approve(control: &Control) -> Result<Outcome, ControlError> {
    let draft = control.draw_up_approval(approval()).await?;
    submit(control, &draft.text).await
}
