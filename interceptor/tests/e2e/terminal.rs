//! An agent's program at a terminal of its own: a pseudo-terminal whose other end the test holds.
//!
//! No `script` in between: it forwards what was written when its child ends only if it sees that before the SIGCHLD (util-linux 2.38,
//! `ul_pty_proxy_master`), so a program's last words may be lost.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

/// The end at which a person sits.
pub(crate) struct Terminal {
    keys_and_screen: File,
    child: Child,
}

impl Terminal {
    /// Starts `command`, whose program makes its standard input its controlling terminal (`setsid --ctty`).
    pub(crate) fn of(mut command: Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
        grantpt(&ours).expect("granted");
        unlockpt(&ours).expect("unlocked");
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let theirs = File::from(ioctl_tiocgptpeer(&ours, flags).expect("its other end"));
        let stdio = || Stdio::from(theirs.try_clone().expect("a descriptor"));
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        let child = command.spawn().expect("it starts");
        Self { keys_and_screen: ours.into(), child }
    }

    pub(crate) fn types(&mut self, keyed: &[u8]) {
        self.keys_and_screen.write_all(keyed).expect("typed");
    }

    /// Reads the screen up to these words, which must come before the program ends.
    pub(crate) fn says(&mut self, words: &str) {
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !said.ends_with(words.as_bytes()) {
            // EIO: nobody has the other end any more.
            let more = self.keys_and_screen.read(&mut byte).is_ok_and(|count| count > 0);
            assert!(more, "no `{words}` in: {}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&byte);
        }
    }

    /// How the program ended; what it still says is read meanwhile, so that it never waits for us.
    pub(crate) fn end(mut self) -> ExitStatus {
        while self.keys_and_screen.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {}
        self.child.wait().expect("it ends")
    }
}
