//! What is mounted where, and what is open.

use crate::container::{run, sh};
use testkit::Engine;

pub fn a_read_only_root_refuses_and_its_tmpfs_takes(engine: &Engine) {
    let flags = ["--read-only", "--tmpfs", "/scratch:size=1m,mode=1777", "--tmpfs", "/programs:exec"];
    let script = "touch /x 2>&1; touch /scratch/x && echo taken; stat -c %a /scratch
        dd if=/dev/zero of=/scratch/big bs=2M count=1 2>&1 | grep -o 'No space left'
        cp /bin/busybox /programs/true; /programs/true && echo executed; grep ' /scratch ' /proc/mounts";
    let text = sh(engine, &flags, script);
    let (text, options) = text.split_at(text.rfind("\ntmpfs ").unwrap_or_else(|| panic!("{text}")) + 1);
    assert_eq!(text, "touch: /x: Read-only file system\ntaken\n1777\nNo space left\nexecuted\n");
    let options: Vec<&str> = options.split(' ').nth(3).unwrap().split(',').collect();
    for option in ["rw", "nosuid", "nodev", "size=1024k"] {
        assert!(options.contains(&option), "{option}: {options:?}");
    }
}

pub fn binds_are_writable_or_read_only(engine: &Engine) {
    let folder = engine.folder("binds");
    std::fs::write(folder.join("given"), "from the host\n").unwrap();
    let bind = |target: &str| format!("{}:{target}", folder.display());
    let (writable, read_only, file) = (bind("/deep/new/w"), bind("/r:ro"), format!("{}/given:/f:ro", folder.display()));
    let mount = format!("type=bind,source={},target=/m,readonly", folder.display());
    let flags = ["-v", &writable, "-v", &read_only, "-v", &file, "--mount", &mount];
    let script = "cat /f /r/given; for d in /deep/new/w /r /m; do touch $d/x 2>/dev/null && echo $d; done
        (echo >/f) 2>&1; true";
    let expected = "from the host\nfrom the host\n/deep/new/w\nsh: can't create /f: Read-only file system\n";
    assert_eq!(sh(engine, &flags, script), expected);
    assert!(std::fs::metadata(folder.join("x")).is_ok());
}

pub fn dev_holds_the_usual_devices_and_the_asked_ones(engine: &Engine) {
    let script = "for d in null zero full random urandom tty; do stat -c '%n %F %t:%T' /dev/$d; done
        for l in ptmx fd stdin; do readlink /dev/$l; done; stat -f -c %T /dev/shm; head -c 3 /dev/zero | wc -c
        df -k /dev/shm | tail -n 1 | awk '{print $2}'; head -c 2 /dev/asked | wc -c";
    let expected = "/dev/null character special file 1:3\n/dev/zero character special file 1:5\n\
        /dev/full character special file 1:7\n/dev/random character special file 1:8\n\
        /dev/urandom character special file 1:9\n/dev/tty character special file 5:0\n\
        pts/ptmx\n/proc/self/fd\n/proc/self/fd/0\ntmpfs\n3\n8192\n2\n";
    let text = sh(engine, &["--shm-size", "8m", "--device", "/dev/zero:/dev/asked"], script);
    assert_eq!(text, expected);
}

pub fn a_payload_has_three_descriptors(engine: &Engine) {
    assert_eq!(run(engine, &["-i"], &["sh", "-c", "ls /proc/1/fd; true"]).stdout, "0\n1\n2\n");
}
