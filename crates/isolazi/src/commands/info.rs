//! `isolazi info`: this machine and what is on it.

use crate::args::{one, text};
use crate::commands::template_of;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::human;
use crate::screen::template;
use crate::verbs::{Arity, Verb};
use api::Info;
use clap::{Arg, ArgMatches};
use error::Result;
use serde::Serialize;
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
    let format = match template_of(door, one(matches, "format")) {
        Ok(format) => format,
        Err(code) => return Ok(code),
    };
    let info = door.engine(As::Caller)?.info()?;
    match format {
        Some(format) => door.console.line(&format.fill(&template::of(&Fields::new(&info)))?),
        None => door.console.out(table(&info)),
    }
    Ok(exit::SUCCESS)
}

/// What a template sees, by Docker's names, as far as they mean something here.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase", rename = "info")]
struct Fields<'a> {
    containers: usize,
    containers_running: usize,
    containers_paused: usize,
    containers_stopped: usize,
    images: usize,
    driver: &'static str,
    cgroup_version: &'a str,
    kernel_version: &'a str,
    operating_system: &'a str,
    #[serde(rename = "OSType")]
    os_type: &'static str,
    architecture: &'a str,
    #[serde(rename = "NCPU")]
    cpus: usize,
    mem_total: u64,
    name: &'a str,
    docker_root_dir: String,
    server_version: &'static str,
    security_options: &'a [String],
    rootless: bool,
}

impl<'a> Fields<'a> {
    fn new(info: &'a Info) -> Self {
        Self {
            containers: info.containers,
            containers_running: info.running,
            containers_paused: info.paused,
            containers_stopped: stopped(info),
            images: info.images,
            driver: "overlay",
            cgroup_version: &info.cgroup,
            kernel_version: &info.kernel,
            operating_system: &info.operating_system,
            os_type: "linux",
            architecture: &info.architecture,
            cpus: info.cpus,
            mem_total: info.memory_bytes,
            name: &info.name,
            docker_root_dir: info.data_root.to_string_lossy().into_owned(),
            server_version: env!("CARGO_PKG_VERSION"),
            security_options: &info.security,
            rootless: info.rootless,
        }
    }
}

fn stopped(info: &Info) -> usize {
    info.containers.saturating_sub(info.running + info.paused)
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
    line(format_args!("  Paused: {}", info.paused));
    line(format_args!("  Stopped: {}", stopped(info)));
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
    line(format_args!(" Name: {}", info.name));
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
            paused: 1,
            name: "host".into(),
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
  Paused: 1
  Stopped: 1
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
 Name: host
 Data Root Dir: /root/.isolazi
",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(table(&info), expected);
        let filled = |format: &str| {
            let fields = template::of(&Fields::new(&info));
            template::Template::parse(format).and_then(|format| format.fill(&fields)).map_err(|e| e.to_string())
        };
        assert_eq!(filled("{{.NCPU}} {{.OSType}} {{join .SecurityOptions \",\"}}").unwrap(), "2 linux seccomp");
        assert_eq!(
            filled("{{.Nope}}").unwrap_err(),
            "template parsing error: template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\""
        );
    }
}
