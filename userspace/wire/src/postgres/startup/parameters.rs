//! The names and values of a startup packet.

use super::super::limits::STARTUP_PARAMETERS_MAX;
use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;
use super::super::read::Reader;

/// Pairs of zero-ended strings, closed by one zero byte that is the packet's last (`ProcessStartupPacket`, src/backend/postmaster).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Parameters<'a>(&'a [u8]);

opaque_debug!(Parameters);

impl<'a> Parameters<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Parameters<'a>, Malformed> {
        let Some((0, pairs)) = bytes.split_last() else {
            return Err(Malformed::Parameters);
        };
        let mut reader = Reader::new(pairs);
        let mut count = 0;
        while reader.left() > 0 {
            let name = reader.string().map_err(|_| Malformed::Parameters)?;
            reader.string().map_err(|_| Malformed::Parameters)?;
            if name.is_empty() {
                return Err(Malformed::Parameters); // the server ends the list here, and then finds that the packet goes on
            }
            count += 1;
            if count > STARTUP_PARAMETERS_MAX {
                return Err(Malformed::TooManyParameters);
            }
        }
        Ok(Parameters(pairs))
    }

    /// Names and values in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone + use<'a> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || Some((reader.string().ok()?, reader.string().ok()?)))
    }

    /// The value of the first parameter with exactly this name. The server takes the last: see [`Parameters::duplicate`].
    pub fn value(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value)
    }

    /// A name that occurs twice. Letter case does not make two names: the server looks settings up without it (`guc_name_compare`).
    pub fn duplicate(&self) -> Option<&'a [u8]> {
        let mut rest = self.iter();
        while let Some((name, _)) = rest.next() {
            if rest.clone().any(|(later, _)| later.eq_ignore_ascii_case(name)) {
                return Some(name);
            }
        }
        None
    }
}
