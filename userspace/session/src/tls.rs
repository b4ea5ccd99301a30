//! What a session knows of TLS: whether a leg shall have it, and what came of it. Keys, certificates and records are the shard's.

/// Whether an agent may, or must, speak TLS with us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgentTls {
    /// An SSLRequest is declined.
    #[default]
    Disable,
    /// An SSLRequest is granted; an agent that asks for none is served all the same.
    Allow,
    /// A session without TLS is refused. Cancel requests are not: they hold no statement, and older drivers send them plain.
    Require,
}

/// A leg that shall turn to TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secure {
    /// The agent's, behind the pieces of this call.
    Agent,
    /// The agent's, and the chunk of this call is its first TLS record: nothing of it was read.
    AgentAtOnce,
    /// The database's.
    Database,
}

/// A handshake that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// `TLSv1.3`, `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite's name.
    pub suite: &'static str,
    /// Both sides named the protocol `postgresql` (ALPN).
    pub alpn: bool,
    /// The name that the peer's certificate was verified for; empty: none was.
    pub peer: String,
    /// The binding of the certificate that the leg's server showed (`tls-server-end-point`, RFC 5929); empty: its signature has none.
    pub binding: Vec<u8>,
    /// What the agent showed of itself, verified; `None`: nothing, or it is the database's leg.
    pub certificate: Option<Box<ClientCertificate>>,
}

/// A certificate of an agent: who it says that it is, beside what the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its subject, as RFC 4514 writes it.
    pub subject: String,
    /// Its serial number in hexadecimal digits.
    pub serial: String,
    /// SHA-256 of it.
    pub sha256: [u8; 32],
}
