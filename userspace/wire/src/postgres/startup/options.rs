//! The startup parameter `options`: settings written as a command line.
//!
//! The server splits it into words at white space, where a backslash takes the next byte as it is (`pg_split_opts`,
//! src/backend/utils/init/postinit.c), reads the words with getopt (`process_postgres_switches`, src/backend/tcop/postgres.c), and splits
//! each setting at its first `=`, a `-` in the name standing for `_` (`ParseLongOption`, src/backend/utils/misc/guc.c). Its other switches
//! are refused here. It applies these settings before those that are parameters of their own, so the latter win.

use super::super::malformed::Malformed;
use super::super::opaque::opaque_debug;

/// One setting, its name and value still escaped as they were sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Setting<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

opaque_debug!(Setting);

impl<'a> Setting<'a> {
    /// The name's bytes as the server looks it up: unescaped, `-` as `_`.
    pub fn name(&self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        Unescaped::new(self.name).map(|byte| if byte == b'-' { b'_' } else { byte })
    }

    /// The value's bytes, unescaped.
    pub fn value(&self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        Unescaped::new(self.value)
    }
}

/// Reads the value of `options`. The iterator ends after the first error.
pub fn parse(options: &[u8]) -> Settings<'_> {
    Settings { rest: options }
}

/// The settings of an `options` value, in order.
#[derive(Clone)]
pub struct Settings<'a> {
    rest: &'a [u8],
}

opaque_debug!(Settings);

impl<'a> Iterator for Settings<'a> {
    type Item = Result<Setting<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let word = self.word()?;
        let setting = self.setting(word);
        if setting.is_err() {
            self.rest = &[];
        }
        Some(setting)
    }
}

impl<'a> Settings<'a> {
    fn setting(&mut self, word: &'a [u8]) -> Result<Setting<'a>, Malformed> {
        let mut letters = Unescaped::new(word);
        if letters.next() != Some(b'-') {
            return Err(Malformed::OptionSwitch);
        }
        match letters.next() {
            Some(b'-') if letters.rest.is_empty() => Err(Malformed::OptionSwitch), // getopt: end of the switches
            Some(b'-') => split(letters.rest),
            Some(b'c') if letters.rest.is_empty() => split(self.word().ok_or(Malformed::OptionValue)?),
            Some(b'c') => split(letters.rest),
            _ => Err(Malformed::OptionSwitch),
        }
    }

    /// The next word, still escaped.
    fn word(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|&byte| !is_space(byte))?;
        let text = self.rest.get(start..).unwrap_or_default();
        let mut escaped = false;
        let end = text.iter().position(|&byte| {
            let ends = is_space(byte) && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let (word, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
        self.rest = rest;
        Some(word)
    }
}

/// Splits at the first `=`, escaped or not: the server has unescaped the word by then.
fn split(setting: &[u8]) -> Result<Setting<'_>, Malformed> {
    let mut letters = Unescaped::new(setting);
    loop {
        let name_len = setting.len() - letters.rest.len();
        match letters.next() {
            None => return Err(Malformed::OptionValue),
            Some(b'=') => {
                let name = setting.get(..name_len).unwrap_or_default();
                let setting = Setting { name, value: letters.rest };
                return if setting.name().next().is_none() { Err(Malformed::OptionValue) } else { Ok(setting) };
            }
            Some(_) => {}
        }
    }
}

/// A backslash gives the byte after it; one at the end gives nothing.
#[derive(Clone)]
struct Unescaped<'a> {
    rest: &'a [u8],
}

impl<'a> Unescaped<'a> {
    fn new(escaped: &'a [u8]) -> Unescaped<'a> {
        Unescaped { rest: escaped }
    }
}

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = match self.rest {
            [b'\\', rest @ ..] => rest.split_first()?,
            rest => rest.split_first()?,
        };
        self.rest = rest;
        Some(byte)
    }
}

/// `isspace` of the C locale. In a one-byte locale of the server 0x85 and 0xA0 may be white space too: an encoder escapes them
/// ([`super::super::encode::option`]), so that the server reads what was judged.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}
