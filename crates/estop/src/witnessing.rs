//! The way to witnesses over HTTP, and the task that has the ledger's checkpoints cosigned while `serve` runs.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use evidence::id::PartnerId;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use ledger::Ledger;
use ledger::cosigning::{Answer, Cosigning, MAX_ANSWER_BYTES, Round, Submit, Submitted};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use crate::failure::Failure;

/// How often it is looked whether there is a new checkpoint. The ledger makes one a second at most.
const LOOK: Duration = Duration::from_secs(1);

/// Partners' logs are cosigned at every such look: they are needed for certificates, which ask for themselves.
const PARTNERS_EVERY: u32 = 30;

/// Where Debian and most others keep the certificates of the authorities that the machine trusts.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Witnesses over HTTP, or HTTPS with the machine's authorities (or those of `SSL_CERT_FILE`).
#[derive(Debug, Default)]
pub struct Http {
    /// Made with the first witness that wants it: reading all authorities takes longer than asking one witness.
    tls: OnceCell<Arc<rustls::ClientConfig>>,
}

impl Submit for Http {
    fn submit<'a>(&'a self, url: &'a str, body: String) -> Submitted<'a> {
        Box::pin(submit(&self.tls, url, body))
    }
}

async fn submit(tls: &OnceCell<Arc<rustls::ClientConfig>>, url: &str, body: String) -> io::Result<Answer> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("`{url}` {what}"));
    let uri: Uri = format!("{}/add-checkpoint", url.trim_end_matches('/'))
        .parse()
        .map_err(|_| wrong("is no URL"))?;
    let host = uri.host().ok_or_else(|| wrong("names no host"))?.to_owned();
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(wrong("is neither http nor https")),
    };
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, port)).await?;
    stream.set_nodelay(true)?;
    if secure {
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| wrong("has a host that no certificate names"))?;
        let stream = TlsConnector::from(Arc::clone(tls.get_or_try_init(authorities).await?))
            .connect(name, stream)
            .await?;
        exchange(stream, &uri, body).await
    } else {
        exchange(stream, &uri, body).await
    }
}

async fn exchange<S>(stream: S, uri: &Uri, body: String) -> io::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Its errors come back through the sender.
    tokio::spawn(connection);
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let path = uri
        .path_and_query()
        .map_or("/add-checkpoint", |path| path.as_str());
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, authority)
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(Full::new(bytes::Bytes::from(body)))
        .map_err(io::Error::other)?;
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let kind = answer.headers().get(CONTENT_TYPE);
    let is_size = kind.is_some_and(|kind| kind.as_bytes() == b"text/x.tlog.size");
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES)
        .collect()
        .await
        .map_err(io::Error::other)?;
    let body = String::from_utf8(body.to_bytes().to_vec()).map_err(io::Error::other)?;
    Ok(Answer {
        status,
        is_size,
        body,
    })
}

async fn authorities() -> io::Result<Arc<rustls::ClientConfig>> {
    let path = std::env::var_os("SSL_CERT_FILE").unwrap_or_else(|| AUTHORITIES.into());
    let pem = tokio::task::spawn_blocking(|| std::fs::read(path))
        .await
        .map_err(io::Error::other)??;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots
            .add(certificate.map_err(io::Error::other)?)
            .map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Asks the witnesses once, before anything is released: a ledger that is an old copy must not be taken up. Witnesses that
/// cannot be reached are asked again later.
///
/// # Errors
/// A witness knows more of the ledger than the ledger, or another one.
pub async fn before_start(cosigning: &Arc<Cosigning>) -> Result<(), Failure> {
    // All logs come from one write-ahead log: a copy that is old is so in the main log.
    match cosigning.cosign(None).await {
        Some(round) => accusation(&round),
        None => Ok(()),
    }
}

/// Has checkpoints cosigned as they come. Comes back only when a witness says that this ledger must not go on.
pub async fn keep_cosigned(ledger: Ledger, cosigning: Arc<Cosigning>) -> Failure {
    let mut seen: BTreeMap<Option<PartnerId>, u64> = BTreeMap::new();
    let mut lost = false;
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for tick in (0..PARTNERS_EVERY).cycle() {
        ticks.tick().await;
        let partners = if tick == 0 { ledger.partners() } else { Vec::new() };
        for log in std::iter::once(None).chain(partners.into_iter().map(Some)) {
            let size = size_of(&ledger, log.as_ref());
            if size.is_none() || seen.get(&log) == size.as_ref() {
                continue;
            }
            let Some(round) = cosigning.cosign(log.as_ref()).await else {
                continue;
            };
            if let Err(failure) = accusation(&round) {
                return failure;
            }
            tell(&round, &mut lost);
            if round.quorum.is_ok() {
                seen.insert(log, round.signed.checkpoint.size);
            }
        }
    }
    Failure::absent("checkpoints are not cosigned any more")
}

fn size_of(ledger: &Ledger, log: Option<&PartnerId>) -> Option<u64> {
    let checkpoints = ledger.checkpoints();
    let signed = match log {
        None => checkpoints.main.as_ref(),
        Some(partner) => checkpoints.partners.get(partner),
    };
    signed.map(|signed| signed.checkpoint.size)
}

/// Says it once when the quorum is lost, and once when it is there again.
fn tell(round: &Round, lost: &mut bool) {
    match (&round.quorum, *lost) {
        (Err(error), false) => {
            let why = round.witnesses.iter().filter_map(|(name, outcome)| {
                let fault = outcome.as_ref().err()?;
                Some(format!("{name}: {fault}"))
            });
            let why: Vec<String> = why.collect();
            crate::output::alarm(&format!(
                "{}: {error} ({}); it is asked again every second, and recording goes on",
                round.signed.checkpoint.origin,
                why.join("; ")
            ));
            *lost = true;
        }
        (Ok(_), true) => {
            crate::output::alarm("a quorum of witnesses cosigns the ledger again");
            *lost = false;
        }
        _ => {}
    }
}

fn accusation(round: &Round) -> Result<(), Failure> {
    for (name, outcome) in &round.witnesses {
        if let Err(fault) = outcome
            && fault.accuses_the_log()
        {
            return Err(Failure::absent(format!(
                "witness `{name}` does not stand for this ledger, so nothing may be released from it"
            ))
            .because(fault)
            .help("find out who turned the ledger back, or who else signs with its key; restore the newest copy"));
        }
    }
    Ok(())
}
