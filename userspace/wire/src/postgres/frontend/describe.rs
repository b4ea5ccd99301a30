//! Describe: what does a statement or portal return?

use super::super::malformed::Malformed;
use super::Target;

/// Asks for RowDescription or NoData, and of a statement for ParameterDescription before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Describe<'a>(pub Target<'a>);

impl<'a> Describe<'a> {
    /// Parses a whole body.
    pub fn parse(body: &'a [u8]) -> Result<Describe<'a>, Malformed> {
        Target::parse(body).map(Describe)
    }
}
