//! Every bound of the gateway, by name, with its reason.

use std::time::Duration;

/// Connections that have not logged in yet. Past it, new ones are closed at once: a flood of strangers
/// must not take memory or descriptors from partners at work.
pub(crate) const UNAUTHENTICATED: usize = 500;

/// Of these, from one address: a partner's office behind one address has room, and nobody else's way in is taken.
pub(crate) const UNAUTHENTICATED_FROM_ONE: usize = 250;

/// From the first byte of a connection to `ReadyForQuery`. PostgreSQL's `authentication_timeout` is 60 s; a
/// gateway next to its database needs less.
pub(crate) const LOGIN: Duration = Duration::from_secs(20);

/// For the upstream server to accept a connection and finish the start-up exchange.
pub(crate) const UPSTREAM_LOGIN: Duration = Duration::from_secs(10);

/// How often a server that says it is full is asked again, and the time between: longer than a backend takes to go.
pub(crate) const FULL_LOOKS: u32 = 40;
/// See [`FULL_LOOKS`].
pub(crate) const FULL_LOOK: Duration = Duration::from_millis(50);

/// A password message or SASL response. PostgreSQL's own limit (`PG_MAX_AUTH_TOKEN_LENGTH`) is 65,535.
pub(crate) const AUTH_MESSAGE_BYTES: usize = 16 * 1024;

/// One message from a client: statement text is bounded by the filter to less; this bounds `Bind`, whose
/// parameters are recorded and therefore read whole.
pub(crate) const CLIENT_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// What is read from the client ahead of what upstream has taken.
pub(crate) const TO_UPSTREAM_BYTES: usize = 256 * 1024;

/// One read from upstream, and so about the most that one record covers.
pub(crate) const READ_BYTES: usize = 128 * 1024;

/// A message of upstream's that is longer than this goes by in pieces.
pub(crate) const WHOLE_MESSAGE_BYTES: usize = 64 * 1024;

/// Columns of an agreement's views, and relations that everybody may read, in one database. Past it nobody is let in.
pub(crate) const RELATIONS: usize = 1_000_000;

/// Replies that wait for their record or for the client to read. Past it nothing more is read from upstream,
/// so a session's memory stays within a few times this, whatever the size of the result.
pub(crate) const HELD_BYTES: usize = 1024 * 1024;

/// The most that is handed to the transport in one write, cut at a message boundary: what a cut can no longer
/// take back, besides what the kernel holds (`NOT_SENT_BYTES`). One TLS record holds 16 KiB.
pub(crate) const SLICE_BYTES: usize = 16 * 1024;

/// Bytes of a client connection that the kernel may hold unsent (`TCP_NOTSENT_LOWAT`).
pub(crate) const NOT_SENT_BYTES: u32 = 128 * 1024;

/// After a cut or another fatal error: how long the last message may take to go out, and the client to close.
/// Then the connection is reset.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(250);

/// Prepared statements and portals that one session may hold at a time.
pub(crate) const NAMED: usize = 4096;

/// Text and parameters that one session's prepared statements and portals may hold, in bytes.
pub(crate) const NAMED_BYTES: usize = 64 * 1024 * 1024;

/// How long a client may leave a transaction open without running anything in it. The server's own timer is longer
/// (`policy::desired`), so that the client is told by us, and in our words.
pub(crate) const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(60);

/// How much longer than the agreement says a statement may take before the session is ended: the server's own timer comes
/// first and ends the statement only.
pub(crate) const STATEMENT_GRACE: Duration = Duration::from_secs(10);

/// How long a transaction may stay open, whatever is done in it: it holds back the custodian's vacuum and schema changes. A
/// report that reads one state of the data takes minutes.
pub(crate) const TRANSACTION: Duration = Duration::from_secs(15 * 60);

/// How often a session is looked at for what has taken too long, and one that does nothing asks whether its agreement's window and hours still hold.
pub(crate) const TICK: Duration = Duration::from_secs(5);

/// The shortest time between two such looks.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How long `shutdown` waits for statements that are running.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// How long after a cut could not be recorded it is tried again.
pub(crate) const RECORD_AGAIN: Duration = Duration::from_millis(200);

/// Most leaves of a receipt that is sent to a client: some 3 kB of a notice. Each names the one before it.
pub(crate) const RECEIPT_LEAVES: usize = 32;
