//! `cargo xtask vm`: the tests that want what users have and a build machine may lack: systemd as pid 1, cgroup v2 with
//! every controller, AppArmor. They run in a virtual machine, in software (qemu's TCG), so that no /dev/kvm is needed.
//!
//! ```text
//! install.sh -> build.sh -> cargo build --release -> files.tar -> qemu.sh -> `N passed, N failed`
//!
//! one       root.img     the system, known by its partition; what a run writes to it is lost with the machine
//! the other files.tar    tests/vm/guest, the binary, the names of the tests to run
//! hvc0      stdout       what the tests say, read here
//! ttyS0     console.log  what kernel and systemd say, shown if there is no result
//! ```

use crate::workspace::{self, command, succeed};
use error::{Error, Kind, Result, ResultExt};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The most a run may take; a machine that hangs is ended. Usual are three minutes, beside other work many more.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// Lines of the console that are shown when the machine ends without a result.
const LAST_LINES: usize = 40;
/// One for the container that wants all, one for who watches it; limits of `cpuset` need two.
const PROCESSORS: &str = "2";
const MEMORY: &str = "1024M";
/// Less work for a machine in software: no delays to be calibrated, no self-tests, no mitigations, page tables of four
/// levels. The last ones are what the tests are about.
const KERNEL: &str = "console=ttyS0 panic=-1 root=PARTUUID=15014a21-01 rootwait rw nokaslr mitigations=off no5lvl \
    tsc=reliable no_timer_check i8042.noaux i8042.nokbd cryptomgr.notests random.trust_cpu=on ima=off audit=0 quiet \
    systemd.show_status=0 lsm=capability,yama,apparmor systemd.unified_cgroup_hierarchy=1";

/// What the developer asked for.
#[derive(Debug, PartialEq, Eq)]
struct Options<'a> {
    install: bool,
    /// The runtime's command line in the machine.
    runtime: &'a str,
    /// Parts of names of tests; none: all.
    tests: Vec<&'a str>,
}

pub(crate) fn run(words: &[&str]) -> Result<()> {
    let options = parse(words)?;
    if options.install {
        succeed(command("tests/material/install.sh").arg("tests/vm/packages.txt"))?;
    }
    let folder = workspace::material()?.join("vm");
    for script in ["tests/vm/build.sh", "tests/vm/qemu.sh"] {
        succeed(command(script).env("MATERIAL", workspace::material()?))?;
    }
    workspace::cargo(&["build", "--release", "--locked", "--package", "isolazi"])?;
    pack(&folder, &options)?;
    let console = folder.join("console.log");
    let verdict = Machine::start(&folder, &console)?.follow();
    if verdict.is_err() {
        show_end(&console)?;
    }
    verdict
}

fn parse<'a>(words: &[&'a str]) -> Result<Options<'a>> {
    let mut options = Options { install: true, runtime: "/run/tests/isolazi oci", tests: Vec::new() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| Error::invalid(format!("`{word}` wants a value")));
        match *word {
            "--no-install" => options.install = false,
            "--runtime" => options.runtime = value()?,
            "--test" => options.tests.push(value()?),
            _ => return Err(Error::invalid(format!("no such option of `vm`: `{word}`"))),
        }
    }
    Ok(options)
}

/// Writes the second disk.
fn pack(folder: &Path, options: &Options) -> Result<()> {
    let work = folder.join("files");
    let made = std::fs::create_dir_all(&work);
    made.context(|| format!("can't make `{}`", work.display()))?;
    for (name, text) in [("runtime", options.runtime.to_owned()), ("only", options.tests.join("\n"))] {
        std::fs::write(work.join(name), text).context(|| format!("can't write `{name}`"))?;
    }
    let binary = workspace::release_binary()?;
    std::fs::copy(&binary, work.join("isolazi")).context(|| format!("can't copy `{}`", binary.display()))?;
    let mut tar = command("tar");
    tar.args(["--owner=0", "--group=0", "--numeric-owner", "-cf"]).arg(folder.join("files.tar"));
    succeed(tar.args(["-C", "tests/vm/guest", ".", "-C"]).arg(&work).args(["isolazi", "runtime", "only"]))
}

/// A running qemu; it ends with this value, and, by `setpriv`, with this process.
struct Machine {
    qemu: Child,
    lines: Receiver<std::io::Result<String>>,
    started: Instant,
}

impl Machine {
    fn start(folder: &Path, console: &Path) -> Result<Self> {
        // One controller with two disks: of two controllers the kernel finds now this one, now that one first.
        let disk = |number: u32, file: &str| {
            let path = folder.join(file);
            // qemu takes a comma for the end of a value, unless it is doubled.
            let path = path.to_string_lossy().replace(',', ",,");
            [
                "-drive".to_owned(),
                format!("file={path},format=raw,if=none,id=disk{number},snapshot=on"),
                "-device".to_owned(),
                format!("nvme-ns,bus=disks,drive=disk{number},nsid={number}"),
            ]
        };
        let mut qemu = command("setpriv");
        qemu.env("MATERIAL", workspace::material()?);
        qemu.args(["--pdeathsig", "KILL", "tests/vm/qemu.sh", "-accel", "tcg,thread=multi", "-cpu", "max"]);
        qemu.args(["-machine", "q35", "-smp", PROCESSORS, "-m", MEMORY, "-nodefaults", "-no-user-config"]);
        qemu.args(["-display", "none", "-no-reboot", "-append", KERNEL, "-kernel"]).arg(folder.join("vmlinux"));
        qemu.args(["-device", "nvme,id=disks,serial=disks"]).args(disk(1, "root.img")).args(disk(2, "files.tar"));
        qemu.args(["-device", "virtio-serial-pci", "-chardev", "stdio,id=out,signal=off"]);
        qemu.args(["-device", "virtconsole,chardev=out", "-chardev"]);
        qemu.arg(format!("file,id=console,path={}", console.to_string_lossy().replace(',', ",,")));
        qemu.args(["-serial", "chardev:console"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let started = Instant::now();
        let mut qemu = qemu.spawn().context(|| "can't run `setpriv`")?;
        let lines = lines_of(qemu.stdout.take().expect("stdout is piped"));
        Ok(Self { qemu, lines, started })
    }

    /// Shows what the tests say until the machine is off; an error unless they all passed.
    fn follow(mut self) -> Result<()> {
        let mut result = None;
        loop {
            match self.lines.recv_timeout(LIMIT.saturating_sub(self.started.elapsed())) {
                Ok(line) => {
                    let line = line.context(|| "can't read the machine's output")?;
                    let line = line.trim_end();
                    if let Some(uptime) = line.strip_prefix("booted: ") {
                        println!("booted: {uptime} s of the machine's clock, {}", self.figures());
                        continue;
                    }
                    println!("{line}");
                    if let Some(failed) = failures(line) {
                        println!("{}", self.figures());
                        result = Some(failed);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let text = format!("the machine did not end within {} minutes", LIMIT.as_secs() / 60);
                    return Err(Error::new(Kind::Unavailable, text));
                }
            }
        }
        let status = self.qemu.wait().context(|| "can't wait for qemu")?;
        match result {
            Some(0) => Ok(()),
            Some(_) => Err(Error::new(Kind::Internal, "tests failed")),
            None => Err(Error::new(Kind::Internal, format!("the machine ended without a result ({status})"))),
        }
    }

    /// Wall and processor seconds since the start.
    fn figures(&self) -> String {
        let wall = self.started.elapsed().as_secs_f64();
        // Where /proc does not tell, there is nothing to say.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.qemu.id())).unwrap_or_default();
        format!("{wall:.1} s here, {:.1} s of processors", processor_seconds(&stat).unwrap_or_default())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Has ended already if all went well.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

fn lines_of(stdout: ChildStdout) -> Receiver<std::io::Result<String>> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            if sender.send(line).is_err() {
                break; // nobody waits any more
            }
        }
    });
    lines
}

/// `3 passed, 1 failed` → 1.
fn failures(line: &str) -> Option<u64> {
    let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
    // No test at all proves nothing.
    let passed: u64 = passed.parse().ok()?;
    failed.parse::<u64>().ok().map(|failed| if passed + failed == 0 { 1 } else { failed })
}

/// utime and stime of `/proc/<pid>/stat`, fields 14 and 15 (proc(5)), in hundredths of a second.
fn processor_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

/// The console's last lines, to stderr.
fn show_end(console: &PathBuf) -> Result<()> {
    let text = std::fs::read(console).context(|| format!("can't read `{}`", console.display()))?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    eprintln!("the end of {}:", console.display());
    for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
        eprintln!("  {}", line.trim_end());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_name_tests_and_runtime() {
        let options = parse(&["--test", "memory", "--no-install", "--test", "pids", "--runtime", "crun"]).unwrap();
        assert_eq!(options, Options { install: false, runtime: "crun", tests: vec!["memory", "pids"] });
        assert_eq!(parse(&["--test"]).unwrap_err().to_string(), "`--test` wants a value");
        assert_eq!(parse(&["--fast"]).unwrap_err().to_string(), "no such option of `vm`: `--fast`");
    }

    #[test]
    fn only_a_whole_line_of_counts_is_a_result() {
        assert_eq!(failures("12 passed, 0 failed"), Some(0));
        assert_eq!(failures("12 passed, 3 failed"), Some(3));
        assert_eq!(failures("0 passed, 0 failed"), Some(1));
        assert_eq!(failures("ok: 12 passed, 0 failed"), None);
        assert_eq!(failures("12 passed"), None);
    }

    #[test]
    fn processor_time_is_read_behind_a_name_with_blanks() {
        let stat = "42 (qemu (x) 1) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(processor_seconds(stat), Some(3.0));
    }
}
