//! Where the fields lie in the structures of the running kernel: a reader of just so much of its BTF as that takes.
//!
//! Format: Documentation/bpf/btf.rst. Rust programs have no CO-RE relocations, so the loader looks the offsets up and
//! hands them over as constants.

use std::{fmt, io, path::Path};

use interceptor_abi::ExeOffsets;

/// Where the kernel shows its own.
pub(super) const KERNEL: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const KIND_INT: u32 = 1;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;
/// Anonymous structures nest this deep at most; the kernel's own nest two.
const NESTING_MAX: u32 = 6;

/// Why an offset is not known.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// It is not BTF, or is cut short.
    Malformed,
    /// This kernel has no such field.
    Missing {
        /// The structure.
        of: &'static str,
        /// The field.
        field: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unreadable(why) => write!(f, "cannot read {KERNEL} (CONFIG_DEBUG_INFO_BTF): {why}"),
            Error::Malformed => write!(f, "{KERNEL} is not BTF as we know it"),
            Error::Missing { of, field } => write!(f, "this kernel's BTF has no {of}.{field}"),
        }
    }
}

impl std::error::Error for Error {}

/// The way from a task to its executable, in the running kernel.
pub fn exe_offsets() -> Result<ExeOffsets, Error> {
    let bytes = std::fs::read(Path::new(KERNEL)).map_err(Error::Unreadable)?;
    let btf = Btf::parse(&bytes)?;
    let at = |of, field| btf.offset(of, field);
    Ok(ExeOffsets {
        task_mm: at("task_struct", "mm")?,
        mm_exe_file: at("mm_struct", "exe_file")?,
        file_inode: at("file", "f_inode")?,
        file_dentry: at("file", "f_path")? + at("path", "dentry")?,
        inode_number: at("inode", "i_ino")?,
        inode_super: at("inode", "i_sb")?,
        super_device: at("super_block", "s_dev")?,
        dentry_name: at("dentry", "d_name")? + at("qstr", "name")?,
    })
}

/// The types of a kernel.
struct Btf<'a> {
    strings: &'a [u8],
    /// Where each type starts; type 0 is void and has none.
    types: Vec<&'a [u8]>,
}

impl<'a> Btf<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Btf<'a>, Error> {
        let word = |at| word(bytes, at);
        if bytes.first_chunk().copied().map(u16::from_ne_bytes) != Some(MAGIC) {
            return Err(Error::Malformed);
        }
        // struct btf_header: magic, version, flags, hdr_len, type_off, type_len, str_off, str_len
        let header = word(4)? as usize;
        let section = |offset: u32, len: u32| {
            let start = header + offset as usize;
            bytes.get(start..start + len as usize).ok_or(Error::Malformed)
        };
        let strings = section(word(16)?, word(20)?)?;
        let mut rest = section(word(8)?, word(12)?)?;
        let mut types = vec![rest];
        while !rest.is_empty() {
            types.push(rest);
            rest = rest.get(size(rest)?..).ok_or(Error::Malformed)?;
        }
        Ok(Btf { strings, types })
    }

    fn offset(&self, of: &'static str, field: &'static str) -> Result<u32, Error> {
        let missing = Error::Missing { of, field };
        for &kind in self.types.iter().skip(1) {
            if kind_of(kind)? == KIND_STRUCT && members(kind)? > 0 && self.name(word(kind, 0)?) == Some(of.as_bytes()) {
                return self.member(kind, field.as_bytes(), 0)?.ok_or(missing);
            }
        }
        Err(missing)
    }

    /// The byte offset of a member, looked for in anonymous structures and unions too.
    fn member(&self, kind: &[u8], field: &[u8], depth: u32) -> Result<Option<u32>, Error> {
        let bitfields = word(kind, 4)? >> 31 == 1;
        for index in 0..members(kind)? {
            // struct btf_member: name_off, type, offset
            let at = 12 + index * 12;
            let (name, inner, mut bits) = (word(kind, at)?, word(kind, at + 4)?, word(kind, at + 8)?);
            if bitfields {
                bits &= 0x00ff_ffff;
            }
            let name = self.name(name).unwrap_or_default();
            if name == field {
                return Ok(Some(bits / 8));
            }
            let inner = self.types.get(inner as usize).copied().unwrap_or_default();
            if name.is_empty() && depth < NESTING_MAX && !inner.is_empty() {
                let nested = matches!(kind_of(inner)?, KIND_STRUCT | KIND_UNION);
                if nested && let Some(offset) = self.member(inner, field, depth + 1)? {
                    return Ok(Some(bits / 8 + offset));
                }
            }
        }
        Ok(None)
    }

    fn name(&self, offset: u32) -> Option<&'a [u8]> {
        let rest = self.strings.get(offset as usize..)?;
        rest.split(|&byte| byte == 0).next()
    }
}

fn word(bytes: &[u8], at: usize) -> Result<u32, Error> {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Error::Malformed)?;
    Ok(u32::from_ne_bytes(*word))
}

/// `info` of struct btf_type: vlen in bits 0-15, kind in bits 24-28.
fn kind_of(kind: &[u8]) -> Result<u32, Error> {
    Ok(word(kind, 4)? >> 24 & 0x1f)
}

fn members(kind: &[u8]) -> Result<usize, Error> {
    Ok(word(kind, 4)? as usize & 0xffff)
}

/// How many bytes a type takes with what follows it.
fn size(kind: &[u8]) -> Result<usize, Error> {
    let count = members(kind)?;
    Ok(12
        + match kind_of(kind)? {
            KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
            KIND_ARRAY => 12,
            KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => 12 * count,
            KIND_ENUM | KIND_FUNC_PROTO => 8 * count,
            _ => 0,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One type of `words`, and the strings "\0outer\0field\0".
    fn blob(types: &[u32]) -> Vec<u8> {
        let strings = b"\0outer\0field\0";
        let mut out = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, types.len() as u32 * 4, types.len() as u32 * 4, strings.len() as u32] {
            out.extend(word.to_ne_bytes());
        }
        out.extend(types.iter().flat_map(|word| word.to_ne_bytes()));
        out.extend(strings);
        out
    }

    #[test]
    fn a_field_of_an_anonymous_structure_is_found() {
        let inner = [0, KIND_STRUCT << 24 | 1, 8, 7, 0, 32];
        let outer = [1, KIND_STRUCT << 24 | 1, 16, 0, 1, 64];
        let bytes = blob(&[inner, outer].concat());
        assert_eq!(Btf::parse(&bytes).unwrap().offset("outer", "field").unwrap(), 12);
    }

    #[test]
    fn what_is_not_there_is_named_and_cut_input_is_refused() {
        let bytes = blob(&[1, KIND_STRUCT << 24, 0]);
        let missing = Btf::parse(&bytes).unwrap().offset("outer", "field").unwrap_err();
        assert!(matches!(missing, Error::Missing { of: "outer", field: "field" }));
        let bytes = blob(&[1, KIND_STRUCT << 24 | 2, 0, 7, 0, 0]);
        assert!(matches!(Btf::parse(&bytes), Err(Error::Malformed)));
        for len in 0..24 {
            assert!(Btf::parse(&bytes[..len]).is_err(), "{len}");
        }
    }
}
