//! A cancel request: the key that we issued is looked up, the database's own goes on. Nothing is answered, as the server does.

use super::messages::Body;
use super::{Connection, Cx, Fatal, Phase, Step, key};
use crate::SECRET_MAX;

impl Connection {
    pub(super) fn cancel_request(&mut self, body: &[u8], cx: &mut Cx<'_, '_>) -> Step {
        let mut body = Body::new(body);
        let pid = body.i32().ok_or(Fatal::agent("invalid length of cancel request"))?;
        let secret = body.rest();
        if secret.len() < 4 || secret.len() > SECRET_MAX {
            return Err(Fatal::agent("invalid length of cancel request"));
        }
        let target = key(pid, secret).and_then(|issued| cx.shared.cancels.find(&issued));
        let target = target.filter(|target| {
            target.subject.policy.agent == self.open.subject.policy.agent && target.origin == self.open.origin
        });
        self.record_cancel(target.as_ref().map(|target| target.session), cx);
        let Some(target) = target else {
            self.end("a cancel request with a key that is not this agent's", cx);
            return Ok(());
        };
        let secret = target.key.secret();
        let packet = &mut self.login.cancel;
        packet.extend_from_slice(&(12 + secret.len() as u32).to_be_bytes());
        packet.extend_from_slice(&((1234u32 << 16) | 5678).to_be_bytes());
        packet.extend_from_slice(&target.key.pid.to_be_bytes());
        packet.extend_from_slice(secret);
        self.phase = Phase::Cancelling;
        cx.out.connect = true;
        Ok(())
    }
}
