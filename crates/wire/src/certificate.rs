//! What logins need of X.509 certificates: the end point that channel binding is to, and the names that a client's stands for.
//!
//! Source: RFC 5929 (tls-server-end-point), RFC 5280 (subject and alternative names), RFC 4514 (a subject as text). Whether a
//! certificate holds is settled before, by whoever checks its chain.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};
use thiserror::Error;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::scram::EndPoint;

/// Longest certificate that is read: TLS itself takes no more than 64 KiB of a whole chain here.
pub const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;

/// Most names that are read of one certificate.
pub const NAMES_MAX: usize = 128;

/// Longest name, in bytes of its text.
pub const NAME_BYTES_MAX: usize = 1024;

/// Why a certificate's names are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Not one, or too long.
    #[error("the certificate cannot be read")]
    Malformed,
    /// More names than are looked at, or one that is too long.
    #[error("the certificate has more than {NAMES_MAX} names, or one of more than {NAME_BYTES_MAX} bytes")]
    Names,
}

/// The end point of a server that has this certificate (DER): its hash by the hash function of its signature, by SHA-256
/// where that is MD5 or SHA-1. `None` where RFC 5929 defines none (Ed25519), or the function stands in parameters (RSA-PSS).
#[must_use]
pub fn end_point(der: &[u8]) -> Option<EndPoint> {
    let algorithm = read(der).ok()?.signature_algorithm.oid;
    let hash = match algorithm.to_string().as_str() {
        // MD5, SHA-1 and SHA-256 with RSA; SHA-1 and SHA-256 with ECDSA.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Sha256::digest(der).to_vec(),
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" => Sha224::digest(der).to_vec(),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Sha384::digest(der).to_vec(),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Sha512::digest(der).to_vec(),
        _ => return None,
    };
    Some(EndPoint::new(&hash))
}

/// The names of a certificate (DER), each with its kind: `subject:CN=Ada King,O=State Police` (RFC 4514, as
/// `openssl x509 -noout -subject -nameopt RFC2253` has it, keys in capitals), `email:a.king@example.org`, `dns:host.example.org` in
/// small letters, `uri:spiffe://example.org/a`. Other kinds are left out, and so is an empty subject.
///
/// # Errors
/// See [`CertificateError`].
pub fn names(der: &[u8]) -> Result<Vec<String>, CertificateError> {
    let certificate = read(der)?.tbs_certificate;
    let mut names = Vec::new();
    if !certificate.subject.is_empty() {
        let mut subject = "subject:".to_owned();
        write!(subject, "{}", certificate.subject).map_err(|_| CertificateError::Malformed)?;
        names.push(subject);
    }
    let alternatives = certificate
        .get::<SubjectAltName>()
        .map_err(|_| CertificateError::Malformed)?;
    for name in alternatives.into_iter().flat_map(|(_, names)| names.0) {
        match name {
            GeneralName::Rfc822Name(name) => names.push(format!("email:{}", name.as_str())),
            GeneralName::DnsName(name) => names.push(format!("dns:{}", name.as_str().to_ascii_lowercase())),
            GeneralName::UniformResourceIdentifier(name) => names.push(format!("uri:{}", name.as_str())),
            _ => {}
        }
    }
    if names.len() > NAMES_MAX || names.iter().any(|name| name.len() > NAME_BYTES_MAX) {
        return Err(CertificateError::Names);
    }
    Ok(names)
}

fn read(der: &[u8]) -> Result<Certificate, CertificateError> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateError::Malformed);
    }
    Certificate::from_der(der).map_err(|_| CertificateError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Bytes that a stranger has chosen are answered, never with a panic.
        #[test]
        fn no_bytes_are_too_strange(der in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = (names(&der), end_point(&der));
        }
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        assert_eq!(
            names(&[0x30; CERTIFICATE_BYTES_MAX + 1]),
            Err(CertificateError::Malformed)
        );
        assert_eq!(end_point(b"no certificate"), None);
    }
}
