//! What is compared: nothing in between, relays that do nothing, us, and what people would use instead.
//!
//! Each path has a worker of its own, the same program. All that is started here listens on loopback and ends with the run.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cpu;
use crate::load::cage::Cage;
use crate::load::foreign::Url;
use crate::load::options::Options;
use crate::slice::{Cpus, Outcome, Slice, Work};

pub(crate) const DIRECT: &str = "direct";
pub(crate) const NULL: &str = "null relay";
pub(crate) const AGAIN: &str = "null relay, again";
pub(crate) const US: &str = "interceptor";
pub(crate) const STRICT: &str = "strict record";
/// Ours without a part, to price it.
pub(crate) const UNMASKED: &str = "masking off";
pub(crate) const MEMORY: &str = "record in memory";
/// A build of ours whose statements are not recorded: no setting of the product does that (`cargo xtask bench` makes it).
pub(crate) const UNRECORDED: &str = "not recorded";
/// Ours with what agents receive recorded too.
pub(crate) const RESULTS: &str = "results recorded";
/// The same by another build of ours.
pub(crate) const RESULTS_BESIDE: &str = "results, other build";
/// Ours with a policy that names the column of cards.
pub(crate) const NAMED: &str = "column named";
/// Another build of ours, to be compared with.
pub(crate) const BESIDE: &str = "other build";
pub(crate) const PGBOUNCER: &str = "pgbouncer";
pub(crate) const HAPROXY: &str = "HAProxy";

/// Connections that a peer is told to expect.
const SESSIONS: u32 = 12_000;

/// HAProxy counts pipes for its splices beside the connections, and does not start where the limit has no room for both.
pub(crate) fn haproxy_sessions() -> u32 {
    (cpu::sessions_max() / 5 * 4).min(SESSIONS)
}

/// What stands at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// A real PostgreSQL; nothing is kept on a CPU.
    Postgres,
    /// The stub; all of the path on one CPU.
    Near,
    /// The stub; what stands between has a CPU for itself.
    Far,
    /// The stub beside what stands between, and the agent on another CPU, though its connection was made on the first.
    Across,
}

/// Where a path begins, and whose CPU time it costs.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) port: u16,
    pub(crate) dbname: String,
    pub(crate) pid: Option<u32>,
}

/// One path.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// By backend: PostgreSQL, near, far.
    places: [Place; 3],
    pub(crate) worker: Worker,
    /// The same path once more, by a service that was started once more: it is another throw of where memory lies.
    others: VecDeque<([Place; 3], Worker)>,
}

impl Target {
    /// How many services stand for it, by turns.
    pub(crate) fn starts(&self) -> usize {
        1 + self.others.len()
    }

    /// The next one's turn.
    pub(crate) fn turn(&mut self) {
        if let Some((places, worker)) = self.others.pop_front() {
            let before = (std::mem::replace(&mut self.places, places), std::mem::replace(&mut self.worker, worker));
            self.others.push_back(before);
        }
    }

    /// Ends its worker's connections to this backend.
    pub(crate) fn close(&mut self, backend: Backend) -> Result<(), String> {
        let Place { port, dbname, .. } = self.place(backend).clone();
        let (work, cpus) = (Work::Close, Cpus::Any);
        self.worker.slice(&Slice { work, sealed: false, port, dbname, connections: 0, millis: 0, cpus }).map(|_| ())
    }

    pub(crate) fn place(&self, backend: Backend) -> &Place {
        let [postgres, near, far] = &self.places;
        match backend {
            Backend::Postgres => postgres,
            Backend::Near | Backend::Across => near,
            Backend::Far => far,
        }
    }
}

/// All paths and what was started for them.
pub(crate) struct Stand {
    pub(crate) targets: Vec<Target>,
    pub(crate) versions: Vec<String>,
    /// One more worker for ours, and for another build of it, for work at the same time.
    pub(crate) seconds: Vec<(&'static str, Worker)>,
    _children: Vec<Running>,
    _folder: Folder,
}

/// A child that ends when this does.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Stand {
    /// Starts everything; a peer that is not installed is left out, and `versions` says so.
    pub(crate) fn start(options: &Options) -> Result<Stand, String> {
        let folder = std::env::temp_dir().join(format!("interceptor-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut stand = Stand {
            targets: Vec::new(),
            versions: Vec::new(),
            seconds: Vec::new(),
            _children: Vec::new(),
            _folder: Folder(folder.clone()),
        };
        if let Some(url) = &options.url {
            return stand.foreign(options, url).map(|()| stand);
        }
        let [postgres, near, far] = [options.postgres, options.near, options.far];
        let (first, last) = options.cpus;
        for (port, cpu) in [(near, first), (far, last)] {
            stand.run(own(&["stub", "--port", &port.to_string()])?, Some(cpu), &[port])?;
        }
        if options.sealed > 0 {
            let port = options.sealed.to_string();
            stand.run(own(&["tls-stub", "--port", &port, "--keys", &options.keys])?, None, &[options.sealed])?;
        }
        stand.add(DIRECT, [(postgres, "bench", None), (near, "bench", None), (far, "bench", None)], &[])?;
        for name in [NULL, AGAIN] {
            stand.relay(name, options)?;
        }
        for through in &options.through {
            let pid = Some(through.pid);
            let places = [postgres, near, far].map(|port| (port, "bench", pid));
            let name = match through.name.as_str() {
                "strict" => STRICT,
                "beside" => BESIDE,
                "unmasked" => UNMASKED,
                "memory" => MEMORY,
                "unrecorded" => UNRECORDED,
                "results" => RESULTS,
                "results-beside" => RESULTS_BESIDE,
                "named" => NAMED,
                _ => US,
            };
            let is_first = stand.targets.iter().all(|target| target.name != name);
            stand.add(name, places, &through.words)?;
            if is_first && [US, BESIDE].contains(&name) {
                stand.seconds.push((name, Worker::start(&through.words)?));
            }
        }
        stand.pgbouncer(options, &folder)?;
        stand.haproxy(options, &folder)?;
        Ok(stand)
    }

    /// Paths to a user's own database: directly, by the null relay (twice), through us.
    fn foreign(&mut self, options: &Options, url: &Url) -> Result<(), String> {
        let (host, table) = (url.to.ip(), options.table.as_deref());
        let place = |port, pid| [(port, url.dbname.as_str(), pid); 3];
        self.add(DIRECT, place(url.to.port(), None), &[])?;
        for name in [NULL, AGAIN] {
            let [port] = free_ports()?;
            let words = ["relay", "--listen", &port.to_string(), "--to", &url.to.to_string()].map(str::to_owned);
            let pid = self.run(own(&words)?, None, &[port])?;
            self.add(name, place(port, Some(pid)), &[])?;
        }
        for through in options.through.iter().filter(|through| through.name == "standard") {
            self.add(US, place(url.to.port(), Some(through.pid)), &through.words)?;
        }
        for target in &mut self.targets {
            let is_relay = [NULL, AGAIN].contains(&target.name);
            let host = if is_relay { Ipv4Addr::LOCALHOST.into() } else { host };
            target.worker.say(&url.account(host, table))?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        name: &'static str,
        places: [(u16, &str, Option<u32>); 3],
        prefix: &[String],
    ) -> Result<(), String> {
        let places = places.map(|(port, dbname, pid)| Place { port, dbname: dbname.to_owned(), pid });
        let worker = if prefix.is_empty() { Worker::caged(self.targets.len())? } else { Worker::start(prefix)? };
        match self.targets.iter_mut().find(|target| target.name == name) {
            Some(target) => target.others.push_back((places, worker)),
            None => self.targets.push(Target { name, places, worker, others: VecDeque::new() }),
        }
        Ok(())
    }

    fn run(&mut self, command: Command, cpu: Option<u32>, ports: &[u16]) -> Result<u32, String> {
        let child = run_and_wait(command, cpu, ports)?;
        let pid = child.0.id();
        self._children.push(child);
        Ok(pid)
    }

    fn relay(&mut self, name: &'static str, options: &Options) -> Result<(), String> {
        let [a, b, c] = free_ports()?;
        let words = |pairs: &[(u16, u16)]| -> Vec<String> {
            let one = |(from, to): &(u16, u16)| {
                ["--listen".to_owned(), from.to_string(), "--to".to_owned(), format!("127.0.0.1:{to}")]
            };
            std::iter::once("relay".to_owned()).chain(pairs.iter().flat_map(one)).collect()
        };
        let postgres = self.run(own(&words(&[(a, options.postgres)]))?, None, &[a])?;
        let stub = self.run(own(&words(&[(b, options.near), (c, options.far)]))?, Some(options.cpus.0), &[b, c])?;
        self.add(name, [(a, "bench", Some(postgres)), (b, "bench", Some(stub)), (c, "bench", Some(stub))], &[])
    }

    fn pgbouncer(&mut self, options: &Options, folder: &Path) -> Result<(), String> {
        let Some(version) = version("pgbouncer", &["--version"]) else {
            self.versions.push("pgbouncer: not installed, not compared (`--install-peers`)".to_owned());
            return Ok(());
        };
        self.versions.push(format!("{version}, session mode"));
        let users = folder.join("users.txt");
        write(&users, "\"app\" \"\"\n")?;
        let [a, b] = free_ports()?;
        let mut pids = [0; 2];
        for (index, (port, cpu)) in [(a, None), (b, Some(options.cpus.0))].into_iter().enumerate() {
            let database = |name: &str, port: u16| format!("{name} = host=127.0.0.1 port={port} dbname=bench\n");
            let databases = [("bench", options.postgres), ("near", options.near), ("far", options.far)]
                .map(|(name, port)| database(name, port))
                .concat();
            let text = format!(
                "[databases]\n{databases}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = trust\nauth_file = {}\npool_mode = session\nmax_client_conn = {SESSIONS}\ndefault_pool_size = {SESSIONS}\n\
                 server_check_query =\nlog_connections = 0\nlog_disconnections = 0\nlog_stats = 0\nverbose = 0\n",
                users.display()
            );
            let path = folder.join(format!("pgbouncer-{index}.ini"));
            write(&path, &text)?;
            let mut command = as_nobody("pgbouncer");
            command.arg("-q").arg(&path);
            pids[index] = self.run(command, cpu, &[port])?;
        }
        let places = [(a, "bench", Some(pids[0])), (b, "near", Some(pids[1])), (b, "far", Some(pids[1]))];
        self.add(PGBOUNCER, places, &[])
    }

    fn haproxy(&mut self, options: &Options, folder: &Path) -> Result<(), String> {
        let Some(version) = version("haproxy", &["-v"]) else {
            self.versions.push("HAProxy: not installed, not compared (`--install-peers`)".to_owned());
            return Ok(());
        };
        let version: Vec<&str> = version.split(' ').take(3).collect();
        self.versions.push(format!("{}, tcp mode, nbthread 1, splice-auto", version.join(" ")));
        let [a, b, c] = free_ports()?;
        let one = |from: u16, to: u16| format!("listen p{from}\n  bind 127.0.0.1:{from}\n  server s 127.0.0.1:{to}\n");
        let families = [
            (one(a, options.postgres), None, vec![a]),
            (one(b, options.near) + &one(c, options.far), Some(options.cpus.0), vec![b, c]),
        ];
        let most = haproxy_sessions();
        let mut pids = [0; 2];
        for (index, (listens, cpu, ports)) in families.into_iter().enumerate() {
            let text = format!(
                "global\n  nbthread 1\n  maxconn {most}\ndefaults\n  mode tcp\n  option splice-auto\n  timeout connect 10s\n  \
                 timeout client 1h\n  timeout server 1h\n{listens}"
            );
            let path = folder.join(format!("haproxy-{index}.cfg"));
            write(&path, &text)?;
            let mut command = as_nobody("haproxy");
            command.args(["-q", "-db", "-f"]).arg(&path);
            pids[index] = self.run(command, cpu, &ports)?;
        }
        let places = [(a, "bench", Some(pids[0])), (b, "bench", Some(pids[1])), (c, "bench", Some(pids[1]))];
        self.add(HAPROXY, places, &[])
    }
}

/// Starts one, on this CPU alone, and waits until all its ports answer.
pub(crate) fn run_and_wait(mut command: Command, cpu: Option<u32>, ports: &[u16]) -> Result<Running, String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::null()).current_dir("/");
    // A child runs where the thread that makes it does.
    let spawned = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            cpu.map_or(Ok(()), uring::pin_to)?;
            command.spawn()
        });
        thread.join().unwrap_or_else(|_| Err(std::io::Error::other("a thread ended")))
    });
    let child = Running(spawned.map_err(|error| format!("{shown}: {error}"))?);
    let until = Instant::now() + Duration::from_secs(10);
    for &port in ports {
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until {
                return Err(format!("{shown} does not answer on port {port}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(child)
}

/// A verb of this program.
pub(crate) fn own(args: &[impl AsRef<std::ffi::OsStr>]) -> Result<Command, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.args(args);
    Ok(command)
}

/// Neither peer has to be root, and one of them refuses to be.
fn as_nobody(program: &str) -> Command {
    if version("id", &["-u"]).is_none_or(|uid| uid != "0") {
        return Command::new(path_of(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(path_of(program));
    command
}

/// Debian keeps both where an ordinary account's PATH does not look.
fn path_of(program: &str) -> String {
    let path = format!("/usr/sbin/{program}");
    if Path::new(&path).exists() { path } else { program.to_owned() }
}

fn version(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(path_of(program)).args(args).stdin(Stdio::null()).output().ok()?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Ports of loopback that were free a moment ago, each another.
fn free_ports<const COUNT: usize>() -> Result<[u16; COUNT], String> {
    let wrong = |error: std::io::Error| format!("a free port: {error}");
    let mut ports = [0; COUNT];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(wrong)?;
        *port = listener.local_addr().map_err(wrong)?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// A worker's process.
pub(crate) struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Where it runs, if it is no agent, which has one of its own.
    _cage: Option<Cage>,
}

impl Worker {
    /// One that is no agent, in a cgroup like an agent's.
    fn caged(number: usize) -> Result<Worker, String> {
        let cage = Cage::new(number);
        let mut worker = Worker::start(&cage.as_ref().map(Cage::prefix).unwrap_or_default())?;
        worker._cage = cage;
        Ok(worker)
    }

    /// Starts one behind this prefix.
    pub(crate) fn start(prefix: &[String]) -> Result<Worker, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?.to_string_lossy().into_owned();
        let words: Vec<&str> = prefix.iter().map(String::as_str).chain([own.as_str(), "worker"]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", words[0]))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(input), Some(output)) => Ok(Worker { child, input, output: BufReader::new(output), _cage: None }),
            _ => Err("a worker without pipes".into()),
        }
    }

    /// Lets it do one slice and waits for what came of it.
    pub(crate) fn slice(&mut self, slice: &Slice) -> Result<Outcome, String> {
        self.begin(slice)?;
        self.end()
    }

    /// Lets it begin one slice.
    pub(crate) fn begin(&mut self, slice: &Slice) -> Result<(), String> {
        self.say(&slice.to_string())
    }

    /// A line to it.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.input, "{line}").map_err(|e| format!("a worker is gone: {e}"))
    }

    /// Waits for what came of the slice that was begun.
    pub(crate) fn end(&mut self) -> Result<Outcome, String> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|e| e.to_string())?;
        if line.is_empty() {
            return Err("a worker ended; what it said stands above".into());
        }
        line.parse()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
