//! TLS of the gateway, of the demo's clients and of the exposure scan: certificates and keys from PEM files, one crypto provider, named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// Why a TLS configuration could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A PEM file is not there or not PEM.
    #[error("cannot read `{}` as PEM", path.display())]
    Pem {
        /// Which file.
        path: PathBuf,
        /// What the reader says.
        #[source]
        source: pem::Error,
    },
    /// A file with no certificate in it.
    #[error("no certificate, or no revocation list, in `{}`", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// Certificate and key do not go together, or are of an unknown kind.
    #[error("certificate and key do not make a TLS configuration")]
    Config(#[source] rustls::Error),
}

/// For a server with this certificate chain and key. TLS 1.2 and 1.3.
///
/// # Errors
/// See [`TlsError`].
pub fn server(chain: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let (certificates, private) = identity(chain, key)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?
        .with_no_client_auth()
        .with_single_cert(certificates, private)
        .map_err(TlsError::Config)?;
    Ok(Arc::new(config))
}

/// What the gateway's TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The PEM file with its certificate and those that signed it.
    pub chain: PathBuf,
    /// The PEM file with its key.
    pub key: PathBuf,
    /// The PEM file with the authorities of client certificates, if any are taken.
    pub authorities: Option<PathBuf>,
    /// The PEM file with their revocation lists.
    pub revocations: Option<PathBuf>,
}

/// The gateway's configuration, and its certificate, to which logins can be bound. A client may show a certificate: then it must
/// be signed by one of the authorities, and, where there are revocation lists, be on none, with a list of each authority that has not
/// run out.
///
/// # Errors
/// See [`TlsError`].
pub fn gateway(parts: &Parts) -> Result<(ServerConfig, CertificateDer<'static>), TlsError> {
    let (chain, private) = identity(&parts.chain, &parts.key)?;
    let own = chain.first().cloned().ok_or_else(|| TlsError::Empty {
        path: parts.chain.clone(),
    })?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?;
    let config = match &parts.authorities {
        None => config.with_no_client_auth(),
        Some(authorities) => config.with_client_cert_verifier(clients(authorities, parts)?),
    };
    let config = config
        .with_single_cert(chain, private)
        .map_err(TlsError::Config)?;
    Ok((config, own))
}

fn clients(authorities: &Path, parts: &Parts) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authorities)? {
        roots.add(certificate).map_err(TlsError::Config)?;
    }
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    if let Some(path) = &parts.revocations {
        let pem = |source| TlsError::Pem {
            path: path.clone(),
            source,
        };
        let lists: Vec<_> = CertificateRevocationListDer::pem_file_iter(path)
            .map_err(pem)?
            .collect::<Result<_, _>>()
            .map_err(pem)?;
        if lists.is_empty() {
            return Err(TlsError::Empty { path: path.clone() });
        }
        verifier = verifier.with_crls(lists).enforce_revocation_expiration();
    }
    verifier
        .allow_unauthenticated()
        .build()
        .map_err(|error| TlsError::Config(rustls::Error::General(error.to_string())))
}

/// A certificate with those that signed it, and its key, which is not encrypted.
///
/// # Errors
/// See [`TlsError`].
pub fn identity(
    chain: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Pem {
        path: key.to_owned(),
        source,
    })?;
    Ok((certificates(chain)?, private))
}

/// For a client that trusts only the authorities in this file, and checks the server's name (`sslmode=verify-full`).
///
/// # Errors
/// See [`TlsError`].
pub fn client(authorities: &Path) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authorities)? {
        roots.add(certificate).map_err(TlsError::Config)?;
    }
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// What checks that a certificate was signed by an authority in this file.
///
/// # Errors
/// See [`TlsError`].
pub fn authority(authorities: &Path) -> Result<Arc<rustls::client::WebPkiServerVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authorities)? {
        roots.add(certificate).map_err(TlsError::Config)?;
    }
    rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| TlsError::Config(rustls::Error::General(error.to_string())))
}

/// Named here because more than one may be linked in, and then rustls has no default.
#[must_use]
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem {
        path: path.to_owned(),
        source,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(pem)?
        .collect::<Result<_, _>>()
        .map_err(pem)?;
    if found.is_empty() {
        Err(TlsError::Empty {
            path: path.to_owned(),
        })
    } else {
        Ok(found)
    }
}
