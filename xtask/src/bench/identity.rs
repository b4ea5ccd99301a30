//! `bench identity`: what a bound token costs, and a login of ours, on one service in front of a stub and of a PostgreSQL with SCRAM.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};

use super::machine;
use crate::stand::{Folder, Postgres, Service, free_port};
use crate::{setup, shell};

const POLICY: &str = r#"
[[rule]]
name       = "read"
statements = ["select"]
action     = "allow"

[[rule]]
name       = "sessions"
statements = ["session"]
action     = "allow"

[[rule]]
name       = "forks read nothing"
statements = ["select"]
tables     = ["public.forks"]
claims     = { ref = "refs/pull/*" }
action     = "block"
"#;

/// A file system without a disk.
const MEMORY: &str = "/dev/shm";
/// As `bench/src/identity/starts.rs` logs in.
const PASSWORD: &str = "bench";

/// Two services, of which one has its record in memory, and one database, which listens on two addresses, each a `[[database]]` of its own.
pub(super) fn measure(args: &[&String]) -> Result<()> {
    let release = shell::target().join("release");
    let bench = release.join("bench").to_string_lossy().into_owned();
    let folder = Folder::new("bench")?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    shell::run(shell::command(&bench, &["identity-keys", &folder.path().display().to_string()]))?;
    std::fs::write(path("hba.conf"), "local all all trust\nhost all all all scram-sha-256\n")?;
    let bin = setup::postgres_bin().context("PostgreSQL's programs are not below /usr/lib/postgresql")?;
    let settings = format!(
        "log_statement = none\nlisten_addresses = '127.0.0.1,127.0.0.2'\nhba_file = '{}'\npassword_encryption = 'scram-sha-256'\n",
        path("hba.conf")
    );
    // What waits for a disk differs from start to start by more than what is looked for.
    let database = Postgres::start_in(Folder::below(Path::new(MEMORY), "postgres")?, &bin, &settings)?;
    database.sql("postgres", &format!("CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'"))?;
    database.sql("postgres", "CREATE DATABASE bench")?;
    std::fs::write(path("password"), PASSWORD)?;
    std::fs::set_permissions(path("password"), std::fs::Permissions::from_mode(0o600))?;
    let near = free_port()?;
    let place = |name: &str, host: &str, port: u16| {
        format!("[[database]]\nname = \"{name}\"\nprotocol = \"postgres\"\naddresses = [\"{host}:{port}\"]\n\n")
    };
    let config = place("bench", "127.0.0.1", near)
        + &place("relay", "127.0.0.1", database.port)
        + &place("inject", "127.0.0.2", database.port)
        + &format!(
            "[database.credentials]\nmode = \"inject\"\n[[database.credentials.login]]\nuser = \"app\"\npassfile = \"{}\"\n\n\
             [[issuer]]\nname = \"ci\"\nissuer = \"https://ci.bench\"\naudience = [\"interceptor\"]\njwks_file = \"{}\"\nattributes = [\"ref\"]\n\n\
             [[agent]]\nname = \"load\"\n",
            path("password"),
            path("keys.json")
        );
    let (ours, segments) = (release.join("interceptor"), "segment_bytes = 67108864");
    let disk = Service::start(&ours, segments, &config, POLICY)?;
    let memory = Service::start_in(Folder::below(Path::new(MEMORY), "service")?, &ours, segments, &config, POLICY)?;
    machine();
    let mut load = shell::command(&bench, &["identity"]);
    load.args(args).args(["--near", &near.to_string(), "--database", &database.port.to_string()]);
    let token = path("token");
    let agents =
        [("none", &disk, None), ("again", &disk, None), ("token", &disk, Some(&token)), ("memory", &memory, None)];
    for (name, service, token) in agents {
        load.arg("--through").arg(through(folder.path(), name, service, token.map(String::as_str))?);
    }
    shell::run(load).context("bench identity")
}

/// How a worker is started as an agent, with a token or without, in a file.
fn through(folder: &Path, name: &str, service: &Service, token: Option<&str>) -> Result<String> {
    let path = super::through(folder, name, service)?;
    if let Some(token) = token {
        let words = std::fs::read_to_string(&path)?;
        std::fs::write(&path, words.replacen("\n--\n", &format!("\n--token-file\n{token}\n--\n"), 1))?;
    }
    Ok(path.display().to_string())
}
