//! A cancel request: the key that we issued is looked up, the database's own goes on. Nothing is answered, as the server does.

use std::sync::atomic::Ordering;

use wire::postgres::encode;
use wire::postgres::startup::CancelRequest;

use super::{Connection, Cx, Phase, Step};
use crate::Key;

impl Connection {
    pub(super) fn cancel_request(&mut self, request: CancelRequest<'_>, cx: &mut Cx<'_, '_>) -> Step {
        if !self.cancel_has_room(cx) {
            self.end("a cancel request that the record has no room for", cx);
            return Ok(());
        }
        let target = Key::new(request.pid, request.key).and_then(|issued| cx.shared.cancels.find(&issued));
        let target = target.filter(|target| {
            target.subject.policy.agent == self.open.subject.policy.agent && target.origin == self.open.origin
        });
        self.record_cancel(target.as_ref().map(|target| target.session), cx);
        let Some(target) = target else {
            self.end("a cancel request with a key that is not this agent's", cx);
            return Ok(());
        };
        if target.held.load(Ordering::Relaxed) {
            cx.out.cancel_held = Some(target.session);
            self.end("the held statement is cancelled", cx);
            return Ok(());
        }
        encode::cancel_request(&mut self.startup.opening().cancel, target.key.pid, target.key.secret())?;
        self.phase = Phase::Cancelling;
        cx.out.connect = true;
        Ok(())
    }
}
