//! `isolazi info`: this machine and what is on it.

use crate::args::{one, text};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::human;
use crate::screen::template::Format;
use crate::verbs::{Arity, Verb};
use api::Info;
use clap::{Arg, ArgMatches};
use error::Result;
use serde_json::{Map, Value, json};
use std::fmt::Write;

pub(crate) const VERB: Verb = Verb {
    name: "info",
    long: Some(("system", &["info"])),
    about: "Display system-wide information",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![text("format", "string", "Format output using a custom template: 'json' or TEMPLATE").short('f')]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let format = one(matches, "format").filter(|format| !format.is_empty()).map(Format::parse).transpose()?;
    let info = door.engine(As::Caller)?.info()?;
    match format {
        Some(format) => door.console.line(&format.one(fields(&info))?),
        None => door.console.out(table(&info)),
    }
    Ok(exit::SUCCESS)
}

/// By Docker's names, as far as they mean something here.
fn fields(info: &Info) -> Map<String, Value> {
    let value = json!({
        "Architecture": info.architecture,
        "CgroupVersion": info.cgroup,
        "Containers": info.containers,
        "ContainersRunning": info.running,
        "ContainersStopped": info.containers.saturating_sub(info.running),
        "DockerRootDir": info.data_root.to_string_lossy(),
        "Driver": "overlay",
        "Images": info.images,
        "KernelVersion": info.kernel,
        "MemTotal": info.memory_bytes,
        "NCPU": info.cpus,
        "OSType": "linux",
        "OperatingSystem": info.operating_system,
        "Rootless": info.rootless,
        "SecurityOptions": info.security,
        "ServerVersion": env!("CARGO_PKG_VERSION"),
    });
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn table(info: &Info) -> String {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{line}"); // a String takes everything
    };
    line(format_args!("Client: isolazi"));
    line(format_args!(" Version: {}", env!("CARGO_PKG_VERSION")));
    line(format_args!(""));
    line(format_args!("Engine:"));
    line(format_args!(" Containers: {}", info.containers));
    line(format_args!("  Running: {}", info.running));
    line(format_args!("  Stopped: {}", info.containers.saturating_sub(info.running)));
    line(format_args!(" Images: {}", info.images));
    line(format_args!(" Storage Driver: overlay"));
    line(format_args!(" Cgroup Version: {}", info.cgroup));
    line(format_args!(" Security Options:"));
    for option in &info.security {
        line(format_args!("  {option}"));
    }
    if info.rootless {
        line(format_args!("  rootless"));
    }
    line(format_args!(" Kernel Version: {}", info.kernel));
    line(format_args!(" Operating System: {}", info.operating_system));
    line(format_args!(" OSType: linux"));
    line(format_args!(" Architecture: {}", info.architecture));
    line(format_args!(" CPUs: {}", info.cpus));
    line(format_args!(" Total Memory: {}", human::binary_size(info.memory_bytes)));
    line(format_args!(" Data Root Dir: {}", info.data_root.display()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_known_is_shown() {
        let info = Info {
            containers: 3,
            running: 1,
            images: 2,
            data_root: "/root/.isolazi".into(),
            cgroup: "2".into(),
            kernel: "6.18.0".into(),
            operating_system: "Debian GNU/Linux 12 (bookworm)".into(),
            architecture: "x86_64".into(),
            cpus: 2,
            memory_bytes: 8_218_000_000,
            rootless: true,
            security: vec!["seccomp".into()],
        };
        let expected = format!(
            "\
Client: isolazi
 Version: {}

Engine:
 Containers: 3
  Running: 1
  Stopped: 2
 Images: 2
 Storage Driver: overlay
 Cgroup Version: 2
 Security Options:
  seccomp
  rootless
 Kernel Version: 6.18.0
 Operating System: Debian GNU/Linux 12 (bookworm)
 OSType: linux
 Architecture: x86_64
 CPUs: 2
 Total Memory: 7.654GiB
 Data Root Dir: /root/.isolazi
",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(table(&info), expected);
        assert_eq!(Format::parse("{{.NCPU}} {{.OSType}}").unwrap().one(fields(&info)).unwrap(), "2 linux");
    }
}
