//! A small custodian: two partners, their logs, a termination. Everything in it follows from fixed seeds.

use std::collections::BTreeMap;

use evidence::certificate::{Certificate, Cited, Opened, Parts};
use evidence::checkpoint::Checkpoint;
use evidence::commitment::{OpeningKey, commit};
use evidence::directive::{Directive, Draft, Order, Particulars, Suspension, approve, namespace};
use evidence::entry::{Entry, Kind, Place};
use evidence::hash::{self, Hash, sha256};
use evidence::id::{Custodian, Origin};
use evidence::note::{self, SignerKey, Text};
use evidence::proof::TlogProof;
use evidence::record::{
    self, CarriedOut, Closed, Cut, DirectiveRecord, Drained, EpochRecord, Record, RoleEvidence, Step,
};
use evidence::tree::{Edge, HashReader, ReadError, prove_inclusion};
use jiff::{SignedDuration, Timestamp};
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{HashAlg, LineEnding};

use crate::keygen::{at, custodian, draft, now, signers};

/// A log in memory.
pub(crate) struct Log {
    origin: Origin,
    edge: Edge,
    nodes: BTreeMap<(u8, u64), Hash>,
    last: Hash,
}

impl HashReader for Log {
    fn read(&self, level: u8, index: u64) -> Result<Hash, ReadError> {
        self.nodes
            .get(&(level, index))
            .copied()
            .ok_or_else(|| ReadError::missing(level, index))
    }
}

impl Log {
    fn new(origin: Origin) -> Self {
        Self {
            origin,
            edge: Edge::empty(),
            nodes: BTreeMap::new(),
            last: Hash::ZERO,
        }
    }

    fn push(&mut self, entry: &[u8]) {
        self.last = hash::leaf(entry);
        let nodes = &mut self.nodes;
        self.edge.push(self.last, &mut |node| {
            nodes.insert((node.level, node.index), node.hash);
        });
    }

    pub(crate) fn prove(&self, index: u64, key: &SignerKey) -> TlogProof {
        let (size, root) = (self.edge.size(), self.edge.root());
        let checkpoint = Checkpoint {
            origin: self.origin.clone(),
            size,
            root,
        }
        .sign(key);
        TlogProof {
            index,
            hashes: prove_inclusion(index, size, self).unwrap(),
            checkpoint,
        }
    }
}

/// What becomes an entry.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    pub(crate) time: Timestamp,
    pub(crate) partner: Option<&'static str>,
    pub(crate) record: Option<Vec<u8>>,
    /// Word for how the census counts the terminated partner's log.
    pub(crate) status: &'static str,
}

struct Stored {
    entry: Entry,
    bytes: Vec<u8>,
    opened: Option<(OpeningKey, Vec<u8>)>,
}

/// All that can be varied before it is played.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) draft: Draft,
    pub(crate) signed_by: Vec<&'static str>,
    /// The namespace that they sign in, if it is not that of directives.
    pub(crate) signed_in: Option<&'static str>,
    pub(crate) epoch: EpochRecord,
    pub(crate) cuts: Vec<Cut>,
    pub(crate) drained: Vec<Drained>,
    pub(crate) carried_out: CarriedOut,
    pub(crate) closed: Closed,
    pub(crate) census: &'static str,
}

/// What was played: the logs, and the entries with their records.
pub(crate) struct World {
    pub(crate) custodian: Custodian,
    pub(crate) key: SignerKey,
    pub(crate) main: Log,
    pub(crate) partners: BTreeMap<&'static str, Log>,
    stored: Vec<Stored>,
}

pub(crate) const PARTNER: &str = "federal-agency";
pub(crate) const OTHER: &str = "state-police";

/// The custodian's key.
pub(crate) fn signer() -> SignerKey {
    SignerKey::generate([42; 32], custodian().key_name())
}

fn ssh_key(name: &str) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&sha256(name.as_bytes()).0))
}

/// The `allowed_signers` of the scene: two people, and one more.
pub(crate) fn signers_text() -> String {
    let line = |name| {
        let key = ssh_key(name).public_key().to_openssh().unwrap();
        format!(
            "{name}@city.example namespaces=\"{}\" {key}\n",
            namespace(&custodian())
        )
    };
    format!(
        "# Who may sign directives.\n{}{}{}",
        line("mayor"),
        line("counsel"),
        line("clerk")
    )
}

/// What `ssh-keygen -Y sign` would write.
pub(crate) fn ssh_sign(name: &str, namespace: &str, bytes: &[u8]) -> String {
    let pem = ssh_key(name)
        .sign(namespace, HashAlg::Sha512, bytes)
        .unwrap()
        .to_pem(LineEnding::LF)
        .unwrap();
    format!("{}\n", pem.trim_end())
}

impl Scene {
    pub(crate) fn new() -> Self {
        let number = draft().number;
        let cut = |session: u64, rows, in_statement| Cut {
            session: session.into(),
            directive: number.clone(),
            at: at("2026-11-23T00:10:01.25Z"),
            statements: 3,
            rows,
            bytes: rows * 120,
            in_statement,
        };
        let drained = |gateway: &str, sessions_cut| Drained {
            gateway: gateway.into(),
            epoch: evidence::id::Epoch(5),
            directive: number.clone(),
            sessions_cut,
            at: at("2026-11-23T00:10:01.5Z"),
        };
        Self {
            draft: Draft {
                ledger_size: 7,
                ..draft()
            },
            signed_by: vec!["mayor", "counsel"],
            signed_in: None,
            epoch: EpochRecord {
                epoch: evidence::id::Epoch(5),
                directive: Some(number.clone()),
                at: now(),
                gateways: vec!["gateway-1".into(), "gateway-2".into()],
                approval: None,
                lifted: Vec::new(),
            },
            cuts: vec![cut(0x0123_4567_89ab_cdef, 41_277, Some(3)), cut(0xfeed, 0, None)],
            drained: vec![drained("gateway-1", 2), drained("gateway-2", 0)],
            carried_out: carried_out(),
            closed: Closed {
                directive: number.clone(),
                epoch: evidence::id::Epoch(5),
                at: at("2026-11-23T00:10:03Z"),
            },
            census: "closed",
        }
    }

    /// The same, suspended until a month later.
    pub(crate) fn suspended() -> Self {
        let mut scene = Self::new();
        if let Order::Terminate(scope) = scene.draft.order.clone() {
            let until = at("2026-12-23T00:00:00Z");
            scene.draft.order = Order::Suspend(Suspension { scope, until });
        }
        scene.draft.particulars = Particulars {
            services: Some("Queries".to_owned()),
            grounds: Some("32,000 searches".to_owned()),
            hearing: Some(at("2026-12-01T15:00:00Z")),
            ..Particulars::default()
        };
        scene.draft.preview = Some(sha256(b"preview"));
        scene
    }

    /// The items of the main log, in order.
    pub(crate) fn items(&self) -> Vec<Item> {
        let item = |kind, seconds, partner: Option<&'static str>, record| {
            let time = now().checked_add(SignedDuration::from_secs(seconds)).unwrap();
            Item {
                kind,
                time,
                partner,
                record,
                status: self.census,
            }
        };
        let disclosure =
            |seconds, partner| item(Kind::Disclosure, seconds, Some(partner), Some(b"{}".to_vec()));
        let mut items = vec![
            item(Kind::Genesis, -900, None, None),
            item(Kind::Opened, -900, Some(PARTNER), Some(b"{}".to_vec())),
            item(Kind::Opened, -900, Some(OTHER), Some(b"{}".to_vec())),
        ];
        items.extend((0..5).map(|n| disclosure(-800 + n, if n % 2 == 0 { PARTNER } else { OTHER })));
        items.push(item(
            Kind::Directive,
            0,
            Some(PARTNER),
            Some(self.directive_record()),
        ));
        items.push(item(Kind::Epoch, 0, None, Some(json(&self.epoch))));
        items.extend(
            self.cuts
                .iter()
                .map(|cut| item(Kind::Cut, 1, Some(PARTNER), Some(json(cut)))),
        );
        items.extend(
            self.drained
                .iter()
                .map(|drained| item(Kind::Drained, 1, None, Some(json(drained)))),
        );
        items.push(disclosure(2, OTHER));
        items.push(item(
            Kind::CarriedOut,
            2,
            Some(PARTNER),
            Some(json(&self.carried_out)),
        ));
        items.push(item(Kind::Closed, 3, Some(PARTNER), Some(json(&self.closed))));
        items.push(disclosure(3, OTHER));
        items.push(item(Kind::Census, 4, None, None));
        items.push(disclosure(5, OTHER));
        items
    }

    /// The directive's record: from a real approval where the signatures bear one.
    fn directive_record(&self) -> Vec<u8> {
        let directive = Directive::new(self.draft.clone()).unwrap();
        let text = directive.encode();
        let ours = namespace(&self.draft.custodian);
        let signed_in = self.signed_in.unwrap_or(&ours);
        let signatures: Vec<_> = self
            .signed_by
            .iter()
            .map(|who| ssh_sign(who, signed_in, text.as_bytes()))
            .collect();
        let borrowed: Vec<_> = signatures.iter().map(String::as_str).collect();
        let signers = signers(&signers_text().lines().map(str::to_owned).collect::<Vec<_>>());
        let record = match approve(text.as_bytes(), &borrowed, &signers, &self.draft.custodian, now()) {
            Ok(approved) => approved.record(None),
            Err(_) => DirectiveRecord {
                number: directive.number.clone(),
                text,
                signatures,
                signers_file: signers_text(),
                people: self
                    .signed_by
                    .iter()
                    .map(|who| format!("{who}@city.example"))
                    .collect(),
                estate: None,
            },
        };
        json(&record)
    }

    pub(crate) fn play(&self) -> World {
        World::of(self.items())
    }
}

pub(crate) fn json<R: Record>(record: &R) -> Vec<u8> {
    record::encode(record).unwrap()
}

fn carried_out() -> CarriedOut {
    let step = |what: &str, result: &str| Step {
        what: what.to_owned(),
        at: at("2026-11-23T00:10:01.75Z"),
        result: result.to_owned(),
    };
    CarriedOut {
        directive: draft().number,
        epoch: evidence::id::Epoch(5),
        at: at("2026-11-23T00:10:02.125Z"),
        steps: vec![
            step(
                "took login, password and rights from the roles, in one transaction",
                "done",
            ),
            step("ended the roles' backends", "2 ended"),
            step("counted the roles' backends again", "0 left"),
        ],
        roles: vec![RoleEvidence {
            role: "estop_0123456789abcdef".to_owned(),
            agreement: "federal-2019".parse().unwrap(),
            purpose: "immigration-enforcement".parse().unwrap(),
            can_login: false,
            has_password: false,
            backends_ended: 2,
            backends_left: 0,
            prepared_rolled_back: 0,
            can_connect: false,
            readable_relations: 0,
            xmin: "729".to_owned(),
            committed_at: Some(at("2026-11-23T00:10:01.7Z")),
        }],
    }
}

impl World {
    pub(crate) fn of(items: Vec<Item>) -> Self {
        let custodian = custodian();
        let log = |partner: &'static str| {
            (
                partner,
                Log::new(custodian.partner_origin(&partner.parse().unwrap())),
            )
        };
        let mut world = Self {
            key: signer(),
            main: Log::new(custodian.main_origin()),
            partners: BTreeMap::from([log(PARTNER), log(OTHER)]),
            stored: Vec::new(),
            custodian,
        };
        for item in items {
            world.append(item);
        }
        world
    }

    fn append(&mut self, item: Item) {
        let index = self.stored.len();
        let opened = item
            .record
            .map(|record| (OpeningKey::new(sha256(&index.to_be_bytes()).0), record));
        let origin = self.custodian.main_origin();
        let log = item
            .partner
            .filter(|_| item.kind.in_partner_log())
            .map(|partner| &self.partners[partner]);
        let entry = Entry {
            kind: item.kind,
            time: item.time,
            partner: item.partner.map(|partner| partner.parse().unwrap()),
            agreement: None,
            purpose: None,
            place: log.map(|log| Place {
                sequence: log.edge.size(),
                previous: log.last,
            }),
            commitment: opened.as_ref().map(|(key, record)| commit(key, &origin, record)),
            body: (item.kind == Kind::Census).then(|| self.count(item.status)),
        };
        let bytes = entry.encode().unwrap();
        self.main.push(&bytes);
        if item.kind.in_partner_log() {
            self.partners.get_mut(item.partner.unwrap()).unwrap().push(&bytes);
        }
        self.stored.push(Stored { entry, bytes, opened });
    }

    fn count(&self, status: &str) -> String {
        let line = |(partner, log): (&&str, &Log)| {
            let status = if *partner == PARTNER { status } else { "open" };
            format!(
                "log {} {} {} {status}\n",
                log.origin,
                log.edge.size(),
                log.edge.root()
            )
        };
        self.partners.iter().map(line).collect()
    }

    /// The entry at `index`, with proof.
    pub(crate) fn cite(&self, index: usize) -> Cited {
        let Stored { bytes, opened, .. } = &self.stored[index];
        let opened = opened.clone().map(|(key, record)| Opened { key, record });
        Cited {
            entry: bytes.clone(),
            opened,
            proof: self.main.prove(index as u64, &self.key),
        }
    }

    /// Indices of the entries of `kind`, about `partner` if they name one.
    pub(crate) fn find(&self, kind: Kind, partner: &str) -> Vec<usize> {
        let about = |entry: &Entry| {
            entry
                .partner
                .as_ref()
                .is_none_or(|found| found.as_str() == partner)
        };
        let stored = self.stored.iter().enumerate();
        stored
            .filter(|(_, one)| one.entry.kind == kind && about(&one.entry))
            .map(|(index, _)| index)
            .collect()
    }

    /// What an honest custodian puts into the certificate.
    pub(crate) fn parts(&self) -> Parts {
        let kinds = [
            Kind::Directive,
            Kind::Epoch,
            Kind::Cut,
            Kind::Drained,
            Kind::CarriedOut,
            Kind::Closed,
            Kind::Census,
        ];
        let cited = kinds
            .iter()
            .flat_map(|kind| self.find(*kind, PARTNER))
            .map(|index| self.cite(index))
            .collect();
        let log = &self.partners[PARTNER];
        Parts {
            cited,
            partner: log.prove(log.edge.size() - 1, &self.key),
        }
    }

    /// The signed certificate, whether it holds or not.
    pub(crate) fn force(&self, parts: Parts) -> String {
        sign(Certificate::build(parts).unwrap().text())
    }
}

/// Any text under the custodian's own signature.
pub(crate) fn sign(text: &str) -> String {
    note::sign(&Text::new(text).unwrap(), &signer())
}

/// The certificate of the scene.
pub(crate) fn certificate() -> String {
    Certificate::build(Scene::new().play().parts())
        .unwrap()
        .sign(&signer())
        .unwrap()
}
