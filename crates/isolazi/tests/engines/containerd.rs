//! containerd by its own client: the runtime is the shim's option `BinaryName`, which `--runc-binary` sets.

use crate::Check;
use crate::container::eventually;
use serde_json::Value;
use std::time::Duration;
use testkit::{Engine, Output, Pty, finish};

pub const CHECKS: &[Check] = &[
    ("exit_codes", exit_codes),
    ("life", life),
    ("exec", exec),
    ("terminal", terminal),
    ("pause", pause),
    ("resources", resources),
    ("confinement", confinement),
    ("mounts_and_devices", mounts_and_devices),
    ("namespaces", namespaces),
    ("many", many),
];

/// `ctr run FLAGS busybox ID COMMAND`.
fn words(engine: &Engine, id: &str, flags: &[&str], command: &[&str]) -> Vec<String> {
    let binary = engine.runtime().display().to_string();
    let group = format!("{}/{id}", engine.group());
    let image = engine.image();
    let fixed = ["run", "--runc-binary", &binary, "--cgroup", &group, "--fifo-dir", &fifos(engine)].map(str::to_owned);
    let rest =
        flags.iter().copied().chain([image.as_str(), id]).chain(command.iter().copied()).map(|word| word.to_owned());
    fixed.into_iter().chain(rest).collect()
}

fn fifos(engine: &Engine) -> String {
    engine.runtime().with_file_name("fifos").display().to_string()
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[track_caller]
fn run(engine: &Engine, id: &str, flags: &[&str], command: &[&str]) -> Output {
    engine.run(&strs(&words(engine, id, &[&["--rm"], flags].concat(), command)))
}

#[track_caller]
fn sh(engine: &Engine, id: &str, flags: &[&str], script: &str) -> String {
    let output = run(engine, id, flags, &["sh", "-c", script]);
    assert!(output.code == 0, "{flags:?} {script}: {output:#?}");
    output.stdout
}

/// A task in the background; dropping it kills and removes it.
struct Task<'a> {
    engine: &'a Engine,
    id: &'a str,
}

impl<'a> Task<'a> {
    #[track_caller]
    fn start(engine: &'a Engine, id: &'a str, flags: &[&str], command: &[&str]) -> Self {
        let task = Self { engine, id };
        // Nobody is there to read what it says.
        engine.ok(&strs(&words(engine, id, &[&["--detach", "--null-io"], flags].concat(), command)));
        task
    }

    fn exec_words(&self, exec: &str, flags: &[&str], command: &[&str]) -> Vec<String> {
        let fifos = fifos(self.engine);
        let words = ["tasks", "exec", "--exec-id", exec, "--fifo-dir", &fifos];
        words.iter().chain(flags).chain([&self.id]).chain(command).map(|word| (*word).to_owned()).collect()
    }

    #[track_caller]
    fn exec(&self, exec: &str, flags: &[&str], command: &[&str]) -> Output {
        self.engine.run(&strs(&self.exec_words(exec, flags, command)))
    }

    #[track_caller]
    fn ok(&self, command: &[&str]) -> String {
        self.engine.ok(&[&["tasks"], command, &[self.id]].concat())
    }

    /// `RUNNING`, `PAUSED`, `STOPPED`
    #[track_caller]
    fn status(&self) -> String {
        let list = self.engine.ok(&["tasks", "list"]);
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(self.id)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    }

    /// Waits until it has stopped; then the exit code.
    #[track_caller]
    fn end(&self) -> i32 {
        eventually("its end", || (self.status() == "STOPPED").then_some(()));
        let output = self.engine.run(&["tasks", "delete", self.id]);
        // `… level=warning msg="task x exit with non-zero exit code 137"`
        let code = output.stderr.rsplit_once("exit code ").map_or("0", |(_, code)| code.trim().trim_end_matches('"'));
        code.parse().unwrap()
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        // It may have ended, and been removed, by itself; the test's end looks for what is left.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.engine.run(&["tasks", "kill", "--signal", "SIGKILL", self.id]);
            self.engine.run(&["tasks", "delete", "--force", self.id]);
            self.engine.run(&["containers", "delete", self.id]);
        }));
    }
}

fn exit_codes(engine: &Engine) {
    for (number, (command, code)) in [
        (&["true"][..], 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "sleep 1000 & kill -9 $!; wait $!"], 137),
        (&["/etc/passwd"], 1),
        (&["no-such-program"], 1),
    ]
    .into_iter()
    .enumerate()
    {
        let output = run(engine, &format!("code{number}"), &[], command);
        assert_eq!(output.code, code, "{command:?}: {output:#?}");
        if code == 1 {
            // ctr itself has but one code; scripts read Docker's words.
            let words =
                if command[0] == "/etc/passwd" { "permission denied" } else { "executable file not found in $PATH" };
            assert!(output.stderr.contains(words), "{output:#?}");
        }
    }
}

fn life(engine: &Engine) {
    let script = "trap 'exit 9' USR1; touch /up; while :; do sleep 0.05; done";
    let task = Task::start(engine, "life", &[], &["sh", "-c", script]);
    assert_eq!(task.status(), "RUNNING");
    let mut count = 0;
    eventually("the trap", || {
        count += 1;
        (task.exec(&format!("up{count}"), &[], &["test", "-e", "/up"]).code == 0).then_some(())
    });
    task.ok(&["kill", "--signal", "SIGUSR1"]);
    assert_eq!(task.end(), 9);
    // The container is still there and can be started once more.
    engine.ok(&["tasks", "start", "--detach", "--null-io", "--fifo-dir", &fifos(engine), "life"]);
    assert_eq!(task.status(), "RUNNING");
    task.ok(&["kill", "--signal", "SIGKILL"]);
    assert_eq!(task.end(), 137);
}

fn exec(engine: &Engine) {
    let task = Task::start(engine, "execs", &["--env", "A=b"], &["sleep", "1000"]);
    for number in 0..20 {
        let script = format!("echo {number} $A; exit {number}");
        let output = task.exec(&format!("e{number}"), &[], &["sh", "-c", &script]);
        assert_eq!((output.code, output.stdout), (number, format!("{number} b\n")));
    }
    let output = task.exec("user", &["--user", "1000", "--cwd", "/tmp"], &["sh", "-c", "id -u; pwd"]);
    assert_eq!(output.stdout, "1000\n/tmp\n", "{output:#?}");
    let output = task.exec("missing", &[], &["no-such-program"]);
    assert!(output.code != 0 && output.stderr.contains("executable file not found in $PATH"), "{output:#?}");
    let list = task.ok(&["ps"]);
    assert_eq!(list.lines().count(), 2, "{list}");
}

fn terminal(engine: &Engine) {
    let ask = |pty: &mut Pty| {
        pty.expect("# ");
        pty.send("tty; until stty size | grep '24 80'; do sleep 0.1; done; echo a''sked\n");
        pty.expect("/dev/pts/");
        pty.expect("asked");
        pty.expect("# ");
    };
    let mut pty = engine.pty(&strs(&words(engine, "tty", &["--rm", "--tty"], &["sh"])));
    ask(&mut pty);
    pty.send("exit 42\n");
    assert_eq!(pty.wait().0, 42);
    let task = Task::start(engine, "tty2", &[], &["sleep", "1000"]);
    let mut pty = engine.pty(&strs(&task.exec_words("shell", &["--tty"], &["sh"])));
    ask(&mut pty);
    pty.send("exit 43\n");
    assert_eq!(pty.wait().0, 43);
}

fn pause(engine: &Engine) {
    let folder = engine.folder("paused");
    let mount = format!("type=bind,src={},dst=/out,options=rbind:rw", folder.display());
    let script = "while :; do i=$((i+1)); echo $i >/out/new; mv /out/new /out/count; sleep 0.01; done";
    let task = Task::start(engine, "paused", &["--mount", &mount], &["sh", "-c", script]);
    let count = || std::fs::read_to_string(folder.join("count")).ok();
    eventually("the first count", count);
    task.ok(&["pause"]);
    assert_eq!(task.status(), "PAUSED");
    let seen = count();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(count(), seen, "it goes on");
    task.ok(&["resume"]);
    eventually("the count to go on", || (count() != seen).then_some(()));
}

fn resources(engine: &Engine) {
    let flags = ["--memory-limit", "67108864", "--cpus", "0.5"];
    let task = Task::start(engine, "limited", &flags, &["sleep", "1000"]);
    let unified = std::fs::metadata("/sys/fs/cgroup/cgroup.controllers").is_ok();
    let read = |controller: &str, file: &str| {
        let top = if unified { String::new() } else { format!("/{controller}") };
        let path = format!("/sys/fs/cgroup{top}{}/limited/{file}", engine.group());
        std::fs::read_to_string(&path).unwrap_or_else(|cause| panic!("{path}: {cause}"))
    };
    assert_eq!(read("memory", if unified { "memory.max" } else { "memory.limit_in_bytes" }), "67108864\n");
    let cpu = if unified { ("cpu.max", "50000 100000\n") } else { ("cpu.cfs_quota_us", "50000\n") };
    assert_eq!(read("cpu", cpu.0), cpu.1);
    // The shim reads them by the path that it gave the runtime.
    let metrics: Value = serde_json::from_str(&task.ok(&["metrics", "--format", "json"])).unwrap();
    let memory = if unified { &metrics["memory"]["usage"] } else { &metrics["memory"]["usage"]["usage"] };
    assert!(memory.as_u64().unwrap() > 100_000, "{metrics}");
    assert_eq!(metrics["pids"]["current"], 1, "{metrics}");
}

fn confinement(engine: &Engine) {
    let status = |id: &str, flags: &[&str]| {
        sh(engine, id, flags, "grep -E '^(CapEff|NoNewPrivs|Seccomp:)' /proc/self/status | cut -f 2")
    };
    assert_eq!(status("plain", &[]), "00000000a80425fb\n1\n0\n");
    let flags = ["--cap-drop", "CAP_CHOWN", "--seccomp", "--allow-new-privs"];
    assert_eq!(status("fewer", &flags), "00000000a80425fa\n0\n2\n");
    let ours = std::fs::read_to_string("/proc/self/status").unwrap();
    let ours = ours.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).unwrap();
    assert!(status("privileged", &["--privileged"]).starts_with(ours));
}

fn mounts_and_devices(engine: &Engine) {
    let folder = engine.folder("binds");
    std::fs::write(folder.join("given"), "from the host\n").unwrap();
    let mount = |options: &str| format!("type=bind,src={},dst=/{options},options=rbind:{options}", folder.display());
    let (read_only, writable, tmpfs) = (mount("ro"), mount("rw"), "type=tmpfs,src=tmpfs,dst=/t,options=size=1m:nodev");
    let flags = ["--mount", &read_only, "--mount", &writable, "--mount", tmpfs, "--read-only", "--device", "/dev/full"];
    let script = "cat /ro/given; for d in / /ro /rw /t; do touch $d/x 2>/dev/null && echo $d; done
        echo x 2>/dev/null >/dev/full || echo full; ls /proc/1/fd";
    assert_eq!(sh(engine, "mounts", &flags, &format!("{script}; true")), "from the host\n/rw\n/t\nfull\n0\n1\n2\n");
}

fn namespaces(engine: &Engine) {
    let task = Task::start(engine, "first", &[], &["sleep", "1000"]);
    let list = task.ok(&["ps"]);
    let pid = list.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    let kinds = ["pid", "ipc", "uts", "net"];
    let joined = ["pid", "ipc", "uts", "network"]
        .iter()
        .zip(kinds)
        .map(|(name, kind)| format!("--with-ns={name}:/proc/{pid}/ns/{kind}"));
    let joined: Vec<String> = joined.collect();
    let text = sh(
        engine,
        "second",
        &strs(&joined),
        "cd /proc/self/ns; readlink pid; readlink ipc; readlink uts; readlink net",
    );
    let expected =
        kinds.map(|kind| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().display().to_string());
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

fn many(engine: &Engine) {
    let start = |number: i32| {
        let script = format!("echo {number}; exit {number}");
        let words = words(engine, &format!("many{number}"), &["--rm"], &["sh", "-c", &script]);
        (number, engine.command(&strs(&words)).spawn().unwrap())
    };
    let running: Vec<_> = (1..=20).map(start).collect();
    for (number, child) in running {
        let output = finish(child, b"", Duration::from_secs(60));
        assert_eq!((output.code, output.stdout.as_str()), (number, format!("{number}\n").as_str()), "{output:#?}");
    }
}
