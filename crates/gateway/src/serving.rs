//! From an accepted connection to its end: what every connection of a gateway shares, and the course of each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use evidence::record::{Cut, Ended};
use evidence::subject::AccountingKey;
use jiff::{SignedDuration, Timestamp};
use ledger::register::Register;
use ledger::{Clock, Draft, Ledger, NotRecorded};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use wire::frontend;
use wire::scram::Mock;

use crate::budget::Budgets;
use crate::cancel::Cancels;
use crate::end::End;
use crate::filter::{Filter, Limits};
use crate::hello::{Hello, HelloError, Tls, hello};
use crate::limits::{LAST_WORDS, LOGIN, RECORD_AGAIN, UPSTREAM_LOGIN};
use crate::lockout::Lockouts;
use crate::login::{self, Arrived, Failed};
use crate::policy_watch::Follower;
use crate::say::Say;
use crate::session::Session;
use crate::sessions::Sessions;
use crate::strangers::{Stranger, Strangers};
use crate::tokens::Tokens;
use crate::transport::{self, Client};
use crate::trouble::Telling;
use crate::upstream::Databases;

/// What all connections of one gateway share.
pub(crate) struct Shared {
    pub(crate) tls: Tls,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) databases: Databases,
    pub(crate) ledger: Ledger,
    pub(crate) register: Arc<dyn Register>,
    pub(crate) follower: Follower,
    pub(crate) sessions: Sessions,
    pub(crate) cancels: Cancels,
    pub(crate) filters: Filters,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) accounting: AccountingKey,
    pub(crate) budgets: Budgets,
    pub(crate) mock: Mock,
    pub(crate) refusals: Refusals,
    pub(crate) telling: Arc<Telling>,
    pub(crate) lockouts: Lockouts,
    pub(crate) strangers: Strangers,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The statement filters, one for each limit that agreements set.
#[derive(Debug, Default)]
pub(crate) struct Filters(Mutex<BTreeMap<u32, Arc<Filter>>>);

impl Filters {
    pub(crate) fn for_statements_of(&self, seconds: u32) -> Arc<Filter> {
        let mut filters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let most = Duration::from_secs(u64::from(seconds));
            Arc::new(Filter::new(Limits {
                statement_timeout_max: Some(most),
            }))
        };
        Arc::clone(filters.entry(seconds).or_insert_with(new))
    }
}

/// How many refused logins are recorded: strangers must not be able to fill the ledger.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Timestamp,
    recorded: u64,
    unrecorded: u64,
}

impl Refusals {
    /// Recorded in one [`Self::WINDOW`] at most.
    const MOST: u64 = 60;
    const WINDOW: SignedDuration = SignedDuration::from_secs(10);

    /// Whether a refusal may be recorded now; if so, how many before it were not.
    pub(crate) fn admit(&self, now: Timestamp) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(window.began) > Self::WINDOW || now < window.began {
            *window = Window {
                began: now,
                recorded: 0,
                unrecorded: window.unrecorded,
            };
        }
        if window.recorded >= Self::MOST {
            window.unrecorded = window.unrecorded.saturating_add(1);
            return None;
        }
        window.recorded = window.recorded.saturating_add(1);
        Some(std::mem::take(&mut window.unrecorded))
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve(shared: Arc<Shared>, tcp: TcpStream, from: SocketAddr, stranger: Stranger) {
    if transport::prepare(&tcp).is_err() {
        return;
    }
    let login = async {
        match hello(tcp, &shared.tls).await {
            Ok(Hello::Start(client, start, end_point)) => {
                let arrived = Arrived {
                    start,
                    end_point,
                    from,
                };
                Some(login::log_in(&shared, client, &arrived).await)
            }
            Ok(Hello::Cancel(key)) => {
                let _ = tokio::time::timeout(UPSTREAM_LOGIN, shared.cancels.cancel(&key)).await;
                None
            }
            Err(HelloError::NotEncrypted(client)) => Some(Err(Failed {
                client: Some(*client),
                say: Say::tls_required(),
            })),
            Err(HelloError::Packet(error, client)) => Some(Err(Failed {
                client: Some(*client),
                say: Say::protocol(error.to_string()),
            })),
            Err(HelloError::Io(_) | HelloError::Again | HelloError::NoAlpn) => None,
        }
    };
    let admitted = match tokio::time::timeout(LOGIN, login).await {
        Ok(Some(Ok(admitted))) => admitted,
        Ok(Some(Err(Failed {
            client: Some(client),
            say,
        }))) => return last_words(client, &say).await,
        Ok(Some(Err(Failed { client: None, .. })) | None) | Err(_) => return,
    };
    drop(stranger);
    let mut session = Session::new(&shared, admitted);
    let end = session.work().await;
    finish(&shared, session, end).await;
}

/// Ends a session: first what goes to the client, then what was done upstream, then the record of it.
async fn finish(shared: &Shared, session: Session, end: End) {
    let now = shared.clock.now();
    let draft = session.record_of(&end, now);
    let ended = session.dismantle();
    let held = matches!(end, End::Held(_));
    let mut directive = None;
    let say = match end {
        End::Client => None,
        End::Cut(number, say) => {
            directive = Some(number);
            Some(say)
        }
        End::Held(say) | End::NotPermitted(say) | End::Overdue(say) | End::Fatal(say) => Some(say),
        End::Upstream => Some(Say::upstream_lost()),
        End::Stopping => Some(Say::shutting_down()),
    };
    let goodbye = async {
        match say {
            Some(say) if !ended.inside => last_words(ended.client, &say).await,
            Some(_) => ended.client.reset_on_close(),
            None => {}
        }
    };
    let upstream = async {
        // A statement that still runs is told to stop; then the connection is closed.
        if !ended.idle {
            let _ = tokio::time::timeout(UPSTREAM_LOGIN, ended.facts.cancel.cancel()).await;
        }
        let mut out = BytesMut::new();
        frontend::terminate(&mut out);
        let mut server = ended.server;
        let _ = tokio::time::timeout(LAST_WORDS, server.write_all(&out)).await;
    };
    let record = async {
        if let Some(draft) = draft {
            record_end(shared, draft, directive.is_some() || held).await;
        }
        if let Some(directive) = &directive {
            ended.facts.ticket.cut(directive);
        }
    };
    tokio::join!(goodbye, upstream, record);
    drop(ended.facts.ticket);
}

/// Records the end of a session. A cut, by a directive or a hold, is tried until it is recorded: before that the session is not gone, and its
/// directive is not reported as drained.
async fn record_end(shared: &Shared, draft: Draft, insist: bool) {
    while let Err(error) = shared.ledger.append(vec![draft.clone()]).await {
        if !insist
            || !matches!(
                error,
                NotRecorded::Busy | NotRecorded::Storage(_) | NotRecorded::Random
            )
        {
            return;
        }
        tokio::time::sleep(RECORD_AGAIN).await;
    }
}

impl Session {
    /// The entry that stands at the end of the session.
    fn record_of(&self, end: &End, now: Timestamp) -> Option<Draft> {
        let bound = self.facts.bound();
        let handed = self.handed();
        let statements = self.relay().recorder().statements();
        let (session, rows, bytes) = (bound.session.clone(), handed.rows, handed.bytes);
        // A cut is told in the certificate; it does not say whose session it was.
        let seal = bound.seal.as_ref().filter(|seal| seal.holds_at(now));
        let draft = match end {
            End::Cut(directive, _) => Draft::of(&Cut {
                session,
                directive: directive.clone(),
                at: now,
                statements,
                rows,
                bytes,
                in_statement: self.relay().recorder().running(),
            }),
            other => Draft::of(&Ended {
                session,
                at: now,
                statements,
                rows,
                bytes,
                how: other.name().into(),
            })
            .map(|draft| draft.sealed_to(seal)),
        };
        // These records are short by construction.
        draft.ok().map(|draft| {
            draft
                .with_partner(bound.partner.clone())
                .under(bound.agreement.clone(), bound.purpose.clone())
        })
    }
}

/// Says why, then closes: gracefully if the client takes it within [`LAST_WORDS`], else by a reset that throws away
/// what the kernel still holds.
async fn last_words(mut client: Client, say: &Say) {
    let mut out = BytesMut::new();
    say.encode_fatal(&mut out);
    let told = async {
        client.write_all(&out).await?;
        client.shutdown().await?;
        // The client closes when it has read the error. What it says meanwhile goes nowhere.
        let mut ignored = [0u8; 1024];
        while client.read(&mut ignored).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    if !matches!(tokio::time::timeout(LAST_WORDS, told).await, Ok(Ok(()))) {
        client.reset_on_close();
    }
}
