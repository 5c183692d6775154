//! One armored OpenSSH signature (PROTOCOL.sshsig), read before anything is believed of it.

use ssh_key::public::KeyData;
use ssh_key::{LineEnding, PublicKey, SshSig};

/// Longest armored signature in bytes: those of the accepted kinds of key have below 500.
pub const MAX_SIGNATURE_BYTES: usize = 4_096;

/// First line of the armor.
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";

/// Last line of the armor.
const END: &str = "\n-----END SSH SIGNATURE-----";

/// The only version of the format there is (PROTOCOL.sshsig).
const VERSION: u32 = 1;

/// Bytes after a security key's signature proper: one of flags, four of a counter (PROTOCOL.u2f).
const SK_TRAILER: usize = 5;

/// Flag of a security key: somebody touched it (WebAuthn section 6.1, UP).
const USER_PRESENT: u8 = 0x01;

/// Flag of a security key: whoever touched it was verified, by PIN or fingerprint (WebAuthn section 6.1, UV).
const USER_VERIFIED: u8 = 0x04;

/// Why a text is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureForm {
    /// Longer than [`MAX_SIGNATURE_BYTES`].
    #[error("it is longer than {MAX_SIGNATURE_BYTES} bytes")]
    TooLong,
    /// Control characters, or something before or after the armor.
    #[error(
        "it is not what `ssh-keygen -Y sign` writes: from `-----BEGIN SSH SIGNATURE-----` to \
         `-----END SSH SIGNATURE-----`, lines ended by a line feed alone"
    )]
    Armor,
    /// The armor does not hold a signature, or one that is written otherwise than OpenSSH writes it.
    #[error(
        "what the armor holds is no signature of OpenSSH's format, or one in another form than OpenSSH writes"
    )]
    Content,
    /// A version other than 1, or a reserved field that is not empty.
    #[error("it is of a version of OpenSSH's format that is not known")]
    Version,
    /// The signature's algorithm is not that of its key.
    #[error("its algorithm is not that of its key")]
    Algorithm,
}

/// What a security key says of how it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Not a security key: its file is all that was needed.
    NotAsked,
    /// Touched by somebody who was verified.
    Verified,
    /// Touched by somebody.
    Unverified,
    /// Not even touched.
    Absent,
}

/// A signature that has been read, not checked.
#[derive(Debug)]
pub(crate) struct Signature(SshSig);

impl Signature {
    pub(crate) fn parse(armored: &str) -> Result<Self, SignatureForm> {
        if armored.len() > MAX_SIGNATURE_BYTES {
            return Err(SignatureForm::TooLong);
        }
        let inside = armored.strip_suffix('\n').unwrap_or(armored).strip_prefix(BEGIN);
        let inside = inside
            .and_then(|rest| rest.strip_suffix(END))
            .ok_or(SignatureForm::Armor)?;
        // The reader of the armor is lenient about the ends of lines and what stands around it; one signature
        // in a certificate shall not have two forms.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=\n".contains(&byte);
        if inside.is_empty() || !inside.bytes().all(plain) {
            return Err(SignatureForm::Armor);
        }
        let signature = SshSig::from_pem(armored).map_err(|_| SignatureForm::Content)?;
        // Nor does the reader of the content look at every length it reads: what it read must be what stands
        // there.
        let again = signature
            .to_pem(LineEnding::LF)
            .map_err(|_| SignatureForm::Content)?;
        if again.trim_end() != armored.trim_end() {
            return Err(SignatureForm::Content);
        }
        if signature.version() != VERSION || !signature.reserved().is_empty() {
            return Err(SignatureForm::Version);
        }
        if signature.algorithm() != signature.public_key().algorithm() {
            return Err(SignatureForm::Algorithm);
        }
        Ok(Self(signature))
    }

    /// The key it says it was made with.
    pub(crate) fn key(&self) -> &KeyData {
        self.0.public_key()
    }

    /// The namespace it says it was made in.
    pub(crate) fn namespace(&self) -> &str {
        self.0.namespace()
    }

    /// Whether it was made by its key, in its namespace, over these bytes.
    pub(crate) fn fits(&self, bytes: &[u8]) -> bool {
        PublicKey::from(self.key().clone())
            .verify(self.namespace(), bytes, &self.0)
            .is_ok()
    }

    /// What a security key says of how it was asked. Neither OpenSSH nor `ssh-key` looks at it when it checks
    /// a signature.
    pub(super) fn presence(&self) -> Presence {
        if !matches!(self.key(), KeyData::SkEd25519(_)) {
            return Presence::NotAsked;
        }
        let trailer = self.0.signature_bytes().last_chunk::<SK_TRAILER>();
        let flags = trailer.map_or(0, |[flags, ..]| *flags);
        match (flags & USER_PRESENT != 0, flags & USER_VERIFIED != 0) {
            (true, true) => Presence::Verified,
            (true, false) => Presence::Unverified,
            (false, _) => Presence::Absent,
        }
    }
}
