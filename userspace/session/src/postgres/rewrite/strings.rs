//! Strings outside results: errors and notices, parameter status, notifications, command tags, the names of columns.

use super::Malformed;
use super::cursor::{Cursor, Step};
use super::quotes::{self, Quoted};
use super::search::{Ahead, Search, Sought};
use pan::Fill;

/// Which message (the manual's page on message formats has their layouts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// ErrorResponse and NoticeResponse: fields of a code byte and a string, then a zero byte.
    Error,
    /// A name and a value.
    ParameterStatus,
    /// A process id, a channel, a payload.
    Notification,
    /// A command tag.
    CommandComplete,
    /// A count, then for each column a name and 18 bytes of numbers. Only the names are text.
    RowDescription,
}

/// What is taken out of an error, beside card numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strip {
    /// Nothing.
    Nothing,
    /// All that may quote a value: DETAIL, CONTEXT, the internal query and fields of unknown code as a whole; what stands between the
    /// first and the last quote of message and hint; the whole message where SQL code wrote it (SQLSTATE class P0).
    Values,
}

/// One message of strings. Ready for the next after each.
#[derive(Clone)]
pub struct Strings {
    message: Message,
    strip: Strip,
    state: State,
    /// Strings still to come, where that is counted.
    left: u16,
    sqlstate: Option<[u8; 5]>,
    ahead: Ahead,
}

#[derive(Clone)]
enum State {
    Start,
    /// The code of an error's field.
    Code,
    Text(Mode),
    /// The fixed part of a column's description.
    Numbers,
    End,
}

#[derive(Clone)]
enum Mode {
    Scan(Search),
    Hide,
    Quotes(Quoted),
    SqlState,
}

impl Strings {
    pub(super) fn new(message: Message, strip: Strip) -> Strings {
        Strings { message, strip, state: State::Start, left: 0, sqlstate: None, ahead: Ahead::NONE }
    }

    /// The SQLSTATE of the last error or notice, once its field has passed.
    pub fn sqlstate(&self) -> Option<[u8; 5]> {
        self.sqlstate
    }

    pub(super) fn restart(&mut self) {
        self.state = State::Start;
    }

    /// `sought`: in strings that may hold a value. The server's own words are searched for cards alone.
    pub(super) fn step(&mut self, cursor: &mut Cursor<'_>, sought: Sought) -> Result<Step, Malformed> {
        loop {
            let more = match &mut self.state {
                State::Start => self.start(cursor, sought),
                State::Code => self.code(cursor, sought),
                State::Numbers => match cursor.take::<18>() {
                    None => true,
                    Some(_) => {
                        self.next_string(sought);
                        false
                    }
                },
                State::Text(_) => self.text(cursor, sought)?,
                State::End => return Ok(Step::Done),
            };
            if more {
                return Ok(Step::More);
            }
        }
    }

    fn start(&mut self, cursor: &mut Cursor<'_>, sought: Sought) -> bool {
        match self.message {
            Message::Error => {
                self.sqlstate = None;
                self.state = State::Code;
                return false;
            }
            Message::ParameterStatus => self.left = 2,
            Message::CommandComplete => self.left = 1,
            Message::Notification => match cursor.take::<4>() {
                None => return true,
                Some(_) => self.left = 2,
            },
            Message::RowDescription => match cursor.take::<2>() {
                None => return true,
                Some(count) => self.left = u16::from_be_bytes(count),
            },
        }
        self.next_string(sought);
        false
    }

    fn next_string(&mut self, sought: Sought) {
        self.state = match self.left.checked_sub(1) {
            None => State::End,
            Some(left) => {
                self.left = left;
                let own = match self.message {
                    Message::CommandComplete => true,
                    Message::ParameterStatus => left == 1, // the name
                    Message::Error | Message::Notification | Message::RowDescription => false,
                };
                let sought = if own { sought.cards() } else { sought };
                State::Text(Mode::Scan(Search::new(sought, Fill::Text)))
            }
        };
    }

    fn code(&mut self, cursor: &mut Cursor<'_>, sought: Sought) -> bool {
        let Some([code]) = cursor.take::<1>() else { return true };
        let own = matches!(code, b'S' | b'V' | b'P' | b'p' | b'F' | b'L' | b'R');
        let sought = if own { sought.cards() } else { sought };
        let scan = || State::Text(Mode::Scan(Search::new(sought, Fill::Text)));
        self.state = match (code, self.strip) {
            (0, _) => State::End,
            (b'C', _) => State::Text(Mode::SqlState),
            (_, Strip::Nothing) => scan(),
            (b'M' | b'H', Strip::Values) if !self.raised() => State::Text(Mode::Quotes(Quoted::new(sought))),
            // Severity, and names and places in the server's source or the statement: no values.
            (b'S' | b'V' | b'P' | b'p' | b's' | b't' | b'c' | b'd' | b'n' | b'F' | b'L' | b'R', Strip::Values) => {
                scan()
            }
            (_, Strip::Values) => State::Text(Mode::Hide),
        };
        false
    }

    /// The message is the words of SQL code, which may be any value, or its SQLSTATE is not known.
    fn raised(&self) -> bool {
        !matches!(self.sqlstate, Some(state) if !state.starts_with(b"P0"))
    }

    /// Goes on with a string; true: bytes are missing.
    fn text(&mut self, cursor: &mut Cursor<'_>, sought: Sought) -> Result<bool, Malformed> {
        let patterns = cursor.patterns;
        let State::Text(mode) = &mut self.state else { return Ok(false) };
        let end = cursor.rest().iter().position(|byte| *byte == 0);
        let ends = end.is_some();
        let chunk = cursor.chunk(end.unwrap_or(usize::MAX));
        let here = chunk.len();
        let (done, cards) = match mode {
            Mode::Hide => {
                chunk.fill(b'*');
                (here, 0)
            }
            Mode::Scan(search) => {
                let scan = search.scan(chunk, ends, patterns, &mut self.ahead);
                (here.saturating_sub(scan.hold), scan.cards)
            }
            Mode::Quotes(quoted) => quoted.mask(chunk, ends, patterns, &mut self.ahead),
            Mode::SqlState if here > quotes::SQLSTATE_LEN => return Err(Malformed::Value),
            Mode::SqlState if !ends => (0, 0),
            Mode::SqlState => {
                self.sqlstate = Some((&*chunk).try_into().map_err(|_| Malformed::Value)?);
                (here, 0)
            }
        };
        cursor.cards += cards;
        cursor.advance(done);
        if !ends {
            return Ok(true);
        }
        cursor.advance(1);
        match self.message {
            Message::Error => self.state = State::Code,
            Message::RowDescription => self.state = State::Numbers,
            Message::ParameterStatus | Message::Notification | Message::CommandComplete => {
                self.next_string(sought);
            }
        }
        Ok(false)
    }
}
