//! The commands that a child obeys, one line each; every command has one line of answer: `ok…` or the name of an errno.

use std::{
    collections::HashMap,
    io::{Read, Write, stdin},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use interceptor::origin::{Arrival, Canary, KernelOrigins, listen_addresses};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{SockaddrIn, SockaddrIn6, SockaddrLike, SockaddrStorage},
};

/// In front of every answer, to tell it from what the test harness prints.
pub const MARK: &str = "\u{1}";

type Answer = std::io::Result<String>;

/// What a child holds between commands.
#[derive(Default)]
struct State {
    sockets: HashMap<String, OwnedFd>,
    streams: HashMap<String, TcpStream>,
    service: Option<Service>,
    hammer: Option<(Arc<AtomicBool>, std::thread::JoinHandle<Tally>)>,
}

struct Service {
    listeners: Vec<TcpListener>,
    origins: KernelOrigins,
    canary: Arc<Canary>,
    accepted: Vec<TcpStream>,
}

/// Obeys until the input ends, if this process is a child; the test `child` of every file calls it.
pub fn obey() {
    if std::env::var_os("INTERCEPTOR_TEST_CHILD").is_none() {
        return;
    }
    let mut state = State::default();
    for line in stdin().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let answer = state.obey(&words).unwrap_or_else(|why| name(&why));
        println!("{MARK}{answer}");
    }
}

fn name(why: &std::io::Error) -> String {
    match why.raw_os_error() {
        Some(number) => format!("{:?}", Errno::from_raw(number)),
        None => format!("{:?}", why.kind()),
    }
}

fn socket(domain: i32, kind: i32, protocol: i32) -> std::io::Result<OwnedFd> {
    // SAFETY: no pointer; the descriptor is new.
    let fd = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn storage(address: SocketAddr) -> SockaddrStorage {
    let copied = match address {
        // SAFETY: both are whole socket addresses of the stated length.
        SocketAddr::V4(v4) => unsafe {
            let v4 = SockaddrIn::from(v4);
            SockaddrStorage::from_raw(v4.as_ptr(), Some(v4.len()))
        },
        // SAFETY: as above.
        SocketAddr::V6(v6) => unsafe {
            let v6 = SockaddrIn6::from(v6);
            SockaddrStorage::from_raw(v6.as_ptr(), Some(v6.len()))
        },
    };
    copied.unwrap()
}

impl State {
    fn obey(&mut self, words: &[&str]) -> Answer {
        match words {
            // A TCP socket made now and connected later.
            ["socket", name, "v4"] => self.socket(name, libc::AF_INET, libc::SOCK_STREAM, 0),
            ["socket", name, "v6"] => self.socket(name, libc::AF_INET6, libc::SOCK_STREAM, 0),
            ["create", domain, kind, protocol] => {
                let number = |text: &str| text.parse::<i32>().unwrap();
                socket(number(domain), number(kind), number(protocol)).map(|_| "ok".into())
            }
            ["mptcp", name] => self.socket(name, libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
            ["connect-socket", name, to] => self.connect_socket(name, address(to)),
            ["disconnect", name] => self.disconnect(name),
            ["connect", to] => self.connect("it", address(to)),
            ["connect", to, name] => self.connect(name, address(to)),
            ["peer", name] => Ok(format!("ok {}", self.stream(name).peer_addr()?)),
            ["read", name] => self.read(name),
            ["close", name] => Ok(self.streams.remove(*name).map_or("none", |_| "ok").into()),
            ["bind", at] => TcpListener::bind(address(at)).map(|_| "ok".into()),
            ["bind-mptcp", at] => {
                let fd = socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP)?;
                nix::sys::socket::bind(fd.as_raw_fd(), &storage(address(at)))?;
                Ok("ok".into())
            }
            ["bind-udp", at] => UdpSocket::bind(address(at)).map(|_| "ok".into()),
            ["udp-connect", from, to] => UdpSocket::bind(address(from))?.connect(address(to)).map(|()| "ok".into()),
            ["udp-send", from, to] => UdpSocket::bind(address(from))?.send_to(b"x", address(to)).map(|_| "ok".into()),
            ["fork-connect", to] => fork_connect(to, false),
            ["double-fork-connect", to] => fork_connect(to, true),
            ["many", to, count] => {
                let count = count.parse().unwrap();
                Ok(many(address(to), |made| made < count).to_string())
            }
            ["bound-connect", from, to] => bound(address(from), address(to)),
            ["device-connect", device, to] => through(device, address(to)),
            ["remove", path] => std::fs::remove_file(path).map(|()| "ok".into()),
            // Connections without a pause, until `hammer-stop`.
            ["hammer", to] => self.hammer(address(to)),
            ["hammer-stop"] => {
                let (stop, thread) = self.hammer.take().unwrap();
                stop.store(true, Ordering::Relaxed);
                Ok(thread.join().unwrap().to_string())
            }
            ["fastopen", to] => fastopen(address(to)),
            ["uring-connect", to] => uring_connect(address(to)),
            ["move-to", cgroup] => {
                std::fs::write(format!("{cgroup}/cgroup.procs"), std::process::id().to_string())?;
                Ok("ok".into())
            }
            ["become", uid] => {
                let uid: u32 = uid.parse().unwrap();
                nix::unistd::setgid(uid.into())?;
                nix::unistd::setuid(uid.into())?;
                Ok("ok".into())
            }
            ["unshare-net"] => {
                nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
                Ok("ok".into())
            }
            ["open", instance] => {
                let pins = interceptor::load::Pins::current(Path::new(instance));
                open_maps(&pins)
            }
            ["open-link", instance] => {
                let pins = interceptor::load::Pins::current(Path::new(instance));
                interceptor::load::sys::open(&pins.links().join("interceptor_connect4"), false).map(|_| "ok".into())
            }
            ["serve", port, instance] => self.serve(port.parse().unwrap(), Path::new(instance)),
            ["accept"] => self.accept(),
            ["accepted-close"] => {
                self.service().accepted.clear();
                Ok("ok".into())
            }
            ["drain", count] => self.drain(count.parse().unwrap()),
            ["canary"] => self.canary(),
            ["canary-alone"] => {
                let canary = &self.service().canary;
                Ok(canary.probe(Duration::from_millis(200)).map_or_else(|why| why.to_string(), |()| "ok".into()))
            }
            ["sweep", now] => Ok(format!("ok {}", self.service().origins.sweep(now.parse().unwrap())?)),
            other => panic!("no such command: {other:?}"),
        }
    }

    fn hammer(&mut self, to: SocketAddr) -> Answer {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || many(to, |_| !seen.load(Ordering::Relaxed)));
        self.hammer = Some((stop, thread));
        Ok("ok".into())
    }

    fn stream(&mut self, name: &str) -> &mut TcpStream {
        self.streams.get_mut(name).unwrap()
    }

    fn service(&mut self) -> &mut Service {
        self.service.as_mut().unwrap()
    }

    fn socket(&mut self, name: &str, domain: i32, kind: i32, protocol: i32) -> Answer {
        self.sockets.insert(name.into(), socket(domain, kind, protocol)?);
        Ok("ok".into())
    }

    fn connect_socket(&mut self, name: &str, to: SocketAddr) -> Answer {
        let fd = self.sockets.get(name).unwrap();
        nix::sys::socket::connect(fd.as_raw_fd(), &storage(to))?;
        self.streams.insert(name.into(), TcpStream::from(fd.try_clone()?));
        Ok("ok".into())
    }

    /// connect() to AF_UNSPEC dissolves the association (connect(2)).
    fn disconnect(&mut self, name: &str) -> Answer {
        let fd = self.sockets.get(name).unwrap();
        let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as u16, sa_data: [0; 14] };
        // SAFETY: the address is live and of the stated size.
        let result = unsafe { libc::connect(fd.as_raw_fd(), &raw const nowhere, size_of::<libc::sockaddr>() as u32) };
        if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok("ok".into()) }
    }

    fn connect(&mut self, name: &str, to: SocketAddr) -> Answer {
        self.streams.insert(name.into(), TcpStream::connect(to)?);
        Ok("ok".into())
    }

    /// Until the end of the stream.
    fn read(&mut self, name: &str) -> Answer {
        let stream = self.stream(name);
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(format!("ok {text}"))
    }

    fn serve(&mut self, port: u16, instance: &Path) -> Answer {
        let canary = Arc::new(Canary::default());
        let origins = KernelOrigins::open(instance, Arc::clone(&canary)).map_err(std::io::Error::other)?;
        let listeners = listen_addresses(port).map(TcpListener::bind);
        let listeners = listeners.into_iter().collect::<std::io::Result<Vec<_>>>()?;
        for listener in &listeners {
            // std listens with a backlog of 128; behind a full one a SYN is sent again after a second.
            nix::sys::socket::listen(listener, nix::sys::socket::Backlog::new(4096).map_err(std::io::Error::from)?)?;
        }
        self.service = Some(Service { listeners, origins, canary, accepted: Vec::new() });
        Ok("ok".into())
    }

    /// One connection: its origin is answered, and `hello` written to it if it has one.
    fn accept(&mut self) -> Answer {
        let service = self.service();
        let (mut stream, arrival) = service.next()?;
        let Some(arrival) = arrival else { return Ok("ok stranger".into()) };
        stream.write_all(b"hello")?;
        service.accepted.push(stream);
        Ok(match arrival {
            Arrival::Canary => "ok canary".into(),
            Arrival::Agent { destination, database, name, identity } => {
                let exe = identity.executable.as_ref();
                format!(
                    "ok {destination} {database} {name} {} cgroup={} pid={} uid={} comm={} exe={} dev={} ino={}",
                    identity.agent,
                    identity.cgroup,
                    identity.pid,
                    identity.uid,
                    identity.comm.replace(' ', "_"),
                    exe.map_or("", |exe| exe.name.as_str()),
                    exe.map_or(0, |exe| exe.device),
                    exe.map_or(0, |exe| exe.inode),
                )
            }
        })
    }

    /// Accepts so many connections and closes each; answers how many had no origin.
    fn drain(&mut self, count: usize) -> Answer {
        let mut strangers = 0;
        for _ in 0..count {
            strangers += usize::from(self.service().next()?.1.is_none());
        }
        Ok(format!("ok {strangers}"))
    }

    fn canary(&mut self) -> Answer {
        let canary = Arc::clone(&self.service().canary);
        let prober = std::thread::spawn(move || canary.probe(Duration::from_secs(5)));
        for _ in 0..2 {
            let (stream, arrival) = self.service().next()?;
            if arrival != Some(Arrival::Canary) {
                return Ok("stranger".into());
            }
            drop(stream);
        }
        Ok(prober.join().unwrap().map_or_else(|why| why.to_string(), |()| "ok".into()))
    }
}

impl Service {
    fn next(&self) -> std::io::Result<(TcpStream, Option<Arrival>)> {
        let mut fds: Vec<PollFd<'_>> =
            self.listeners.iter().map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN)).collect();
        if poll(&mut fds, PollTimeout::from(10_000_u16))? == 0 {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        let ready = fds.iter().position(|fd| fd.any().unwrap_or(false)).unwrap();
        let (stream, agent) = self.listeners[ready].accept()?;
        let arrival = self.origins.take(agent, stream.local_addr()?)?;
        Ok((stream, arrival))
    }
}

/// As the service opens them: flows to write, rules to read.
fn open_maps(pins: &interceptor::load::Pins) -> Answer {
    let failed = |why| match why {
        interceptor::load::Error::Map(_, why) => why,
        other => std::io::Error::other(other.to_string()),
    };
    pins.flows().map_err(failed)?;
    pins.rules(true).map_err(failed)?;
    Ok("ok".into())
}

/// The answer of a connect() in a child, or in a grandchild whose parent has gone.
fn fork_connect(to: &str, twice: bool) -> Answer {
    // The shell is the child; with `&` and an exit it leaves an orphan behind, which init adopts.
    let probe = format!("exec 3<>/dev/tcp/{}/{}", address(to).ip(), address(to).port());
    let script = if twice { format!("( ( {probe}; exec sleep 600 ) & )") } else { format!("( {probe} ) & wait $!") };
    let done = std::process::Command::new("bash").args(["-c", &script]).stderr(std::process::Stdio::null()).status()?;
    Ok(format!("ok {}", done.success()))
}

/// What became of many connections.
#[derive(Default)]
struct Tally {
    made: u32,
    refused: u32,
    other: u32,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ok {} {} {}", self.made, self.refused, self.other)
    }
}

/// Connections one after the other, each closed at once, for as long as `more` says so of their number.
fn many(to: SocketAddr, more: impl Fn(u32) -> bool) -> Tally {
    let mut tally = Tally::default();
    while more(tally.made + tally.refused + tally.other) {
        match TcpStream::connect(to) {
            Ok(_) => tally.made += 1,
            Err(why) if why.raw_os_error() == Some(libc::ECONNREFUSED) => tally.refused += 1,
            Err(_) => tally.other += 1,
        }
    }
    tally
}

/// connect() from an address of the caller's choice.
fn bound(from: SocketAddr, to: SocketAddr) -> Answer {
    let fd = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    nix::sys::socket::bind(fd.as_raw_fd(), &storage(from))?;
    nix::sys::socket::connect(fd.as_raw_fd(), &storage(to))?;
    Ok("ok".into())
}

/// connect() through one device alone (SO_BINDTODEVICE, socket(7)).
fn through(device: &str, to: SocketAddr) -> Answer {
    let fd = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::BindToDevice, &device.into())?;
    // A SYN that leaves by another device is never answered: the wait for it is bounded.
    let patience = nix::sys::time::TimeVal::new(0, 300_000);
    nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::SendTimeout, &patience)?;
    nix::sys::socket::connect(fd.as_raw_fd(), &storage(to))?;
    Ok("ok".into())
}

/// sendto() with MSG_FASTOPEN on a socket that was never connected (tcp(7)).
fn fastopen(to: SocketAddr) -> Answer {
    let fd = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let flags = nix::sys::socket::MsgFlags::from_bits_retain(libc::MSG_FASTOPEN);
    nix::sys::socket::sendto(fd.as_raw_fd(), b"x", &storage(to), flags)?;
    let stream = TcpStream::from(fd);
    Ok(format!("ok {}", stream.peer_addr()?))
}

/// IORING_OP_CONNECT: the connect() of a ring.
fn uring_connect(to: SocketAddr) -> Answer {
    use io_uring::{IoUring, opcode, types::Fd};
    let fd = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let mut ring = IoUring::new(2)?;
    let to = storage(to);
    let entry = opcode::Connect::new(Fd(fd.as_raw_fd()), to.as_ptr(), to.len()).build();
    // SAFETY: the address lives until the completion below.
    unsafe { ring.submission().push(&entry).map_err(std::io::Error::other)? };
    ring.submit_and_wait(1)?;
    let result = ring.completion().next().unwrap().result();
    if result < 0 {
        return Err(std::io::Error::from_raw_os_error(-result));
    }
    Ok(format!("ok {}", TcpStream::from(fd).peer_addr()?))
}
