//! Which system calls a container may make: from profile to BPF program.
//!
//! ```text
//! Docker's format (profile) ─┐
//! our default (docker)      ─┴─> section (oci::runtime::Seccomp) ──rules──> ranges ──compile──> program ──> the init
//!                                default_json ───────────────────precompiled──────────────────────┘
//! ```
//!
//! Nothing here touches the system: `sys::seccomp::load` does, at the very end of the init.

mod arch;
mod code;
mod compile;
mod condition;
mod docker;
pub mod precompiled;
pub mod profile;
mod rules;
mod table;

pub use arch::{NATIVE, name as call_name};
pub use compile::compile;
pub use docker::docker_default;
pub use sys::seccomp::Instruction;

use error::{Error, Kind, Result, ResultExt};
use oci::capabilities::{self, Capability};
use oci::runtime::Seccomp;
use oci::runtime::seccomp::FilterFlag;
use std::borrow::Cow;
use sys::seccomp::flag;

/// What the init loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The filter; the default one is a constant of this program.
    pub instructions: Cow<'static, [Instruction]>,
    /// For `sys::seccomp::load`.
    pub flags: u32,
    /// Someone who decides on calls: the load gives a descriptor that must be sent there.
    pub listener: Option<Listener>,
}

/// The receiver of a filter's descriptor.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Listener {
    /// A Unix socket.
    pub path: String,
    /// Sent along as it is.
    pub metadata: String,
}

/// The `linux.seccomp` section of a container with the default capabilities, as text.
pub fn default_json() -> &'static str {
    precompiled::SECTION
}

/// The section of a container with `caps` (its bounding set, as `CAP_…` names), as text. It is made only if it isn't
/// the one that is made already.
pub fn json_for(caps: &[&str]) -> Result<Cow<'static, str>> {
    if docker::matters(caps).eq(docker::matters(&capabilities::DEFAULT.map(Capability::name))) {
        return Ok(Cow::Borrowed(default_json()));
    }
    let section = serde_json::to_string(&docker_default(caps, NATIVE));
    section.map(Cow::Owned).map_err(|cause| Error::new(Kind::Internal, cause.to_string()))
}

/// Compiles a section for this machine. Our own default is recognised by its text and costs a comparison.
pub fn compile_section(raw_json: &str) -> Result<Program> {
    if raw_json == precompiled::SECTION {
        let instructions = Cow::Borrowed(&precompiled::PROGRAM[..]);
        return Ok(Program { instructions, flags: DEFAULT_FLAGS, listener: None });
    }
    let section = oci::runtime::read(raw_json.as_bytes())
        .map_err(|cause| Error::invalid(cause.to_string()))
        .context(|| "can't read the seccomp section")?;
    program(&section).context(|| "can't compile the seccomp profile")
}

/// Compiles a section for this machine.
pub fn program(section: &Seccomp) -> Result<Program> {
    let instructions = Cow::Owned(compile(section, NATIVE)?);
    let listener = rules::notifies(section)
        .then(|| Listener { path: section.listener_path.clone(), metadata: section.listener_metadata.clone() });
    if listener.as_ref().is_some_and(|listener| listener.path.is_empty()) {
        return Err(Error::invalid("`SCMP_ACT_NOTIFY` needs a `listenerPath`"));
    }
    let flags = flags(section) | if listener.is_some() { flag::NEW_LISTENER } else { 0 };
    Ok(Program { instructions, flags, listener })
}

/// As in runc: a filter must not slow its process down with mitigations that others do without.
const DEFAULT_FLAGS: u32 = flag::SPEC_ALLOW;

fn flags(section: &Seccomp) -> u32 {
    let Some(flags) = &section.flags else { return DEFAULT_FLAGS };
    flags.iter().fold(0, |bits, one| {
        bits | match one {
            // The init has one thread; and with a listener the kernel would ask for TSYNC_ESRCH too.
            FilterFlag::Tsync => 0,
            FilterFlag::Log => flag::LOG,
            FilterFlag::SpecAllow => flag::SPEC_ALLOW,
            FilterFlag::WaitKillableRecv => flag::WAIT_KILLABLE_RECV,
        }
    })
}

#[cfg(test)]
mod tests;
