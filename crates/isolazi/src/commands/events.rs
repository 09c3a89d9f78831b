//! `isolazi events`: what happens to containers, images and volumes, and what has happened.

use crate::args::{all, list, one, text};
use crate::commands::template_of;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::template;
use crate::screen::time::parse_point;
use crate::verbs::{Arity, Verb};
use api::{Event, Events};
use clap::{Arg, ArgMatches};
use error::{Error, Result};
use filter::Filters;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::ops::ControlFlow;

mod filter;

pub(crate) const VERB: Verb = Verb {
    name: "events",
    long: Some(("system", &["events"])),
    about: "Get real time events of containers, images and volumes",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

fn flags() -> Vec<Arg> {
    vec![
        list(
            "filter",
            "filter",
            "Filter output based on conditions provided (container, event, image, label, type, volume)",
        )
        .short('f'),
        text("format", "string", "Format output using a custom template: 'json' or TEMPLATE"),
        text("since", "string", "Show all events created since timestamp"),
        text("until", "string", "Stream events until this timestamp"),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let filters = Filters::parse(all(matches, "filter"))?;
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let now = Timestamp::now();
    let point = |flag: &str| one(matches, flag).map(|text| point(flag, text, now, &zone)).transpose();
    let request = Events { since: point("since")?, until: point("until")? };
    let template = match template_of(door, one(matches, "format")) {
        Ok(template) => template,
        Err(code) => return Ok(code),
    };
    let engine = door.engine(As::Caller)?;
    let mut outcome = Ok(());
    engine.events(&request, &mut |event| {
        if !filters.accept(&event) {
            return ControlFlow::Continue(());
        }
        let line = match &template {
            Some(template) => template.fill(&template::of(&event)),
            None => Ok(told(&event, &zone)),
        };
        match line {
            Ok(line) => door.console.line(&line),
            Err(error) => {
                outcome = Err(error);
                return ControlFlow::Break(());
            }
        }
        // Whoever reads waits for it.
        door.console.flush();
        if door.console.is_broken() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    outcome.map(|()| exit::SUCCESS)
}

/// Nanoseconds since 1970.
fn point(flag: &str, text: &str, now: Timestamp, zone: &TimeZone) -> Result<i64> {
    let point = parse_point(text, now, zone).and_then(|point| i64::try_from(point.as_nanosecond()).ok());
    point.ok_or_else(|| {
        Error::invalid(format!("invalid value for \"{flag}\": failed to parse value as time: \"{text}\""))
    })
}

/// `2026-08-20T12:38:49.123456789+02:00 container start <id> (image=alpine, name=web)`
fn told(event: &Event, zone: &TimeZone) -> String {
    let time = Timestamp::from_nanosecond(event.time_nano.into()).unwrap_or_default();
    let time = time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S.%9f%:z");
    let attributes = event.actor.attributes.iter().map(|(key, value)| format!("{key}={value}"));
    let attributes: Vec<String> = attributes.collect();
    let end = if attributes.is_empty() { String::new() } else { format!(" ({})", attributes.join(", ")) };
    let text = format!("{time} {} {} {}{end}", event.kind, event.action, event.actor.id);
    // Labels are text of an image: they must not draw on the terminal.
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Actor;

    #[test]
    fn a_line_is_dockers() {
        let attributes = [("name", "web"), ("image", "alpine"), ("note", "a\nb\x1b[31m")];
        let mut event = Event {
            kind: "container".into(),
            action: "start".into(),
            actor: Actor {
                id: "ab12".into(),
                attributes: attributes.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            },
            time: 1_787_227_200,
            time_nano: 1_787_227_200_012_300_000,
            ..Event::default()
        };
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let line = "2026-08-20T14:00:00.012300000+02:00 container start ab12 (image=alpine, name=web, note=a b [31m)";
        assert_eq!(told(&event, &zone), line);
        event.actor.attributes.clear();
        assert_eq!(told(&event, &TimeZone::UTC), "2026-08-20T12:00:00.012300000+00:00 container start ab12");
    }
}
