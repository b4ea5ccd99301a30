//! The programs, where they are attached, and whether they run.

use std::{
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use aya::{
    Ebpf,
    programs::{CgroupSock, CgroupSockAddr, Program, ProgramFd, SockOps},
};

use super::{error::Error, maps::Pins, sys};

/// One program of the kernel half.
#[derive(Debug)]
pub struct Hook {
    /// Its name in the object and of its link's pin.
    pub name: &'static str,
    /// `enum bpf_attach_type` (include/uapi/linux/bpf.h).
    attach_type: u32,
}

/// All of them. The order is that of attachment: the guards first, so that there is no moment with a redirection and
/// without them.
pub const HOOKS: [Hook; 10] = [
    Hook { name: "interceptor_bind4", attach_type: 8 },
    Hook { name: "interceptor_bind6", attach_type: 9 },
    Hook { name: "interceptor_sock_create", attach_type: 2 },
    Hook { name: "interceptor_sendmsg4", attach_type: 14 },
    Hook { name: "interceptor_sendmsg6", attach_type: 15 },
    Hook { name: "interceptor_getpeername4", attach_type: 29 },
    Hook { name: "interceptor_getpeername6", attach_type: 30 },
    Hook { name: "interceptor_sockops", attach_type: 3 },
    Hook { name: "interceptor_connect4", attach_type: 10 },
    Hook { name: "interceptor_connect6", attach_type: 11 },
];

/// What became of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The program.
    pub name: &'static str,
    /// Its id in the kernel.
    pub program_id: u32,
    /// It took the place of an older one in one step; otherwise it was attached anew.
    pub replaced: bool,
}

impl Hook {
    /// Hands the program to the kernel's verifier.
    pub(super) fn load<'a>(&self, object: &'a mut Ebpf) -> Result<&'a ProgramFd, Error> {
        let program = object.program_mut(self.name).ok_or(Error::NoProgram(self.name))?;
        let loaded = match program {
            Program::CgroupSockAddr(program) => CgroupSockAddr::load(program),
            Program::CgroupSock(program) => CgroupSock::load(program),
            Program::SockOps(program) => SockOps::load(program),
            _ => return Err(Error::NoProgram(self.name)),
        };
        let refused = |why| Error::Program(self.name, Box::new(why));
        loaded.map_err(refused)?;
        program.fd().map_err(refused)
    }

    /// Attaches the program, or puts it in the place of the one that an older link holds. aya 0.14 can update links of
    /// some kinds only, and its modes other than Single do not go with links: so this speaks to the kernel itself.
    pub(super) fn attach(
        &self,
        program: &ProgramFd,
        cgroup: &File,
        pins: &Pins,
        older: Option<&Path>,
    ) -> Result<Attached, Error> {
        let failed = |why| Error::Attach(self.name, why);
        let program_id = sys::program_id(program.as_fd()).map_err(failed)?;
        let pin = pins.links().join(self.name);
        let known = [Some(pin.as_path()), older]
            .into_iter()
            .flatten()
            .find_map(|path| Some((sys::open(path, false).ok()?, path)));
        let Some((link, path)) = known else {
            let link = sys::link(program.as_fd(), cgroup.as_fd(), self.attach_type).map_err(failed)?;
            sys::pin(link.as_fd(), &pin).map_err(failed)?;
            return Ok(Attached { name: self.name, program_id, replaced: false });
        };
        sys::replace(link.as_fd(), program.as_fd()).map_err(failed)?;
        if path != pin {
            sys::pin(link.as_fd(), &pin).map_err(failed)?;
        }
        Ok(Attached { name: self.name, program_id, replaced: true })
    }

    /// Is the link there, and does the kernel run its program for sockets of this cgroup?
    pub(super) fn verify(&self, cgroup: &File, pins: &Pins) -> Result<(), Error> {
        let failed = |why| Error::Attach(self.name, why);
        let link: OwnedFd = sys::open(&pins.links().join(self.name), false).map_err(failed)?;
        let (_, program_id) = sys::link_ids(link.as_fd()).map_err(failed)?;
        let running = sys::effective(cgroup.as_fd(), self.attach_type).map_err(failed)?;
        if running.contains(&program_id) { Ok(()) } else { Err(Error::NotEffective(self.name)) }
    }
}
