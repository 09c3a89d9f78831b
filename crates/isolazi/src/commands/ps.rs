//! `isolazi ps`: containers in a list.

use crate::args::{all, is_on, list, one, switch, text};
use crate::commands::ps::filter::Filters;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::table::ellipsis;
use crate::screen::template::{Format, Row};
use crate::screen::time;
use crate::verbs::{Arity, Verb};
use api::{ContainerSummary, State};
use clap::{Arg, ArgMatches};
use error::{Error, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;

mod filter;

pub(crate) const VERB: Verb = Verb {
    name: "ps",
    long: Some(("container", &["ls", "list", "ps"])),
    about: "List containers",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

/// Characters of a command, without its quotes.
const COMMAND_COLUMNS: usize = 20;
/// Characters of a short id.
const SHORT_ID: usize = 12;
const TABLE: &str = r"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
const HEADINGS: &[(&str, &str)] = &[
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Labels", "LABELS"),
    ("Names", "NAMES"),
    ("Ports", "PORTS"),
    ("RunningFor", "CREATED"),
    ("State", "STATE"),
    ("Status", "STATUS"),
];

fn flags() -> Vec<Arg> {
    vec![
        switch("all", "Show all containers (default shows just running)").short('a'),
        list(
            "filter",
            "filter",
            "Filter output based on conditions provided (id, name, status, ancestor, label, exited)",
        )
        .short('f'),
        text(
            "format",
            "string",
            "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or TEMPLATE",
        ),
        text("last", "int", "Show n last created containers (includes all states)").short('n'),
        switch("latest", "Show the latest created container (includes all states)").short('l'),
        switch("no-trunc", "Don't truncate output"),
        switch("quiet", "Only display container IDs").short('q'),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let filters = Filters::parse(all(matches, "filter"))?;
    let last = if is_on(matches, "latest") { Some(1) } else { last(one(matches, "last"))? };
    let no_trunc = is_on(matches, "no-trunc");
    let format = match one(matches, "format") {
        _ if is_on(matches, "quiet") => "{{.ID}}",
        None | Some("table" | "") => TABLE,
        Some(format) => format,
    };
    let format = Format::parse(format)?;

    let mut containers = door.engine(As::Caller)?.containers()?;
    containers.sort_by(|a, b| b.created.cmp(&a.created));
    let everything = is_on(matches, "all") || last.is_some() || filters.ask_for_states();
    containers.retain(|container| {
        (everything || container.state.is_alive() || container.state == State::Restarting) && filters.accept(container)
    });
    containers.truncate(last.unwrap_or(usize::MAX));

    let now = Timestamp::now();
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let rows: Vec<Row> = containers.iter().map(|container| row(container, no_trunc, now, &zone)).collect();
    door.console.out(format.render(&rows, HEADINGS)?);
    Ok(exit::SUCCESS)
}

/// `-n`; negative numbers are no limit, as in Docker.
fn last(text: Option<&str>) -> Result<Option<usize>> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(count) => Ok(usize::try_from(count).ok().filter(|&count| count > 0)),
        Err(_) => {
            Err(Error::invalid(format!("invalid argument \"{text}\" for \"-n, --last\" flag: expected a number")))
        }
    }
}

/// All fields of one container.
fn row(container: &ContainerSummary, no_trunc: bool, now: Timestamp, zone: &TimeZone) -> Row {
    let labels = container.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let fields = [
        ("Command", command(&container.command, no_trunc)),
        ("CreatedAt", time::local(&container.created, zone)),
        ("ID", container.id.chars().take(if no_trunc { usize::MAX } else { SHORT_ID }).collect()),
        ("Image", container.image.clone()),
        ("Labels", labels.collect::<Vec<_>>().join(",")),
        ("Names", container.name.clone()),
        ("Ports", String::new()), // nothing can be published yet
        ("RunningFor", with_ago(time::since(&container.created, now))),
        ("State", container.state.name().to_owned()),
        ("Status", status(container, now)),
    ];
    Row {
        fields: fields.into_iter().map(|(name, value)| (name, value.into())).collect(),
        labels: container.labels.clone(),
    }
}

/// In double quotes, escaped, after it was cut.
fn command(words: &[String], no_trunc: bool) -> String {
    let text = words.join(" ");
    let text = if no_trunc { text } else { ellipsis(&text, COMMAND_COLUMNS) };
    let escape = |c: char| if c == '\'' { vec![c] } else { c.escape_debug().collect() };
    format!("\"{}\"", text.chars().flat_map(escape).collect::<String>())
}

fn with_ago(span: String) -> String {
    if span.is_empty() { span } else { span + " ago" }
}

fn status(container: &ContainerSummary, now: Timestamp) -> String {
    match container.state {
        State::Created => "Created".to_owned(),
        State::Running => format!("Up {}", time::since(&container.started, now)),
        State::Paused => format!("Up {} (Paused)", time::since(&container.started, now)),
        State::Restarting => ended("Restarting", container, now),
        State::Exited => ended("Exited", container, now),
        State::Dead => "Dead".to_owned(),
    }
}

/// `Exited (1) 5 minutes ago`
fn ended(how: &str, container: &ContainerSummary, now: Timestamp) -> String {
    let code = container.exit_code.unwrap_or_default();
    format!("{how} ({code}) {}", with_ago(time::since(&container.finished, now))).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, state: State, command: &[&str]) -> ContainerSummary {
        ContainerSummary {
            id: "0123456789abcdef".repeat(4),
            name: name.into(),
            image: "alpine:3".into(),
            image_id: format!("sha256:{}", "ab".repeat(32)),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            created: "2026-08-20T10:00:00Z".into(),
            started: "2026-08-20T11:55:00Z".into(),
            finished: "2026-08-20T11:59:57.5Z".into(),
            state,
            exit_code: Some(137),
            pid: None,
            error: String::new(),
            labels: [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())].into(),
        }
    }

    fn rendered(format: &str, no_trunc: bool, containers: &[ContainerSummary]) -> String {
        let now = "2026-08-20T12:00:00Z".parse().unwrap();
        let rows: Vec<Row> = containers.iter().map(|c| row(c, no_trunc, now, &TimeZone::UTC)).collect();
        Format::parse(format).unwrap().render(&rows, HEADINGS).unwrap()
    }

    #[test]
    fn the_table_is_dockers() {
        let containers = [
            container("web", State::Running, &["nginx", "-g", "daemon off;"]),
            container("db", State::Exited, &["/bin/sh", "-c", "echo \"it's\""]),
            container("new", State::Created, &[]),
            container("lost", State::Dead, &["sh"]),
        ];
        assert_eq!(
            rendered(TABLE, false, &containers),
            "\
CONTAINER ID   IMAGE      COMMAND                   CREATED       STATUS                       PORTS     NAMES
0123456789ab   alpine:3   \"nginx -g daemon off;\"    2 hours ago   Up 5 minutes                           web
0123456789ab   alpine:3   \"/bin/sh -c echo \\\"it…\"   2 hours ago   Exited (137) 2 seconds ago             db
0123456789ab   alpine:3   \"\"                        2 hours ago   Created                                new
0123456789ab   alpine:3   \"sh\"                      2 hours ago   Dead                                   lost
"
        );
        assert_eq!(
            rendered(TABLE, false, &[]),
            "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n"
        );
    }

    #[test]
    fn templates_see_all_fields() {
        let web = container("web", State::Running, &["sh", "-c", "a long enough command"]);
        assert_eq!(
            rendered("json", true, std::slice::from_ref(&web)),
            format!(
                "{{\"Command\":\"\\\"sh -c a long enough command\\\"\",\"CreatedAt\":\"2026-08-20 10:00:00 +0000 \
                 UTC\",\"ID\":\"{}\",\"Image\":\"alpine:3\",\"Labels\":\"a=1,b=2\",\"Names\":\"web\",\"Ports\":\"\",\
                 \"RunningFor\":\"2 hours ago\",\"State\":\"running\",\"Status\":\"Up 5 minutes\"}}\n",
                web.id
            )
        );
        assert_eq!(rendered("{{.Names}} {{.Label \"b\"}}", false, &[web]), "web 2\n");
    }
}
