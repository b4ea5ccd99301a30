//! The least client that can make load: blocking, one buffer, trust authentication.
//!
//! It counts messages and bytes and reads nothing else, so that its own cost is small and the same on every path.

use std::collections::HashMap;
use std::io::{Error, Read, Result, Write};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use crate::answers;
use crate::dice::Dice;
use crate::login::{self, Password};
use crate::sealed::Stream;

/// Where and as whom to connect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) dbname: String,
    /// Under TLS.
    pub(crate) sealed: bool,
    /// Where the database asks for one.
    pub(crate) password: Option<Password>,
}

/// What one read of a big answer may bring.
const BULK_BUFFER: usize = 256 << 10;
/// An answer that does not come is an error, and no run that hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// ReadyForQuery outside of a transaction.
const READY: [u8; 6] = *b"Z\0\0\0\x05I";
/// Rows of one COPY FROM STDIN, and the bytes of a row; what one write takes along.
const COPIED_ROWS: u32 = 1000;
const COPIED_ROW: usize = 1024;
const WRITE: usize = 64 << 10;

/// One connection.
pub(crate) struct Client {
    stream: Stream,
    buffer: Vec<u8>,
    filled: usize,
    /// How long the answers of big statements are: they are the same each time, so that only the first is read by message.
    sizes: HashMap<String, u64>,
    /// All that came, where the bytes themselves are looked at.
    capture: Option<Vec<u8>>,
}

/// What came back for one round trip.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

/// Code, message and detail of an ErrorResponse (PostgreSQL 15, section 55.8), as far as it has arrived. Statements of a bench hold no card,
/// and so does what is said of them.
fn said(message: &[u8]) -> String {
    let fields = message.get(5..).unwrap_or_default().split(|&byte| byte == 0);
    let wanted = fields.filter(|field| matches!(field.first(), Some(b'C' | b'M' | b'D')));
    wanted.map(|field| String::from_utf8_lossy(&field[1..]).into_owned()).collect::<Vec<_>>().join(": ")
}

impl Client {
    /// Connects and reads up to the first ReadyForQuery.
    pub(crate) fn connect(target: &Target) -> Result<Client> {
        let stream = TcpStream::connect((target.host, target.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let stream = if target.sealed { Stream::sealed(stream)? } else { Stream::Plain(stream) };
        let mut client = Client { stream, buffer: vec![0; 16 << 10], filled: 0, sizes: HashMap::new(), capture: None };
        let mut body = vec![0, 3, 0, 0];
        for (key, value) in [("user", &target.user), ("database", &target.dbname)] {
            body.extend(key.bytes().chain([0]).chain(value.bytes()).chain([0]));
        }
        body.push(0);
        let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
        packet.extend(body);
        client.stream.write_all(&packet)?;
        if let Some(password) = &target.password {
            login::answer(&mut client.stream, password, target.sealed || target.host.is_loopback())?;
        }
        client.read_ready()?;
        Ok(client)
    }

    /// A simple Query.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Answer> {
        self.ask(sql)?;
        self.read_ready()
    }

    /// A simple Query with a big answer of constant length. Only the first is read message by message; after that bytes are taken off
    /// the socket without a copy, so that the reader does not take the core that the path under test needs.
    pub(crate) fn bulk(&mut self, sql: &str) -> Result<u64> {
        if self.buffer.len() < BULK_BUFFER && self.filled == 0 {
            self.buffer = vec![0; BULK_BUFFER]; // without memory until it is touched
        }
        let Some(&size) = self.sizes.get(sql) else {
            let size = self.query(sql)?.bytes;
            self.sizes.insert(sql.to_owned(), size);
            return Ok(size);
        };
        self.ask(sql)?;
        let mut left = size - READY.len() as u64;
        while left > 0 {
            let most = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let got = self.stream.discard(&mut self.buffer[..most])?;
            if got == 0 {
                return Err(Error::other("an answer of another length than before"));
            }
            left -= got as u64;
        }
        let mut end = READY;
        self.stream.read_exact(&mut end)?;
        if end == READY { Ok(size) } else { Err(Error::other("an answer that does not end as before")) }
    }

    /// Sends a simple Query and reads nothing.
    pub(crate) fn ask(&mut self, sql: &str) -> Result<()> {
        let mut packet = Vec::with_capacity(sql.len() + 6);
        frame(&mut packet, b'Q', &[sql.as_bytes(), b"\0"]);
        self.stream.write_all(&packet)
    }

    /// Rows of 1 KiB by COPY FROM STDIN, each a message of its own, as libpq sends them; says how many bytes they were.
    pub(crate) fn copy_in(&mut self) -> Result<u64> {
        self.ask(answers::COPY_IN)?;
        self.copy_may_begin()?;
        let (mut packet, mut bytes) = (Vec::with_capacity(WRITE + 2 * COPIED_ROW), 0);
        for number in 0..COPIED_ROWS {
            let mut row = format!("{number}\t");
            row.extend(std::iter::repeat_n('w', COPIED_ROW - row.len() - 1));
            frame(&mut packet, b'd', &[row.as_bytes(), b"\n"]);
            if packet.len() > WRITE {
                self.stream.write_all(&packet)?;
                bytes += packet.len() as u64;
                packet.clear();
            }
        }
        frame(&mut packet, b'c', &[]);
        self.stream.write_all(&packet)?;
        self.read_ready()?;
        Ok(bytes + packet.len() as u64)
    }

    /// Waits for CopyInResponse, the only message before data may be sent.
    fn copy_may_begin(&mut self) -> Result<()> {
        loop {
            if let Some([tag, length @ ..]) = self.buffer[..self.filled].first_chunk::<5>() {
                if *tag != b'G' {
                    return Err(Error::other("COPY FROM STDIN was refused"));
                }
                if self.filled > u32::from_be_bytes(*length) as usize {
                    self.filled = 0;
                    return Ok(());
                }
            }
            match self.stream.read(&mut self.buffer[self.filled..])? {
                0 => return Err(Error::other("the connection was closed")),
                got => self.filled += got,
            }
        }
    }

    /// pgbench's own transaction over ten branches, statement by statement in the simple protocol.
    pub(crate) fn transaction(&mut self, dice: &mut Dice) -> Result<u64> {
        let (branch, teller, account) = (1 + dice.below(10), 1 + dice.below(100), 1 + dice.below(100_000));
        let delta = dice.below(10_000) as i64 - 5000;
        let statements = [
            "BEGIN".to_owned(),
            format!("UPDATE bench_accounts SET balance = balance + {delta} WHERE id = {account}"),
            format!("SELECT balance FROM bench_accounts WHERE id = {account}"),
            format!("UPDATE bench_tellers SET balance = balance + {delta} WHERE id = {teller}"),
            format!("UPDATE bench_branches SET balance = balance + {delta} WHERE id = {branch}"),
            format!(
                "INSERT INTO bench_history (teller, branch, account, delta, at) VALUES ({teller}, {branch}, {account}, {delta}, CURRENT_TIMESTAMP)"
            ),
            "END".to_owned(),
        ];
        statements.iter().try_fold(0, |bytes, sql| Ok(bytes + self.query(sql)?.bytes))
    }

    /// All bytes of the answer to a simple Query.
    pub(crate) fn captured(&mut self, sql: &str) -> Result<Vec<u8>> {
        self.capture = Some(Vec::new());
        self.query(sql)?;
        Ok(self.capture.take().unwrap_or_default())
    }

    /// Parse of the unnamed statement, Bind, Describe, Execute, Sync.
    pub(crate) fn extended(&mut self, sql: &str) -> Result<Answer> {
        let mut packet = Vec::new();
        frame(&mut packet, b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"]);
        self.bind(packet, "")
    }

    /// Parse a named statement without parameters.
    pub(crate) fn prepare(&mut self, name: &str, sql: &str) -> Result<()> {
        let mut packet = Vec::new();
        frame(&mut packet, b'P', &[name.as_bytes(), b"\0", sql.as_bytes(), b"\0\0\0"]);
        frame(&mut packet, b'S', &[]);
        self.stream.write_all(&packet)?;
        self.read_ready().map(|_| ())
    }

    /// Bind, Describe, Execute, Sync of a prepared statement, as drivers do.
    pub(crate) fn execute(&mut self, name: &str) -> Result<Answer> {
        self.bind(Vec::new(), name)
    }

    fn bind(&mut self, mut packet: Vec<u8>, name: &str) -> Result<Answer> {
        frame(&mut packet, b'B', &[b"\0", name.as_bytes(), b"\0\0\0\0\0\0\0"]);
        frame(&mut packet, b'D', &[b"P\0"]);
        frame(&mut packet, b'E', &[b"\0\0\0\0\0"]);
        frame(&mut packet, b'S', &[]);
        self.stream.write_all(&packet)?;
        self.read_ready()
    }

    fn read_ready(&mut self) -> Result<Answer> {
        let mut answer = Answer::default();
        let mut skip = 0usize;
        loop {
            let mut at = 0;
            while at < self.filled {
                if skip > 0 {
                    let step = skip.min(self.filled - at);
                    (skip, at) = (skip - step, at + step);
                    continue;
                }
                let Some(header) = self.buffer[at..self.filled].first_chunk::<5>() else { break };
                let [tag, length @ ..] = *header;
                let length = u32::from_be_bytes(length) as usize;
                answer.rows += u64::from(tag == b'D');
                match tag {
                    b'E' => {
                        return Err(Error::other(format!(
                            "the database answered with an error: {}",
                            said(&self.buffer[at..self.filled])
                        )));
                    }
                    b'Z' if self.filled - at > length => {
                        answer.bytes += self.filled as u64;
                        self.filled = 0;
                        return Ok(answer);
                    }
                    b'Z' => break,
                    _ => {}
                }
                (skip, at) = (length + 1, at);
            }
            answer.bytes += at as u64;
            self.buffer.copy_within(at..self.filled, 0);
            self.filled -= at;
            let got = self.stream.read(&mut self.buffer[self.filled..])?;
            if got == 0 {
                return Err(Error::other("the connection was closed"));
            }
            if let Some(capture) = &mut self.capture {
                capture.extend_from_slice(&self.buffer[self.filled..self.filled + got]);
            }
            self.filled += got;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.stream.write_all(b"X\0\0\0\x04");
    }
}

fn frame(out: &mut Vec<u8>, tag: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|p| p.len()).sum();
    out.push(tag);
    out.extend((length as u32 + 4).to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}
