//! The pack as one file: ZIP (APPNOTE 6.3), stored as it is, so that any tool opens it. Less than 4 GiB, as the format without extensions asks.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// 1980-01-01: the files say when they were made in themselves.
const DATE: u16 = 0x21;
/// Names are UTF-8.
const UTF8: u16 = 1 << 11;
const FILES_MAX: usize = u16::MAX as usize;

/// Writes these files of the folder, by their names in it.
pub(super) fn write(folder: &Path, names: &[String], to: &Path) -> Result<()> {
    ensure!(names.len() < FILES_MAX, "too many files for a zip");
    let file = File::create_new(to).with_context(|| format!("cannot make {}", to.display()))?;
    let mut out = BufWriter::new(file);
    let (mut at, mut directory) = (0_u32, Vec::new());
    for name in names {
        let path = folder.join(name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let size = u32::try_from(bytes.len()).context("a file is too large for a zip")?;
        let facts = facts(name, crc32(&bytes), size)?;
        let local = [&b"PK\x03\x04"[..], &facts, name.as_bytes()].concat();
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&facts);
        // No comment, first disk, no attributes.
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&at.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
        out.write_all(&local).and_then(|()| out.write_all(&bytes)).context("cannot write the zip")?;
        let length = u32::try_from(local.len() + bytes.len()).ok();
        at = length.and_then(|length| at.checked_add(length)).context("the pack is too large for a zip")?;
    }
    let count = (names.len() as u16).to_le_bytes();
    let length = u32::try_from(directory.len()).context("the pack is too large for a zip")?;
    let end = [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &length.to_le_bytes(), &at.to_le_bytes(), &[0, 0]].concat();
    out.write_all(&directory).and_then(|()| out.write_all(&end)).context("cannot write the zip")?;
    let file = out.into_inner().map_err(|why| why.into_error()).context("cannot write the zip")?;
    file.sync_all().context("cannot write the zip")
}

/// What a file's own header and the directory both say of it.
fn facts(name: &str, crc: u32, size: u32) -> Result<Vec<u8>> {
    let name_length = u16::try_from(name.len()).context("a name is too long for a zip")?;
    let words = [20_u16, UTF8, 0, 0, DATE].map(u16::to_le_bytes).concat();
    let sizes = [crc, size, size].map(u32::to_le_bytes).concat();
    Ok([words, sizes, name_length.to_le_bytes().to_vec(), vec![0, 0]].concat())
}

/// CRC-32 of ISO 3309, as ZIP has it.
fn crc32(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|byte| {
        (0..8).fold(byte as u32, |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
    });
    !bytes.iter().fold(!0, |crc: u32, byte| table[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn another_program_reads_it_back() {
        let folder = std::env::temp_dir().join(format!("evidence-zip-{}", std::process::id()));
        fs::create_dir_all(folder.join("samples")).unwrap();
        let names = ["index.html".to_owned(), "samples/größe.json".to_owned(), "empty".to_owned()];
        for (name, bytes) in names.iter().zip([&b"<p>one</p>"[..], &[7; 100_000], b""]) {
            fs::write(folder.join(name), bytes).unwrap();
        }
        let to = folder.join("pack.zip");
        write(&folder, &names, &to).unwrap();
        assert!(write(&folder, &names, &to).is_err(), "nothing is written over");
        let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print([(i.filename, i.file_size) for i in z.infolist()])";
        let read = std::process::Command::new("python3").args(["-c", script]).arg(&to).output();
        fs::remove_dir_all(&folder).unwrap();
        let Ok(read) = read else {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "python3 is missing, and CI needs it");
            println!("SKIPPED: python3 is missing, so nobody else read the zip");
            return;
        };
        let said = String::from_utf8_lossy(&read.stdout);
        assert_eq!(said.trim(), "[('index.html', 10), ('samples/größe.json', 100000), ('empty', 0)]");
    }
}
