//! `checkpoint` and `restore`: options become what CRIU is asked for.

use super::create::{Places, wait};
use super::door::Door;
use super::words::{Words, number};
use crate::exit::SUCCESS;
use error::{Error, Result, ResultExt};
use runtime::criu::{CgroupsMode, Common, Dump, NetworkLock, Restore};

/// Where the image files are unless `--image-path` says another folder: beside the caller.
const DEFAULT_IMAGE_PATH: &str = "checkpoint";

/// `checkpoint ID`
pub(super) fn checkpoint(door: &mut Door, words: &Words) -> Result<u8> {
    door.runtime()?.checkpoint(words.id()?, &dump(words)?)?;
    Ok(SUCCESS)
}

/// `restore ID`
pub(super) fn restore(door: &mut Door, words: &Words) -> Result<u8> {
    let runtime = door.runtime()?;
    let places = Places::of(words)?;
    let (what, options) = (places.create(words)?, restored(words)?);
    if words.on("detach") {
        runtime.restore(&what, &options)?;
        return Ok(SUCCESS);
    }
    wait(door, words, &runtime, what.id, || runtime.restore(&what, &options))
}

fn dump(words: &Words) -> Result<Dump> {
    let parent_path = words.path("parent-path");
    if parent_path.is_some_and(|path| !path.is_relative()) {
        return Err(Error::invalid("option `--parent-path`: the path must be relative to `--image-path`"));
    }
    Ok(Dump {
        common: common(words)?,
        parent_path: parent_path.map(Into::into),
        leave_running: words.on("leave-running"),
        pre_dump: words.on("pre-dump"),
        tcp_skip_in_flight: words.on("tcp-skip-in-flight"),
        link_remap: words.on("link-remap"),
        // runc's way to say "none" is -1.
        status_fd: words.text("status-fd")?.filter(|fd| *fd != "-1").map(|fd| number("status-fd", fd)).transpose()?,
        page_server: words.text("page-server")?.filter(|text| !text.is_empty()).map(page_server).transpose()?,
    })
}

fn restored(words: &Words) -> Result<Restore> {
    Ok(Restore {
        common: common(words)?,
        tcp_close: words.on("tcp-close"),
        lsm_profile: words.text("lsm-profile")?.filter(|text| !text.is_empty()).map(str::to_owned),
        lsm_mount_context: words.text("lsm-mount-context")?.filter(|text| !text.is_empty()).map(str::to_owned),
    })
}

fn common(words: &Words) -> Result<Common> {
    let mode = words.text("manage-cgroups-mode")?;
    let lock = words.text("network-lock")?;
    let empty_ns = words.texts("empty-ns")?;
    if let Some(other) = empty_ns.iter().find(|name| **name != "network") {
        return Err(Error::invalid(format!("option `--empty-ns`: `{other}` is not `network`")));
    }
    let image_path = words.path("image-path").unwrap_or(DEFAULT_IMAGE_PATH.as_ref());
    Ok(Common {
        image_path: std::path::absolute(image_path).context(|| "option `--image-path`")?,
        work_path: words.path("work-path").map(std::path::absolute).transpose().context(|| "option `--work-path`")?,
        tcp_established: words.on("tcp-established"),
        ext_unix_sk: words.on("ext-unix-sk"),
        shell_job: words.on("shell-job"),
        file_locks: words.on("file-locks"),
        manage_cgroups_mode: match mode {
            None | Some("" | "soft") => CgroupsMode::Soft,
            Some("full") => CgroupsMode::Full,
            Some("strict") => CgroupsMode::Strict,
            Some("ignore") => CgroupsMode::Ignore,
            Some(other) => return Err(none_of("manage-cgroups-mode", other, "soft, full, strict and ignore")),
        },
        network_lock: match lock {
            None | Some("") => None,
            Some("iptables") => Some(NetworkLock::Iptables),
            Some("nftables") => Some(NetworkLock::Nftables),
            Some("skip") => Some(NetworkLock::Skip),
            Some(other) => return Err(none_of("network-lock", other, "iptables, nftables and skip")),
        },
        empty_ns: empty_ns.into_iter().map(str::to_owned).collect(),
        auto_dedup: words.on("auto-dedup"),
        lazy_pages: words.on("lazy-pages"),
    })
}

fn none_of(option: &str, value: &str, known: &str) -> Error {
    Error::invalid(format!("option `--{option}`: `{value}` is none of {known}"))
}

/// `ADDRESS:PORT`, an IPv6 address between brackets.
fn page_server(text: &str) -> Result<(String, u16)> {
    let parts = text.rsplit_once(':').and_then(|(address, port)| Some((address, port.parse().ok()?)));
    let (address, port) = parts
        .filter(|(address, _)| !address.is_empty())
        .ok_or_else(|| Error::invalid(format!("option `--page-server`: `{text}` is not ADDRESS:PORT")))?;
    Ok((address.trim_start_matches('[').trim_end_matches(']').to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::super::{table, words};
    use super::*;
    use std::ffi::OsString;

    fn said(command: &str, line: &str) -> Words {
        let command = table::find(command).unwrap();
        words::parse(command.options, false, line.split(' ').map(OsString::from)).unwrap()
    }

    #[test]
    fn every_option_of_a_dump_arrives() {
        let line = "--image-path /i --work-path /w --parent-path ../p --leave-running --pre-dump --tcp-established \
                    --tcp-skip-in-flight --link-remap --ext-unix-sk --shell-job --file-locks --manage-cgroups-mode full \
                    --network-lock skip --empty-ns network --auto-dedup --lazy-pages --status-fd 3 --page-server [::1]:27 x";
        let expected = Dump {
            common: Common {
                image_path: "/i".into(),
                work_path: Some("/w".into()),
                tcp_established: true,
                ext_unix_sk: true,
                shell_job: true,
                file_locks: true,
                manage_cgroups_mode: CgroupsMode::Full,
                network_lock: Some(NetworkLock::Skip),
                empty_ns: vec!["network".into()],
                auto_dedup: true,
                lazy_pages: true,
            },
            parent_path: Some("../p".into()),
            leave_running: true,
            pre_dump: true,
            tcp_skip_in_flight: true,
            link_remap: true,
            status_fd: Some(3),
            page_server: Some(("::1".into(), 27)),
        };
        assert_eq!(dump(&said("checkpoint", line)).unwrap(), expected);
        let least = Dump {
            common: Common { image_path: std::path::absolute("checkpoint").unwrap(), ..Common::default() },
            ..Dump::default()
        };
        assert_eq!(dump(&said("checkpoint", "--status-fd -1 x")).unwrap(), least);
    }

    #[test]
    fn options_of_a_restore_arrive() {
        let line = "--image-path /i --tcp-close --lsm-profile apparmor:p --lsm-mount-context c x";
        let expected = Restore {
            common: Common { image_path: "/i".into(), ..Common::default() },
            tcp_close: true,
            lsm_profile: Some("apparmor:p".into()),
            lsm_mount_context: Some("c".into()),
        };
        assert_eq!(restored(&said("restore", line)).unwrap(), expected);
    }

    #[test]
    fn wrong_values_are_told_by_the_option() {
        for (line, words) in [
            ("--parent-path /p x", "option `--parent-path`: the path must be relative to `--image-path`"),
            ("--empty-ns pid x", "option `--empty-ns`: `pid` is not `network`"),
            (
                "--manage-cgroups-mode x x",
                "option `--manage-cgroups-mode`: `x` is none of soft, full, strict and ignore",
            ),
            ("--network-lock x x", "option `--network-lock`: `x` is none of iptables, nftables and skip"),
            ("--page-server :1 x", "option `--page-server`: `:1` is not ADDRESS:PORT"),
            ("--page-server a:70000 x", "option `--page-server`: `a:70000` is not ADDRESS:PORT"),
            ("--status-fd -2 x", "option `--status-fd`: `-2` is no number that fits"),
        ] {
            assert_eq!(dump(&said("checkpoint", line)).unwrap_err().to_string(), words);
        }
    }
}
