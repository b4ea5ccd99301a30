//! A relay that sends each byte on by a send of its own, in both directions: whoever trusts in whole reads falls over it.
//!
//! A process of its own (the hidden verb `shred`), so that it can be an agent: it dials the database's address, and a suite that
//! runs outside dials the relay. Another one stands at the database's address and dials the database.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};

use crate::stand::Folder;

/// Connections at a time; one more is closed.
const CONNECTIONS_MAX: usize = 64;
const READ_BYTES: usize = 4096;

/// `xtask shred ADDRESS`: prints the port where it listens, and ends when its standard input does.
pub(crate) fn shred(args: &[String]) -> Result<()> {
    let [to] = args else { bail!("`shred` takes the address to dial") };
    let to: SocketAddr = to.parse().with_context(|| format!("`{to}` is no address"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    thread::spawn(move || serve(&listener, to));
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn serve(listener: &TcpListener, to: SocketAddr) {
    let present = Arc::new(());
    for accepted in listener.incoming() {
        let Ok(accepted) = accepted else { continue };
        if Arc::strong_count(&present) > CONNECTIONS_MAX {
            continue;
        }
        let present = Arc::clone(&present);
        thread::spawn(move || {
            if let Err(error) = pair(accepted, to) {
                eprintln!("shred: {to}: {error}");
            }
            drop(present);
        });
    }
}

fn pair(near: TcpStream, to: SocketAddr) -> io::Result<()> {
    let far = TcpStream::connect(to)?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (from_far, to_near) = (far.try_clone()?, near.try_clone()?);
    let back = thread::spawn(move || one_way(from_far, to_near));
    one_way(near, far);
    let _ = back.join();
    Ok(())
}

/// Until `from` ends or `to` takes no more; then `to` sees the end as well.
fn one_way(mut from: TcpStream, mut to: TcpStream) {
    let _ = singly(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn singly(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = [0; READ_BYTES];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        for byte in buffer[..count].chunks(1) {
            to.write_all(byte)?;
        }
    }
}

/// This very program, where every account may start it: a checkout below /root is closed to others.
pub(super) struct Program(Folder);

impl Program {
    pub(super) fn new() -> Result<Program> {
        let folder = Folder::new("shredder")?;
        // Not by its path: a build meanwhile has replaced what is there.
        fs::copy("/proc/self/exe", folder.path().join("shredder"))?;
        Ok(Program(folder))
    }

    /// Starts one that dials `port` of loopback; `launch` says as whom.
    pub(super) fn start(&self, port: u16, launch: impl FnOnce(&Path, &[String]) -> Result<Command>) -> Result<Relay> {
        let args = ["shred".to_owned(), format!("127.0.0.1:{port}")];
        let mut command = launch(&self.0.path().join("shredder"), &args)?;
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut relay = Relay { child, port: 0 };
        let mut line = String::new();
        BufReader::new(relay.child.stdout.take().context("no output")?).read_line(&mut line)?;
        relay.port = line.trim().parse().context("the relay did not start")?;
        Ok(relay)
    }
}

/// A running relay, which ends when this does.
pub(super) struct Relay {
    child: Child,
    /// Where it listens.
    pub(super) port: u16,
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_ends_pass_in_both_directions() -> Result<()> {
        let database = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (to, relay) = (database.local_addr()?, listener.local_addr()?);
        thread::spawn(move || serve(&listener, to));
        let mut client = TcpStream::connect(relay)?;
        let (mut server, _) = database.accept()?;
        client.write_all(&[1; 3 * READ_BYTES])?;
        client.shutdown(Shutdown::Write)?;
        let mut read = Vec::new();
        server.read_to_end(&mut read)?;
        assert_eq!(read, [1; 3 * READ_BYTES]);
        server.write_all(b"late")?;
        drop(server);
        read.clear();
        client.read_to_end(&mut read)?;
        assert_eq!(read, b"late", "one side's end is not the other's");
        Ok(())
    }

    #[test]
    fn each_byte_is_a_write_of_its_own() -> Result<()> {
        struct Lengths(Vec<usize>);
        impl Write for Lengths {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.push(bytes.len());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut lengths = Lengths(Vec::new());
        singly(&mut &[7; READ_BYTES + 3][..], &mut lengths)?;
        assert_eq!(lengths.0, [1; READ_BYTES + 3]);
        Ok(())
    }
}
