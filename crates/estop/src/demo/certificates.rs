//! A certificate authority for the demo and one server certificate for `localhost`.

use std::path::Path;

use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::files::{self, FileError, Readers};

/// The host name and address that the certificate is for.
pub const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// The authority's certificate, for `sslrootcert`.
pub const AUTHORITY: &str = "tls/ca.pem";
/// The server's certificate.
pub const CERTIFICATE: &str = "tls/server.pem";
/// The server's key.
pub const KEY: &str = "tls/server.key";

/// Long enough to play with the demo, too short to be taken for more.
const DAYS_VALID: i64 = 30;

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// Making or signing one failed.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Makes both and writes them below `folder`. The authority's own key is forgotten: it can sign nothing more.
///
/// # Errors
/// See [`CertificatesError`].
pub fn write(folder: &Path, now: Timestamp) -> Result<(), CertificatesError> {
    let authority_key = KeyPair::generate()?;
    let mut authority = params(&[], now)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority
        .distinguished_name
        .push(DnType::CommonName, "Estop demo authority");
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate()?;
    let mut server = params(&NAMES, now)?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = server.signed_by(&key, &issuer)?;

    files::create(
        &folder.join(AUTHORITY),
        &authority_certificate.pem(),
        Readers::All,
    )?;
    files::create(&folder.join(CERTIFICATE), &certificate.pem(), Readers::All)?;
    Ok(files::create(
        &folder.join(KEY),
        &key.serialize_pem(),
        Readers::Owner,
    )?)
}

fn params(names: &[&str], now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    let day = |offset: i64| {
        let zoned = now.to_zoned(jiff::tz::TimeZone::UTC);
        let date = zoned.date().saturating_add(offset.days());
        // Month and day of a civil date are 1 to 31.
        date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = day(-1);
    params.not_after = day(DAYS_VALID);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, tls};

    #[test]
    fn the_certificates_make_a_server_and_a_client() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), clock::now()).unwrap();
        tls::server(&folder.path().join(CERTIFICATE), &folder.path().join(KEY)).unwrap();
        tls::client(&folder.path().join(AUTHORITY)).unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(folder.path().join(KEY)).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), clock::now()).unwrap();
        assert!(write(folder.path(), clock::now()).is_err());
    }
}
