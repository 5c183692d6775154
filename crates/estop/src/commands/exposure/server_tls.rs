//! TLS to the server that is scanned, as libpq's `sslmode` has it: `prefer` and `require` hide what is read, `verify-ca` and
//! `verify-full` know whom they read from; with `sslcert` and `sslkey` the server knows who reads.

use std::path::PathBuf;
use std::sync::Arc;

use control::exposure::{Connect, Way};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::failure::Failure;
use crate::tls;

/// What of the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Nothing: `prefer`, `require`.
    Nothing,
    /// Who signed it: `verify-ca`, and `require` with `sslrootcert`.
    Authority,
    /// And whose it is: `verify-full`.
    Name,
}

/// A URL without what only libpq knows, and what that asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    url: String,
    check: Check,
    authorities: Option<PathBuf>,
    /// The client's own certificate and key.
    identity: Option<(PathBuf, PathBuf)>,
}

/// The way to a server by a URL with libpq's `sslmode`, `sslrootcert`, `sslcert` and `sslkey`.
///
/// # Errors
/// The URL or one of the files cannot be read.
pub(super) fn way(url: &str) -> Result<Way, Failure> {
    let asked = asked(url)?;
    let config = client(&asked)?;
    let connector = MakeRustlsConnect::new(config);
    let connect: Connect = Arc::new(move |config| {
        let connector = connector.clone();
        Box::pin(async move {
            let (client, driver) = config.connect(connector).await?;
            // It ends by itself when the client is dropped.
            tokio::spawn(async move {
                let _ = driver.await;
            });
            Ok(client)
        })
    });
    Way::by(&asked.url, connect).map_err(|error| super::failed(&error))
}

fn asked(url: &str) -> Result<Asked, Failure> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let mut check = Check::Nothing;
    let mut authorities = None;
    let (mut certificate, mut key) = (None, None);
    let mut kept: Vec<String> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", "allow")) => kept.push("sslmode=prefer".to_owned()),
            Some(("sslmode", mode @ ("verify-ca" | "verify-full"))) => {
                check = if mode == "verify-ca" {
                    Check::Authority
                } else {
                    Check::Name
                };
                kept.push("sslmode=require".to_owned());
            }
            Some(("sslmode", mode)) if !["disable", "prefer", "require"].contains(&mode) => {
                return Err(Failure::wrong(format!("there is no sslmode `{mode}`"))
                    .help("disable, prefer, require, verify-ca or verify-full"));
            }
            Some(("sslrootcert", file)) => authorities = Some(PathBuf::from(decoded(file))),
            Some(("sslcert", file)) => certificate = Some(PathBuf::from(decoded(file))),
            Some(("sslkey", file)) => key = Some(PathBuf::from(decoded(file))),
            Some(("sslpassword", _)) => {
                return Err(Failure::wrong("sslpassword is not taken: keys that are encrypted are not read")
                    .help("give a key without a password: openssl pkey -in KEY -out PLAIN, in a folder that is yours alone"));
            }
            _ => kept.push(pair.to_owned()),
        }
    }
    let identity = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            return Err(Failure::wrong("sslcert and sslkey go together")
                .help("add both to the URL: the PEM files of the certificate and of its key"));
        }
    };
    if authorities.is_some() && check == Check::Nothing && kept.iter().any(|pair| pair == "sslmode=require") {
        // As libpq does.
        check = Check::Authority;
    }
    if check != Check::Nothing && authorities.is_none() {
        return Err(Failure::wrong("sslmode=verify-ca and verify-full need to know whom to trust")
            .help("add sslrootcert=FILE to the URL: the PEM file of the authority that signed the server's certificate"));
    }
    let url = if kept.is_empty() {
        base.to_owned()
    } else {
        format!("{base}?{}", kept.join("&"))
    };
    Ok(Asked {
        url,
        check,
        authorities,
        identity,
    })
}

/// `%41` as `A`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let code = more
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, code) {
            (b'%', Some(code)) => {
                bytes.push(code);
                rest = more.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn client(asked: &Asked) -> Result<ClientConfig, Failure> {
    let failed = |error: &tls::TlsError| Failure::wrong("the authority's file cannot be used").because(error);
    let file = asked
        .authorities
        .as_ref()
        .filter(|_| asked.check != Check::Nothing);
    let authority = file.map(|file| tls::authority(file)).transpose();
    let authority = authority.map_err(|error| failed(&error))?;
    let verifier: Arc<dyn ServerCertVerifier> = match (asked.check, authority) {
        (Check::Name, Some(authority)) => authority,
        (_, authority) => Arc::new(Lenient {
            authority,
            provider: tls::provider(),
        }),
    };
    let builder = ClientConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&tls::TlsError::Config(error)))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some((certificate, key)) = &asked.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let failed = |error: &tls::TlsError| {
        Failure::wrong("the client's certificate and key cannot be used")
            .because(error)
            .help("sslcert and sslkey are PEM files, and the key is not encrypted")
    };
    let (chain, key) = tls::identity(certificate, key).map_err(|error| failed(&error))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| failed(&tls::TlsError::Config(error)))
}

/// Checks less than the server's name: who signed its certificate, or nothing. Signatures are checked all the same.
#[derive(Debug)]
struct Lenient {
    authority: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authority) = &self.authority else {
            return Ok(ServerCertVerified::assertion());
        };
        match authority.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is checked last: all else was right.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libpq_knows_is_taken_out_of_the_url() {
        let one = |url: &str| asked(url).ok();
        let full =
            one("postgresql://a@h/d?sslmode=verify-full&sslrootcert=/etc/ca%20root.pem&port=1").unwrap();
        assert_eq!(full.url, "postgresql://a@h/d?sslmode=require&port=1");
        assert_eq!(full.check, Check::Name);
        assert_eq!(full.authorities, Some(PathBuf::from("/etc/ca root.pem")));
        let plain = one("postgresql://a@h/d").unwrap();
        assert_eq!(
            (plain.url.as_str(), plain.check),
            ("postgresql://a@h/d", Check::Nothing)
        );
        let require = one("postgresql://a@h/d?sslmode=require&sslrootcert=ca.pem").unwrap();
        assert_eq!(require.check, Check::Authority);
        assert!(
            one("postgresql://a@h/d?sslmode=verify-ca").is_none(),
            "nobody to trust"
        );
        assert!(one("postgresql://a@h/d?sslmode=wrong").is_none());
        let own = one("postgresql://a@h/d?sslcert=a.pem&sslkey=b%20c.pem").unwrap();
        assert_eq!(own.url, "postgresql://a@h/d");
        assert_eq!(
            own.identity,
            Some((PathBuf::from("a.pem"), PathBuf::from("b c.pem")))
        );
        for half in [
            "sslcert=a.pem",
            "sslkey=b.pem",
            "sslcert=a.pem&sslkey=b.pem&sslpassword=x",
        ] {
            assert!(one(&format!("postgresql://a@h/d?{half}")).is_none(), "{half}");
        }
    }
}
