//! Names of prepared statements and portals. The server keeps them in its own encoding, and SQL and the protocol share them: so they are
//! kept as UTF-8 here, whatever encoding they came in.

use std::borrow::Cow;

use super::judge::WAIT;
use super::settings::Encoding;
use super::{Connection, Cx, Fatal};
use crate::verdicts::{Refusal, Why};

impl Connection {
    /// A name as SQL would spell it; `None`: it cannot be read now, and its request is refused.
    pub(super) fn name<'a>(
        &mut self,
        request: &'static str,
        raw: &'a [u8],
        cx: &mut Cx<'_, '_>,
    ) -> Result<Option<Cow<'a, [u8]>>, Fatal> {
        if raw.is_ascii() {
            return Ok(Some(Cow::Borrowed(raw)));
        }
        if self.encoding_is_unsure() {
            let message = "client_encoding may be changing: a name beyond ASCII cannot be read";
            self.refuse_unread(request, Refusal::new(Why::Unjudged, message, WAIT), cx)?;
            return Ok(None);
        }
        if self.login.encoding != Encoding::Latin1 {
            return Ok(Some(Cow::Borrowed(raw)));
        }
        let text: String = raw.iter().map(|&byte| char::from(byte)).collect();
        Ok(Some(Cow::Owned(text.into_bytes())))
    }
}
