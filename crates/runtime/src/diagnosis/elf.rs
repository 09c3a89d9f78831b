//! As much of an ELF file as says for which machine it is, and which loader it wants (elf(5)).

/// `e_ident`, and after it all that is read of the header.
const HEADER: usize = 64;
const MAGIC: &[u8] = b"\x7fELF";
/// More program headers than any real program has.
const MOST_SEGMENTS: u16 = 256;
/// `PT_INTERP` of linux/elf.h.
const PT_INTERP: u32 = 3;
/// `PATH_MAX` of linux/limits.h: the kernel takes no longer one.
const MOST_OF_LOADER: u64 = 4096;

/// What a file says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Elf {
    is_64: bool,
    is_little: bool,
    /// `e_machine`.
    machine: u16,
    /// The path of its loader; of a static program there is none.
    pub loader: Option<Vec<u8>>,
}

/// Has the file this form at all, whole or not?
pub(super) fn is_elf(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Reads a program by its first bytes and by what lies elsewhere in it (offset, at most so many bytes). `None`: it is
/// none, or is cut off.
pub(super) fn parse(head: &[u8], read: impl Fn(u64, usize) -> Vec<u8>) -> Option<Elf> {
    if !is_elf(head) || head.len() < HEADER {
        return None;
    }
    let (is_64, is_little) = (class(head[4])?, order(head[5])?);
    let file = Fields { bytes: head, is_little };
    let machine = file.u16(18)?;
    let (start, size, count) = if is_64 {
        (file.u64(32)?, file.u16(54)?, file.u16(56)?)
    } else {
        (file.u32(28)?.into(), file.u16(42)?, file.u16(44)?)
    };
    let mut loader = None;
    for number in 0..count.min(MOST_SEGMENTS) {
        let offset = start.checked_add(u64::from(number) * u64::from(size))?;
        let bytes = read(offset, size.into());
        let segment = Fields { bytes: &bytes, is_little };
        if segment.u32(0)? != PT_INTERP {
            continue;
        }
        let (offset, length) =
            if is_64 { (segment.u64(8)?, segment.u64(32)?) } else { (segment.u32(4)?.into(), segment.u32(16)?.into()) };
        let path = read(offset, usize::try_from(length.min(MOST_OF_LOADER)).ok()?);
        loader = Some(path.split(|byte| *byte == 0).next().filter(|path| !path.is_empty())?.to_vec());
        break;
    }
    Some(Elf { is_64, is_little, machine, loader })
}

impl Elf {
    /// The processor it is for, in the words of `--platform`.
    pub(super) fn architecture(&self) -> Option<&'static str> {
        // `EM_*` of linux/elf-em.h.
        Some(match (self.machine, self.is_64, self.is_little) {
            (3, false, true) => "386",
            (62, true, true) => "amd64",
            (40, false, true) => "arm",
            (183, true, true) => "arm64",
            (243, true, true) => "riscv64",
            (21, true, true) => "ppc64le",
            (21, true, false) => "ppc64",
            (22, true, false) => "s390x",
            (258, true, true) => "loong64",
            (8, true, true) => "mips64le",
            (8, true, false) => "mips64",
            (8, false, true) => "mipsle",
            (8, false, false) => "mips",
            _ => return None,
        })
    }
}

fn class(byte: u8) -> Option<bool> {
    match byte {
        1 => Some(false),
        2 => Some(true),
        _ => None,
    }
}

fn order(byte: u8) -> Option<bool> {
    match byte {
        1 => Some(true),
        2 => Some(false),
        _ => None,
    }
}

/// Numbers in the file's own byte order.
struct Fields<'a> {
    bytes: &'a [u8],
    is_little: bool,
}

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()?;
        if !self.is_little {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Option<Elf> {
        let from = |offset: u64, most: usize| {
            let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
            rest[..most.min(rest.len())].to_vec()
        };
        parse(&bytes[..bytes.len().min(HEADER)], from)
    }

    /// A header and one segment that names the loader, for a machine of either size and order.
    fn made(is_64: bool, is_little: bool, machine: u16, loader: &str) -> Vec<u8> {
        let mut bytes = vec![0; 256];
        bytes[..4].copy_from_slice(MAGIC);
        (bytes[4], bytes[5]) = (1 + u8::from(is_64), 2 - u8::from(is_little));
        let mut put = |at: usize, size: usize, value: u64| {
            let mut number = value.to_le_bytes()[..size].to_vec();
            if !is_little {
                number.reverse();
            }
            bytes[at..at + size].copy_from_slice(&number);
        };
        put(18, 2, machine.into());
        let (word, start, entry, offset, length) = if is_64 { (8, 32, 54, 8, 32) } else { (4, 28, 42, 4, 16) };
        put(start, word, 64);
        put(entry, 2, 56);
        put(entry + 2, 2, 1);
        put(64, 4, PT_INTERP.into());
        put(64 + offset, word, 128);
        put(64 + length, word, loader.len() as u64 + 1);
        bytes[128..128 + loader.len()].copy_from_slice(loader.as_bytes());
        bytes
    }

    #[test]
    fn programs_of_all_machines_are_read() {
        for (is_64, is_little, machine, architecture) in [
            (true, true, 62, Some("amd64")),
            (true, true, 183, Some("arm64")),
            (false, true, 3, Some("386")),
            (true, false, 22, Some("s390x")),
            (false, false, 8, Some("mips")),
            (true, true, 4711, None),
        ] {
            let elf = read(&made(is_64, is_little, machine, "/lib/ld.so")).unwrap();
            assert_eq!(elf.loader.as_deref(), Some(&b"/lib/ld.so"[..]));
            assert_eq!(elf.architecture(), architecture);
        }
        // This one, which is static.
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(read(&own).unwrap().architecture(), Some(crate::diagnosis::format::machine().as_str()));
    }

    #[test]
    fn what_is_cut_off_is_none() {
        let whole = made(true, true, 62, "/lib/ld.so");
        for length in 0..120 {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
        assert_eq!(read(b"#!/bin/sh\n"), None);
    }

    proptest! {
        #[test]
        fn nothing_it_reads_is_trusted(noise in proptest::collection::vec(any::<u8>(), 0..300), is_64: bool, little: bool) {
            let mut bytes = made(is_64, little, 62, "/lib/ld.so");
            for (place, byte) in noise.chunks_exact(2).map(|pair| (usize::from(pair[0]), pair[1])) {
                bytes[place] = byte;
            }
            let _ = read(&bytes);
            let _ = read(&noise);
        }
    }
}
