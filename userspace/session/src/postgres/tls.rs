//! When TLS begins on either leg, and what of it is refused. The manual, "SSL Session Encryption".

use pan::Masked;
use wire::postgres::encode;

use super::startup::answer_encryption;
use super::{Connection, Cx, Fatal, Phase, Step};
use crate::{AgentTls, ClientCertificate, Secure, Secured};

/// TLS of both legs.
#[derive(Debug, Default)]
pub(super) struct Legs {
    agent: Leg,
    /// The agent began with TLS, without an SSLRequest.
    at_once: bool,
    database: Leg,
}

#[derive(Debug, Default)]
enum Leg {
    #[default]
    Plain,
    /// The database was sent an SSLRequest; its answer is one byte.
    Asked,
    /// The shard is shaking hands.
    Began,
    /// Apart, because most sessions are plain and each idle one counts.
    Secured(Box<Secured>),
}

impl Leg {
    fn secured(&self) -> Option<&Secured> {
        match self {
            Leg::Secured(secured) => Some(secured),
            Leg::Plain | Leg::Asked | Leg::Began => None,
        }
    }
}

impl Legs {
    pub(super) fn agent_began(&self) -> bool {
        !matches!(self.agent, Leg::Plain)
    }

    pub(super) fn database_asked(&self) -> bool {
        matches!(self.database, Leg::Asked)
    }

    /// What the agent showed of itself.
    pub(super) fn certificate(&self) -> Option<&ClientCertificate> {
        self.agent.secured()?.certificate.as_deref()
    }

    /// The bindings of the agent's leg and of the database's, where both have TLS.
    pub(super) fn bindings(&self) -> Option<(&[u8], &[u8])> {
        Some((&self.agent.secured()?.binding, &self.database.secured()?.binding))
    }

    /// The binding of the agent's leg; empty: it is plain, or its certificate has none.
    pub(super) fn agent_binding(&self) -> &[u8] {
        self.agent.secured().map_or(&[], |tls| &tls.binding)
    }

    /// The binding of the database's leg; `None`: it is plain.
    pub(super) fn database_binding(&self) -> Option<&[u8]> {
        Some(&self.database.secured()?.binding)
    }

    /// For the record: TLS of the agent's leg, of the database's, and whom the database's certificate was verified for.
    pub(super) fn told(&self) -> (Option<Masked>, Option<Masked>, Option<Masked>) {
        let told = |leg: &Leg| leg.secured().map(|tls| Masked::of(&format!("{} {}", tls.version, tls.suite)));
        let peer = self.database.secured().filter(|tls| !tls.peer.is_empty()).map(|tls| Masked::of(&tls.peer));
        (told(&self.agent), told(&self.database), peer)
    }
}

impl Connection {
    /// An SSLRequest: yes.
    pub(super) fn grant_tls(&mut self, alone: bool, cx: &mut Cx<'_, '_>) -> Step {
        answer_encryption(b'S', alone, cx)?;
        self.tls.agent = Leg::Began;
        cx.out.secure = Some(Secure::Agent);
        Ok(())
    }

    /// The first byte is one of TLS (PostgreSQL 17, sslnegotiation=direct). `base`: where it lies in the chunk.
    pub(super) fn tls_at_once(&mut self, base: Option<usize>, cx: &mut Cx<'_, '_>) -> Step {
        let first = base == Some(0) && !self.startup.negotiated() && !self.tls.agent_began();
        if !first || self.open.database.agent_tls == AgentTls::Disable {
            return Err(misplaced());
        }
        self.tls.agent = Leg::Began;
        self.tls.at_once = true;
        cx.out.secure = Some(Secure::AgentAtOnce);
        Ok(())
    }

    /// The handshake with the agent is over. Without an SSLRequest only ALPN says that this is the protocol that it means: a
    /// browser's bytes, say, are never read as a startup packet.
    pub(super) fn agent_secured(&mut self, secured: Secured) -> Step {
        if self.tls.at_once && !secured.alpn {
            return Err(Fatal::agent("direct TLS without the protocol's name (ALPN postgresql)"));
        }
        self.tls.agent = Leg::Secured(Box::new(secured));
        Ok(())
    }

    /// What a startup packet needs in front of it.
    pub(super) fn admits_leg(&self) -> Step {
        if self.open.database.agent_tls == AgentTls::Require && self.tls.agent.secured().is_none() {
            return Err(Fatal::new(b"28000", "this database is served under TLS only").hint(
                "connect with sslmode=require, or verify-full with the certificate that `interceptor ca` prints",
            ));
        }
        if self.open.database.agent_certificate && self.tls.certificate().is_none() {
            return Err(Fatal::new(b"28000", "connection requires a valid client certificate")
                .hint("the interceptor's configuration wants one of this database's agents: give sslcert and sslkey"));
        }
        Ok(())
    }

    /// Sends the database an SSLRequest where TLS shall be and is not yet.
    pub(super) fn asks_for_tls(&mut self, cx: &mut Cx<'_, '_>) -> bool {
        let asks = self.open.database.database_tls
            && matches!(self.tls.database, Leg::Plain)
            && matches!(self.phase, Phase::Connecting | Phase::Cancelling);
        if asks {
            let mark = cx.out.mark();
            encode::ssl_request(&mut cx.out.own);
            cx.out.database_own(mark);
            self.tls.database = Leg::Asked;
        }
        asks
    }

    /// The answer to our SSLRequest is one byte. What comes with it was not encrypted and is not read (CVE-2021-23222), nor is an error
    /// that anybody could have sent (CVE-2024-10977). There is no going on without TLS.
    pub(super) fn database_answers_tls(&mut self, chunk: &[u8], cx: &mut Cx<'_, '_>) -> Step {
        let refused =
            |why| Err(Fatal::new(b"08001", why).hint("the interceptor's configuration wants TLS to this database"));
        match chunk {
            b"S" => {
                self.tls.database = Leg::Began;
                cx.out.secure = Some(Secure::Database);
                Ok(())
            }
            [b'S', ..] => refused("the database sent unencrypted bytes behind its consent to TLS"),
            b"N" => refused("the database does not speak TLS"),
            [b'E', ..] => refused("the database refused the connection before TLS began"),
            _ => refused("the database answered the request for TLS with something else"),
        }
    }

    pub(super) fn database_secured(&mut self, secured: Secured, cx: &mut Cx<'_, '_>) -> Step {
        self.tls.database = Leg::Secured(Box::new(secured));
        self.connected(cx)
    }
}

/// TLS where it has no place.
pub(super) fn misplaced() -> Fatal {
    Fatal::agent("TLS is not served here").hint("connect with sslmode=disable or prefer")
}
