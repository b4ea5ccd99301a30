//! Close: drop a statement or portal.

use super::super::malformed::Malformed;
use super::Target;

/// Drops a statement, and the portals made of it, or a portal. One that does not exist is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a>(pub Target<'a>);

impl<'a> Close<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<Close<'a>, Malformed> {
        Target::parse(body).map(Close)
    }
}
