//! Who a client is: by a password (SCRAM, bound to the channel where the client can), a certificate, both, or a token.
//!
//! How logins go is the agreement's partner's affair. The conversation is the same for officers who do not exist, and so is the
//! answer. Whoever fails often waits first.

use std::collections::BTreeSet;
use std::str::FromStr;

use bytes::BytesMut;
use policy::estate::{CertificateName, LogIn, ScramVerifierText};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use wire::backend;
use wire::frame::{self, Part, Splitter};
use wire::frontend::SaslInitial;
use wire::scram::{EndPoint, Nonce, ScramError, Verifier, server as scram};
use wire::token::{self, ABANDONED, OAUTHBEARER, TokenError};

use crate::limits::AUTH_MESSAGE_BYTES;
use crate::login::{Arrived, Stop};
use crate::policy_watch::{Current, Denied};
use crate::request::Request;
use crate::say::Say;
use crate::serving::Shared;
use crate::strangers::Source;
use crate::tokens::Tokens;
use crate::transport::Client;
use crate::upstream;

/// Why nobody was proved to be there.
enum Unproved {
    Gone,
    /// The client did not speak as it must. Nothing was tried by it.
    Protocol(Say),
    /// What it showed was wrong.
    Wrong(Say),
}

impl From<std::io::Error> for Unproved {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

/// Makes the client prove to be the officer of its request.
pub(crate) async fn authenticate(
    shared: &Shared,
    client: &mut Client,
    request: &Request,
    arrived: &Arrived,
    current: &Current,
) -> Result<(), Stop> {
    if current.in_force().is_none() {
        return Err(Stop::Say(Say::from_denied(&Denied::NoPolicy)));
    }
    let (name, from) = (request.name(), Source::of(arrived.from.ip()));
    if let Some(wait) = shared.lockouts.wait(name, from, Instant::now()) {
        return Err(Stop::Say(Say::locked_out(name, wait)));
    }
    match prove(shared, client, request, arrived, current).await {
        Ok(()) => {
            shared.lockouts.succeeded(name, from, Instant::now());
            Ok(())
        }
        Err(Unproved::Gone) => Err(Stop::Gone),
        Err(Unproved::Protocol(say)) => Err(Stop::Say(say)),
        Err(Unproved::Wrong(say)) => {
            shared.lockouts.failed(name, from, Instant::now());
            Err(Stop::Say(say))
        }
    }
}

async fn prove(
    shared: &Shared,
    client: &mut Client,
    request: &Request,
    arrived: &Arrived,
    current: &Current,
) -> Result<(), Unproved> {
    let agreement = request.agreement.as_ref();
    let known = request
        .officer
        .as_ref()
        .and_then(|officer| current.known(agreement, officer));
    // How logins go is the agreement's affair, whoever comes: so nothing is told of the officer.
    let usual = BTreeSet::from([LogIn::Password]);
    let ways = current.ways(agreement).unwrap_or(&usual);
    let theirs = |way| ways.contains(&way) && known.is_some_and(|(partner, _)| partner.log_in.contains(&way));
    let certified = known.is_some_and(|(_, officer)| {
        let name = officer.certificate.as_ref().map(CertificateName::as_str);
        name.is_some_and(|name| client.certificate_names().iter().any(|known| known == name))
    });
    if theirs(LogIn::Certificate) && certified {
        return Ok(());
    }
    let by_password = ways.iter().any(|way| way.needs_password());
    let tokens = shared.tokens.as_ref().filter(|_| ways.contains(&LogIn::Token));
    if !by_password && tokens.is_none() {
        return Err(Unproved::Wrong(Say::no_certificate(&request.user)));
    }
    let password = theirs(LogIn::Password) || (theirs(LogIn::CertificateAndPassword) && certified);
    let verifier = known
        .filter(|_| password)
        .and_then(|(_, officer)| officer.scram.as_ref());
    let exchange = exchange(shared, request, arrived.end_point.clone(), current, verifier);
    let mut offered: Vec<&str> = if by_password {
        exchange.mechanisms().to_vec()
    } else {
        Vec::new()
    };
    offered.extend(tokens.map(|_| OAUTHBEARER));
    let mut out = BytesMut::new();
    backend::authentication_sasl(&mut out, &offered).map_err(|_| broken())?;
    client.write_all(&out).await?;

    let message = password_message(client).await?;
    let initial = SaslInitial::parse(frame::body(&message))
        .map_err(|error| Unproved::Protocol(Say::protocol(format!("invalid SASL message: {error}"))))?;
    match tokens {
        Some(tokens) if initial.mechanism == OAUTHBEARER => {
            let whose = known
                .filter(|_| theirs(LogIn::Token))
                .and_then(|(_, officer)| officer.token.as_deref());
            bearer(
                shared,
                client,
                request,
                tokens,
                initial.data.unwrap_or_default(),
                whose,
            )
            .await
        }
        _ if by_password => scram(client, request, exchange, &initial).await,
        _ => Err(Unproved::Protocol(Say::protocol(
            ScramError::Mechanism.to_string(),
        ))),
    }
}

fn broken() -> Unproved {
    Unproved::Protocol(Say::protocol("the login cannot go on"))
}

/// The exchange by password. Who is not known is made up after somebody who is, always the same one for the same name.
fn exchange(
    shared: &Shared,
    request: &Request,
    end_point: Option<EndPoint>,
    current: &Current,
    known: Option<&ScramVerifierText>,
) -> scram::AwaitFirst {
    let name = request.name();
    let text = known.or_else(|| current.some_verifier(|count| shared.mock.pick(name, count)));
    let verifier = text.and_then(|text| Verifier::from_str(text.reveal()).ok());
    let mock = verifier
        .as_ref()
        .map_or_else(|| shared.mock.clone(), |verifier| shared.mock.like(verifier));
    let verifier = verifier.filter(|_| known.is_some());
    scram::AwaitFirst::new(name, verifier.as_ref(), &mock, end_point)
}

/// A token: it must hold, and name `whose`.
async fn bearer(
    shared: &Shared,
    client: &mut Client,
    request: &Request,
    tokens: &Tokens,
    data: &[u8],
    whose: Option<&str>,
) -> Result<(), Unproved> {
    let said = token::bearer(data).and_then(|text| tokens.whose(text, shared.clock.now()));
    match &said {
        Ok(Some(who)) if whose.is_some_and(|whose| whose == who) => return Ok(()),
        Err(TokenError::Message(what)) => {
            return Err(Unproved::Protocol(Say::protocol(format!(
                "malformed OAUTHBEARER message: {what}"
            ))));
        }
        _ => {}
    }
    let mut out = BytesMut::new();
    backend::authentication_sasl_continue(&mut out, tokens.refusal().as_bytes()).map_err(|_| broken())?;
    client.write_all(&out).await?;
    let message = password_message(client).await?;
    if frame::body(&message) != ABANDONED {
        return Err(broken());
    }
    let say = Say::no_token(&request.user);
    Err(match said {
        // It only asks where tokens come from.
        Err(TokenError::Asked) => Unproved::Protocol(say),
        _ => Unproved::Wrong(say),
    })
}

async fn scram(
    client: &mut Client,
    request: &Request,
    exchange: scram::AwaitFirst,
    initial: &SaslInitial<'_>,
) -> Result<(), Unproved> {
    let nonce = Nonce::new(&upstream::random().map_err(|_| Unproved::Protocol(Say::upstream_unreachable()))?);
    let mut out = BytesMut::new();
    let data = initial.data.unwrap_or_default();
    let (exchange, challenge) = exchange
        .first(initial.mechanism, data, &nonce)
        .map_err(|error| scram_failed(&error, request))?;
    backend::authentication_sasl_continue(&mut out, challenge.as_bytes()).map_err(|_| broken())?;
    client.write_all(&out).await?;

    let message = password_message(client).await?;
    let (_proof, last) = exchange
        .last(frame::body(&message))
        .map_err(|error| scram_failed(&error, request))?;
    out.clear();
    backend::authentication_sasl_final(&mut out, last.as_bytes()).map_err(|_| broken())?;
    client.write_all(&out).await?;
    Ok(())
}

fn scram_failed(error: &ScramError, request: &Request) -> Unproved {
    match error {
        ScramError::Rejected => Unproved::Wrong(Say::wrong_password(&request.user)),
        other => Unproved::Protocol(Say::protocol(other.to_string())),
    }
}

/// One message of type `p`, read exactly.
async fn password_message(client: &mut Client) -> Result<BytesMut, Unproved> {
    let mut splitter = Splitter::new(frame::Source::ClientLogin, AUTH_MESSAGE_BYTES);
    let mut buffer = BytesMut::with_capacity(512);
    let protocol = |what: String| Unproved::Protocol(Say::protocol(what));
    loop {
        match splitter.next(&buffer) {
            Ok(Some(piece)) if piece.part == Part::Whole && piece.len == buffer.len() => return Ok(buffer),
            Ok(None) => {}
            Ok(Some(_)) => return Err(protocol("messages sent ahead of the login".to_owned())),
            Err(error) => return Err(protocol(error.to_string())),
        }
        if client.read_buf(&mut buffer).await? == 0 {
            return Err(Unproved::Gone);
        }
    }
}
