//! From signed bytes to an order that may be carried out: at least two people, each with their own key.

use jiff::{SignedDuration, Timestamp};

use super::signature::{Presence, Signature};
use super::{Directive, DirectiveError, SignatureForm, namespace};
use crate::id::Custodian;
use crate::record::{DirectiveRecord, EstateRecord};
use crate::signers::{AllowedKey, AllowedSigners, Person, Unusable};

/// People who must have signed.
pub const MIN_PEOPLE: usize = 2;

/// Signatures that are looked at. More people than this do not sign one order; checking a signature costs
/// time.
pub const MAX_SIGNATURES: usize = 16;

/// How far `issued` may lie in the future: clocks of the people who draw up and of those who carry out
/// differ.
pub const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What enough people have signed, with all that is needed to check it again. Made by [`approve`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved<T> {
    what: T,
    text: String,
    signatures: Vec<String>,
    signers: AllowedSigners,
    people: Vec<Person>,
    keys: Vec<String>,
}

/// Why a signed directive is not carried out. `signature` counts from 1, in the order they were given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// The bytes are no directive.
    #[error("the signed text is no directive")]
    Directive(#[source] DirectiveError),
    /// It is addressed to another custodian.
    #[error("the directive is for `{named}`, this is `{ours}`")]
    ForeignCustodian {
        /// The custodian it names.
        named: Custodian,
        /// The custodian here.
        ours: Custodian,
    },
    /// It says it was issued in the future.
    #[error("the directive was issued {issued}, more than five minutes after now, {now}")]
    FromTheFuture {
        /// When it says it was issued.
        issued: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// It may no longer be carried out.
    #[error("the directive expired {expires}, now it is {now}; draw it up and sign it anew")]
    Expired {
        /// When it expired.
        expires: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// There is no signature.
    #[error("the directive has no signature, two people must sign it")]
    NoSignature,
    /// There are too many to look at.
    #[error("the directive has {count} signatures, at most {MAX_SIGNATURES} are looked at")]
    TooManySignatures {
        /// How many there are.
        count: usize,
    },
    /// One is no signature at all.
    #[error("signature {signature} cannot be read")]
    Form {
        /// Which.
        signature: usize,
        /// What is wrong with it.
        #[source]
        source: SignatureForm,
    },
    /// One stands there twice.
    #[error("signature {signature} is the same as signature {earlier}; two people must sign")]
    SameSignature {
        /// Which.
        signature: usize,
        /// The one it equals.
        earlier: usize,
    },
    /// One was made with a key that is nobody's here.
    #[error("signature {signature} was made with a key that the allowed signers do not list")]
    UnknownKey {
        /// Which.
        signature: usize,
    },
    /// Two were made with one key.
    #[error(
        "signatures {earlier} and {signature} were made with the same key, that of `{person}`; two people must sign"
    )]
    SameKey {
        /// Which.
        signature: usize,
        /// The other.
        earlier: usize,
        /// Whose key it is.
        person: Person,
    },
    /// Two were made by one person, with two keys.
    #[error(
        "signatures {earlier} and {signature} were both made by `{person}`, with two keys; two people must sign"
    )]
    SamePerson {
        /// Which.
        signature: usize,
        /// The other.
        earlier: usize,
        /// Who made both.
        person: Person,
    },
    /// One was made for another use.
    #[error(
        "signature {signature}, by `{person}`, was made in the namespace `{found}`; sign with `-n {expected}`"
    )]
    WrongNamespace {
        /// Which.
        signature: usize,
        /// Whose key it is.
        person: Person,
        /// The namespace it was made in.
        found: String,
        /// The namespace of this custodian's directives.
        expected: String,
    },
    /// One was made with a key that may not sign directives.
    #[error(
        "signature {signature}: the key of `{person}` may not sign in `{namespace}`, it is for `{allowed}` only"
    )]
    KeyNotForDirectives {
        /// Which.
        signature: usize,
        /// Whose key it is.
        person: Person,
        /// The namespace of this custodian's directives.
        namespace: String,
        /// The namespaces the key is allowed for, joined by commas.
        allowed: String,
    },
    /// One was made with a key whose validity has not begun.
    #[error("signature {signature}: the key of `{person}` is not valid before {from}")]
    KeyNotYetValid {
        /// Which.
        signature: usize,
        /// Whose key it is.
        person: Person,
        /// When its validity begins.
        from: Timestamp,
    },
    /// One was made with a key whose validity has ended.
    #[error("signature {signature}: the key of `{person}` was valid until {until}")]
    KeyExpired {
        /// Which.
        signature: usize,
        /// Whose key it is.
        person: Person,
        /// When its validity ended.
        until: Timestamp,
    },
    /// One does not fit these bytes.
    #[error(
        "signature {signature}, by the key of `{person}`, does not fit the directive: it was made over other bytes"
    )]
    DoesNotFit {
        /// Which.
        signature: usize,
        /// Whose key it says it was made with.
        person: Person,
    },
    /// One was made by a security key that nobody touched.
    #[error(
        "signature {signature}: the security key of `{person}` says that nobody touched it; \
         make the key without `no-touch-required`"
    )]
    UserNotPresent {
        /// Which.
        signature: usize,
        /// Whose key it is.
        person: Person,
    },
    /// One was made by a security key that did not ask who touched it.
    #[error(
        "signature {signature}: the security key of `{person}` did not verify who touched it; \
         make the key with `-O verify-required`"
    )]
    UserNotVerified {
        /// Which.
        signature: usize,
        /// Whose key it is.
        person: Person,
    },
    /// One person has signed.
    #[error("only `{person}` has signed the directive, a second person must")]
    OnePerson {
        /// Who.
        person: Person,
    },
}

/// Checks a signed directive: `bytes` as they were signed, the armored `signatures`, the `signers` in force,
/// `custodian` who carries it out, and the time `now`.
///
/// Every signature that is given must hold, each by another person. That the nonce was not used before is for
/// the caller to check, who has the state.
///
/// # Errors
/// The first thing that does not hold: see [`ApprovalError`].
pub fn approve(
    bytes: &[u8],
    signatures: &[&str],
    signers: &AllowedSigners,
    custodian: &Custodian,
    now: Timestamp,
) -> Result<Approved<Directive>, ApprovalError> {
    let directive = Directive::parse(bytes).map_err(ApprovalError::Directive)?;
    check_terms(&directive, custodian, now)?;
    if signatures.len() > MAX_SIGNATURES {
        return Err(ApprovalError::TooManySignatures {
            count: signatures.len(),
        });
    }
    let namespace = namespace(custodian);
    let mut accepted: Vec<Accepted<'_>> = Vec::new();
    for (number, armored) in (1..).zip(signatures) {
        let one = One {
            number,
            armored,
            bytes,
            namespace: &namespace,
            now,
        };
        let key = one.check(signers, &accepted)?;
        accepted.push(Accepted { armored, key });
    }
    // `One::check` lets nobody sign twice, so there are as many people as signatures.
    if accepted.len() < MIN_PEOPLE {
        return Err(accepted
            .first()
            .map_or(ApprovalError::NoSignature, |alone| ApprovalError::OnePerson {
                person: alone.key.person().clone(),
            }));
    }
    Ok(Approved {
        text: directive.encode(),
        what: directive,
        signatures: signatures.iter().map(|armored| (*armored).to_owned()).collect(),
        signers: signers.clone(),
        people: accepted.iter().map(|one| one.key.person().clone()).collect(),
        keys: accepted.iter().map(|one| one.key.fingerprint()).collect(),
    })
}

impl<T> Approved<T> {
    /// The signed text, byte for byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The armored signatures.
    pub fn signatures(&self) -> &[String] {
        &self.signatures
    }

    /// The signers it was checked against.
    pub fn signers(&self) -> &AllowedSigners {
        &self.signers
    }

    /// Who signed, in the order of the signatures.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// Fingerprints of the keys they signed with, in the same order.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }
}

impl<T> std::ops::Deref for Approved<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.what
    }
}

impl Approved<Directive> {
    /// The private record of the directive's entry in the ledger.
    pub fn record(&self, estate: Option<EstateRecord>) -> DirectiveRecord {
        DirectiveRecord {
            number: self.number.clone(),
            text: self.text.clone(),
            signatures: self.signatures.clone(),
            signers_file: self.signers.text().to_owned(),
            people: self.people.iter().map(Person::to_string).collect(),
            estate,
        }
    }
}

fn check_terms(directive: &Directive, custodian: &Custodian, now: Timestamp) -> Result<(), ApprovalError> {
    if directive.custodian != *custodian {
        return Err(ApprovalError::ForeignCustodian {
            named: directive.custodian.clone(),
            ours: custodian.clone(),
        });
    }
    if directive.issued.duration_since(now) > MAX_SKEW {
        return Err(ApprovalError::FromTheFuture {
            issued: directive.issued,
            now,
        });
    }
    if now >= directive.expires {
        return Err(ApprovalError::Expired {
            expires: directive.expires,
            now,
        });
    }
    Ok(())
}

/// A signature that holds.
struct Accepted<'a> {
    armored: &'a str,
    key: &'a AllowedKey,
}

/// A signature under examination, and what it is held against.
struct One<'a> {
    number: usize,
    armored: &'a str,
    bytes: &'a [u8],
    namespace: &'a str,
    now: Timestamp,
}

impl One<'_> {
    fn check<'s>(
        &self,
        signers: &'s AllowedSigners,
        before: &[Accepted<'_>],
    ) -> Result<&'s AllowedKey, ApprovalError> {
        let number = self.number;
        let signature = Signature::parse(self.armored).map_err(|source| ApprovalError::Form {
            signature: number,
            source,
        })?;
        let key = signers
            .find(signature.key())
            .ok_or(ApprovalError::UnknownKey { signature: number })?;
        self.check_different(key, before)?;
        self.check_purpose(&signature, key)?;
        if !signature.fits(self.bytes) {
            return Err(ApprovalError::DoesNotFit {
                signature: number,
                person: key.person().clone(),
            });
        }
        match signature.presence() {
            Presence::NotAsked | Presence::Verified => Ok(key),
            Presence::Absent => Err(ApprovalError::UserNotPresent {
                signature: number,
                person: key.person().clone(),
            }),
            Presence::Unverified => Err(ApprovalError::UserNotVerified {
                signature: number,
                person: key.person().clone(),
            }),
        }
    }

    fn check_different(&self, key: &AllowedKey, before: &[Accepted<'_>]) -> Result<(), ApprovalError> {
        let signature = self.number;
        for (earlier, other) in (1..).zip(before) {
            if other.armored == self.armored {
                return Err(ApprovalError::SameSignature { signature, earlier });
            }
            if other.key.key() == key.key() {
                return Err(ApprovalError::SameKey {
                    signature,
                    earlier,
                    person: key.person().clone(),
                });
            }
            if other.key.person() == key.person() {
                return Err(ApprovalError::SamePerson {
                    signature,
                    earlier,
                    person: key.person().clone(),
                });
            }
        }
        Ok(())
    }

    fn check_purpose(&self, signature: &Signature, key: &AllowedKey) -> Result<(), ApprovalError> {
        let (number, person) = (self.number, key.person().clone());
        if signature.namespace() != self.namespace {
            let (found, expected) = (signature.namespace(), self.namespace.to_owned());
            let found = found.escape_debug().to_string();
            return Err(ApprovalError::WrongNamespace {
                signature: number,
                person,
                found,
                expected,
            });
        }
        key.usable(self.namespace, self.now)
            .map_err(|unusable| match unusable {
                Unusable::NotYet { from } => ApprovalError::KeyNotYetValid {
                    signature: number,
                    person,
                    from,
                },
                Unusable::Expired { until } => ApprovalError::KeyExpired {
                    signature: number,
                    person,
                    until,
                },
                Unusable::Namespace { allowed } => {
                    let namespace = self.namespace.to_owned();
                    ApprovalError::KeyNotForDirectives {
                        signature: number,
                        person,
                        namespace,
                        allowed,
                    }
                }
            })
    }
}
