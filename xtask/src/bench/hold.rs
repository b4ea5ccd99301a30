//! `bench hold`: what held statements cost, on a service in front of stubs.

use std::path::Path;

use anyhow::{Context, Result};

use super::{machine, through};
use crate::shell;
use crate::stand::{Folder, Service, free_port};

const WITHOUT: &str = r#"
[[rule]]
name       = "read"
statements = ["select"]
tables     = ["public.bench_*", "@catalog"]
action     = "allow"

[[rule]]
name       = "sessions"
statements = ["session"]
action     = "allow"
"#;

/// What the decisions are about.
const HELD: &str = r#"
[[rule]]
name       = "deletes wait"
statements = ["delete"]
tables     = ["public.bench_held"]
action     = "hold"
approvers  = ["bench"]
"#;

/// Rules that hold and match nothing that the load asks.
const RULES: usize = 20;

/// Root decides, as the reviewer whose account it is.
const REVIEWER: &str = "\n[[reviewer]]\nname = \"bench\"\nuser = \"root\"\n";

/// Two services, of which one has its record in memory, and the load.
pub(super) fn measure(args: &[&String]) -> Result<()> {
    let release = shell::target().join("release");
    let (near, seen) = (free_port()?, free_port()?);
    let addresses = [near, seen].map(|port| format!("\"127.0.0.1:{port}\"")).join(", ");
    let config = format!(
        "[[database]]\nname = \"bench\"\nprotocol = \"postgres\"\naddresses = [{addresses}]\n\n[[agent]]\nname = \"load\"\n{REVIEWER}"
    );
    let ours = release.join("interceptor");
    let policy = WITHOUT.to_owned() + HELD;
    let disk = Service::start(&ours, "segment_bytes = 67108864", &config, &policy)?;
    // Memory that looks like a disk: what waits for one waits for nothing.
    let folder = Folder::below(Path::new("/dev/shm"), "service")?;
    let memory = Service::start_in(folder, &ours, "segment_bytes = 67108864", &config, &policy)?;
    let folder = Folder::new("bench")?;
    let text = |name: &str, text: &str| -> Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let (without, with) =
        (text("without.toml", WITHOUT)?, text("with.toml", &(WITHOUT.to_owned() + &held_elsewhere()))?);
    machine();
    let mut load = shell::command(&release.join("bench").to_string_lossy(), &["hold"]);
    load.args(args).args(["--near", &near.to_string(), "--seen", &seen.to_string()]);
    load.args(["--without", &without, "--with", &with])
        .arg("--policy")
        .arg(disk.config_path().with_file_name("policy.toml"));
    for (name, service) in [("on disk", &disk), ("memory", &memory)] {
        let socket = service.run_dir().join("admin.sock");
        load.arg("--through").arg(through(folder.path(), name, service)?).arg(socket);
    }
    shell::run(load).context("bench hold")
}

/// Of other tables and of kinds that the load does and does not send: each is looked at when a statement is judged, and none holds it.
fn held_elsewhere() -> String {
    let rule = |number: usize| {
        format!(
            "\n[[rule]]\nname = \"held {number}\"\nstatements = [\"select\", \"delete\"]\ntables = [\"public.held_{number}\"]\naction = \"hold\"\n\
             approvers = [\"bench\"]\ncovers = \"15m\"\ngrant = \"1h\"\n"
        )
    };
    (0..RULES).map(rule).collect()
}
