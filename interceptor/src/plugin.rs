//! `[database.credentials] mode = "command"`: the process that runs a database's plugin. The service can start no program (Landlock, seccomp),
//! so it starts this one before it gives that up; all that can be said to it is "run it", and what it runs is what its own reading of
//! the configuration says. It ends with the service.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use crate::config::{Config, Plugin};
use crate::privileges;

mod answer;
mod running;

pub(crate) use answer::Credential;

/// What is said to it.
const RUN: u8 = b'r';
/// What it says in front of a credential, and of a reason why there is none.
const GIVEN: u8 = b'+';
const REFUSED: u8 = b'-';
/// The longest answer of it.
const ANSWER_MAX: usize = 64 << 10;
/// It needs so much longer than its plugin may.
const GRACE: Duration = Duration::from_secs(1);
/// What a plugin may read and run of the system, where it is there.
const SYSTEM: &[&str] =
    &["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/opt", "/dev", "/proc", "/sys/devices/system/cpu"];
/// Where it may write.
const SCRATCH: &[&str] = &["/tmp", "/dev/null"];

/// The service's end of it.
pub(crate) struct Runner {
    child: Child,
    patience: Duration,
    broken: bool,
}

impl Runner {
    /// Starts it, as the service's account.
    pub(crate) fn start(path: &Path, database: &str, plugin: &Plugin) -> Result<Runner> {
        let mut command = Command::new("/proc/self/exe");
        command.args(["plugin", "--database", database, "--config"]).arg(path).env_clear();
        if let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") {
            command.env("CREDENTIALS_DIRECTORY", folder);
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start its runner")?;
        let patience = Duration::from_secs(plugin.timeout_seconds.into()) + GRACE;
        Ok(Runner { child, patience, broken: false })
    }

    /// Runs the plugin. The reason is words of ours, and a bounded and cleaned part of what the plugin said.
    pub(crate) fn run(&mut self, now_s: u64) -> Result<Credential, String> {
        let gone = "the process that runs the plugin has ended: restart the interceptor";
        if self.broken {
            return Err(gone.to_owned());
        }
        let heard = self.ask();
        self.broken = heard.is_err();
        let answer = heard.map_err(|_| gone.to_owned())?;
        match answer.split_first() {
            Some((&GIVEN, credential)) => Credential::decode(credential)
                .ok_or("the process that runs the plugin said what cannot be read")?
                .fresh(now_s),
            Some((&REFUSED, why)) => Err(String::from_utf8_lossy(why).into_owned()),
            _ => Err("the process that runs the plugin said nothing".to_owned()),
        }
    }

    fn ask(&mut self) -> Result<Zeroizing<Vec<u8>>> {
        let (Some(to), Some(from)) = (&mut self.child.stdin, &mut self.child.stdout) else { bail!("no pipes") };
        to.write_all(&[RUN])?;
        to.flush()?;
        let until = Instant::now() + self.patience;
        let mut length = [0; 4];
        running::read_exact(from, &mut length, until)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > ANSWER_MAX {
            bail!("too long");
        }
        let mut answer = Zeroizing::new(vec![0; length]);
        running::read_exact(from, &mut answer, until)?;
        Ok(answer)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Its pipe closes, and it ends; one that hangs is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The verb `plugin`: until the service closes the pipe.
pub fn serve(path: &Path, database: &str) -> Result<u8> {
    let config = Config::load(path)?;
    let (_, found) = config.database(database).with_context(|| format!("no [[database]] {database}"))?;
    let plugin = found.credentials.plugin.clone().with_context(|| format!("[[database]] {database} has no plugin"))?;
    let reads = reads(&plugin)?;
    confine(&plugin, &reads)?;
    let environment = environment(&plugin, database, &reads);
    let (mut from, mut to) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut byte = [0];
    loop {
        if from.read(&mut byte)? == 0 {
            return Ok(0);
        }
        let said = match running::run(&plugin, &environment).and_then(|ran| Credential::read(&ran)) {
            Ok(credential) => credential.encoded(GIVEN),
            Err(why) => Zeroizing::new([&[REFUSED], why.as_bytes()].concat()),
        };
        let length = u32::try_from(said.len()).context("an answer too long")?;
        to.write_all(&length.to_le_bytes())?;
        to.write_all(&said)?;
        to.flush()?;
    }
}

/// What it may read beside the system's own; what begins with `${CREDENTIALS_DIRECTORY}/` is a credential of the unit.
fn reads(plugin: &Plugin) -> Result<Vec<std::path::PathBuf>> {
    plugin.reads.iter().map(|path| crate::verifiers::resolved(path).context("plugin: reads")).collect()
}

/// A plugin that was not meant to does not read the record, nor write anywhere.
fn confine(plugin: &Plugin, reads: &[std::path::PathBuf]) -> Result<()> {
    let program = plugin.run.first().map_or("", String::as_str);
    let system = SYSTEM.iter().map(Path::new).filter(|path| path.exists());
    let runs: Vec<&Path> = system.chain([Path::new(program)]).collect();
    let reads: Vec<&Path> = reads.iter().map(std::path::PathBuf::as_path).collect();
    let writes: Vec<&Path> = SCRATCH.iter().map(Path::new).filter(|path| path.exists()).collect();
    privileges::confine_plugin(&runs, &reads, &writes)
}

fn environment(plugin: &Plugin, database: &str, reads: &[std::path::PathBuf]) -> Vec<(String, String)> {
    let mut all = vec![
        ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("INTERCEPTOR_DATABASE".to_owned(), database.to_owned()),
    ];
    let folder = std::env::var("CREDENTIALS_DIRECTORY").ok();
    // Only a plugin that may read one is told where they are.
    if let Some(folder) = folder.filter(|folder| reads.iter().any(|path| path.starts_with(folder))) {
        all.push(("CREDENTIALS_DIRECTORY".to_owned(), folder));
    }
    all.extend(plugin.env.clone());
    all
}

/// Whether the program can be run, and by nobody but root be changed. Words for `check`, and at start.
pub(crate) fn examine(plugin: &Plugin) -> Result<()> {
    let program = Path::new(plugin.run.first().map_or("", String::as_str));
    let place = || format!("plugin: {}", program.display());
    let held =
        std::fs::metadata(program).with_context(|| format!("{} cannot be looked at: is it installed?", place()))?;
    if !held.is_file() || held.mode() & 0o111 == 0 {
        bail!("{} is no program that can be run: `chmod 0755` it", place());
    }
    // What stands behind links is what is run.
    let real = program.canonicalize().with_context(place)?;
    for path in real.ancestors() {
        let held = std::fs::metadata(path).with_context(|| path.display().to_string())?;
        if let Some(why) = changeable((held.uid(), held.mode()), held.is_dir()) {
            bail!(
                "{}: {} {why}: whoever changes it is given the right to ask for passwords; `chown root` and `chmod go-w` it",
                place(),
                path.display()
            );
        }
    }
    Ok(())
}

/// Why somebody other than root could change it, by its owner and mode. In a folder with the sticky bit what is root's stays root's.
fn changeable((uid, mode): (u32, u32), is_folder: bool) -> Option<&'static str> {
    let written_by_others = mode & 0o022 != 0 && !(is_folder && mode & 0o1000 != 0);
    match (uid, written_by_others) {
        (1.., _) => Some("is not root's"),
        (0, true) => Some("may be written by others than root"),
        (0, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    #[test]
    fn who_may_change_a_program() {
        for ((uid, mode), is_folder, expected) in [
            ((0, 0o755), false, None),
            ((0, 0o100_555), false, None),
            ((1000, 0o755), false, Some("is not root's")),
            ((0, 0o775), false, Some("may be written by others than root")),
            ((0, 0o757), false, Some("may be written by others than root")),
            ((0, 0o1777), false, Some("may be written by others than root")),
            ((0, 0o1777), true, None),
            ((0, 0o777), true, Some("may be written by others than root")),
        ] {
            assert_eq!(changeable((uid, mode), is_folder), expected, "{uid} {mode:o}");
        }
    }

    #[test]
    fn a_program_that_others_may_change_is_said_with_its_cure() {
        let folder = std::env::temp_dir().join(format!("interceptor-plugin-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("open")).unwrap();
        let (program, link) = (folder.join("open/plugin"), folder.join("link"));
        fs::write(&program, "#!/bin/sh").unwrap();
        symlink(&program, &link).unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let said = |path: &Path| {
            let plugin = toml::from_str(&format!("run = [\"{}\"]", path.display())).unwrap();
            examine(&plugin).err().map_or_else(String::new, |why| format!("{why:#}"))
        };
        [&folder, &folder.join("open")].iter().for_each(|path| mode(path, 0o755));
        assert!(said(&folder.join("nothing")).contains("is it installed?"));
        mode(&program, 0o644);
        assert!(said(&program).contains("`chmod 0755` it"));
        mode(&program, 0o755);
        if nix::unistd::Uid::effective().is_root() {
            assert_eq!((said(&program), said(&link)), (String::new(), String::new()));
            mode(&folder.join("open"), 0o777);
            assert!(said(&link).contains("open may be written by others than root"), "{}", said(&link));
            mode(&folder.join("open"), 0o755);
            mode(&program, 0o757);
            assert!(said(&link).contains("plugin may be written by others"), "{}", said(&link));
            chown(&program, Some(65534), None).unwrap();
            assert!(said(&program).contains("plugin is not root's"), "{}", said(&program));
        } else {
            assert!(said(&program).contains("is not root's"));
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
