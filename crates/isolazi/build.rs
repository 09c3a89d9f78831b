//! Tells the linker how the program comes into memory in few pages: an act of an OCI runtime should need less than
//! 2 MiB (`bench/hot --check`).

use std::env::var;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=hot.ld");
    println!("cargo:rerun-if-changed=layout.ld");
    let is = |name: &str, value: &str| var(name).is_ok_and(|found| found == value);
    // There rustc brings its linker along; others are not asked whether they know these words.
    let links_by_lld = is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64");
    if !links_by_lld || !is("PROFILE", "release") {
        return;
    }
    // What is called together lies together, apart from the rest: see `bench/hot`.
    let here = var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{here}/hot.ld,-T,{here}/layout.ld");
    // The list of places to be adjusted at the start is read in whole: packed it has 2 KiB rather than 140.
    if var("HOST") == var("TARGET") && c_library_unpacks() {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Since version 2.36 the GNU C library knows packed relocations, also in a static program.
fn c_library_unpacks() -> bool {
    let Ok(said) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return false };
    let version = String::from_utf8_lossy(&said.stdout);
    let mut numbers = version.trim().trim_start_matches("glibc ").split('.').map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(2)), Some(Ok(36..))))
}
