//! Signals, freezing, deletion: commands that end or stop what runs.

use super::door::Door;
use super::words::Words;
use crate::exit::SUCCESS;
use error::{Error, Result};
use oci::signals::Signal;
use runtime::container::Runtime;

/// `kill ID [SIGNAL]`
pub(super) fn kill(door: &mut Door, words: &Words) -> Result<u8> {
    let signal = match words.rest.get(1) {
        None => number(Signal::TERM),
        // kill(2): only asks whether there is a process.
        Some(text) if text == "0" => 0,
        Some(text) => number(Signal::parse(&text.to_string_lossy())?),
    };
    let runtime = door.runtime()?;
    each(door, &runtime, words, |id| runtime.kill(id, signal, words.on("all")))
}

/// `delete ID`
pub(super) fn delete(door: &mut Door, words: &Words) -> Result<u8> {
    let runtime = door.runtime()?;
    each(door, &runtime, words, |id| {
        let warnings = runtime.delete(id, words.on("force"))?;
        door.warn(&warnings);
        Ok(())
    })
}

/// `pause ID`
pub(super) fn pause(door: &mut Door, words: &Words) -> Result<u8> {
    door.runtime()?.pause(words.id()?)?;
    Ok(SUCCESS)
}

/// `resume ID`
pub(super) fn resume(door: &mut Door, words: &Words) -> Result<u8> {
    door.runtime()?.resume(words.id()?)?;
    Ok(SUCCESS)
}

/// With one container, or with `--regex` with each whose id matches; the first failure is the answer, after all.
fn each(door: &Door, runtime: &Runtime, words: &Words, act: impl Fn(&str) -> Result<()>) -> Result<u8> {
    if !words.on("regex") {
        act(words.id()?)?;
        return Ok(SUCCESS);
    }
    let pattern = regex_lite::Regex::new(words.id()?);
    let pattern = pattern.map_err(|cause| Error::invalid(format!("invalid regular expression: {cause}")))?;
    let mut outcome = Ok(());
    for container in door.list(runtime)? {
        if pattern.is_match(&container.state.id) {
            let done = act(&container.state.id);
            outcome = outcome.and(done);
        }
    }
    outcome.map(|()| SUCCESS)
}

fn number(signal: Signal) -> u8 {
    u8::try_from(signal.number()).expect("signals have numbers from 1 to 64")
}
