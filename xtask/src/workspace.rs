//! Where the workspace and its products are, and how a task runs a command.

use error::{Error, Kind, Result, ResultExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Beginnings of variables that cargo sets for a program that it runs (Cargo book, "Environment variables").
const OF_THIS_PACKAGE: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_NAME", "CARGO_CRATE_NAME"];

/// The folder of the root `Cargo.toml`. Tasks run from any folder below it.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Cargo's target folder, wherever `CARGO_TARGET_DIR` or a configuration puts it.
pub(crate) fn target() -> Result<PathBuf> {
    // This program is <target>/<triple>/<profile>/xtask: `.cargo/config.toml` names a triple.
    let exe = std::env::current_exe().context(|| "can't find this program's own file")?;
    let target = exe.ancestors().nth(3).expect("an executable lies in three folders");
    Ok(target.to_owned())
}

/// Where images are built, and what is served is noted.
pub(crate) fn material() -> Result<PathBuf> {
    match std::env::var_os("MATERIAL") {
        Some(folder) => Ok(folder.into()),
        None => Ok(target()?.join("material")),
    }
}

/// What `cargo build --release` makes.
pub(crate) fn release_binary() -> Result<PathBuf> {
    let exe = std::env::current_exe().context(|| "can't find this program's own file")?;
    let triple = exe.ancestors().nth(2).expect("an executable lies in two folders");
    Ok(triple.join("release/isolazi"))
}

/// Runs cargo on the workspace; its output goes where ours does.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    succeed(command("cargo").args(arguments))
}

/// A command that will run in the workspace's root, as if a developer had typed it.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    // What `cargo run` said about this program: ring's build script takes it for a change and builds anew.
    for name in std::env::vars_os().map(|(name, _)| name) {
        if OF_THIS_PACKAGE.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes())) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end; another exit code than 0 is an error.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let name = describe(command);
    let status = command.status().context(|| format!("can't run `{name}`"))?;
    if status.success() { Ok(()) } else { Err(Error::new(Kind::Internal, format!("`{name}` failed: {status}"))) }
}

/// A command as one would type it, for errors.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
