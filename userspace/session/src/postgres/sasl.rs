//! SCRAM that passes on. Channel binding ties a login to one TLS connection (RFC 5802, tls-server-end-point), so an agent
//! cannot use it through us: it is taken out of the database's offer. A client that could have used it says so inside its proof (`y`),
//! and a server that offered it then refuses the login, which is what the flag is for. So that is said here, with the way round.
//! Where a verifier of the role is known SCRAM ends here instead (`scram`).

use wire::postgres::backend::Authentication;
use wire::postgres::encode;
use wire::postgres::frontend::authentication::SaslInitialResponse;

use super::{Connection, Cx, Fatal, Step};

/// Mechanisms whose names end so bind to the channel (RFC 5801).
const PLUS: &[u8] = b"-PLUS";

impl Connection {
    /// The database's offer, without the mechanisms that bind to its channel. False: it has none, and passes as it is.
    pub(super) fn narrows_offer(&mut self, step: &Authentication<'_>, cx: &mut Cx<'_, '_>) -> Result<bool, Fatal> {
        let Authentication::Sasl(offered) = step else { return Ok(false) };
        let kept: Vec<&[u8]> = offered.iter().filter(|name| !name.ends_with(PLUS)).collect();
        if kept.len() == offered.iter().count() {
            return Ok(false);
        }
        if kept.is_empty() {
            return Err(Fatal::new(
                b"28000",
                "the database wants channel binding, which cannot pass through the interceptor",
            ));
        }
        self.login.bound = true;
        let mark = cx.out.mark();
        encode::authentication_sasl(&mut cx.out.own, &kept)?;
        cx.out.agent_own(mark);
        Ok(true)
    }

    /// The agent's choice.
    pub(super) fn sasl_chosen(&self, chosen: &SaslInitialResponse<'_>) -> Step {
        if chosen.mechanism.ends_with(PLUS) {
            return Err(Fatal::agent("a SASL mechanism that was not offered"));
        }
        let missed_it = chosen.response.is_some_and(|first| first.starts_with(b"y"));
        if self.login.bound && missed_it {
            return Err(Fatal::new(
                b"28000",
                "this login cannot pass: TLS ends at the interceptor, so channel binding does too",
            )
            .hint(
                "add channel_binding=disable to the connection string; the connection stays encrypted and verified",
            ));
        }
        Ok(())
    }
}
