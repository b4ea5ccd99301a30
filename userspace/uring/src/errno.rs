use std::{fmt, io};

/// An error number of the kernel, as a completion carries it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl Errno {
    /// The operation was cancelled by [`crate::Op::Cancel`].
    pub const CANCELED: Errno = Errno(libc::ECANCELED);
    /// The pool had no buffer for a receive: arm it again when one has been released.
    pub const NO_BUFFERS: Errno = Errno(libc::ENOBUFS);
    /// The peer reset the connection.
    pub const RESET: Errno = Errno(libc::ECONNRESET);
    /// Nothing listens at the address.
    pub const REFUSED: Errno = Errno(libc::ECONNREFUSED);
    /// Written to a connection whose other end is gone.
    pub const BROKEN_PIPE: Errno = Errno(libc::EPIPE);
    /// The medium failed.
    pub const IO: Errno = Errno(libc::EIO);
    /// The process has no free descriptor.
    pub const TOO_MANY_FILES: Errno = Errno(libc::EMFILE);
    /// The connection could not be made in time.
    pub const TIMED_OUT: Errno = Errno(libc::ETIMEDOUT);

    /// The number in an [`io::Error`]; errors without one count as EIO.
    pub fn of(error: &io::Error) -> Errno {
        error.raw_os_error().map_or(Errno::IO, Errno)
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from(*self).fmt(f)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from(*self).fmt(f)
    }
}

impl std::error::Error for Errno {}
