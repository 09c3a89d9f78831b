//! `cargo xtask test`: every test of the workspace, with everything they need, and a look for what they leave behind.
//!
//! install.sh -> build.sh -> serve.sh start -> cargo test -> serve.sh stop -> leaks -> `N passed, N failed`
//!
//! Everything runs as root; what must hold for an ordinary user is run by the tests themselves as `isolazi-test`
//! (`testkit::Isolazi::ordinary`), so there is one run and one count.

use crate::leaks::{self, Traces};
use crate::workspace::{self, command, succeed};
use error::{Error, Kind, Result, ResultExt};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// What the developer asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options<'a> {
    install: bool,
    material: bool,
    /// After `--`: for `cargo test`.
    cargo: &'a [&'a str],
}

/// Sums of the lines that test programs end with.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

pub(crate) fn run(words: &[&str]) -> Result<()> {
    let options = parse(words)?;
    if !is_root()? {
        let hint = format!("run this line: {}", as_root(words, |name| std::env::var(name).ok()));
        return Err(
            Error::new(Kind::Denied, "tests mount, make control groups and change ids: they need root").hint(hint)
        );
    }
    if options.install {
        succeed(&mut command("tests/material/install.sh"))?;
    }
    let registries = if options.material { Some(Registries::start()?) } else { None };
    let before = Traces::take()?;
    let (mut counts, ended_well) = cargo_test(options.cargo)?;
    let ended_well = ended_well && counts != Counts::default(); // no test at all proves nothing
    drop(registries);
    let left = leaks::left_since(&before)?;
    for trace in &left {
        println!("left behind: {trace}");
    }
    // The look for leaks is a test like the others.
    *if left.is_empty() { &mut counts.passed } else { &mut counts.failed } += 1;
    conclude(&counts, ended_well)
}

fn parse<'a>(words: &'a [&'a str]) -> Result<Options<'a>> {
    let mut options = Options { install: true, material: true, cargo: &[] };
    for (at, word) in words.iter().enumerate() {
        match *word {
            "--no-install" => options.install = false,
            "--no-material" => options.material = false,
            "--" => {
                options.cargo = &words[at + 1..];
                break;
            }
            _ => return Err(Error::invalid(format!("no such option of `test`: `{word}`"))),
        }
    }
    Ok(options)
}

/// Says the result; anything but success in every test is an error.
fn conclude(counts: &Counts, ended_well: bool) -> Result<()> {
    // One that did not run held nothing: it failed.
    let failed = counts.failed + counts.ignored;
    if counts.ignored > 0 {
        println!("{} tests were ignored: repair or remove them", counts.ignored);
    }
    println!("{} passed, {failed} failed", counts.passed);
    match (failed, ended_well) {
        (0, true) => Ok(()),
        (0, false) => Err(Error::new(Kind::Internal, "`cargo test` failed, or ran no test")),
        _ => Err(Error::new(Kind::Internal, "tests failed")),
    }
}

/// Runs the tests and counts them while their output passes by; false if cargo itself was not content.
fn cargo_test(arguments: &[&str]) -> Result<(Counts, bool)> {
    // Whoever starts us may ignore signals (nohup, a shell's background job), and every test would inherit that: those
    // that send signals would wait for ever.
    let mut cargo = command("env");
    cargo.args(["--default-signal", "cargo", "test", "--no-fail-fast"]);
    if !arguments.iter().any(|word| matches!(*word, "-p" | "--package")) {
        cargo.arg("--workspace");
    }
    cargo.args(arguments).env("MATERIAL", workspace::material()?).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = cargo.spawn().context(|| "can't run `cargo test`")?;
    let mut counts = Counts::default();
    let mut stdout = std::io::stdout();
    for line in BufReader::new(child.stdout.take().expect("stdout is piped")).lines() {
        let line = line.context(|| "can't read the tests' output")?;
        counts.add(&line);
        writeln!(stdout, "{line}").context(|| "can't write to stdout")?;
    }
    let status = child.wait().context(|| "can't wait for `cargo test`")?;
    Ok((counts, status.success()))
}

impl Counts {
    /// Takes in `test result: ok. 3 passed; 0 failed; 0 ignored; …`; every other line says nothing.
    fn add(&mut self, line: &str) {
        let Some((_, result)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for part in result.split("; ") {
            let Some((count, what)) = part.split_once(' ') else { continue };
            let sum = match what {
                "passed" => &mut self.passed,
                "failed" => &mut self.failed,
                "ignored" => &mut self.ignored,
                _ => continue,
            };
            *sum += count.parse::<u64>().unwrap_or(0);
        }
    }
}

/// The loopback registries, for as long as this lives. Those that ran before go on running.
struct Registries {
    ours: bool,
}

impl Registries {
    fn start() -> Result<Self> {
        let serve = |verb: &str| -> Result<Command> {
            let mut command = command("tests/material/serve.sh");
            command.arg(verb).env("MATERIAL", workspace::material()?);
            Ok(command)
        };
        succeed(command("tests/material/build.sh").env("MATERIAL", workspace::material()?))?;
        let ran = serve("status")?.stdout(Stdio::null()).status().context(|| "can't run `serve.sh status`")?.success();
        // From here on they are stopped, also if only some of them came up.
        let registries = Self { ours: !ran };
        succeed(&mut serve("start")?)?;
        Ok(registries)
    }
}

impl Drop for Registries {
    fn drop(&mut self) {
        let Ok(material) = workspace::material() else { return };
        if self.ours && succeed(command("tests/material/serve.sh").arg("stop").env("MATERIAL", material)).is_err() {
            eprintln!("error: can't stop the registries: `tests/material/serve.sh status` shows them");
        }
    }
}

fn is_root() -> Result<bool> {
    let status = std::fs::read_to_string("/proc/self/status").context(|| "can't read `/proc/self/status`")?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    Ok(uids.split_whitespace().nth(1) == Some("0"))
}

/// The same task with root's rights and this user's Rust, which `sudo` would not find by itself.
fn as_root(words: &[&str], variable: impl Fn(&str) -> Option<String>) -> String {
    let home = |name: &str, folder: &str| {
        variable(name)
            .or_else(|| Some(format!("{}/{folder}", variable("HOME")?)))
            .map(|path| format!(" {name}='{path}'"))
    };
    let path = variable("PATH").map(|path| format!(" PATH='{path}'")).unwrap_or_default();
    let cargo = home("CARGO_HOME", ".cargo").unwrap_or_default();
    let rustup = home("RUSTUP_HOME", ".rustup").unwrap_or_default();
    let words: String = words.iter().map(|word| format!(" {word}")).collect();
    format!("sudo env{path}{cargo}{rustup} cargo xtask test{words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_where_cargos_begin() {
        let words = ["--no-install", "--", "-p", "snapshot", "--no-material"];
        let options = parse(&words).unwrap();
        assert_eq!(options, Options { install: false, material: true, cargo: &["-p", "snapshot", "--no-material"] });
        assert_eq!(parse(&["--fast"]).unwrap_err().to_string(), "no such option of `test`: `--fast`");
    }

    #[test]
    fn results_of_all_test_programs_are_added() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s",
            "test result: FAILED. 1 passed; 2 failed; 4 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        ] {
            counts.add(line);
        }
        assert_eq!(counts, Counts { passed: 4, failed: 2, ignored: 4 });
    }

    #[test]
    fn a_failed_an_ignored_and_an_unbuilt_test_all_fail() {
        assert!(conclude(&Counts { passed: 1, failed: 0, ignored: 0 }, true).is_ok());
        assert!(conclude(&Counts { passed: 1, failed: 1, ignored: 0 }, true).is_err());
        assert!(conclude(&Counts { passed: 1, failed: 0, ignored: 1 }, true).is_err());
        assert!(conclude(&Counts { passed: 1, failed: 0, ignored: 0 }, false).is_err());
    }

    #[test]
    fn the_line_for_root_brings_the_users_rust_along() {
        let variable = |name: &str| match name {
            "PATH" => Some("/home/a/.cargo/bin:/bin".to_owned()),
            "HOME" => Some("/home/a".to_owned()),
            "RUSTUP_HOME" => Some("/opt/rustup".to_owned()),
            _ => None,
        };
        assert_eq!(
            as_root(&["--no-install"], variable),
            "sudo env PATH='/home/a/.cargo/bin:/bin' CARGO_HOME='/home/a/.cargo' RUSTUP_HOME='/opt/rustup' \
             cargo xtask test --no-install"
        );
    }
}
