//! What the kernel tests share: one at a time, real processes as agents, service and others, and nothing left behind.
//!
//! The processes are this test binary itself, started again as [`child`]; they take commands by line (see `child.rs`).
#![allow(dead_code, unreachable_pub)] // each test file takes what it needs
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // tests, and children that answer on stdout

mod child;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, ErrorKind, Write},
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use interceptor::load::{self, AgentPlan, DatabasePlan, Destination, Plan, Who, cgroups};
use interceptor_abi::Counter;
use nix::fcntl::{Flock, FlockArg};

pub use child::obey;

/// Accounts that need no entry anywhere.
pub const SERVICE: u32 = 61500;
pub const AGENT: u32 = 61501;
pub const OTHER: u32 = 61502;
pub const PORT: u16 = 61999;
const INSTANCE: &str = "/sys/fs/bpf/interceptor-test";
const PATIENCE: Duration = Duration::from_secs(60);

/// One test's world: the lock, the database that nobody but the proxy should reach, and the agents' cgroup.
pub struct World {
    pub plan: Plan,
    pub database: TcpListener,
    pub cgroup: Cgroup,
    _lock: Flock<File>,
}

/// `None` where the kernel half cannot be tested: said loudly, and a failure in CI.
pub fn world() -> Option<World> {
    if let Err(why) = possible() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the kernel tests cannot run here: {why}");
        eprintln!("KERNEL TEST SKIPPED, NOTHING WAS CHECKED: {why}");
        return None;
    }
    let file = File::create("/run/interceptor-tests.lock").unwrap();
    let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, why)| why).unwrap();
    let database = TcpListener::bind("127.0.0.1:0").unwrap();
    database.set_nonblocking(true).unwrap();
    let cgroup = Cgroup::new("agent");
    let mut plan = Plan::new(PORT, SERVICE, SERVICE);
    plan.instance = INSTANCE.into();
    plan.databases = vec![DatabasePlan {
        index: 0,
        name: "payments".into(),
        addresses: vec![exactly(database.local_addr().unwrap())],
        refuse_others: false,
        allow: Vec::new(),
    }];
    plan.agents = vec![AgentPlan { name: "reconciler".into(), who: Who::Cgroup(cgroup.relative()) }];
    load::detach(&plan.instance).unwrap();
    Some(World { plan, database, cgroup, _lock: lock })
}

fn possible() -> Result<(), String> {
    if !nix::unistd::Uid::effective().is_root() {
        return Err("not root".into());
    }
    cgroups::root().map_err(|why| why.to_string())?;
    load::exe_offsets().map_err(|why| why.to_string())?;
    Ok(())
}

/// The rule for one address.
pub fn exactly(address: SocketAddr) -> Destination {
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    Destination { address: address.ip(), prefix, port: Some(address.port()) }
}

impl World {
    /// Attaches by the plan; the guard detaches.
    pub fn attach(&self) -> Attached {
        let guard = Attached { instance: self.plan.instance.clone() };
        load::attach(&self.plan).unwrap();
        guard
    }

    /// Where the agents dial.
    pub fn address(&self) -> SocketAddr {
        self.database.local_addr().unwrap()
    }

    /// The service's account, with the maps opened and nobody listening.
    pub fn service_down(&self) -> Process {
        let mut service = Process::start(SERVICE, None);
        service.expect(&format!("open {}", self.plan.instance.display()), "ok");
        service
    }

    /// Starts the service: both listeners, and the maps opened without a privilege.
    pub fn service(&self) -> Process {
        let mut service = Process::start(SERVICE, None);
        service.expect(&format!("serve {PORT} {}", self.plan.instance.display()), "ok");
        service
    }

    /// A process of the agent, in its cgroup.
    pub fn agent(&self) -> Process {
        Process::start(AGENT, Some(&self.cgroup))
    }

    /// Did anybody reach the database directly since the last question?
    pub fn reached(&self) -> bool {
        match self.database.accept() {
            Ok(_) => true,
            Err(why) if why.kind() == ErrorKind::WouldBlock => false,
            Err(why) => panic!("{why}"),
        }
    }

    pub fn count(&self, counter: Counter) -> u64 {
        interceptor::origin::Counters::open(&self.plan.instance).unwrap().get(counter).unwrap()
    }

    /// Entries of connections on their way.
    pub fn flows(&self) -> usize {
        load::Pins::current(&self.plan.instance).flows().unwrap().keys(1 << 20).unwrap().len()
    }
}

/// Detaches when dropped.
pub struct Attached {
    instance: PathBuf,
}

impl Drop for Attached {
    fn drop(&mut self) {
        let gone = load::detach(&self.instance);
        if !std::thread::panicking() {
            assert!(gone.unwrap(), "somebody else detached");
            assert!(!self.instance.exists());
        }
    }
}

/// A cgroup that goes when dropped, with all its processes.
pub struct Cgroup(pub PathBuf);

impl Cgroup {
    pub fn new(name: &str) -> Cgroup {
        Cgroup::at(&cgroups::root().unwrap().join(format!("interceptor-test-{name}-{}", std::process::id())))
    }

    pub fn below(&self, name: &str) -> Cgroup {
        Cgroup::at(&self.0.join(name))
    }

    fn at(path: &Path) -> Cgroup {
        if let Err(why) = fs::create_dir(path) {
            assert_eq!(why.kind(), ErrorKind::AlreadyExists, "{}", path.display());
        }
        Cgroup(path.into())
    }

    pub fn id(&self) -> u64 {
        cgroups::id(&self.0).unwrap()
    }

    /// From the root of the hierarchy.
    pub fn relative(&self) -> PathBuf {
        Path::new("/").join(self.0.strip_prefix(cgroups::root().unwrap()).unwrap())
    }

    pub fn take_in(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        // A killed process leaves its cgroup when it is reaped; the kernel says so in cgroup.events.
        for _ in 0..10_000 {
            match fs::remove_dir(&self.0) {
                Err(why) if why.kind() == ErrorKind::ResourceBusy => std::thread::yield_now(),
                _ => return,
            }
        }
    }
}

/// A child of the test that obeys commands.
pub struct Process {
    pub child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Process {
    /// Starts it with this uid (and gid) in this cgroup; it does nothing before its first command.
    pub fn start(uid: u32, cgroup: Option<&Cgroup>) -> Process {
        let mut command = Command::new("/proc/self/exe");
        command.args(["--exact", "child", "--nocapture"]).env("INTERCEPTOR_TEST_CHILD", "1");
        let mut child = command.uid(uid).gid(uid).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        if let Some(cgroup) = cgroup {
            cgroup.take_in(child.id());
        }
        let input = child.stdin.take();
        let answers = answers(child.stdout.take().unwrap());
        Process { child, input, answers }
    }

    /// Gives a command without waiting for the answer.
    pub fn say(&mut self, command: &str) {
        writeln!(self.input.as_mut().unwrap(), "{command}").unwrap();
    }

    /// The answer to the oldest command.
    pub fn answer(&mut self) -> String {
        self.answers.recv_timeout(PATIENCE).expect("the child does not answer")
    }

    pub fn ask(&mut self, command: &str) -> String {
        self.say(command);
        self.answer()
    }

    #[track_caller]
    pub fn expect(&mut self, command: &str, answer: &str) {
        assert_eq!(self.ask(command), answer, "{command}");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answers(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(answer) = line.strip_prefix(child::MARK)
                && sender.send(answer.to_owned()).is_err()
            {
                return;
            }
        }
    });
    receiver
}
