//! The project's own tasks: `cargo xtask <task>`. What each does is in its own file; this one only chooses.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the developer who started it")]

mod dist;
mod leaks;
#[cfg(feature = "pages")]
mod pages;
#[cfg(feature = "tables")]
mod seccomp;
mod source;
#[cfg(feature = "tables")]
mod syscalls;
mod test;
mod tidy;
mod vm;
mod workspace;

use error::{Error, Result};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <task>

  test [--no-install] [--no-material] [-- <cargo test arguments>]
                 install the Debian packages that the tests need, make the images, serve them by loopback registries,
                 run every test of the workspace, look for leaks; ends with `N passed, N failed`. Needs root: without
                 it, prints the one line to run. --no-install takes the packages as they are, --no-material leaves
                 images and registries out (for tests of a room: `cargo xtask test --no-material -- -p snapshot`)
  vm [--no-install] [--runtime COMMAND] [--test NAME]...
                 run the tests that want systemd, cgroup v2 or AppArmor, in a virtual machine (software emulation, no
                 /dev/kvm; two to three minutes); ends with `N passed, N failed`. --test NAME runs those whose name
                 has NAME in it, --runtime tests another OCI runtime (VM_PACKAGES=crun installs it in the machine)
  tidy           check what the compiler cannot: floors, file lengths, the init's rules, prints, unsafe
  man            write the man pages into target/dist/man
  completions    write shell completions into target/dist/completions
  dist           build the release binary, check its size and put it with man pages, completions and papers into
                 target/dist
  syscalls       write the numbers of the system calls, from the headers in linux-raw-sys, into the runtime's table
  seccomp        compile the default seccomp profile for every architecture; after `syscalls`, or a change of either
  help           this text
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", options @ ..] => test::run(options),
        ["vm", options @ ..] => vm::run(options),
        ["tidy"] => tidy::run(),
        ["man"] => pages("man"),
        ["completions"] => pages("completions"),
        ["dist"] => dist::run(),
        ["syscalls"] => tables("syscalls"),
        ["seccomp"] => tables("seccomp"),
        ["help" | "--help" | "-h"] | [] => {
            print!("{HELP}");
            Ok(())
        }
        [task, ..] => Err(Error::invalid(format!("no such task: `{task}`")).hint("`cargo xtask help` lists them")),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    eprintln!("error: {error}");
    for hint in &error.hints {
        eprintln!("hint: {hint}");
    }
    ExitCode::FAILURE
}

#[cfg(feature = "pages")]
fn pages(kind: &str) -> Result<()> {
    pages::run(kind)
}

/// This build knows nothing of isolazi's command line: the same task, built with it, does.
#[cfg(not(feature = "pages"))]
fn pages(kind: &str) -> Result<()> {
    workspace::cargo(&["run", "--quiet", "--package", "xtask", "--features", "pages", "--", kind])
}

#[cfg(feature = "tables")]
fn tables(kind: &str) -> Result<()> {
    if kind == "syscalls" { syscalls::run() } else { seccomp::run() }
}

/// As with the pages: most tasks don't need the runtime built.
#[cfg(not(feature = "tables"))]
fn tables(kind: &str) -> Result<()> {
    workspace::cargo(&["run", "--quiet", "--package", "xtask", "--features", "tables", "--", kind])
}
