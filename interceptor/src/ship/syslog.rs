//! A batch of RFC 5424 messages over TLS, with octet counting (RFC 5425).
//!
//! Syslog has no acknowledgement. So a batch is a connection: what we end in order the receiver ends in order once it has read
//! all of it, and that end is the sign. Anything else, and the batch comes again.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use super::tls;
use crate::config::Syslog;

pub(super) fn send(to: &Syslog, messages: &[String]) -> io::Result<()> {
    let mut stream = tls::secure(tls::connect(&to.address)?, &to.server_name, &to.roots)?;
    for message in messages {
        stream.write_all(format!("{} {message}", message.len()).as_bytes())?;
    }
    stream.flush()?;
    stream.conn.send_close_notify();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock)?;
    }
    stream.sock.shutdown(Shutdown::Write)?;
    let mut piece = [0; 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(()),
            // What a receiver says is nothing to us.
            Ok(_) => {}
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            // It closed, without TLS's own word for it.
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(why) => return Err(why),
        }
    }
}
