//! The least client that can make load: blocking, one buffer, trust authentication.
//!
//! It counts messages and bytes and reads nothing else, so that its own cost is small and the same on every path.

use std::io::{Error, Read, Result, Write};
use std::net::TcpStream;

/// Where and as whom to connect.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) dbname: String,
}

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// What came back for one round trip.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

impl Client {
    /// Connects and reads up to the first ReadyForQuery.
    pub(crate) fn connect(target: &Target) -> Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", target.port))?;
        stream.set_nodelay(true)?;
        let mut client = Client { stream, buffer: vec![0; 256 << 10], filled: 0 };
        let mut body = vec![0, 3, 0, 0];
        for (key, value) in [("user", &target.user), ("database", &target.dbname)] {
            body.extend(key.bytes().chain([0]).chain(value.bytes()).chain([0]));
        }
        body.push(0);
        let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
        packet.extend(body);
        client.stream.write_all(&packet)?;
        client.read_ready()?;
        Ok(client)
    }

    /// A simple Query.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Answer> {
        let mut packet = Vec::with_capacity(sql.len() + 6);
        frame(&mut packet, b'Q', &[sql.as_bytes(), b"\0"]);
        self.stream.write_all(&packet)?;
        self.read_ready()
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
        let mut packet = Vec::new();
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
                    b'E' => return Err(Error::other("the database answered with an error")),
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
