//! Overlayfs keeps its marks in xattrs: under `trusted.` for root, under `user.` inside a user namespace.

use std::ffi::CStr;

/// Who unpacks and mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Root of the machine: `trusted.overlay.*`.
    Privileged,
    /// Root of a user namespace: `user.overlay.*`, overlay mounted with `userxattr` (Linux 5.11).
    UserNamespace,
}

impl Flavour {
    /// The mark of a folder that hides the lower layers' folder of the same name (value `y`).
    pub(crate) fn opaque(self) -> &'static CStr {
        match self {
            Flavour::Privileged => c"trusted.overlay.opaque",
            Flavour::UserNamespace => c"user.overlay.opaque",
        }
    }
}
