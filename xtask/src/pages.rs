//! `cargo xtask man`, `cargo xtask completions`: written from the command line's own definition, never by hand.

use crate::workspace;
use clap::ValueEnum;
use clap_complete::Shell;
use error::{Result, ResultExt};
use std::fs;

pub(crate) fn run(kind: &str) -> Result<()> {
    let folder = workspace::target()?.join("dist").join(kind);
    fs::create_dir_all(&folder).context(|| format!("can't make `{}`", folder.display()))?;
    let mut cli = isolazi::cli();
    if kind == "man" {
        clap_mangen::generate_to(cli, &folder)
            .context(|| format!("can't write man pages into `{}`", folder.display()))?;
    } else {
        for shell in Shell::value_variants() {
            clap_complete::generate_to(*shell, &mut cli, "isolazi", &folder)
                .context(|| format!("can't write completions into `{}`", folder.display()))?;
        }
    }
    println!("{}", folder.display());
    Ok(())
}
