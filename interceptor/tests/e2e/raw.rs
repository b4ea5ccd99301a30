//! A client that speaks bytes and is the agent: a process of the agent dials, and hands its connections over to the test.
//!
//! Who asked is decided in the kernel when the agent's process calls connect(); whoever holds the socket later is that agent.
//! So the test itself may cut, reset, stall and half-close, and the agent is as small as can be.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::stage::Stage;
use crate::stand::Folder;

/// How long an answer may take before the test says that there is none.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The variable that makes `dialler` dial.
const ORDER: &str = "INTERCEPTOR_TEST_DIALLER";

/// The agent's process. Every connection that it makes is handed over.
pub struct Agent {
    /// One request and its answer at a time.
    channel: Mutex<UnixStream>,
    process: Child,
    port: u16,
    _folder: Folder,
}

impl Agent {
    /// Starts one by `interceptor exec`.
    pub fn start(stage: &Stage) -> Agent {
        Agent::start_as(stage, "reconciler")
    }

    /// The same as the agent of this name.
    pub fn start_as(stage: &Stage, name: &str) -> Agent {
        let folder = Folder::new("raw").expect("a folder");
        let program = folder.path().join("agent");
        let own = std::env::current_exe().expect("known");
        std::fs::hard_link(&own, &program)
            .or_else(|_| std::fs::copy(&own, &program).map(|_| ()))
            .expect("a copy that the agent's account may run");
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let arguments = ["--exact", "raw::dialler", "--ignored", "--nocapture", "--quiet"];
        let mut command = stage.service.exec(name, &program.display().to_string(), &arguments);
        let process = command
            .env(ORDER, "dial")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .expect("the agent starts");
        ours.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Agent { channel: Mutex::new(ours), process, port: stage.database.port, _folder: folder }
    }

    /// The agent's connect() to the database's own address.
    pub fn dial(&self) -> io::Result<Wire> {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        channel.write_all(&self.port.to_be_bytes())?;
        let socket = receive(&channel)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        Ok(Wire { socket })
    }

    /// A connection that is logged in and idle.
    pub fn login(&self) -> io::Result<Wire> {
        let mut wire = self.dial()?;
        wire.send(&usual_startup())?;
        let answer = wire.until_ready()?;
        match answer.iter().find(|message| message.tag == b'E') {
            Some(error) => Err(io::Error::other(format!("the login was refused with {}", error.code()))),
            None => Ok(wire),
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let channel = self.channel.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = channel.shutdown(Shutdown::Both);
        let start = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) {
            if start.elapsed() > PATIENCE {
                let _ = self.process.kill();
                let _ = self.process.wait();
                eprintln!("raw: the agent's process did not end by itself");
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn receive(channel: &UnixStream) -> io::Result<TcpStream> {
    let mut errno = [0_u8; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got =
        rustix::net::recvmsg(channel, &mut [IoSliceMut::new(&mut errno)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if got.bytes != errno.len() {
        return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the agent's process is gone"));
    }
    let socket = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    socket.map(TcpStream::from).ok_or_else(|| io::Error::from_raw_os_error(i32::from_be_bytes(errno)))
}

/// The agent's side: ports come in, connections go out, until the other end is closed. It goes from core to core, so that
/// its connections spread over the shards.
#[test]
#[ignore = "started by `Agent` as an agent"]
fn dialler() {
    if std::env::var(ORDER).is_err() {
        return;
    }
    let channel = io::stdin();
    let mut port = [0; 2];
    let allowed = sched_getaffinity(None).expect("known");
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect::<Vec<_>>().into_iter().cycle();
    while channel.lock().read_exact(&mut port).is_ok() {
        let mut core = CpuSet::new();
        cores.next().into_iter().for_each(|number| core.set(number));
        sched_setaffinity(None, &core).expect("allowed");
        let address = SocketAddr::from(([127, 0, 0, 1], u16::from_be_bytes(port)));
        if answer(&channel, TcpStream::connect_timeout(&address, PATIENCE)).is_err() {
            return;
        }
    }
}

fn answer(channel: &impl AsFd, dialled: io::Result<TcpStream>) -> io::Result<()> {
    let (errno, socket) = match dialled {
        Ok(socket) => (0, Some(socket)),
        Err(why) => (why.raw_os_error().unwrap_or(-1), None),
    };
    let sockets: Vec<_> = socket.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&sockets));
    }
    let errno = errno.to_be_bytes();
    rustix::net::sendmsg(channel, &[IoSlice::new(&errno)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// A connection of the agent, as bytes.
pub struct Wire {
    pub socket: TcpStream,
}

/// A message of the database, or of the service in its place.
pub struct Message {
    pub tag: u8,
    pub body: Vec<u8>,
}

impl Message {
    /// An error's SQLSTATE.
    pub fn code(&self) -> String {
        self.field(b'C').unwrap_or_default()
    }

    /// One field of an error or notice.
    pub fn field(&self, name: u8) -> Option<String> {
        let mut fields = self.body.split(|byte| *byte == 0);
        fields.find(|field| field.first() == Some(&name)).map(|field| String::from_utf8_lossy(&field[1..]).into_owned())
    }
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// In order, or by a reset: over.
    Closed,
    /// Nothing came for [`PATIENCE`].
    Silent,
}

impl Wire {
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// The next message.
    pub fn message(&mut self) -> io::Result<Message> {
        let mut header = [0; 5];
        self.socket.read_exact(&mut header)?;
        let len = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        let len = len.checked_sub(4).filter(|len| *len <= 1 << 30).ok_or(io::ErrorKind::InvalidData)?;
        let mut body = vec![0; len];
        self.socket.read_exact(&mut body)?;
        Ok(Message { tag: header[0], body })
    }

    /// All messages up to ReadyForQuery, or up to an error that ends the connection.
    pub fn until_ready(&mut self) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        loop {
            let message = self.message()?;
            let over = message.tag == b'Z' || message.field(b'S').is_some_and(|s| message.tag == b'E' && s == "FATAL");
            messages.push(message);
            if over {
                return Ok(messages);
            }
        }
    }

    /// Sends a simple query and returns its whole answer.
    pub fn ask(&mut self, sql: &str) -> io::Result<Vec<Message>> {
        self.send(&query(sql))?;
        self.until_ready()
    }

    /// The SQLSTATE of the first error up to the connection's end, and how that came.
    pub fn until_end(&mut self) -> (Option<String>, End) {
        let mut code = None;
        loop {
            match self.message() {
                Ok(message) if message.tag == b'E' => code = code.or_else(|| Some(message.code())),
                Ok(_) => {}
                Err(why) if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return (code, End::Silent);
                }
                Err(_) => return (code, End::Closed),
            }
        }
    }

    /// No more bytes come from the agent; it still reads.
    pub fn half_close(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Closes with a reset.
    pub fn reset(self) {
        reset(self.socket);
    }
}

/// Closes with a reset (SO_LINGER with 0 seconds).
pub fn reset(socket: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).expect("SO_LINGER");
}

/// A message: tag, length, body.
pub fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).expect("a test's message is small");
    [&[tag][..], &len.to_be_bytes(), body].concat()
}

/// A startup packet with this version and these keys.
pub fn startup(version: u32, keys: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for (key, value) in keys {
        body.extend([key.as_bytes(), &[0], value.as_bytes(), &[0]].concat());
    }
    body.push(0);
    let len = u32::try_from(body.len() + 4).expect("a test's packet is small");
    [&len.to_be_bytes()[..], &body].concat()
}

/// That of the tests' user.
pub fn usual_startup() -> Vec<u8> {
    startup(196_608, &[("user", "app"), ("database", "postgres")])
}

pub fn query(sql: &str) -> Vec<u8> {
    frame(b'Q', &[sql.as_bytes(), &[0]].concat())
}

pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    frame(b'P', &[name.as_bytes(), &[0], sql.as_bytes(), &[0, 0, 0]].concat())
}

/// Binds without parameters.
pub fn bind(portal: &str, statement: &str) -> Vec<u8> {
    frame(b'B', &[portal.as_bytes(), &[0], statement.as_bytes(), &[0, 0, 0, 0, 0, 0, 0]].concat())
}

pub fn describe_portal(portal: &str) -> Vec<u8> {
    frame(b'D', &[b"P", portal.as_bytes(), &[0]].concat())
}

pub fn execute(portal: &str) -> Vec<u8> {
    frame(b'E', &[portal.as_bytes(), &[0, 0, 0, 0, 0]].concat())
}

pub fn sync() -> Vec<u8> {
    frame(b'S', &[])
}
