//! A placeholder that is checked: in front of a login of ours the agent proves by SCRAM that it knows what stands in its connection string. No
//! byte has gone to the database by then, and one that does not know it is not dialled for.
//!
//! It keeps out who was given another string, and typing errors; it is no password of the database, which it opens nothing of.

use wire::postgres::backend::Authentication;
use wire::postgres::encode;
use wire::postgres::frontend::authentication::SaslInitialResponse;

use super::{Connection, Cx, Fatal, Phase, Step};
use crate::injected::Placeholder;
use crate::scram::{self, Mechanism, Server, Verifier};

/// Where it stands.
#[derive(Debug, Default)]
pub(super) enum Proof {
    /// The agent's choice is due, or nothing is asked.
    #[default]
    Due,
    /// The agent's proof is due.
    Challenged(Box<Server>),
}

impl Connection {
    /// The agent is offered SCRAM, bound to its own leg where that has TLS. False: its login has no placeholder.
    pub(super) fn asks_placeholder(&mut self, cx: &mut Cx<'_, '_>) -> Result<bool, Fatal> {
        if self.placeholder().is_none() {
            return Ok(false);
        }
        let mut offered = vec![Mechanism::PLAIN];
        if !self.tls.agent_binding().is_empty() {
            offered.insert(0, Mechanism::PLUS);
        }
        let mark = cx.out.mark();
        encode::authentication_sasl(&mut cx.out.own, &offered)?;
        cx.out.agent_own(mark);
        self.phase = Phase::Checking;
        Ok(true)
    }

    /// An authentication message of the agent's.
    pub(super) fn checks_placeholder(&mut self, body: &[u8], cx: &mut Cx<'_, '_>) -> Step {
        let placeholder = self.placeholder().ok_or_else(|| Fatal::agent("an authentication message out of order"))?;
        let verifier = placeholder.verifier();
        match std::mem::take(&mut self.startup.opening().proof) {
            Proof::Due => {
                let server = self.challenges_agent(body, &verifier, cx)?;
                self.startup.opening().proof = Proof::Challenged(Box::new(server));
                return Ok(());
            }
            Proof::Challenged(server) => {
                let proof = server.answered(body, self.tls.agent_binding())?;
                let known = proof.client_key(&verifier).and_then(|_| proof.signature(&verifier));
                let Some(signature) = known else {
                    self.login.way = WRONG;
                    cx.out.wrong_placeholders += 1;
                    return Err(wrong());
                };
                let mark = cx.out.mark();
                encode::authentication(&mut cx.out.own, Authentication::SaslFinal(&signature))?;
                cx.out.agent_own(mark);
            }
        }
        self.phase = Phase::Connecting;
        cx.out.connect = true;
        Ok(())
    }

    /// The agent's first message, and ours.
    fn challenges_agent(&self, body: &[u8], verifier: &Verifier, cx: &mut Cx<'_, '_>) -> Result<Server, Fatal> {
        let chosen = SaslInitialResponse::parse(body).map_err(Fatal::of_agent)?;
        let offered = !self.tls.agent_binding().is_empty();
        let mechanism = Mechanism::of(chosen.mechanism).filter(|mechanism| offered || *mechanism == Mechanism::Plain);
        let (Some(mechanism), Some(message)) = (mechanism, chosen.response) else {
            return Err(Fatal::agent("a SASL mechanism that was not offered, or nothing of it"));
        };
        let mut server = Server::begin(message, mechanism, offered)?;
        let [nonce, _] = self.nonces()?;
        let first = server.challenge(&scram::nonce(nonce), &verifier.salt_text(), verifier.iterations);
        let mark = cx.out.mark();
        encode::authentication(&mut cx.out.own, Authentication::SaslContinue(first))?;
        cx.out.agent_own(mark);
        Ok(server)
    }

    /// What the agent of this session must know; `None`: nothing.
    pub(super) fn placeholder(&self) -> Option<Placeholder> {
        self.injected().and_then(|login| login.placeholder().cloned())
    }
}

/// The record's words of one that was wrong.
const WRONG: &str = "placeholder refused";

fn wrong() -> Fatal {
    Fatal::new(b"28P01", "password authentication failed: it is not the placeholder of this user")
        .hint("see `placeholder` of [[database.credentials.login]] in the interceptor's configuration")
}
