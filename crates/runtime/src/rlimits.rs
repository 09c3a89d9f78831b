//! Resource limits by name.

/// getrlimit(2), in the kernel's order.
const NAMES: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// The number of `RLIMIT_…`.
pub(crate) fn number(name: &str) -> Option<u32> {
    let name = name.strip_prefix("RLIMIT_")?;
    let number = NAMES.iter().position(|known| *known == name)?;
    u32::try_from(number).ok()
}

/// The name without its `RLIMIT_`.
pub(crate) fn name(number: u32) -> Option<&'static str> {
    NAMES.get(usize::try_from(number).ok()?).copied()
}
