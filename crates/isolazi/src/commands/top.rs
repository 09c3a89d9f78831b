//! `isolazi top`: the processes of a container.
//!
//! Its columns come from `/proc`, so that no other program is needed. Only who gives options of `ps` gets the host's
//! `ps`: they are its own language.

use crate::args::rest;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::{processes, table};
use crate::verbs::{Arity, Verb};
use clap::ArgMatches;
use error::Result;
use std::ffi::OsString;

pub(crate) const VERB: Verb = Verb {
    name: "top",
    long: Some(("container", &["top"])),
    about: "Display the running processes of a container",
    usage: "CONTAINER [ps OPTIONS]",
    arity: Arity::AtLeastOne,
    stops_at_first: true,
    of: Of::Other,
    flags: Vec::new,
    run,
};

/// As wide as Docker's.
const MIN_WIDTH: usize = 20;

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let words = rest(matches);
    let options: Vec<OsString> = words[1..].iter().map(OsString::from).collect();
    let pids = door.engine(As::Root)?.processes(&words[0])?;
    door.console.out(aligned(&processes::listed(&pids, &options)?));
    Ok(exit::SUCCESS)
}

/// In columns as wide as their content; the last one holds what is left of its row.
fn aligned(text: &str) -> String {
    let columns = text.lines().next().map_or(0, |title| title.split_whitespace().count());
    let rows: Vec<String> = text.lines().map(|line| cells(line, columns).join("\t")).collect();
    table::align_from(&rows, MIN_WIDTH)
}

fn cells(line: &str, columns: usize) -> Vec<&str> {
    let mut rest = line.trim_start();
    let mut cells = Vec::with_capacity(columns);
    while cells.len() + 1 < columns {
        let Some((cell, after)) = rest.split_once(' ') else { break };
        cells.push(cell);
        rest = after.trim_start();
    }
    cells.push(rest);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_dockers() {
        let text = "UID   PID CMD\nroot   12 sh -c  x y\nlonger   7 \n";
        let column = |cell: &str| format!("{cell:20}");
        assert_eq!(
            aligned(text),
            format!(
                "{}{}CMD\n{}{}sh -c  x y\n{}{}\n",
                column("UID"),
                column("PID"),
                column("root"),
                column("12"),
                column("longer"),
                column("7")
            )
        );
        assert_eq!(aligned(""), "");
    }
}
