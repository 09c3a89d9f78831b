//! Commands that only answer: `state`, `list`, `features`, `version`.
//!
//! The fields are runc's, and crun's where it has one more (`systemd-scope`).

use super::Called;
use super::door::Door;
use super::words::Words;
use crate::exit::SUCCESS;
use crate::surroundings::user_name;
use error::{Error, Kind, Result};
use oci::runtime::Status;
use runtime::container::Container;
use runtime::features::NEWEST_SPEC;
use serde::Serialize;
use std::collections::BTreeMap;

/// The commit this was built from, if the build said so.
const COMMIT: Option<&str> = option_env!("ISOLAZI_COMMIT");

/// What `state` and `list` print of a container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    oci_version: &'a str,
    id: &'a str,
    /// 0 where there is no process.
    pid: i32,
    status: Status,
    bundle: &'a str,
    rootfs: std::borrow::Cow<'a, str>,
    created: &'a str,
    #[serde(rename = "systemd-scope", skip_serializing_if = "Option::is_none")]
    systemd_scope: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
    owner: String,
}

impl<'a> Shown<'a> {
    fn of(container: &'a Container) -> Self {
        let state = &container.state;
        Self {
            oci_version: &state.oci_version,
            id: &state.id,
            pid: if state.status == Status::Stopped { 0 } else { state.pid.unwrap_or(0) },
            status: state.status,
            bundle: &state.bundle,
            rootfs: container.rootfs.to_string_lossy(),
            created: &container.created,
            systemd_scope: container.systemd_unit.as_deref(),
            annotations: &state.annotations,
            owner: user_name(container.owner).unwrap_or_else(|| format!("#{}", container.owner)),
        }
    }
}

/// `state ID`
pub(super) fn state(door: &mut Door, words: &Words) -> Result<u8> {
    let container = door.runtime()?.state(words.id()?)?;
    let text = json(serde_json::to_string_pretty(&Shown::of(&container)))?;
    door.console.line(&text);
    Ok(SUCCESS)
}

/// `list`
pub(super) fn list(door: &mut Door, words: &Words) -> Result<u8> {
    let format = table_or_json(words)?;
    let containers = door.list(&door.runtime()?)?;
    let shown: Vec<Shown> = containers.iter().map(Shown::of).collect();
    let text = match format {
        _ if words.on("quiet") => shown.iter().map(|one| format!("{}\n", one.id)).collect(),
        Format::Table => table(&shown),
        Format::Json => json(serde_json::to_string(&shown))? + "\n",
    };
    door.console.out(text);
    Ok(SUCCESS)
}

/// `features`
pub(super) fn features(door: &mut Door, _: &Words) -> Result<u8> {
    let text = json(serde_json::to_string_pretty(&runtime::features::features()))?;
    door.console.line(&text);
    Ok(SUCCESS)
}

/// `version`
pub(super) fn version(door: &mut Door, _: &Words) -> Result<u8> {
    door.console.out(version_text(door.called));
    Ok(SUCCESS)
}

/// What `--version` prints. The first line begins with the name called, which containerd's client parses for runc.
pub(super) fn version_text(called: Called) -> String {
    let version = env!("CARGO_PKG_VERSION");
    // Nobody shall take it for the other program's version.
    let whose = if called.name == "isolazi-oci" { "" } else { "+isolazi" };
    let commit = COMMIT.map_or_else(String::new, |commit| format!("commit: {commit}\n"));
    format!("{} version {version}{whose}\n{commit}spec: {NEWEST_SPEC}\n", called.name)
}

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
}

/// `--format table` or `--format json`.
pub(super) fn table_or_json(words: &Words) -> Result<Format> {
    match words.text("format")? {
        None | Some("" | "table") => Ok(Format::Table),
        Some("json") => Ok(Format::Json),
        Some(other) => Err(Error::invalid(format!("invalid format option `{other}`: it is table or json"))),
    }
}

/// A value that is written as JSON.
pub(super) fn json(text: serde_json::Result<String>) -> Result<String> {
    text.map_err(|cause| Error::new(Kind::Internal, format!("can't write JSON: {cause}")))
}

/// In the layout of runc's (Go's text/tabwriter with minimal width 12 and padding 3).
fn table(shown: &[Shown]) -> String {
    const MIN_WIDTH: usize = 12;
    const PADDING: usize = 3;
    let row = |cells: [&str; 6]| cells.map(str::to_owned);
    let mut rows = vec![row(["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"])];
    for one in shown {
        let status = format!("{:?}", one.status).to_lowercase();
        rows.push(row([one.id, &one.pid.to_string(), &status, one.bundle, one.created, &one.owner]));
    }
    let mut text = String::new();
    for cells in &rows {
        for (column, cell) in cells.iter().enumerate() {
            let widest = rows.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
            let width = (widest + PADDING).max(MIN_WIDTH);
            text.push_str(&if column + 1 < cells.len() { format!("{cell:width$}") } else { format!("{cell}\n") });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci::runtime::State;

    fn container(id: &str, status: Status) -> Container {
        Container {
            state: State {
                oci_version: "1.2.1".into(),
                id: id.into(),
                status,
                pid: Some(4711),
                bundle: "/b".into(),
                annotations: BTreeMap::from([("a".into(), "b".into())]),
            },
            rootfs: "/b/rootfs".into(),
            created: "2026-08-20T12:00:00.5Z".into(),
            owner: 4_000_000_000,
            systemd_unit: None,
        }
    }

    #[test]
    fn a_state_has_runcs_fields() {
        let text = |container: &Container| serde_json::to_string(&Shown::of(container)).unwrap();
        assert_eq!(
            text(&container("x", Status::Running)),
            r##"{"ociVersion":"1.2.1","id":"x","pid":4711,"status":"running","bundle":"/b","rootfs":"/b/rootfs","created":"2026-08-20T12:00:00.5Z","annotations":{"a":"b"},"owner":"#4000000000"}"##
        );
        let mut stopped = container("x", Status::Stopped);
        stopped.systemd_unit = Some("x.scope".into());
        stopped.state.annotations.clear();
        assert_eq!(
            text(&stopped),
            r##"{"ociVersion":"1.2.1","id":"x","pid":0,"status":"stopped","bundle":"/b","rootfs":"/b/rootfs","created":"2026-08-20T12:00:00.5Z","systemd-scope":"x.scope","owner":"#4000000000"}"##
        );
    }

    #[test]
    fn a_table_has_runcs_columns() {
        let containers = [container("short", Status::Created), container("0123456789abcdef", Status::Stopped)];
        let shown: Vec<_> = containers.iter().map(Shown::of).collect();
        assert_eq!(
            table(&shown),
            "ID                 PID         STATUS      BUNDLE      CREATED                  OWNER\n\
             short              4711        created     /b          2026-08-20T12:00:00.5Z   #4000000000\n\
             0123456789abcdef   0           stopped     /b          2026-08-20T12:00:00.5Z   #4000000000\n"
        );
    }

    #[test]
    fn a_version_says_whose_it_is() {
        let runc = super::super::called_as(std::ffi::OsStr::new("runc")).unwrap();
        let first = |called| version_text(called).lines().next().unwrap().to_owned();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(first(runc), format!("runc version {version}+isolazi"));
        assert_eq!(first(super::super::BY_COMMAND), format!("isolazi-oci version {version}"));
        assert!(version_text(runc).ends_with("spec: 1.3.0\n"));
    }
}
