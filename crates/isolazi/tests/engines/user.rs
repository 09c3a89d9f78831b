//! Who the payload is, where it stands, and what it is told.

use crate::container::{run, sh};
use testkit::{Engine, Kind};

pub fn user_group_and_folder_are_as_asked(engine: &Engine) {
    let script = "id; umask; touch /root/x 2>/dev/null || echo refused";
    let text = sh(engine, &["--user", "app"], script);
    assert!(text.starts_with("uid=1000(app) gid=1000(app)") && text.contains("10(wheel)"), "{text}");
    assert!(text.ends_with("\n0022\nrefused\n"), "{text}");
    let flags = ["--user", "1234:4321", "--group-add", "99", "--workdir", "/home/app"];
    assert_eq!(sh(engine, &flags, "id -u; id -g; id -G; pwd"), "1234\n4321\n4321 99\n/home/app\n");
    if engine.kind() == Kind::Docker {
        // Podman refuses by itself.
        assert_eq!(sh(engine, &["--workdir", "/not/there/yet"], "pwd"), "/not/there/yet\n");
    }
}

pub fn environment_and_arguments_arrive_whole(engine: &Engine) {
    assert_eq!(
        sh(engine, &["-e", "A=a b", "-e", "EMPTY=", "-e", "B=c=d\"e\\"], "echo \"$A|${EMPTY-unset}|$B|$PATH\""),
        "a b||c=d\"e\\|/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    );
    let long = "x".repeat(100_000);
    let command = ["sh", "-c", "echo $# ${#1} \"$2\" \"<$3>\"", "sh", &long, "b \u{fc} \n c", ""];
    assert_eq!(run(engine, &[], &command).stdout, "3 100000 b \u{fc} \n c <>\n");
}
