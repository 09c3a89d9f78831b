//! `isolazi why`: what ended a container, or keeps it from starting.

use crate::args::{one, rest, text};
use crate::commands::each;
use crate::door::{As, Door};
use crate::exit::Of;
use crate::screen::template::{self, Template};
use crate::verbs::{Arity, Verb};
use api::Why;
use clap::{Arg, ArgMatches};
use error::{Error, Result};

pub(crate) const VERB: Verb = Verb {
    name: "why",
    long: Some(("container", &["why"])),
    about: "Tell why a container ended, or does not start",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![text("format", "string", "Format output using a custom template: 'json' or TEMPLATE")]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let format = one(matches, "format").filter(|format| !format.is_empty());
    let template = format.filter(|format| *format != "json").map(Template::parse).transpose()?;
    let engine = door.engine(As::Caller)?;
    Ok(each(door, rest(matches), |door, name| {
        let why = engine.why(name)?.ok_or_else(|| Error::not_found(format!("No such container: {name}")))?;
        let text = match (&template, format) {
            (Some(template), _) => template.fill(&template::of(&why))? + "\n",
            (None, Some(_)) => serde_json::to_string(&why).map_err(std::io::Error::from)? + "\n",
            (None, None) => told(&why),
        };
        door.console.out(text);
        Ok(())
    }))
}

/// For people: the cause, what is known, the last words, what can be done.
fn told(why: &Why) -> String {
    let mut text = format!("{}: {}\n", why.name, Error::invalid(why.cause.as_str()));
    for line in &why.evidence {
        text.push_str(&format!("  {line}\n"));
    }
    if !why.last_words.is_empty() {
        text.push_str("  last words:\n");
    }
    for line in &why.last_words {
        text.push_str(&format!("    {line}\n"));
    }
    for hint in &why.hints {
        text.push_str(&format!("Hint: {}\n", Error::invalid(hint.as_str()))); // Display escapes line breaks
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_comes_first() {
        let why = Why {
            name: "web".into(),
            cause: "it\nended".into(),
            evidence: vec!["exit code 1".into()],
            last_words: vec!["oh".into()],
            hints: vec!["do".into()],
            ..Why::default()
        };
        assert_eq!(told(&why), "web: it\\nended\n  exit code 1\n  last words:\n    oh\nHint: do\n");
    }
}
