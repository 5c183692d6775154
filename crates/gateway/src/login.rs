//! From a start-up message to a permitted session: authentication, permit, upstream login, and the record of all that.

use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::BytesMut;
use evidence::id::SessionId;
use evidence::record::{Clipped, Refusal as RefusalRecord, Session as SessionRecord};
use jiff::Timestamp;
use ledger::{Draft, NotRecorded};
use policy::in_force::{Permit, SessionRequest};
use tokio::io::AsyncWriteExt;
use wire::backend::{self, Status};
use wire::scram::EndPoint;
use wire::startup::{Start, Version};

use crate::authenticate::authenticate;
use crate::batch::{Batch, Handed, Released};
use crate::cancel::Registered;
use crate::policy_watch::{Denied, PolicyWatch};
use crate::relay::Relay;
use crate::relay::recorder::Bound;
use crate::request::Request;
use crate::say::Say;
use crate::serving::Shared;
use crate::sessions::{Doing, SessionInfo, State, Ticket};
use crate::transport::{Client, Server};
use crate::upstream::{self, UpstreamError};
use crate::views::Views;

/// A session that was permitted, recorded, and logged in upstream.
pub(crate) struct Admitted {
    pub(crate) facts: Facts,
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) from_upstream: BytesMut,
    pub(crate) policy: PolicyWatch,
    /// What makes the client ready.
    pub(crate) greeting: Released,
}

/// What is fixed about a session, and its place in the list.
pub(crate) struct Facts {
    pub(crate) permit: Permit,
    /// The case that the session began with.
    pub(crate) first_case: Option<String>,
    pub(crate) session: SessionId,
    pub(crate) address: Clipped,
    pub(crate) views: Arc<Views>,
    pub(crate) ticket: Ticket,
    pub(crate) cancel: Registered,
}

impl Facts {
    pub(crate) fn bound(&self) -> Bound {
        Bound {
            session: self.session.clone(),
            partner: self.permit.partner().clone(),
            officer: self.permit.officer().clone(),
            agreement: self.permit.agreement().clone(),
            purpose: self.permit.purpose().clone(),
            client: self.address.clone(),
            legal_basis: self.permit.legal_basis().into(),
            seal: self.permit.seal().cloned(),
        }
    }

    /// Shows the outside what the session has done so far.
    pub(crate) fn show(&self, handed: Handed, relay: &Relay) {
        let counters = &self.ticket.counters;
        counters.rows.store(handed.rows, Ordering::Relaxed);
        counters.bytes.store(handed.bytes, Ordering::Relaxed);
        let recorder = relay.recorder();
        counters
            .statements
            .store(recorder.statements(), Ordering::Relaxed);
        counters.set_state(relay.state());
        counters.set_running(recorder.running(), |number| {
            let started = recorder.started(number)?;
            let seal = self.permit.seal();
            let sealed = seal.is_some_and(|seal| seal.holds_at(started));
            let text = recorder.text(number).filter(|_| !sealed);
            Some(Doing {
                statement: number,
                since: started,
                text,
            })
        });
    }
}

/// Whoever has arrived and not logged in yet.
pub(crate) struct Arrived {
    pub(crate) start: Start,
    /// What logins on the connection can be bound to.
    pub(crate) end_point: Option<EndPoint>,
    pub(crate) from: SocketAddr,
}

/// A login that failed, with the client, if it can still be told.
pub(crate) struct Failed {
    pub(crate) client: Option<Client>,
    pub(crate) say: Say,
}

/// Why a step of the login failed.
pub(crate) enum Stop {
    Gone,
    Say(Say),
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Logs a client in. Not cancel safe: dropping it ends the connection.
pub(crate) async fn log_in(
    shared: &Shared,
    mut client: Client,
    arrived: &Arrived,
) -> Result<Admitted, Failed> {
    let from = arrived.from;
    let request = match Request::parse(&arrived.start) {
        Ok(request) => request,
        Err(say) => {
            return Err(Failed {
                client: Some(client),
                say,
            });
        }
    };
    match enter(shared, &mut client, arrived, &request).await {
        Ok(entered) => Ok(entered.with(client)),
        Err(Stop::Gone) => Err(Failed {
            client: None,
            say: Say::too_slow(),
        }),
        Err(Stop::Say(say)) => {
            refuse(shared, &request, from, &say).await;
            Err(Failed {
                client: Some(client),
                say,
            })
        }
    }
}

/// Everything of [`Admitted`] but the client.
struct Entered {
    facts: Facts,
    server: Server,
    from_upstream: BytesMut,
    policy: PolicyWatch,
    greeting: Released,
}

impl Entered {
    fn with(self, client: Client) -> Admitted {
        let Self {
            facts,
            server,
            from_upstream,
            policy,
            greeting,
        } = self;
        Admitted {
            facts,
            client,
            server,
            from_upstream,
            policy,
            greeting,
        }
    }
}

async fn enter(
    shared: &Shared,
    client: &mut Client,
    arrived: &Arrived,
    request: &Request,
) -> Result<Entered, Stop> {
    let Arrived { start, from, .. } = arrived;
    let from = *from;
    let mut policy = shared.follower.watch();
    if let Some(negotiation) = start.negotiate(Version::V3_2.minor) {
        let mut out = BytesMut::new();
        negotiation
            .encode(&mut out)
            .map_err(|_| Stop::Say(Say::protocol("invalid protocol option")))?;
        client.write_all(&out).await?;
    }
    authenticate(shared, client, request, arrived, &policy.current()).await?;
    // In the list before the decision: a directive that comes between the two waits for this session too.
    let ticket = shared.sessions.enter();
    let now = shared.clock.now();
    let current = policy.current();
    let permit = decide(&current, request, now)?;
    let session = session_id()?;
    let info = info(&permit, &session, request, from, now);
    ticket
        .bind(info, current.epoch(), Some(permit.limits().sessions))
        .map_err(|full| Stop::Say(Say::too_many_sessions(full.limit)))?;
    let database = shared
        .databases
        .of(&permit)
        .ok_or(Stop::Say(Say::upstream_unreachable()))?;
    let settings = settings(&permit, request);
    let views = Views::new(permit.views(), &shared.accounting);
    let login = async {
        let mut logged_in = upstream::log_in(&database, &shared.register, &permit, &settings).await?;
        let views = logged_in.resolve(views, permit.schema()).await?;
        Ok((logged_in, views))
    };
    let (logged_in, views) = match tokio::time::timeout(crate::limits::UPSTREAM_LOGIN, login).await {
        Ok(Ok(logged_in)) => logged_in,
        Ok(Err(error)) => {
            shared.telling.failed(&permit, &error);
            return Err(Stop::Say(upstream_failed(&error)));
        }
        Err(_) => {
            shared.telling.silent(&permit, crate::limits::UPSTREAM_LOGIN);
            return Err(Stop::Say(Say::upstream_unreachable()));
        }
    };
    shared.telling.opened(&permit);
    let cancel = shared
        .cancels
        .register(&database.server, &logged_in.cancel, start.version.minor)
        .ok_or(Stop::Say(Say::upstream_unreachable()))?;
    let greeting = greeting(&permit, &logged_in.settings, &cancel);
    let greeting = recorded(shared, greeting, &permit, &session, request, from, now)
        .await
        .map_err(|_| Stop::Say(Say::not_recorded()))?;
    let first_case = permit.case().map(str::to_owned);
    let facts = Facts {
        permit,
        first_case,
        session,
        address: address(from),
        views: Arc::new(views),
        ticket,
        cancel,
    };
    Ok(Entered {
        facts,
        server: logged_in.server,
        from_upstream: logged_in.rest,
        policy,
        greeting,
    })
}

fn decide(current: &crate::policy_watch::Current, request: &Request, now: Timestamp) -> Result<Permit, Stop> {
    let Some(officer) = request.officer.clone() else {
        return Err(Stop::Say(Say::wrong_password(&request.user)));
    };
    let Some(agreement) = request.agreement.clone() else {
        return Err(Stop::Say(Say::no_agreement(&request.database)));
    };
    let (purpose, case) = (request.purpose.clone(), request.case.clone());
    current
        .permit(&SessionRequest {
            officer,
            agreement,
            purpose,
            case,
            now,
        })
        .map_err(|denied| Stop::Say(Say::from_denied(&denied)))
}

fn session_id() -> Result<SessionId, Stop> {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).map_err(|_| Stop::Say(Say::upstream_unreachable()))?;
    SessionId::from_str(&format!("{:016x}", u64::from_be_bytes(bytes)))
        .map_err(|_| Stop::Say(Say::upstream_unreachable()))
}

fn info(
    permit: &Permit,
    session: &SessionId,
    request: &Request,
    client: SocketAddr,
    since: Timestamp,
) -> SessionInfo {
    SessionInfo {
        session: session.clone(),
        partner: permit.partner().clone(),
        officer: permit.officer().clone(),
        agreement: permit.agreement().clone(),
        purpose: permit.purpose().clone(),
        case: permit.case().map(str::to_owned),
        client,
        application: request.application.clone(),
        since,
        statements: 0,
        rows: 0,
        bytes: 0,
        state: State::Idle,
    }
}

/// What the upstream session returns to on `RESET ALL`: pinned, bound to the permit, or chosen by the client.
fn settings(permit: &Permit, request: &Request) -> Vec<(String, String)> {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let most = u64::from(permit.limits().statement_seconds).saturating_mul(1000);
    let mut settings = vec![
        own("client_encoding", "UTF8"),
        own("standard_conforming_strings", "on"),
        own("search_path", &permit.schema().quoted()),
        own("estop.agreement", permit.agreement().as_str()),
        own("estop.purpose", permit.purpose().as_str()),
        own("estop.case", permit.case().unwrap_or_default()),
        own("estop.epoch", &permit.epoch().0.to_string()),
        own("estop.officer", permit.officer().as_str()),
        own("statement_timeout", &most.to_string()),
    ];
    for (name, value) in &request.settings {
        if name != "statement_timeout" {
            settings.push((name.clone(), value.clone()));
        } else if let Some(wanted) = value
            .parse::<u64>()
            .ok()
            .filter(|wanted| (1..most).contains(wanted))
        {
            settings.retain(|(known, _)| known != name);
            settings.push((name.clone(), wanted.to_string()));
        }
    }
    settings
}

fn greeting(permit: &Permit, settings: &[(String, String)], cancel: &Registered) -> Batch {
    let mut out = BytesMut::new();
    backend::authentication_ok(&mut out);
    for (name, value) in settings {
        // The role's name is nobody's business; clients show it as the user.
        let value = if name == "session_authorization" {
            permit.officer().as_str()
        } else {
            value
        };
        // What upstream could send can be sent on.
        let _ = backend::parameter_status(&mut out, name, value);
    }
    backend::key_data(&mut out, cancel.key());
    backend::ready(&mut out, Status::Idle);
    let mut batch = Batch::default();
    batch.say(out.freeze());
    batch
}

/// The greeting, once the session is in the ledger.
async fn recorded(
    shared: &Shared,
    greeting: Batch,
    permit: &Permit,
    session: &SessionId,
    request: &Request,
    from: SocketAddr,
    started: Timestamp,
) -> Result<Released, NotRecorded> {
    let record = SessionRecord {
        session: session.clone(),
        partner: permit.partner().clone(),
        officer: permit.officer().clone(),
        agreement: permit.agreement().clone(),
        purpose: permit.purpose().clone(),
        case: permit.case().map(Clipped::from),
        client: address(from),
        application: request.application.as_deref().map(Clipped::from),
        epoch: permit.epoch(),
        started,
    };
    let draft = Draft::of(&record)
        .map_err(|_| NotRecorded::NotYours {
            what: "a session's record",
        })?
        .with_partner(permit.partner().clone())
        .under(permit.agreement().clone(), permit.purpose().clone())
        .sealed_to(permit.seal().filter(|seal| seal.holds_at(started)));
    let (batch, receipt) = shared.ledger.withhold(greeting, vec![draft]).release().await?;
    Ok(Released::recorded(batch, &receipt))
}

/// Records a refused login, within the rate that strangers may cause.
async fn refuse(shared: &Shared, request: &Request, from: SocketAddr, say: &Say) {
    let now = shared.clock.now();
    let Some(unrecorded) = shared.refusals.admit(now) else {
        return;
    };
    let mut reason = say.message.clone().into_owned();
    if unrecorded > 0 {
        reason.push_str(&format!(
            " (and {unrecorded} refused logins before this one were not recorded)"
        ));
    }
    let record = RefusalRecord {
        at: now,
        session: None,
        partner: None,
        officer: Some(request.user.as_str().into()),
        agreement: Some(request.database.as_str().into()),
        purpose: request.purpose.as_deref().map(Clipped::from),
        client: address(from),
        sqlstate: say.sqlstate.as_ref().into(),
        reason: reason.into(),
        statement: None,
    };
    if let Ok(draft) = Draft::of(&record) {
        // A refusal discloses nothing: the client is told whether or not this could be recorded.
        let _ = shared.ledger.append(vec![draft]).await;
    }
}

fn address(from: SocketAddr) -> Clipped {
    Clipped::from(from.to_string())
}

fn upstream_failed(error: &UpstreamError) -> Say {
    match error {
        // The server did not like a setting that the client chose.
        UpstreamError::Refused { sqlstate } if sqlstate.starts_with("22") => {
            Say::new("22023", "a setting chosen at start-up has an invalid value")
        }
        UpstreamError::Refused { sqlstate } if sqlstate == "53300" => Say::new(
            "53300",
            "the custodian's database takes no more connections at the moment",
        ),
        _ => Say::upstream_unreachable(),
    }
}

impl Say {
    /// Why the policy does not permit it.
    pub(crate) fn from_denied(denied: &Denied) -> Self {
        match denied {
            Denied::Refusal(refusal) => Self::from_refusal(refusal),
            Denied::NoPolicy => {
                Self::new("57P03", "no policy is in force at the moment").hint("Try again later.")
            }
        }
    }
}
