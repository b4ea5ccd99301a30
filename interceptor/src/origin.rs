//! The service's side of the kernel half: where an accepted connection was meant to go and who made it.
//!
//! Everything here works without a capability: `attach` gave the pins to the service's account.

use std::{
    io::{self, ErrorKind, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use interceptor_abi::{CANARY_V4, CANARY_V6, Counter, DATABASE_CANARY, FlowKey, NAME_LEN, Origin, Text, maps};

use crate::{
    identity::Identity,
    load::{
        Error, Pins,
        maps::ENTRIES_MAX,
        sys::{self, Map, PerCpu},
    },
};

/// A connection that nobody accepted for this long is given up: its entry is a leftover of an event that was missed.
pub const FLOW_AGE_NS_MAX: u64 = 300 * 1_000_000_000;

/// A connection is in the listener's queue a moment before the kernel half seals its entry (tcp_child_process in
/// net/ipv4/tcp_minisocks.c runs after the queue was filled); an accept on another core can be faster. So often the entry is
/// looked at again with only a yield in between.
const SEAL_YIELDS: u32 = 1000;
/// From then on so long lies between two looks: the core that seals has itself been taken away, as hypervisors do.
const SEAL_PAUSE: Duration = Duration::from_micros(200);
/// And after this it is somebody else's.
const SEAL_PATIENCE: Duration = Duration::from_secs(1);

/// An accepted connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// An agent's.
    Agent {
        /// What it dialled.
        destination: SocketAddr,
        /// The database's number when `attach` ran.
        database: u32,
        /// The database's name, as `attach` knew it.
        name: String,
        /// Who it is.
        identity: Identity,
    },
    /// The service's own, by [`Canary::probe`]: to be closed.
    Canary,
}

/// The kernel's maps, as one shard uses them.
#[derive(Debug)]
pub struct KernelOrigins {
    flows: Map<FlowKey, Origin>,
    databases: Map<u32, Text<NAME_LEN>>,
    netns: u64,
    canary: Arc<Canary>,
}

impl KernelOrigins {
    /// Opens the pins of an instance.
    pub fn open(instance: &Path, canary: Arc<Canary>) -> Result<KernelOrigins, Error> {
        let pins = Pins::current(instance);
        if !pins.maps().is_dir() {
            return Err(Error::NotAttached(instance.into()));
        }
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(Error::Locals)?;
        Ok(KernelOrigins {
            flows: pins.flows()?,
            databases: pins.databases(true)?,
            netns: sys::netns_cookie(socket.as_fd()).map_err(Error::Locals)?,
            canary,
        })
    }

    /// The origin of an accepted connection, by its two ends; its entry is removed. `None`: nobody was redirected, so
    /// somebody dialled the proxy itself; close it.
    pub fn take(&self, agent: SocketAddr, proxy: SocketAddr) -> io::Result<Option<Arrival>> {
        let key = FlowKey {
            netns: self.netns,
            agent: octets(agent.ip()),
            proxy: octets(proxy.ip()),
            agent_port: agent.port(),
            proxy_port: proxy.port(),
            zero: 0,
        };
        let mut looks = 0;
        let mut paused: Option<Instant> = None;
        loop {
            match self.flows.get(&key)? {
                None => return Ok(None),
                Some(origin) if origin.proxy_cookie != 0 => {
                    return self.flows.take(&key)?.map(|origin| self.arrival(&origin)).transpose();
                }
                Some(_) if looks < SEAL_YIELDS => std::thread::yield_now(),
                // An entry without the proxy's cookie belongs to a handshake that is not complete: not to this connection.
                Some(_) if paused.is_some_and(|since| since.elapsed() > SEAL_PATIENCE) => return Ok(None),
                Some(_) => {
                    paused.get_or_insert_with(Instant::now);
                    std::thread::sleep(SEAL_PAUSE);
                }
            }
            looks += 1;
        }
    }

    fn arrival(&self, origin: &Origin) -> io::Result<Arrival> {
        if origin.database == DATABASE_CANARY {
            self.canary.seen(origin);
            return Ok(Arrival::Canary);
        }
        let name = self.databases.get(&origin.database)?;
        let name = name.as_ref().and_then(interceptor_abi::text).unwrap_or_default();
        Ok(Arrival::Agent {
            destination: SocketAddr::new(Ipv6Addr::from(origin.address).to_canonical(), origin.port),
            database: origin.database,
            name: name.into(),
            identity: Identity::of(origin),
        })
    }

    /// Removes entries that have been there for longer than [`FLOW_AGE_NS_MAX`]; answers how many. `now_ns` is
    /// CLOCK_MONOTONIC.
    pub fn sweep(&self, now_ns: u64) -> io::Result<usize> {
        let mut removed = 0;
        for key in self.flows.keys(ENTRIES_MAX)? {
            let old =
                self.flows.get(&key)?.is_some_and(|flow| flow.connected_ns.saturating_add(FLOW_AGE_NS_MAX) < now_ns);
            if old && self.flows.remove(&key)? {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// How many connections are on their way.
    pub fn waiting(&self) -> io::Result<usize> {
        Ok(self.flows.keys(ENTRIES_MAX)?.len())
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// What the kernel half has counted since it was first attached.
#[derive(Debug)]
pub struct Counters(PerCpu);

impl Counters {
    /// Opens the pin.
    pub fn open(instance: &Path) -> Result<Counters, Error> {
        Pins::current(instance).counters().map(Counters)
    }

    /// One of them.
    pub fn get(&self, counter: Counter) -> io::Result<u64> {
        self.0.sum(counter as u32)
    }

    /// All of them, in their order.
    pub fn all(&self) -> Result<Vec<(Counter, u64)>, Error> {
        let one = |counter| self.get(counter).map(|value| (counter, value));
        Counter::ALL.into_iter().map(one).collect::<io::Result<_>>().map_err(|why| Error::Map(maps::COUNTERS, why))
    }
}

/// Proof that redirection works: the service dials an address that nobody has (192.0.2.1, 2001:db8::1) and must find
/// itself. Each probe takes another port, so that an older arrival is never taken for this one.
#[derive(Debug)]
pub struct Canary {
    next: AtomicU16,
    seen_v4: AtomicU16,
    seen_v6: AtomicU16,
}

/// Why the canary did not come home.
#[derive(Debug)]
pub enum CanaryError {
    /// The connection failed: the programs are gone, or nobody listens.
    Connect(SocketAddr, io::Error),
    /// It succeeded, but the connection was not one that the kernel half made.
    NotSeen(SocketAddr),
    /// It succeeded, and then nobody took it for this long.
    Slow(SocketAddr, Duration),
}

impl std::fmt::Display for CanaryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CanaryError::Connect(to, why) => write!(f, "the canary {to} was not redirected: {why}"),
            CanaryError::NotSeen(to) => write!(f, "the canary {to} went somewhere, but not to this service"),
            CanaryError::Slow(to, patience) => {
                write!(f, "the canary {to} was redirected, but no shard took it within {} s", patience.as_secs_f32())
            }
        }
    }
}

impl std::error::Error for CanaryError {}

const CANARY_PORT_MIN: u16 = 1024;

impl Default for Canary {
    fn default() -> Canary {
        Canary { next: AtomicU16::new(CANARY_PORT_MIN), seen_v4: AtomicU16::new(0), seen_v6: AtomicU16::new(0) }
    }
}

impl Canary {
    fn seen(&self, origin: &Origin) {
        let slot = if origin.address == CANARY_V6 { &self.seen_v6 } else { &self.seen_v4 };
        slot.store(origin.port, Ordering::Release);
    }

    /// Dials both addresses (IPv6 only where the host has it) and waits until the service has closed the connections,
    /// at most `patience` for each step. To be called while shards accept, from a thread that is none of theirs.
    pub fn probe(&self, patience: Duration) -> Result<(), CanaryError> {
        let port = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |port| {
            Some(port.checked_add(1).unwrap_or(CANARY_PORT_MIN))
        });
        let port = port.unwrap_or(CANARY_PORT_MIN);
        self.probe_one(SocketAddr::new(Ipv6Addr::from(CANARY_V4).to_canonical(), port), &self.seen_v4, patience)?;
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            self.probe_one(SocketAddr::new(Ipv6Addr::from(CANARY_V6).into(), port), &self.seen_v6, patience)?;
        }
        Ok(())
    }

    fn probe_one(&self, to: SocketAddr, seen: &AtomicU16, patience: Duration) -> Result<(), CanaryError> {
        let failed = |why| CanaryError::Connect(to, why);
        let mut stream = TcpStream::connect_timeout(&to, patience).map_err(failed)?;
        stream.set_read_timeout(Some(patience)).map_err(failed)?;
        // The end of the connection, in whatever form, is what we wait for.
        let end = stream.read(&mut [0; 1]);
        let late = end.is_err_and(|why| matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        match seen.load(Ordering::Acquire) == to.port() {
            true => Ok(()),
            false if late => Err(CanaryError::Slow(to, patience)),
            false => Err(CanaryError::NotSeen(to)),
        }
    }
}

/// The addresses that the proxy listens on.
pub fn listen_addresses(port: u16) -> [SocketAddr; 2] {
    [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
}
