//! What lets partners in: the gateway's certificate, the authorities and revocations of theirs, and the keys of the issuer of tokens. The
//! files are looked at again and again, so that a revocation or a new key needs no restart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::{Issuer, Keys, ServerTls, Tokens};

use crate::estate::Loaded;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::alarm;
use crate::tls::{self, Parts};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Longest of the files: the gateway takes fewer keys, and revocation lists of some thousands of entries.
const BYTES_MAX: usize = 16 << 20;

/// The doors, and the files they are made of.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) tls: ServerTls,
    pub(super) tokens: Option<Tokens>,
    parts: Parts,
    keys: Option<PathBuf>,
    seen: Vec<Option<String>>,
}

impl Doors {
    /// Opens them.
    ///
    /// # Errors
    /// One of the files does not do.
    pub(super) fn open(loaded: &Loaded) -> Result<Self, Failure> {
        let gateway = loaded.estate.gateway();
        let path = |relative: &String| loaded.path(relative);
        let parts = Parts {
            chain: path(&gateway.tls_certificate),
            key: path(&gateway.tls_key),
            authorities: gateway.client_authorities.as_ref().map(path),
            revocations: gateway.client_revocations.as_ref().map(path),
        };
        let keys = gateway.tokens.as_ref().map(|tokens| path(&tokens.keys));
        let seen = read(&parts, keys.as_ref());
        let (config, own) = made(&parts)?;
        let tokens = match (&gateway.tokens, &keys) {
            (Some(tokens), Some(path)) => {
                let issuer = Issuer {
                    issuer: tokens.issuer.clone(),
                    audience: tokens.audience.clone(),
                    scope: tokens.scope.clone(),
                    claim: tokens.claim.clone(),
                };
                Some(Tokens::new(issuer, issuers(path)?))
            }
            _ => None,
        };
        Ok(Self {
            tls: ServerTls::new(config, &own),
            tokens,
            parts,
            keys,
            seen,
        })
    }

    /// Looks at the files again and again. What does not do leaves the doors as they are, and is said once.
    pub(super) async fn keep(mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            let now = read(&self.parts, self.keys.as_ref());
            if now == self.seen {
                continue;
            }
            self.seen = now;
            if let Err(failure) = self.renew() {
                alarm(&format!(
                    "what lets partners in stays as it was: {}",
                    failure.line()
                ));
            }
        }
    }

    fn renew(&self) -> Result<(), Failure> {
        let (config, own) = made(&self.parts)?;
        if let (Some(tokens), Some(path)) = (&self.tokens, &self.keys) {
            tokens.keys_are(issuers(path)?);
        }
        self.tls.becomes(config, &own);
        Ok(())
    }
}

fn made(parts: &Parts) -> Result<(rustls::ServerConfig, rustls_pki_types::CertificateDer<'static>), Failure> {
    tls::gateway(parts).map_err(|error| Failure::from_error(Exit::Absent, &error))
}

/// What stands in the files; nothing for one that cannot be read.
fn read(parts: &Parts, keys: Option<&PathBuf>) -> Vec<Option<String>> {
    let all = [
        Some(&parts.chain),
        Some(&parts.key),
        parts.authorities.as_ref(),
        parts.revocations.as_ref(),
        keys,
    ];
    let all = all.into_iter().flatten();
    all.map(|path| files::read(path, BYTES_MAX).ok()).collect()
}

fn issuers(path: &Path) -> Result<Keys, Failure> {
    let text = files::read(path, BYTES_MAX)?;
    Keys::parse(text.as_bytes()).map_err(|error| {
        Failure::wrong(format!("`{}` holds no keys of an issuer", path.display())).because(&error)
    })
}
