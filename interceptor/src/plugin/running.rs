//! One run of a plugin: no shell, a clean environment, a time limit, and no more of its output than is wanted.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use pan::Masked;
use zeroize::{Zeroize as _, Zeroizing};

use crate::config::Plugin;
use crate::sys::child::pidfd;

/// A credential is shorter.
const PRINTED_MAX: usize = 32 << 10;
/// So much of what it complains of is looked at,
const COMPLAINT_MAX: usize = 512;
/// and words of so many characters are taken for secrets.
const WORD_MAX: usize = 20;

/// What came of it.
pub(super) struct Ran {
    pub(super) succeeded: bool,
    /// How it ended, in words.
    pub(super) end: String,
    pub(super) printed: Zeroizing<Vec<u8>>,
    complained: Zeroizing<Vec<u8>>,
}

impl Ran {
    /// What it said on standard error: bounded, one line, and nothing in it that may be a secret.
    pub(super) fn complaint(&self, secret: Option<&str>) -> String {
        let text = String::from_utf8_lossy(&self.complained);
        let withheld = |word: &str| {
            let known = secret.is_some_and(|secret| word.contains(secret));
            known || word.chars().count() > WORD_MAX || self.printed_has(word)
        };
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let clean: Vec<&str> = words.map(|word| if withheld(word) { "(withheld)" } else { word }).collect();
        if clean.is_empty() { String::new() } else { format!(": {}", Masked::of(&clean.join(" ")).as_str()) }
    }

    /// A word of what it printed is not told, however short, unless it is a word of the form.
    fn printed_has(&self, word: &str) -> bool {
        const SHORT: usize = 4;
        const FORM: [&str; 4] = ["version", "user", "password", "expires_at"];
        let printed = String::from_utf8_lossy(&self.printed);
        let mut texts =
            printed.split('"').skip(1).step_by(2).filter(|text| text.len() >= SHORT && !FORM.contains(text));
        texts.any(|text| word.contains(text) || word.len() >= SHORT && text.contains(word))
    }

    #[cfg(test)]
    pub(super) fn of(printed: &str, complained: &str) -> Ran {
        let bytes = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
        Ran { succeeded: true, end: String::new(), printed: bytes(printed), complained: bytes(complained) }
    }
}

/// Runs it to its end, or to the end of its time.
pub(super) fn run(plugin: &Plugin, environment: &[(String, String)]) -> Result<Ran, String> {
    let (program, args) = plugin.run.split_first().ok_or("no program")?;
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(environment.iter().cloned()).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|why| format!("the plugin cannot be started: {why}"))?;
    let limit = Duration::from_secs(plugin.timeout_seconds.into());
    let heard = hear(&mut child, Instant::now() + limit);
    // What it has started and left behind ends with it.
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let _ = killpg(group, Signal::SIGKILL);
    let status = child.wait().map_err(|why| format!("the plugin cannot be waited for: {why}"))?;
    let (printed, complained, late) = heard.map_err(|why| format!("the plugin cannot be read: {why}"))?;
    let end = match (late, status.code(), status.signal()) {
        (true, _, _) => format!("was not done within {} s", limit.as_secs()),
        (false, Some(code), _) => format!("ended with exit status {code}"),
        (false, None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    };
    if printed.len() > PRINTED_MAX {
        return Err(format!("the plugin printed more than {PRINTED_MAX} bytes"));
    }
    Ok(Ran { succeeded: !late && status.success(), end, printed, complained })
}

type Heard = (Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>, bool);

/// Both outputs, until it has ended; whether that was too late.
fn hear(child: &mut Child, until: Instant) -> Result<Heard> {
    let ended = pidfd(Pid::from_raw(i32::try_from(child.id())?))?;
    let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else { bail!("no pipes") };
    unblock(out.as_fd())?;
    unblock(err.as_fd())?;
    // Never moved by growing: no copy of a secret is left behind.
    let mut printed = Zeroizing::new(Vec::with_capacity(PRINTED_MAX + 1));
    let mut complained = Zeroizing::new(Vec::with_capacity(COMPLAINT_MAX));
    let mut open = [true, true];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let over = {
            let mut files = vec![PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
            files.extend(open[0].then(|| PollFd::new(out.as_fd(), PollFlags::POLLIN)));
            files.extend(open[1].then(|| PollFd::new(err.as_fd(), PollFlags::POLLIN)));
            let wait = PollTimeout::try_from(left.min(Duration::from_secs(60))).unwrap_or(PollTimeout::MAX);
            match poll(&mut files, wait) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(why) => return Err(why.into()),
            }
            files.first().and_then(PollFd::any).unwrap_or(false)
        };
        open[0] = open[0] && take(&mut out, &mut printed, PRINTED_MAX + 1)?;
        open[1] = open[1] && take(&mut err, &mut complained, COMPLAINT_MAX)?;
        if over || printed.len() > PRINTED_MAX {
            return Ok((printed, complained, false));
        }
        if left.is_zero() {
            return Ok((printed, complained, true));
        }
    }
}

/// What is there now; beyond the bound it is read and forgotten. False: it is closed.
fn take(from: &mut impl Read, into: &mut Vec<u8>, most: usize) -> Result<bool> {
    let mut chunk = Zeroizing::new([0_u8; 4096]);
    // A plugin that never stops is left at the next turn, which has an end.
    for _ in 0..64 {
        match from.read(&mut *chunk) {
            Ok(0) => return Ok(false),
            Ok(count) => {
                let room = most.saturating_sub(into.len()).min(count);
                into.extend_from_slice(chunk.get(..room).unwrap_or_default());
                chunk.zeroize();
            }
            Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => return Err(why.into()),
        }
    }
    Ok(true)
}

fn unblock(file: BorrowedFd<'_>) -> Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    fcntl(file, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// All of it, by then.
pub(super) fn read_exact(from: &mut (impl Read + AsFd), into: &mut [u8], until: Instant) -> Result<()> {
    let mut at = 0;
    while at < into.len() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("too late");
        }
        let mut files = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        match poll(&mut files, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
            Ok(_) => {}
            Err(why) => return Err(why.into()),
        }
        match from.read(into.get_mut(at..).unwrap_or_default()) {
            Ok(0) => bail!("closed"),
            Ok(count) => at += count,
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => return Err(why.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran_within(seconds: u32, script: &str) -> Result<Ran, String> {
        let text = format!("run = [\"/bin/sh\", \"-c\", {script:?}]\ntimeout_seconds = {seconds}");
        run(&toml::from_str(&text).unwrap(), &[("PATH".to_owned(), "/usr/bin:/bin".to_owned())])
    }

    fn ran(script: &str) -> Result<Ran, String> {
        ran_within(30, script)
    }

    #[test]
    fn what_it_prints_is_heard_and_how_it_ends() {
        let good = ran("echo out; echo err >&2").unwrap();
        assert!(good.succeeded && *good.printed == b"out\n" && good.complaint(None) == ": err");
        let bad = ran("echo no such lease >&2; exit 3").unwrap();
        assert_eq!((bad.succeeded, bad.end.as_str()), (false, "ended with exit status 3"));
        assert_eq!(bad.complaint(None), ": no such lease");
        assert_eq!(ran("kill -9 $$").unwrap().end, "was ended by signal 9");
        let missing: Plugin = toml::from_str("run = [\"/nonexistent\"]").unwrap();
        assert!(run(&missing, &[]).err().unwrap().contains("cannot be started"));
    }

    #[test]
    fn it_has_a_clean_environment_and_no_input() {
        let good = ran("cat; env | grep -v -e ^PWD -e ^_ -e ^SHLVL; pwd").unwrap();
        assert_eq!(String::from_utf8_lossy(&good.printed), "PATH=/usr/bin:/bin\n/\n");
    }

    #[test]
    fn its_time_and_its_output_have_a_bound() {
        assert!(ran_within(1, "exec sleep 60").unwrap().end.contains("was not done within 1 s"));
        assert!(ran_within(1, "sleep 60 & sleep 60").unwrap().end.contains("was not done within 1 s"));
        let left = ran("sleep 60 & echo done").unwrap();
        assert!(left.succeeded && *left.printed == b"done\n", "what it leaves behind is not waited for");
        assert!(ran("exec cat /dev/zero").err().unwrap().contains("more than"));
        assert!(ran("head -c 100000 /dev/zero >&2").unwrap().complaint(None).len() <= COMPLAINT_MAX + 2);
    }

    #[test]
    fn no_secret_is_in_what_it_complains_of() {
        let printed = r#"{"version":1,"user":"v-app","password":"hunter2","expires_at":"2026-11-26T12:00:00Z"}"#;
        let said =
            Ran::of(printed, "lease hunter2 failed\ntoken hvs.CAESIJ0123456789abcdefghijklmnop for=hunter2 x\u{7}y");
        assert_eq!(said.complaint(None), ": lease (withheld) failed token (withheld) (withheld) x y");
        assert_eq!(Ran::of("", "paid with 4111111111111111").complaint(None), ": paid with 411111******1111");
        assert_eq!(Ran::of("", " \n").complaint(None), "");
    }
}
