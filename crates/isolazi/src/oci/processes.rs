//! `ps`: the processes of a container, as `ps -ef` lists them, or only their ids.

use super::answers::{Format, json, table_or_json};
use super::door::Door;
use super::words::Words;
use crate::exit::SUCCESS;
use crate::screen::processes;
use error::Result;

/// `ps ID [PS OPTIONS]`
pub(super) fn run(door: &mut Door, words: &Words) -> Result<u8> {
    let format = table_or_json(words)?;
    let pids = door.runtime()?.processes(words.id()?)?;
    let text = match format {
        Format::Json => json(serde_json::to_string(&pids))? + "\n",
        Format::Table => processes::listed(&pids, &words.rest[1..])?,
    };
    door.console.out(text);
    Ok(SUCCESS)
}
