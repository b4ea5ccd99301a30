//! A file whose writer may be anybody: its length is bounded, and nobody waits for it.

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// At most `most` bytes of it. A pipe, a socket or a device is an error: to open one may wait for ever.
pub(crate) fn read(path: &Path, most: usize) -> Result<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_what_could_wait_is_not() {
        let folder = std::env::temp_dir().join(format!("interceptor-small-file-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (file, pipe) = (folder.join("file"), folder.join("pipe"));
        std::fs::write(&file, "abcdef").unwrap();
        assert_eq!(read(&file, 4).unwrap(), b"abcd");
        assert_eq!(read(&file, 64).unwrap(), b"abcdef");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for odd in [pipe.as_path(), folder.as_path(), Path::new("/dev/zero")] {
            assert!(read(odd, 64).is_err(), "{}", odd.display());
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
