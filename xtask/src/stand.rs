//! A stand for demonstrations, tests and benchmarks: a throw-away PostgreSQL and a service in front of it, both gone on drop.
//!
//! Std only, so that the end-to-end tests of the program include this very file. Needs root. It talks to loopback alone
//! and stops only what it started.
#![allow(dead_code, unreachable_pub)] // every includer uses a part of it

use std::fs;
use std::io::{Error, Result};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

#[path = "stand/ci.rs"]
pub mod ci;
#[path = "stand/claim.rs"]
pub mod claim;

use claim::Claim;

/// The account of the service on a stand: this and its port, a number without an entry, so that nothing is made on the host.
/// Each stand has its own: the kernel half of another would redirect the canaries of the same account.
const SERVICE_UID_MIN: u32 = 1_000_000;
/// The account that agents run as on a stand.
pub const AGENT_USER: &str = "nobody";
/// How long anything may take to become ready or to end, on a disk that others keep busy for a minute.
const PATIENCE: Duration = Duration::from_secs(90);
/// So often it is looked at meanwhile: a machine that stood still for longer has had no time of its own.
const LOOKS: u32 = 1000;

/// A folder that goes when this does.
#[derive(Debug)]
pub struct Folder(PathBuf, bool);

impl Folder {
    /// A new one below the system's temporary folder, that every account may enter.
    pub fn new(what: &str) -> Result<Folder> {
        Folder::below(&std::env::temp_dir(), what)
    }

    /// A new one there.
    pub fn below(place: &Path, what: &str) -> Result<Folder> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("interceptor-{what}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = place.join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(Folder(path, false))
    }

    /// From now on a drop leaves it.
    pub fn keep(&mut self) {
        self.1 = true;
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.1 {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A port of loopback that was free a moment ago, below those that the kernel gives to who dials (`ip_local_port_range`): no connection
/// takes it before it is listened on.
pub fn free_port() -> Result<u16> {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let ports = (0..COUNT)
        .map(|_| FIRST + (std::process::id().wrapping_mul(31) % COUNT + GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT);
    let mut free = ports.filter_map(|port| u16::try_from(port).ok());
    free.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| Error::other("no port of loopback is free"))
}

/// A throw-away PostgreSQL server on loopback, run as the account `postgres`, that logs every statement.
#[derive(Debug)]
pub struct Postgres {
    folder: Folder,
    bin: PathBuf,
    keep: bool,
    /// Its port.
    pub port: u16,
}

impl Postgres {
    /// Initialises and starts one; `settings` are lines of postgresql.conf.
    pub fn start(bin: &Path, settings: &str) -> Result<Postgres> {
        Postgres::start_in(Folder::new("postgres")?, bin, settings)
    }

    /// One with its files in this folder.
    pub fn start_in(folder: Folder, bin: &Path, settings: &str) -> Result<Postgres> {
        let (uid, gid) = ids("postgres")?;
        chown(folder.path(), Some(uid), Some(gid))?;
        let server = Postgres { folder, bin: bin.to_path_buf(), keep: false, port: free_port()? };
        let data = server.folder.path().join("data");
        succeed(
            server
                .as_postgres("initdb")
                .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"])
                .arg(&data),
        )?;
        let own = format!(
            "port = {}\nlisten_addresses = '127.0.0.1,::1'\nunix_socket_directories = '{}'\nfsync = off\nlog_statement = all\nlog_min_messages = warning\nlog_line_prefix = '%m [%p] %u '\nlog_timezone = UTC\n{settings}\n",
            server.port,
            server.folder.path().display()
        );
        let conf = data.join("postgresql.conf");
        fs::write(&conf, fs::read_to_string(&conf)? + &own)?;
        let log = server.log_path();
        succeed(
            server.as_postgres("pg_ctl").arg("-D").arg(&data).arg("-l").arg(&log).args(["-w", "-t", "90", "start"]),
        )?;
        Ok(server)
    }

    /// Runs SQL as the superuser over the unix socket, outside of everything.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let output = succeed(self.psql(database).args(["-c", sql]))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// psql as the superuser over the unix socket.
    pub fn psql(&self, database: &str) -> Command {
        let mut psql = self.as_postgres("psql");
        psql.args(["-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-p", &self.port.to_string(), "-h"]);
        psql.arg(self.folder.path()).args(["-d", database]);
        psql
    }

    /// What the server itself has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The folder of its unix socket.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// From now on a drop leaves it as it is.
    pub fn keep(&mut self) {
        self.keep = true;
        self.folder.keep();
    }

    /// What a person types to end what was kept.
    pub fn end_by_hand(&self) -> String {
        let (bin, folder) = (self.bin.display(), self.folder.path().display());
        format!(
            "setpriv --reuid=postgres --regid=postgres --clear-groups {bin}/pg_ctl -D {folder}/data -m fast stop; rm -rf {folder}"
        )
    }

    /// Stops and starts it again, or only stops it.
    pub fn control(&self, verb: &str) -> Result<()> {
        let data = self.folder.path().join("data");
        let log = self.log_path();
        succeed(self.as_postgres("pg_ctl").arg("-D").arg(data).arg("-l").arg(log).args(["-m", "fast", "-w", verb]))
            .map(|_| ())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn as_postgres(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
        // A server that outlives a killed test must not hold what the test inherited (the descriptor of a lock).
        const CLOSED: &str = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exec \"$0\" \"$@\"";
        command.args(["sh", "-c", CLOSED]);
        command
            .arg(self.bin.join(program))
            .current_dir(self.folder.path())
            .env_remove("PGHOST")
            .env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        let data = self.folder.path().join("data");
        let _ = self.as_postgres("pg_ctl").arg("-D").arg(data).args(["-m", "immediate", "-w", "stop"]).output();
    }
}

/// The kernel half attached and a service running, for one configuration.
#[derive(Debug)]
pub struct Service {
    folder: Folder,
    binary: PathBuf,
    uid: u32,
    child: Option<Child>,
    keep: bool,
    _claim: Claim,
}

impl Service {
    /// Writes configuration and policy, attaches, starts the service and waits until `status` says that it is ready.
    ///
    /// `config` has no `[service]` table: the stand writes one; `service` are more lines of it.
    pub fn start(binary: &Path, service: &str, config: &str, policy: &str) -> Result<Service> {
        Service::start_in(Folder::new("service")?, binary, service, config, policy)
    }

    /// One with its files in this folder.
    pub fn start_in(folder: Folder, binary: &Path, service: &str, config: &str, policy: &str) -> Result<Service> {
        let mut stand = Service::prepare_in(folder, binary, service, config, policy)?;
        succeed(&mut stand.verb("attach"))?;
        stand.run()?;
        Ok(stand)
    }

    /// Only the files.
    pub fn prepare(binary: &Path, service: &str, config: &str, policy: &str) -> Result<Service> {
        Service::prepare_in(Folder::new("service")?, binary, service, config, policy)
    }

    fn prepare_in(folder: Folder, binary: &Path, service: &str, config: &str, policy: &str) -> Result<Service> {
        for port in claim::sweep()? {
            eprintln!("stand: detached the kernel half that a killed stand left, interceptor-{port}");
        }
        let root = folder.path();
        let port = free_port()?;
        let claim = Claim::new(port)?;
        let uid = SERVICE_UID_MIN + u32::from(port);
        for name in ["state", "run"] {
            fs::create_dir(root.join(name))?;
            chown(root.join(name), Some(uid), Some(uid))?;
        }
        // Small ones: a test's record is short, and each is written with zeros when it is made.
        let segments = if service.contains("segment_bytes") { "" } else { "segment_bytes = 8388608\n" };
        let own = format!(
            "[service]\nstate_dir = \"{0}/state\"\nrun_dir = \"{0}/run\"\npolicy = \"{0}/policy.toml\"\nport = {port}\nuser = \"{uid}\"\ndrain_seconds = 2\n{segments}{service}\n\n",
            root.display()
        );
        fs::write(root.join("interceptor.toml"), own + config)?;
        fs::write(root.join("policy.toml"), policy)?;
        Ok(Service { folder, binary: binary.to_path_buf(), uid, child: None, keep: false, _claim: claim })
    }

    /// Starts the service, which must not be running, and waits until it is ready.
    pub fn run(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let mut run = self.verb("run");
        self.child = Some(run.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?);
        let (start, mut looks) = (Instant::now(), 0);
        while !self.verb("status").output()?.status.success() {
            let ended = match &mut self.child {
                Some(child) => child.try_wait()?,
                None => None,
            };
            if let Some(status) = ended {
                return Err(Error::other(format!(
                    "the service ended with {status} before it was ready:\n{}",
                    self.log()
                )));
            }
            looks += 1;
            if start.elapsed() > PATIENCE && looks > LOOKS {
                return Err(Error::other(format!("the service was not ready within {PATIENCE:?}:\n{}", self.log())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// A verb of the program with this stand's configuration.
    pub fn verb(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(verb.split(' ')).arg("--config").arg(self.config_path());
        command
    }

    /// A command run as this agent by `interceptor exec`, as [`AGENT_USER`].
    pub fn exec(&self, agent: &str, program: &str, args: &[&str]) -> Command {
        let mut command = self.verb("exec");
        command.args(["--agent", agent, "--user", AGENT_USER, "--", program]).args(args);
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    /// Ends the service by this signal (a name that `kill` knows) and waits for it.
    pub fn stop(&mut self, signal: &str) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        succeed(Command::new("kill").args(["-s", signal, &child.id().to_string()]))?;
        let start = Instant::now();
        while child.try_wait()?.is_none() {
            if start.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                return Err(Error::other(format!("the service did not end within {PATIENCE:?} of SIG{signal}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Sends it this signal, and says how it ended.
    pub fn dies_of(&mut self, signal: &str) -> Result<std::process::ExitStatus> {
        let Some(mut child) = self.child.take() else { return Err(Error::other("the service is not running")) };
        succeed(Command::new("kill").args(["-s", signal, &child.id().to_string()]))?;
        child.wait()
    }

    /// The process of the running service.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Its account.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Replaces the policy's text; the service reads it on reload.
    pub fn write_policy(&self, policy: &str) -> Result<()> {
        fs::write(self.folder.path().join("policy.toml"), policy)
    }

    /// What the service has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The configuration's file.
    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("interceptor.toml")
    }

    /// The folder of its socket.
    pub fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Where its kernel half is pinned.
    pub fn pins(&self) -> PathBuf {
        claim::pins((self.uid - SERVICE_UID_MIN) as u16)
    }

    /// The folder of the record.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The folder of root's own series, beside it.
    pub fn host_record(&self) -> PathBuf {
        self.folder.path().join("state-host")
    }

    /// From now on a drop leaves all as it is.
    pub fn keep(&mut self) {
        self.keep = true;
        self.folder.keep();
    }

    /// What a person types to end what was kept.
    pub fn end_by_hand(&self) -> String {
        let (binary, config) = (self.binary.display(), self.config_path());
        let pid = self.pid().map(|pid| pid.to_string()).unwrap_or_default();
        format!("kill {pid}; {binary} detach --config {}; rm -rf {}", config.display(), self.folder.path().display())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = self.stop("TERM") {
            eprintln!("stand: {error}");
        }
        match self.verb("detach").output() {
            Ok(output) if output.status.success() => {}
            other => eprintln!("stand: detach: {other:?}"),
        }
    }
}

/// Runs it, and makes an error of a status that is not 0, with what the program said.
pub fn succeed(command: &mut Command) -> Result<Output> {
    let output =
        command.output().map_err(|e| Error::new(e.kind(), format!("cannot start {:?}: {e}", command.get_program())))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(Error::other(format!(
        "{:?} ended with {}: {}{}",
        command.get_program(),
        output.status,
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    )))
}

fn ids(user: &str) -> Result<(u32, u32)> {
    let number = |flag: &str| -> Result<u32> {
        let output = succeed(Command::new("id").args([flag, user]))?;
        String::from_utf8_lossy(&output.stdout).trim().parse().map_err(Error::other)
    };
    Ok((number("-u")?, number("-g")?))
}
