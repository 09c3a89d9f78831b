//! Architectures as seccomp sees them: the kernel's audit numbers, what one machine can run, numbers by name.

use super::table;
use oci::runtime::seccomp::Arch;

/// On x86-64, numbers with this bit are calls of the x32 ABI.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// ARM's private calls (`__ARM_NR_…`) start here, far above all others.
pub(super) const ARM_PRIVATE: u32 = 0x000f_0000;

/// The architecture that this program is compiled for.
#[cfg(target_arch = "x86_64")]
pub const NATIVE: Arch = Arch::X86_64;
/// The architecture that this program is compiled for.
#[cfg(target_arch = "aarch64")]
pub const NATIVE: Arch = Arch::Aarch64;
/// The architecture that this program is compiled for.
#[cfg(target_arch = "riscv64")]
pub const NATIVE: Arch = Arch::Riscv64;
/// The architecture that this program is compiled for.
#[cfg(all(target_arch = "powerpc64", target_endian = "little"))]
pub const NATIVE: Arch = Arch::Ppc64le;
/// The architecture that this program is compiled for.
#[cfg(target_arch = "s390x")]
pub const NATIVE: Arch = Arch::S390x;
/// The architecture that this program is compiled for.
#[cfg(target_arch = "loongarch64")]
pub const NATIVE: Arch = Arch::Loongarch64;

/// Facts of a machine: what its kernel can be asked to run, and how it is called.
pub(super) struct Machine {
    /// The name in a Docker profile's `arches`.
    pub(super) docker: &'static str,
    /// The kernel's audit numbers (linux/audit.h) and the ABIs that come under them, the native one first.
    pub(super) audits: &'static [Audit],
    /// Docker's default profile lists these.
    pub(super) default_list: &'static [Arch],
    /// The upper half of an argument comes first in memory.
    pub(super) big_endian: bool,
}

/// An audit number. The kernel gives no other hint which ABI a call uses.
pub(super) struct Audit {
    /// `AUDIT_ARCH_…`
    pub(super) number: u32,
    /// Arguments have 64 bits.
    pub(super) wide: bool,
    /// x32 shares its number with x86-64.
    pub(super) abis: &'static [Arch],
}

/// The facts for `native`; none if we have no table of its calls.
pub(super) fn machine(native: Arch) -> Option<&'static Machine> {
    const fn one(number: u32, abis: &'static [Arch]) -> Audit {
        Audit { number, wide: true, abis }
    }
    const X86_64: Machine = Machine {
        docker: "amd64",
        // x32 passes arguments in registers of 64 bits, and the kernel's native functions take all of them.
        audits: &[
            one(0xc000_003e, &[Arch::X86_64, Arch::X32]),
            Audit { number: 0x4000_0003, wide: false, abis: &[Arch::X86] },
        ],
        default_list: &[Arch::X86_64, Arch::X86, Arch::X32],
        big_endian: false,
    };
    const AARCH64: Machine = Machine {
        docker: "arm64",
        audits: &[one(0xc000_00b7, &[Arch::Aarch64]), Audit { number: 0x4000_0028, wide: false, abis: &[Arch::Arm] }],
        default_list: &[Arch::Aarch64, Arch::Arm],
        big_endian: false,
    };
    const RISCV64: Machine = Machine {
        docker: "riscv64",
        audits: &[one(0xc000_00f3, &[Arch::Riscv64])],
        default_list: &[Arch::Riscv64],
        big_endian: false,
    };
    const PPC64LE: Machine = Machine {
        docker: "ppc64le",
        audits: &[one(0xc000_0015, &[Arch::Ppc64le])],
        default_list: &[Arch::Ppc64le],
        big_endian: false,
    };
    // Its 31-bit mode is left out, for no source of ours knows the numbers: such programs are killed.
    const S390X: Machine = Machine {
        docker: "s390x",
        audits: &[one(0x8000_0016, &[Arch::S390x])],
        default_list: &[Arch::S390x, Arch::S390],
        big_endian: true,
    };
    const LOONGARCH64: Machine = Machine {
        docker: "loong64",
        audits: &[one(0xc000_0102, &[Arch::Loongarch64])],
        default_list: &[Arch::Loongarch64],
        big_endian: false,
    };
    match native {
        Arch::X86_64 => Some(&X86_64),
        Arch::Aarch64 => Some(&AARCH64),
        Arch::Riscv64 => Some(&RISCV64),
        Arch::Ppc64le => Some(&PPC64LE),
        Arch::S390x => Some(&S390X),
        Arch::Loongarch64 => Some(&LOONGARCH64),
        _ => None,
    }
}

/// A name with zeros behind it; none of the table's is longer.
type Name = [u8; 28];

/// The table with the names themselves: references would be adjusted at each start of the program, each page a copy.
static ROWS: [(Name, [u32; table::COLUMNS.len()]); table::SYSCALLS.len()] = {
    let mut rows = [([0; _], [0; _]); table::SYSCALLS.len()];
    let mut i = 0;
    while i < rows.len() {
        rows[i] = (padded(table::SYSCALLS[i].0).expect("a name of the table fits"), table::SYSCALLS[i].1);
        i += 1;
    }
    rows
};

const fn padded(text: &str) -> Option<Name> {
    let mut name = [0; _];
    let Some((start, _)) = name.split_at_mut_checked(text.len()) else { return None };
    start.copy_from_slice(text.as_bytes());
    Some(name)
}

/// The number of a call; none if the architecture (or the table) doesn't have it.
pub(super) fn number(name: &str, arch: Arch) -> Option<u32> {
    let column = table::COLUMNS.iter().position(|c| *c == arch)?;
    let row = ROWS.binary_search_by_key(&padded(name)?, |(name, _)| *name).ok()?;
    Some(ROWS[row].1[column]).filter(|number| *number != table::NONE)
}

/// The call that the kernel's audit knows by these numbers: its name, or none of the table's.
pub fn name(audit: u32, number: u32) -> Option<&'static str> {
    let abis = machine(NATIVE)?.audits.iter().find(|known| known.number == audit)?.abis;
    let columns = abis.iter().filter_map(|arch| table::COLUMNS.iter().position(|column| column == arch));
    let row = columns.into_iter().find_map(|column| ROWS.iter().find(|(_, numbers)| numbers[column] == number))?;
    let name = row.0.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(name).ok().filter(|_| number != table::NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn calls_have_the_names_of_their_architecture() {
        for (audit, call, expected) in [
            (0xc000_003e, 0, Some("read")),
            (0xc000_003e, 140, Some("getpriority")),
            (0xc000_003e, X32_BIT + 3, Some("close")),
            (0x4000_0003, 3, Some("read")),
            (0x4000_0003, 9999, None),
            (0xc000_003e, table::NONE, None),
            (1, 0, None),
        ] {
            assert_eq!(name(audit, call), expected, "{audit:x} {call}");
        }
    }

    #[test]
    fn names_have_the_number_of_their_architecture() {
        let cases = [
            ("read", Arch::X86_64, Some(0)),
            ("read", Arch::X86, Some(3)),
            ("read", Arch::X32, Some(X32_BIT)),
            ("newfstatat", Arch::Aarch64, Some(79)),
            ("sync_file_range2", Arch::Arm, Some(341)),
            ("set_tls", Arch::Arm, Some(ARM_PRIVATE + 5)),
            ("clone3", Arch::Riscv64, Some(435)),
            ("open", Arch::Aarch64, None),
            ("sched_rr_get_interval_time64", Arch::Arm, Some(423)),
            ("sched_rr_get_interval_time64_", Arch::Arm, None),
            ("no_such_call", Arch::X86_64, None),
            ("read", Arch::Mips, None),
        ];
        for (name, arch, expected) in cases {
            assert_eq!(number(name, arch), expected, "{name} on {arch:?}");
        }
    }

    #[test]
    fn the_table_is_in_order_so_that_it_can_be_searched() {
        assert!(table::SYSCALLS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn the_native_numbers_are_those_of_the_c_library() {
        for (name, expected) in [
            ("execve", libc::SYS_execve),
            ("clone3", libc::SYS_clone3),
            ("seccomp", libc::SYS_seccomp),
            ("close_range", libc::SYS_close_range),
            ("mseal", libc::SYS_mseal),
        ] {
            assert_eq!(number(name, NATIVE).map(i64::from), Some(expected), "{name}");
        }
    }
}
