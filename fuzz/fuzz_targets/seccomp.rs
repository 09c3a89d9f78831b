//! Seccomp: a section of a `config.json`, and a profile in Docker's format, become programs that the kernel takes.
#![no_main]

#[path = "../program.rs"]
mod program;

use libfuzzer_sys::fuzz_target;
use oci::runtime::Seccomp;
use oci::runtime::seccomp::Arch;
use runtime::seccomp::profile::{self, Facts};

/// Machines with a 32-bit companion, without one, and with the bytes the other way round.
const MACHINES: [Arch; 3] = [Arch::X86_64, Arch::Riscv64, Arch::S390x];

fuzz_target!(|text: &[u8]| {
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(section) = serde_json::from_str::<Seccomp>(text) {
        compile(&section);
    }
    if let Ok(program) = runtime::seccomp::compile_section(text) {
        program::check(&program.instructions);
    }
    for caps in [&["CAP_CHOWN"][..], &["CAP_SYS_ADMIN", "CAP_BPF"]] {
        let facts = Facts { caps, arch: Arch::X86_64, kernel: (6, 1) };
        if let Ok(section) = profile::read(text, facts) {
            compile(&section);
        }
    }
});

fn compile(section: &Seccomp) {
    for machine in MACHINES {
        if let Ok(instructions) = runtime::seccomp::compile(section, machine) {
            program::check(&instructions);
        }
    }
}
