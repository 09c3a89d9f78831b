//! Ways out by the program itself: the real binary, called as engines call it, against containers that attack it.

use rustix::fs::symlink;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::{Isolazi, Output, finish};

/// The longest that a command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A copy of the program, which an attack may spoil, with a bundle and a place for states.
struct Victim {
    isolazi: Isolazi,
    program: PathBuf,
    id: String,
}

impl Victim {
    fn new(name: &str) -> Self {
        let isolazi = Isolazi::new();
        let program = isolazi.work().join("victim");
        // By another process: until it ends nobody could execute what it writes.
        let copied = Command::new("cp").arg(testkit::binary()).arg(&program).status();
        assert!(copied.is_ok_and(|status| status.success()));
        let victim = Self { isolazi, program, id: format!("escapes-{}-{name}", std::process::id()) };
        for folder in ["states", "bundle/rootfs/bin", "bundle/rootfs/tmp", "bundle/rootfs/proc", "bundle/rootfs/dev"] {
            fs::create_dir_all(victim.work(folder)).expect("the place is ours");
        }
        fs::create_dir_all(victim.inside("sys")).expect("the place is ours");
        fs::copy("/bin/busybox", victim.inside("bin/busybox")).expect("busybox is installed");
        for applet in ["sh", "cat", "grep", "ls", "sleep", "true"] {
            symlink("busybox", victim.inside("bin").join(applet)).expect("the place is ours");
        }
        let bundle = victim.work("bundle");
        victim.oci(&["spec", "--bundle", bundle.to_str().expect("a place's name is text")]).succeeds();
        victim.document(|_| {});
        victim
    }

    fn work(&self, name: &str) -> PathBuf {
        self.isolazi.work().join(name)
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.work("bundle/rootfs").join(path)
    }

    /// The document that `spec` wrote, changed.
    fn document(&self, change: impl FnOnce(&mut Value)) {
        let path = self.work("bundle/config.json");
        let mut spec: Value = serde_json::from_slice(&fs::read(&path).expect("it was written")).expect("it is JSON");
        spec["process"]["terminal"] = false.into();
        spec["root"]["readonly"] = false.into();
        change(&mut spec);
        fs::write(&path, spec.to_string()).expect("the place is ours");
    }

    /// By a shell that hands on more descriptors, as careless callers do.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 7</ 8</etc", "sh"]).arg(&self.program).args(["oci", "--root"]);
        command.arg(self.work("states")).args(arguments).env_clear().env("PATH", "/usr/bin:/bin");
        command.current_dir(self.work("bundle")).stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn oci(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command.spawn().expect("a shell is installed"), b"", PATIENCE)
    }

    /// What stays behind the command must not hold our pipes.
    #[track_caller]
    fn oci_behind(&self, arguments: &[&str]) {
        let mut command = self.command(arguments);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "{arguments:?}");
    }

    /// A static program made of C.
    fn build(&self, name: &str, source: &str) {
        let file = self.work(&format!("{name}.c"));
        fs::write(&file, source).expect("the place is ours");
        let target = self.inside(&format!("bin/{name}"));
        let status = Command::new("cc").args(["-static", "-O1", "-o"]).arg(&target).arg(&file).status();
        assert!(status.is_ok_and(|status| status.success()), "a C compiler is installed");
    }

    fn wait_for(&self, path: &str) {
        let end = Instant::now() + PATIENCE;
        while fs::symlink_metadata(self.inside(path)).is_err() {
            assert!(Instant::now() < end, "{path} does not come");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let output = self.oci(&["delete", "--force", &self.id]);
        if !std::thread::panicking() {
            output.succeeds();
        }
    }
}

/// Keeps the program of every process that it sees, waits until they have ended, and writes into what it kept.
const THIEF: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
    struct stat own, shell, found;
    struct { dev_t dev; ino_t ino; int fd; } kept[64];
    int count = 0, written = 0;
    stat("/proc/self/exe", &own);
    stat("/bin/busybox", &shell);
    close(open("/tmp/ready", O_CREAT | O_WRONLY, 0600));
    for (unsigned long turn = 0; (turn & 255) || access("/tmp/over", F_OK); turn++)
        for (int pid = getpid() + 1; pid < getpid() + 200; pid++) {
            char path[64];
            snprintf(path, sizeof path, "/proc/%d/exe", pid);
            int fd = open(path, O_PATH), known = 0;
            if (fd < 0 || fstat(fd, &found)) continue;
            known = found.st_ino == own.st_ino || found.st_ino == shell.st_ino || count == 64;
            for (int i = 0; i < count; i++) known |= kept[i].ino == found.st_ino && kept[i].dev == found.st_dev;
            if (known) { close(fd); continue; }
            kept[count].dev = found.st_dev, kept[count].ino = found.st_ino, kept[count++].fd = fd;
        }
    for (int i = 0; i < count; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", kept[i].fd);
        int fd = open(path, O_WRONLY);
        if (fd >= 0 && write(fd, "spoiled", 7) == 7) written++;
        chmod(path, 0777);
    }
    FILE *out = fopen("/tmp/stolen", "w");
    fprintf(out, "%d %d\n", count > 0, written);
    return fclose(out);
}"#;

/// CVE-2019-5736: a payload that gets hold of the program that makes it, or comes in, or is executed inside by its link,
/// cannot write to it; not even one that may trace everybody.
#[test]
fn a_payload_cannot_write_to_the_program() {
    let victim = Victim::new("program");
    victim.build("thief", THIEF);
    fs::write(victim.inside("bin/script"), "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(victim.inside("bin/script"), PermissionsExt::from_mode(0o755)).unwrap();
    let before = (fs::read(&victim.program).unwrap(), fs::metadata(&victim.program).unwrap().permissions().mode());
    victim.document(|spec| {
        spec["process"]["args"] = json!(["thief"]);
        for set in ["bounding", "effective", "permitted"] {
            spec["process"]["capabilities"][set] = json!(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]);
        }
    });
    victim.oci_behind(&["run", "--detach", &victim.id]);
    victim.wait_for("tmp/ready");
    for _ in 0..10 {
        assert_eq!(victim.oci(&["exec", &victim.id, "true"]).code, 0);
        for program in ["/proc/self/exe", "/bin/script"] {
            victim.oci(&["exec", &victim.id, program, "--version"]); // it may end as it likes
        }
    }
    fs::write(victim.inside("tmp/over"), "").unwrap();
    victim.wait_for("tmp/stolen");
    while fs::read(victim.inside("tmp/stolen")).unwrap().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(fs::read_to_string(victim.inside("tmp/stolen")).unwrap(), "1 0\n", "got hold of it, could not write");
    for program in ["/proc/self/exe", "/bin/script"] {
        victim.oci(&["delete", "--force", &victim.id]).succeeds();
        victim.document(|spec| spec["process"]["args"] = json!([program, "--version"]));
        victim.oci(&["run", &victim.id]);
    }
    let after = (fs::read(&victim.program).unwrap(), fs::metadata(&victim.program).unwrap().permissions().mode());
    assert!(before == after, "the program was changed");
}

/// CVE-2024-21626: no descriptor of the runtime, nor of who called it, is a way to the host's tree, for a working
/// directory or for a program.
#[test]
fn no_descriptor_leads_to_the_host() {
    let victim = Victim::new("cwd");
    fs::write(victim.work("canary"), "of the host").unwrap();
    let canary = victim.work("canary").display().to_string();
    let look = format!("cat ..{canary} ../../..{canary} ../../../../../../../../../..{canary} .{canary}");
    victim.document(|spec| spec["process"]["args"] = json!(["sleep", "1000"]));
    victim.oci_behind(&["run", "--detach", &victim.id]);
    let other = format!("{}-run", victim.id);
    for number in 3..24 {
        for cwd in [format!("/proc/self/fd/{number}"), format!("/proc/self/fd/{number}/../.."), "/proc/self/cwd".into()]
        {
            let output = victim.oci(&["exec", "--cwd", &cwd, &victim.id, "sh", "-c", &look]);
            assert!(output.code != 0 && !output.stdout.contains("of the host"), "{cwd}: {output:?}");
            assert!(output.stderr.contains("can't enter the working directory"), "{cwd}: {output:?}");
        }
        let program = format!("/proc/self/fd/{number}/bin/sh");
        let output = victim.oci(&["exec", &victim.id, &program, "-c", "echo out"]);
        assert!(output.code != 0 && output.stdout.is_empty(), "{program}: {output:?}");
    }
    for number in 3..24 {
        victim.document(|spec| {
            spec["process"]["cwd"] = format!("/proc/self/fd/{number}").into();
            spec["process"]["args"] = json!(["sh", "-c", look]);
        });
        let output = victim.oci(&["run", &other]);
        assert!(output.code != 0 && output.stderr.contains("can't enter the working directory"), "{output:?}");
        victim.document(|spec| {
            spec["process"]["cwd"] = "/".into();
            spec["process"]["args"] = json!([format!("/proc/self/fd/{number}/bin/sh"), "-c", "echo out"]);
        });
        let output = victim.oci(&["run", &other]);
        assert!(output.code != 0 && output.stdout.is_empty(), "{output:?}");
    }
}

/// CVE-2016-9962 and CVE-2024-21626, in the time between `create` and `start`.
#[test]
fn a_created_container_holds_nothing_of_the_hosts() {
    let victim = Victim::new("created");
    let (pid_file, log) = (victim.work("pid").display().to_string(), victim.work("log").display().to_string());
    victim.oci_behind(&["--log", &log, "create", "--pid-file", &pid_file, &victim.id]);
    let pid = fs::read_to_string(&pid_file).unwrap();
    let links: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap().display().to_string())
        .collect();
    let foreign: Vec<_> = links.iter().filter(|link| *link != "/dev/null" && !link.starts_with("socket:[")).collect();
    assert!(foreign.is_empty() && links.len() == 5, "{links:?}");
    for link in ["cwd", "root"] {
        let (seen, own) = (format!("/proc/{pid}/{link}/bin/busybox"), victim.inside("bin/busybox"));
        let inode = |path: PathBuf| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
        assert_eq!(inode(seen.into()), inode(own), "{link}");
    }
}

/// CVE-2022-24769, CVE-2022-29162: a capability that is inheritable comes back by a program's file capabilities.
#[test]
fn nothing_is_inheritable_unless_the_document_says_so() {
    let victim = Victim::new("caps");
    let sets = ["grep", "Cap\\(Inh\\|Amb\\)", "/proc/self/status"];
    let none = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n";
    victim.document(|spec| spec["process"]["args"] = json!(sets));
    assert_eq!(victim.oci(&["run", &victim.id]).ok(), none);
    victim.document(|spec| spec["process"]["args"] = json!(["sleep", "1000"]));
    victim.oci_behind(&["run", "--detach", &victim.id]);
    let exec = [&["exec", "--cap", "CAP_NET_ADMIN", "--cap", "CAP_SYSLOG", &victim.id], &sets[..]].concat();
    assert_eq!(victim.oci(&exec).ok(), none);
}

/// A file with a link or a pipe at its side that somebody else has put there, in a folder that both may write to.
#[test]
fn a_process_id_is_written_into_a_new_file() {
    let victim = Victim::new("pid-file");
    fs::write(victim.work("precious"), "kept").unwrap();
    let pid_file = victim.work("pid").display().to_string();
    fs::hard_link(victim.work("precious"), victim.work(".pid")).unwrap();
    victim.oci_behind(&["create", "--pid-file", &pid_file, &victim.id]);
    assert_eq!(fs::read_to_string(victim.work("precious")).unwrap(), "kept");
    assert!(fs::read_to_string(&pid_file).unwrap().parse::<u32>().is_ok());
}
