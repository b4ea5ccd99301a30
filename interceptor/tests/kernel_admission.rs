//! Admission: protected before the first instruction, or not started.
#![allow(clippy::unwrap_used)] // tests
#![allow(unsafe_code)] // the children make sockets that std does not know, and a signal to one thread

mod kernel;

use std::{
    ffi::OsString,
    fs,
    os::{
        fd::{AsRawFd, IntoRawFd},
        unix::fs::PermissionsExt,
    },
    path::{Path, PathBuf},
};

use interceptor::{
    admit::{self, Admitted, admit},
    exec::{self, Account},
    load::{self, AgentPlan, Who, cgroups},
};
use kernel::{AGENT, Cgroup, PORT, Process, SERVICE, World, obey, world};

#[test]
fn child() {
    obey();
}

fn unit(cgroup: &Cgroup) -> String {
    cgroup.0.file_name().unwrap().to_str().unwrap().into()
}

fn order<'a>(world: &'a World, unit: &'a str) -> admit::Order<'a> {
    admit::Order { instance: &world.plan.instance, unit, agent: Some("reconciler"), allowed: &[], port: PORT }
}

#[test]
fn a_unit_is_protected_before_it_starts_and_older_connections_are_closed() {
    let Some(mut world) = world() else { return };
    let cgroup = Cgroup::new("unit.service");
    let unit = unit(&cgroup);
    // The plan knows the unit under another name, so that attach alone does not protect this cgroup.
    world.plan.agents = vec![AgentPlan { name: "reconciler".into(), who: Who::Unit("later.service".into()) }];
    let _attached = world.attach();
    let mut service = world.service();
    // One connection made inside, one brought along by a process that moved in.
    let mut inside = Process::start(AGENT, Some(&cgroup));
    let mut moved = Process::start(AGENT, None);
    // Somebody else's connection stays.
    let mut other = Process::start(kernel::OTHER, None);
    let mut directly = Vec::new();
    for process in [&mut inside, &mut moved, &mut other] {
        process.expect(&format!("connect {}", world.address()), "ok");
        directly.push(world.database.accept().unwrap().0);
    }
    cgroup.take_in(moved.pid());

    let admitted = admit(&order(&world, &unit)).unwrap();
    assert_eq!(admitted, Admitted { cgroup: cgroup.0.clone(), id: cgroup.id(), closed: 2 });
    for process in [&mut inside, &mut moved] {
        process.expect("read it", "ECONNABORTED");
        process.expect(&format!("connect {}", world.address()), "ok");
        assert!(service.ask("accept").starts_with(&format!("ok {} 0 payments reconciler ", world.address())));
    }
    assert!(!world.reached());
    std::io::Write::write_all(&mut directly[2], b"alive").unwrap();
    drop(directly);
    other.expect("read it", "ok alive");
    // A re-attach keeps what was admitted.
    load::attach(&world.plan).unwrap();
    inside.expect(&format!("connect {}", world.address()), "ok");
    service.expect("drain 1", "ok 0");
    assert!(!world.reached());
    drop((inside, moved));
}

#[test]
fn an_account_that_becomes_an_agent_loses_its_older_connections() {
    let Some(mut world) = world() else { return };
    let mut agent = Process::start(AGENT, None);
    agent.expect(&format!("connect {}", world.address()), "ok");
    let _directly = world.database.accept().unwrap();
    world.plan.agents = vec![AgentPlan { name: "svc".into(), who: Who::User(AGENT) }];
    let _attached = world.attach();
    agent.expect("read it", "ECONNABORTED");
}

#[test]
fn without_a_working_attach_nothing_is_admitted() {
    let Some(world) = world() else { return };
    let cgroup = Cgroup::new("unit.service");
    let unit = unit(&cgroup);
    let account = account();
    let command = [OsString::from("true")];
    let run = || exec::exec(&run_as(&world, &account, &[], &command));

    // A host that booted without attach.
    assert!(admit(&order(&world, &unit)).is_err());
    assert!(run().is_err());
    // One link is gone: the others run, and that is not enough.
    let _attached = world.attach();
    fs::remove_file(load::Pins::current(&world.plan.instance).links().join("interceptor_connect6")).unwrap();
    assert!(load::verify(&world.plan.instance).is_err());
    assert!(admit(&order(&world, &unit)).is_err());
    assert!(run().is_err());
    // attach repairs it.
    load::attach(&world.plan).unwrap();
    assert!(admit(&order(&world, &unit)).is_ok());
    assert_eq!(run().unwrap(), 0);
    // A unit that nobody knows, and one without a cgroup.
    assert!(admit(&admit::Order { agent: None, ..order(&world, &unit) }).is_err());
    assert!(admit(&order(&world, "nowhere.service")).is_err());
}

fn account() -> Account {
    Account { uid: AGENT, gid: AGENT, groups: Vec::new(), name_and_home: Some(("agent".into(), "/".into())) }
}

fn run_as<'a>(
    world: &'a World,
    account: &'a Account,
    hidden: &'a [PathBuf],
    command: &'a [OsString],
) -> exec::Order<'a> {
    exec::Order { instance: &world.plan.instance, agent: "reconciler", account, service_uid: SERVICE, hidden, command }
}

/// A folder that the agent may write; it goes when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("interceptor-test-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("out")
    }

    fn said(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a script as the agent.
fn script(world: &World, hidden: &[PathBuf], text: &str) -> Result<i32, exec::Error> {
    let command = ["bash", "-c", text].map(OsString::from);
    exec::exec(&run_as(world, &account(), hidden, &command))
}

fn agents(world: &World) -> usize {
    load::Pins::current(&world.plan.instance).agents().unwrap().keys(100).unwrap().len()
}

fn no_cgroup_left() -> bool {
    !cgroups::root().unwrap().join("interceptor-exec").exists()
}

#[test]
fn connect_as_the_first_instruction_is_redirected() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let mut service = world.service();
    let folder = Folder::new("first");
    let (ip, port) = (world.address().ip(), world.address().port());
    let text = format!("exec 3<>/dev/tcp/{ip}/{port}; cat <&3 >{}", folder.file().display());
    service.say("accept");
    service.say("accepted-close");
    assert_eq!(script(&world, &[], &text).unwrap(), 0);
    assert!(service.answer().starts_with(&format!("ok {} 0 payments reconciler ", world.address())));
    assert_eq!(service.answer(), "ok");
    assert_eq!(folder.said(), "hello");
    assert!(!world.reached());
}

#[test]
fn a_command_has_no_privilege_and_nothing_of_ours() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let folder = Folder::new("bare");
    // A descriptor that is not closed on exec.
    let leak = fs::File::open("/etc/passwd").unwrap();
    let leaked = nix::unistd::dup(&leak).unwrap();
    assert!(leaked.as_raw_fd() > 2);
    let out = folder.file();
    let text = format!(
        "(grep -E '^(Uid|Gid|Groups|NoNewPrivs|CapPrm|CapEff|CapInh|CapBnd|CapAmb):' /proc/self/status; \
         echo fds $(ls /proc/$$/fd); echo $USER $HOME) >{}",
        out.display()
    );
    assert_eq!(script(&world, &[], &text).unwrap(), 0);
    let _ = leaked.into_raw_fd();
    let said = folder.said();
    let none = "0000000000000000";
    for line in [
        format!("Uid:\t{AGENT}\t{AGENT}\t{AGENT}\t{AGENT}"),
        format!("Gid:\t{AGENT}\t{AGENT}\t{AGENT}\t{AGENT}"),
        "Groups:\t ".into(),
        "NoNewPrivs:\t1".into(),
        format!("CapInh:\t{none}"),
        format!("CapPrm:\t{none}"),
        format!("CapEff:\t{none}"),
        format!("CapBnd:\t{none}"),
        format!("CapAmb:\t{none}"),
        "agent /".into(),
    ] {
        assert!(said.lines().any(|known| known == line), "{line:?} in {said}");
    }
    // bash keeps its script on 255; 1 is the redirection.
    let fds = said.lines().find_map(|line| line.strip_prefix("fds ")).unwrap();
    assert!(fds.split(' ').all(|fd| ["0", "1", "2", "10", "255"].contains(&fd)), "{fds}");
}

#[test]
fn unix_sockets_of_the_database_are_hidden_from_the_command_alone() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let (secret, out) = (Folder::new("secret"), Folder::new("seen"));
    let socket = secret.0.join(".s.PGSQL.5432");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let text = format!("ls -A {} >{} 2>&1", secret.0.display(), out.file().display());

    assert_eq!(script(&world, &[], &text).unwrap(), 0);
    assert!(out.said().contains(".s.PGSQL"));
    assert_ne!(script(&world, std::slice::from_ref(&secret.0), &text).unwrap(), 0);
    assert!(!out.said().contains(".s.PGSQL"));
    // A single socket file: something that is no socket lies over it.
    let text = format!("test -S {}", socket.display());
    assert_eq!(script(&world, &[], &text).unwrap(), 0);
    assert_eq!(script(&world, std::slice::from_ref(&socket), &text).unwrap(), 1);
    assert!(std::os::unix::net::UnixStream::connect(&socket).is_ok(), "outside all is as it was");
    // What is not there cannot be hidden.
    assert!(script(&world, &[Path::new("/nowhere/postgresql").into()], "true").is_err());
}

#[test]
fn status_and_signals_pass_and_nothing_is_left() {
    let Some(world) = world() else { return };
    let _attached = world.attach();
    let before = agents(&world);
    assert_eq!(script(&world, &[], "exit 7").unwrap(), 7);
    assert_eq!(script(&world, &[], "kill -KILL $$").unwrap(), 128 + 9);
    // What the command leaves behind ends with it.
    let folder = Folder::new("orphan");
    let text = format!("sleep 1000 & echo $! >{}", folder.file().display());
    assert_eq!(script(&world, &[], &text).unwrap(), 0);
    // A zombie that init has not reaped yet has no command line any more.
    let line = Path::new("/proc").join(folder.said().trim()).join("cmdline");
    assert!(fs::read(line).unwrap_or_default().is_empty());

    // A signal to `exec` reaches the command, which says so in its status.
    let fifo = folder.0.join("ready");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_retain(0o666)).unwrap();
    fs::set_permissions(&fifo, fs::Permissions::from_mode(0o666)).unwrap();
    let text = format!("trap 'exit 42' USR1; echo up >{}; while :; do sleep 0.01; done", fifo.display());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let runner = scope.spawn(|| {
            // SAFETY: has no precondition.
            sender.send(unsafe { libc::pthread_self() }).unwrap();
            script(&world, &[], &text).unwrap()
        });
        assert_eq!(fs::read_to_string(&fifo).unwrap(), "up\n");
        // SAFETY: the thread runs until the command ends, which it does after the signal.
        assert_eq!(unsafe { libc::pthread_kill(receiver.recv().unwrap(), libc::SIGUSR1) }, 0);
        assert_eq!(runner.join().unwrap(), 42);
    });
    assert_eq!(agents(&world), before);
    assert!(no_cgroup_left());
}

#[test]
fn root_and_the_service_cannot_be_agents() {
    let Some(mut world) = world() else { return };
    let _attached = world.attach();
    for uid in [0, SERVICE] {
        let account = Account { uid, ..account() };
        let command = [OsString::from("true")];
        assert!(exec::exec(&run_as(&world, &account, &[], &command)).is_err());
        world.plan.agents = vec![AgentPlan { name: "root".into(), who: Who::User(uid) }];
        assert!(load::attach(&world.plan).is_err());
    }
    assert!(exec::exec(&run_as(&world, &account(), &[], &["/nowhere/program".into()])).is_err());
    assert!(no_cgroup_left());
}
