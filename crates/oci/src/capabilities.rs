//! Capabilities: their names and bits (capabilities(7), linux/capability.h), and those that a container starts with.

use error::{Error, Result};

/// One capability; the value is its bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(u8);

/// All names, in the order of their bits.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The last that we know; a kernel may know more (`/proc/sys/kernel/cap_last_cap`).
pub const LAST: Capability = Capability(40);

/// What a container has unless told otherwise: Docker's list, in Docker's order.
pub const DEFAULT: [Capability; 14] = [
    Capability(0),  // CAP_CHOWN
    Capability(1),  // CAP_DAC_OVERRIDE
    Capability(4),  // CAP_FSETID
    Capability(3),  // CAP_FOWNER
    Capability(27), // CAP_MKNOD
    Capability(13), // CAP_NET_RAW
    Capability(6),  // CAP_SETGID
    Capability(7),  // CAP_SETUID
    Capability(31), // CAP_SETFCAP
    Capability(8),  // CAP_SETPCAP
    Capability(10), // CAP_NET_BIND_SERVICE
    Capability(18), // CAP_SYS_CHROOT
    Capability(5),  // CAP_KILL
    Capability(29), // CAP_AUDIT_WRITE
];

impl Capability {
    /// `CAP_CHOWN` …
    pub const fn name(self) -> &'static str {
        NAMES[self.0 as usize]
    }

    /// The number of its bit.
    pub const fn bit(self) -> u8 {
        self.0
    }

    /// A set with this one only.
    pub const fn mask(self) -> u64 {
        1 << self.0
    }

    /// The capability of a bit, if we know it.
    pub const fn from_bit(bit: u8) -> Option<Self> {
        if bit <= LAST.0 { Some(Self(bit)) } else { None }
    }

    /// All that we know, in the order of their bits.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=LAST.0).map(Self)
    }

    /// Reads `CAP_CHOWN`, `chown` …, but not `ALL` (see [`Wanted`]).
    pub fn parse(text: &str) -> Result<Self> {
        let unknown = || Error::invalid(format!("invalid capability: \"{text}\""));
        let upper = text.trim().to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        let bit = NAMES.iter().position(|name| &name["CAP_".len()..] == bare).ok_or_else(unknown)?;
        u8::try_from(bit).map(Self).map_err(|_| unknown())
    }
}

/// What `--cap-add` and `--cap-drop` take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `ALL`
    All,
    /// A name.
    One(Capability),
}

impl Wanted {
    /// Reads a name or `ALL`, in any case.
    pub fn parse(text: &str) -> Result<Self> {
        let bare = text.trim();
        if bare.eq_ignore_ascii_case("ALL") || bare.eq_ignore_ascii_case("CAP_ALL") {
            return Ok(Self::All);
        }
        Capability::parse(text).map(Self::One)
    }

    /// The set meant.
    pub fn mask(self) -> u64 {
        match self {
            Self::All => (LAST.mask() << 1) - 1,
            Self::One(capability) => capability.mask(),
        }
    }
}

/// The capabilities of a set, in the order of their bits; bits that we don't know are left out.
pub fn of_mask(mask: u64) -> impl Iterator<Item = Capability> {
    Capability::all().filter(move |capability| mask & capability.mask() != 0)
}

/// The set of some capabilities.
pub fn mask_of(capabilities: impl IntoIterator<Item = Capability>) -> u64 {
    capabilities.into_iter().fold(0, |mask, capability| mask | capability.mask())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_are_the_kernels() {
        let cases = [("CHOWN", 0), ("SETPCAP", 8), ("SYS_ADMIN", 21), ("SYSLOG", 34), ("CHECKPOINT_RESTORE", 40)];
        for (name, bit) in cases {
            let capability = Capability::parse(name).unwrap();
            assert_eq!((capability.bit(), capability.name()), (bit, format!("CAP_{name}").as_str()));
        }
        assert_eq!(Capability::from_bit(41), None);
    }

    #[test]
    fn a_name_may_lack_its_prefix_and_be_in_any_case() {
        for text in ["CAP_NET_ADMIN", "NET_ADMIN", "net_admin", "cap_net_admin"] {
            assert_eq!(Capability::parse(text).unwrap().bit(), 12, "{text}");
        }
        for text in ["", "CAP_", "ALL", "CAP_CAP_CHOWN", "NET ADMIN"] {
            let expected = format!("invalid capability: \"{text}\"");
            assert_eq!(Capability::parse(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn all_means_all_that_exist() {
        assert_eq!(Wanted::parse("all").unwrap().mask(), 0x1ff_ffff_ffff);
        assert_eq!(Wanted::parse("ALL").unwrap(), Wanted::All);
        assert_eq!(Wanted::parse("KILL").unwrap().mask(), 1 << 5);
        assert_eq!(of_mask(u64::MAX).count(), 41);
    }

    #[test]
    fn the_default_set_is_dockers() {
        assert_eq!(mask_of(DEFAULT), 0xa804_25fb);
        assert_eq!(
            DEFAULT.map(|c| &c.name()[4..]).join(" "),
            "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT \
             KILL AUDIT_WRITE"
        );
    }
}
