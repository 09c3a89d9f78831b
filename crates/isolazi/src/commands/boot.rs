//! `isolazi boot`: after the machine has started, containers start whose restart policy wants it; and the unit that has
//! systemd call this.

use crate::args::{one, text};
use crate::attach;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::verbs::{Arity, Verb};
use clap::{Arg, ArgMatches};
use error::{Error, Result, ResultExt};
use std::path::Path;

pub(crate) const VERB: Verb = Verb {
    name: "boot",
    long: Some(("system", &["boot"])),
    about: "Start the containers whose restart policy wants it, after the machine has started",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![text("unit", "string", "Only print a systemd unit that does it (system, user)")]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    if let Some(whose) = one(matches, "unit") {
        let program = std::env::current_exe().context(|| "can't find the path of this program")?;
        let root = door.surroundings.paths()?.data;
        door.console.out(unit(whose, &program, &root)?);
        return Ok(exit::SUCCESS);
    }
    let engine = door.engine(As::Root)?;
    let mut code = exit::SUCCESS;
    for name in engine.wanted_after_boot()? {
        let started = engine.start(&name).and_then(|started| match started {
            Some(started) => attach::detach(&started.session.socket, &name),
            None => Ok(()),
        });
        match started {
            Ok(()) => door.console.line(&name),
            Err(error) => {
                door.console.complain(&error.context(format!("can't start container {name}")));
                code = exit::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Ending the unit asks the monitors that it started to end their containers.
fn unit(whose: &str, program: &Path, root: &Path) -> Result<String> {
    let (install, target, after) = match whose {
        "system" => (
            "isolazi boot --unit system >/etc/systemd/system/isolazi.service && systemctl enable isolazi",
            "multi-user.target",
            "Wants=network-online.target\nAfter=network-online.target\n",
        ),
        "user" => (
            "isolazi boot --unit user >~/.config/systemd/user/isolazi.service && systemctl --user enable isolazi && \
             loginctl enable-linger",
            "default.target",
            "",
        ),
        other => {
            let text = format!("invalid unit \"{other}\": must be one of \"system\" or \"user\"");
            return Err(Error::invalid(text));
        }
    };
    let (program, root) = (quoted(program), quoted(root));
    Ok(format!(
        "# {install}\n[Unit]\nDescription=Containers of isolazi\n{after}\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart={program} --root {root} boot\nDelegate=yes\nTimeoutStopSec=90\n\n[Install]\nWantedBy={target}\n"
    ))
}

/// As systemd.service(5) takes a word of a command line.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    if text.contains([' ', '\t', '\'', '\\']) { format!("\"{text}\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_name_the_program_the_data_and_the_way_to_install_them() {
        let text = unit("system", Path::new("/usr/bin/isolazi"), Path::new("/srv/my data/100%")).unwrap();
        assert_eq!(
            text,
            "# isolazi boot --unit system >/etc/systemd/system/isolazi.service && systemctl enable isolazi\n[Unit]\n\
             Description=Containers of isolazi\nWants=network-online.target\nAfter=network-online.target\n\n[Service]\n\
             Type=oneshot\nRemainAfterExit=yes\nExecStart=/usr/bin/isolazi --root \"/srv/my data/100%%\" boot\n\
             Delegate=yes\nTimeoutStopSec=90\n\n[Install]\nWantedBy=multi-user.target\n"
        );
        let text = unit("user", Path::new("/a"), Path::new("/b")).unwrap();
        assert!(text.contains("\nWantedBy=default.target\n") && text.contains("enable-linger"), "{text}");
        assert!(unit("both", Path::new("/a"), Path::new("/b")).is_err());
    }
}
