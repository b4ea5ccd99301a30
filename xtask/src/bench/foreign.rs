//! `bench --url`: a user's own database, directly, through a relay that does nothing, and through us.

use anyhow::{Context, Result, bail};

use super::{SESSIONS, machine, more_descriptors, through};
use crate::shell;
use crate::stand::{Folder, Service};

/// What is asked of a database that is not ours: reads.
const POLICY: &str = r#"
[[rule]]
name       = "read"
statements = ["select"]
action     = "allow"

[[rule]]
name       = "sessions"
statements = ["session"]
action     = "allow"
"#;

/// A service in front of it, and the load.
pub(super) fn load(args: &[&String], url: &str) -> Result<()> {
    let release = shell::target().join("release");
    let bench = release.join("bench").to_string_lossy().into_owned();
    let output = shell::command(&bench, &["url", url]).output().context("cannot start bench")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let [address, tls] = said.split_whitespace().collect::<Vec<_>>()[..] else { bail!("`bench url` said `{said}`") };
    let agent_tls = if tls == "require" { "allow" } else { "disable" };
    let config = format!(
        "[[database]]\nname = \"foreign\"\nprotocol = \"postgres\"\naddresses = [\"{address}\"]\ntls = \"{tls}\"\n\
         agent_tls = \"{agent_tls}\"\n\n[[agent]]\nname = \"load\"\n"
    );
    more_descriptors();
    let service = format!("segment_bytes = 67108864\n{SESSIONS}");
    let service = Service::start(&release.join("interceptor"), &service, &config, POLICY)?;
    let folder = Folder::new("bench")?;
    machine();
    let mut load = shell::command(&bench, &["load"]);
    load.args(args).arg("--through").arg(through(folder.path(), "standard", &service)?);
    // Not shown: the address may have a password in it.
    let status = load.status().context("cannot start bench")?;
    if status.success() { Ok(()) } else { bail!("the load ended with {status}") }
}
