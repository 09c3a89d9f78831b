//! Checkpoint and restore by the program `criu` (criu.org), of which we are a client.
//!
//! ```text
//!            socket (SOCK_SEQPACKET), messages as images/rpc.proto of CRIU has them
//! isolazi ── request ─────────────────────────► criu swrk
//!         ◄─ notice: `setup-namespaces` … ─────
//!         ── done, or not ────────────────────►
//!         ◄─ answer ───────────────────────────
//! ```
//! A folder of images holds CRIU's files, and `descriptors.json`: what standard input, output and error of the
//! container were, so that a restore can put others in their place (runc's file, and readable by it).

mod descriptors;
mod dump;
mod log;
mod mounts;
mod namespaces;
mod options;
mod program;
mod restore;
mod wire;

pub use descriptors::descriptors;
pub use dump::{Container, dump};
pub use options::{CgroupsMode, Common, Dump, NetworkLock, Restore};
pub use program::Criu;
pub use restore::{Event, Restoring, restore};

use oci::runtime::Spec;
use wire::{Message, field};

/// The annotation that names a file with options for CRIU, as engines know it.
const CONFIG_ANNOTATION: &str = "org.criu.config";

/// Where administrators and engines put such options for every runtime; CRIU passes over a file that is not there.
const CONFIG_FILE: &str = "/etc/criu/runc.conf";

/// `CRIU_LOG_LEVEL`: all that helps to understand a failure.
const LOG_LEVEL: u64 = 4;

/// `CLONE_NEWNET`, as `empty_ns` wants it.
const NETWORK: u64 = sys::process::namespace::NETWORK;

/// The options that a dump and a restore have in common; a folder is named by our descriptor of it.
fn common(spec: &Spec, options: &Common, log_file: &str, has_cgroups: bool) -> Message {
    let mut message = Message::default();
    message.number(field::LOG_LEVEL, LOG_LEVEL);
    message.text(field::LOG_FILE, log_file);
    message.flag(field::NOTIFY_SCRIPTS, true);
    message.flag(field::ORPHAN_PTS_MASTER, true);
    message.flag(field::EXT_UNIX_SK, options.ext_unix_sk);
    message.flag(field::TCP_ESTABLISHED, options.tcp_established);
    message.flag(field::SHELL_JOB, options.shell_job);
    message.flag(field::FILE_LOCKS, options.file_locks);
    message.flag(field::AUTO_DEDUP, options.auto_dedup);
    message.flag(field::LAZY_PAGES, options.lazy_pages);
    message.flag(field::MANAGE_CGROUPS, true);
    // A container without cgroups of its own is in the host's, which are nobody's to restore.
    let mode = if has_cgroups { options.manage_cgroups_mode } else { CgroupsMode::Ignore };
    message.number(
        field::MANAGE_CGROUPS_MODE,
        match mode {
            CgroupsMode::Ignore => 0,
            CgroupsMode::Soft => 3,
            CgroupsMode::Full => 4,
            CgroupsMode::Strict => 5,
        },
    );
    if let Some(lock) = options.network_lock {
        message.number(
            field::NETWORK_LOCK,
            match lock {
                NetworkLock::Iptables => 1,
                NetworkLock::Nftables => 2,
                NetworkLock::Skip => 3,
            },
        );
    }
    if namespaces::network_is_ours(spec) || !options.empty_ns.is_empty() {
        message.number(field::EMPTY_NS, NETWORK);
    }
    match spec.annotations.get(CONFIG_ANNOTATION) {
        None => message.text(field::CONFIG_FILE, CONFIG_FILE),
        // Said to be none.
        Some(none) if none.is_empty() => {}
        Some(path) => message.text(field::CONFIG_FILE, path),
    }
    message
}

#[cfg(test)]
mod tests;
