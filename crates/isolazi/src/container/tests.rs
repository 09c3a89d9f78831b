//! Command lines and the requests they become, recorded in `tests/golden/run.txt`.

use super::{Caller, Terminals, Wish, wish};
use crate::args::rest;
use crate::usage;
use crate::verbs;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Command lines as a shell would split them; the first word is the command.
const LINES: &[&str] = &[
    // Where flags stop, and how they cluster.
    "run alpine",
    "run -it alpine /bin/sh",
    "run -i -t=false alpine",
    "run -itq=false alpine",
    "run --rm --interactive=true --tty=0 alpine",
    "run alpine -e foo -it",
    "run alpine -- ls",
    "run -- alpine -e foo",
    "run -i -- alpine -- ls --",
    "run alpine sh -c 'echo $HOME; exit 3'",
    "run -e=A=b -eC=d -itehere=there alpine",
    "run -w/tmp -u1000:1000 -hbox alpine hostname -h",
    "run --name -x alpine",
    "run --name one --name two alpine",
    "run --help alpine",
    // Names that mean the same.
    "run --cwd /srv alpine",
    "run --workdir /srv alpine",
    "run --net none alpine",
    "run --network host alpine",
    // Every flag once.
    "run --detach --sig-proxy=false --detach-keys ctrl-a,d --quiet --rm --read-only --name web --hostname box \
     --user nobody:nogroup --entrypoint /bin/sh --platform linux/arm64 --pull always --stop-signal SIGUSR1 \
     --label a=1 -l b --env K=v --env-file vars --volume /a:/b:ro --tmpfs /run:size=1m --workdir /w --network none \
     alpine:3 -c true",
    "create --name web -i -t alpine",
    "create -d alpine",
    // Values.
    "run --entrypoint '' alpine",
    "run --entrypoint= alpine sh",
    "run -e K1=V1,K2=V2 -e NO_PROXY=a,b -e HOME -e UNSET alpine",
    "run --env-file vars -e A=flag alpine",
    "run -v data:/data -v ./here:/here -v /anonymous alpine",
    "run --name /web alpine",
    "run --stop-signal 9 alpine",
    // Limits.
    "run -m 64m --memory-swap 128m --memory-reservation 32m --memory-swappiness 10 --oom-kill-disable -c 512 \
     --cpuset-cpus 0-1 --cpuset-mems 0 --pids-limit 10 --blkio-weight 500 --device-read-bps /dev/sda:1mb \
     --device-write-bps /dev/sda:2mb --device-read-iops /dev/sda:3 --device-write-iops /dev/sda:4 alpine",
    "run --cpus 1.5 alpine",
    "run --cpu-period 50000 --cpu-quota 25000 alpine",
    "run -m 0 --cpus 0 --pids-limit -1 --memory-swappiness -1 --cpu-shares 0 alpine",
    "run -m64m -m=32m alpine",
    "run -m 64q alpine",
    "run --memory-swap -2 alpine",
    "run --cpus a alpine",
    "run -c x alpine",
    "run --blkio-weight 70000 alpine",
    "run --device-read-bps sda:1mb alpine",
    "run --device-write-iops /dev/sda:1mb alpine",
    // Rights.
    "run --privileged alpine",
    "run --cap-add NET_ADMIN --cap-add cap_sys_time --cap-drop ALL alpine",
    "run --security-opt no-new-privileges --security-opt seccomp=unconfined --security-opt apparmor=x \
     --security-opt label=disable --security-opt systempaths=unconfined alpine",
    "run --security-opt no-new-privileges:false --security-opt seccomp:profile.json alpine",
    "run --device /dev/fuse --device /dev/null:/dev/nil:r --device-cgroup-rule 'c 1:* rw' --group-add audio alpine",
    "run --cap-add NOPE alpine",
    "run --cap-drop CAP_NOPE alpine",
    "run --security-opt foo alpine",
    "run --security-opt foo=bar alpine",
    "run --security-opt seccomp= alpine",
    "run --security-opt seccomp=missing.json alpine",
    "run --security-opt seccomp=vars alpine",
    "run --device null alpine",
    "run --device /dev/null:/dev/x:q alpine",
    "run --device vendor.com/gpu=all alpine",
    "run --device-cgroup-rule c alpine",
    // Namespaces.
    "run --pid host --ipc host --uts host --cgroupns host --userns host alpine",
    "run --pid container:a --ipc container:b --uts container:c alpine",
    "run --ipc shareable --cgroupns private alpine",
    "run --ipc none --userns '' alpine",
    "run --pid nope alpine",
    "run --pid container: alpine",
    "run --ipc nope alpine",
    "run --uts nope alpine",
    "run --uts host -h box alpine",
    "run --cgroupns nope alpine",
    "run --userns nope alpine",
    "run --userns keep-id alpine",
    // Names and ports.
    "run --add-host db:10.0.0.7 --add-host six=[::1] --add-host gate:host-gateway --dns 9.9.9.9 --dns-search a.b \
     --dns-opt ndots:2 --dns-option use-vc --domainname example.org --expose 80 --expose 8000-8002/udp alpine",
    "run --add-host db alpine",
    "run --add-host db:x alpine",
    "run --dns x alpine",
    "run --dns-search -x alpine",
    "run --expose x alpine",
    "run --expose 80:80 alpine",
    "run --expose 9-8 alpine",
    // Processes and kernel parameters.
    "run --ulimit nofile=10:20 --ulimit core=-1 --ulimit core=0 --shm-size 1m --oom-score-adj -5 alpine",
    "run --network none --sysctl net.core.somaxconn=10 --sysctl kernel.msgmax=8192 alpine",
    "run --ulimit files=1 alpine",
    "run --ulimit nofile=2:1 alpine",
    "run --shm-size x alpine",
    "run --oom-score-adj 1001 alpine",
    "run --sysctl vm.swappiness=1 alpine",
    "run --sysctl net.core.somaxconn=10 alpine",
    "run --ipc host --sysctl kernel.msgmax=8192 alpine",
    // The rest.
    "run --annotation a=b --label-file notes -l a=2 --cidfile id --cgroup-parent /x --stop-timeout -1 --timeout 5 \
     --replace --name w1 --env-host -e LANG=de alpine",
    "run --annotation a alpine",
    "run --label-file missing alpine",
    "run --replace alpine",
    "run --timeout -1 alpine",
    "run --stop-timeout x alpine",
    "run --storage-opt size=1G alpine",
    "run --storage-opt foo=1 alpine",
    "run --gpus all alpine",
    "run --runtime runc alpine",
    "run --runtime kata alpine",
    "run --use-api-socket alpine",
    "run --disable-content-trust --kernel-memory 1g --isolation default --cpu-count 1 --cpu-percent 1 --io-maxiops 1 \
     --io-maxbandwidth 1 --link-local-ip 1.1.1.1 --volume-driver local --cpu-rt-period 1 --cpu-rt-runtime 1 \
     --blkio-weight-device /dev/sda:100 alpine",
    "run --log-driver local --log-opt max-size=1m --log-opt max-file=2 alpine",
    "run --log-opt max-size=1m --log-opt max-size=-1 --log-opt tag={{.Name}} alpine",
    "run --log-driver none alpine",
    // What is refused.
    "run --log-driver syslog alpine",
    "run --log-driver none --log-opt max-size=1m alpine",
    "run --log-driver journald --log-opt max-file=1 alpine",
    "run --log-opt max-size=0 alpine",
    "run --log-opt max-size=tiny alpine",
    "run --log-opt max-file=0 alpine",
    "run --log-opt tag={{.Shape}} alpine",
    "run --log-opt labels alpine",
    "run --env-file missing alpine",
    "run --publish 80:80 alpine",
    "run -itp 80:80 alpine",
    "run --name",
    "run --name w alpine",
    "run --name 'a b' alpine",
    "run --workdir srv alpine",
    "run --net bridge alpine",
    "run --pull newer alpine",
    "run --platform linux/ alpine",
    "run --stop-signal NOPE alpine",
    "run -v /a:/b -v /c:/b/ alpine",
    "run -v /a:/b --tmpfs /b alpine",
    "run -l =x alpine",
    "run --rm=perhaps alpine",
    "run ''",
    "run",
];

fn caller(terminals: Terminals) -> Caller<'static> {
    Caller {
        env: &|name| (name == "HOME").then(|| "/home/me".to_owned()),
        variables: &|| vec!["HOME=/home/me".to_owned(), "LANG=C".to_owned()],
        read: &|path| match path.to_str() {
            Some("vars") => Ok(b"# from a file\nA=file\nB=two words\nHOME\n".to_vec()),
            Some("notes") => Ok(b"# from a file\n\na=1\n b\n".to_vec()),
            Some("profile.json") => Ok(b"{ \"defaultAction\": \"SCMP_ACT_ALLOW\" }".to_vec()),
            _ => Err(std::io::Error::from_raw_os_error(2)),
        },
        directory: &|| Ok(PathBuf::from("/work/dir")),
        home: Some(Path::new("/home/me")),
        terminals,
        window: Some((24, 80)),
    }
}

/// Enough of a shell for the lines above: words, and single quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

fn parse(line: &str, terminals: Terminals) -> Result<Wish, String> {
    let words = split(line);
    let verb = verbs::find(&words[0]).unwrap();
    let matches = verb
        .command()
        .try_get_matches_from(&words[1..])
        .map_err(|e| usage::of_flags(&e, &format!("isolazi {}", verb.name), &verb.command()).text)?;
    if matches.get_flag("help") {
        return Err("help\n".to_owned());
    }
    let arguments = rest(&matches);
    usage::check_arity(verb, arguments.len()).map_err(|misuse| misuse.text)?;
    wish(&matches, arguments, verb.name == "run", &caller(terminals)).map_err(|error| crate::console::describe(&error))
}

/// The fields that differ from their defaults.
fn show(wish: &Wish) -> String {
    let value = |create: &api::Create| match serde_json::to_value(create).unwrap() {
        Value::Object(fields) => fields,
        _ => unreachable!("a struct is an object"),
    };
    let (defaults, mut fields) = (value(&api::Create::default()), value(&wish.create));
    fields.retain(|name, field| defaults.get(name) != Some(field));
    for (name, given) in [("quiet", wish.quiet), ("detach", wish.detach), ("no signals", !wish.forward_signals)] {
        if given {
            fields.insert(format!("({name})"), true.into());
        }
    }
    fields.extend(wish.detach_keys.clone().map(|keys| ("(detach keys)".to_owned(), keys.into())));
    let lines = fields.iter().map(|(name, field)| format!("  {name}: {field}\n"));
    lines.collect()
}

#[test]
fn command_lines_become_the_recorded_requests() {
    let text: String = LINES
        .iter()
        .map(|line| {
            let result = parse(line, Terminals::default());
            let text =
                result.map_or_else(|refusal| refusal.lines().map(|l| format!("  ! {l}\n")).collect(), |w| show(&w));
            format!("$ isolazi {line}\n{}\n", text.replace("  ! \n", ""))
        })
        .collect();
    testkit::golden("tests/golden/run.txt", &text);
}

#[test]
fn a_person_at_all_three_ends_gets_a_terminal_and_a_script_does_not() {
    let person = Terminals { stdin: true, stdout: true, stderr: true };
    for (line, terminals, expected) in [
        ("run alpine", person, (true, true)),
        ("run alpine sh", person, (true, true)),
        ("run -i alpine", person, (true, false)),
        ("run -t alpine", person, (false, true)),
        ("run --tty=false alpine", person, (false, false)),
        ("run -d alpine", person, (false, false)),
        ("create alpine", person, (false, false)),
        ("run alpine", Terminals { stdin: false, ..person }, (false, false)),
        ("run alpine", Terminals { stdout: false, ..person }, (false, false)),
        ("run alpine", Terminals { stderr: false, ..person }, (false, false)),
        ("run -it alpine", Terminals::default(), (true, true)),
    ] {
        let create = parse(line, terminals).unwrap().create;
        assert_eq!((create.interactive, create.tty), expected, "{line} {terminals:?}");
        assert_eq!(create.console_size, create.tty.then_some((24, 80)), "{line}");
    }
}
