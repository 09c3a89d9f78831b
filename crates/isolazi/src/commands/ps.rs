//! `isolazi ps`: containers in a list.

use crate::args::{all, is_given, is_on, list, list_format_flag, one, parsed, switch, value};
use crate::commands::ps::filter::Filters;
use crate::container::number::integer;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::table::ellipsis;
use crate::screen::template::{Format, Row};
use crate::screen::{human, time};
use crate::verbs::{Arity, Verb};
use api::{ContainerSummary, Details, State};
use clap::{Arg, ArgMatches};
use error::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;

mod filter;
mod ports;

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
/// Characters of a mount's name.
const MOUNT_COLUMNS: usize = 15;
const TABLE: &str = r"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
const SIZE: &str = r"\t{{.Size}}";
/// Fields and their headings.
pub(crate) const HEADINGS: &[(&str, &str)] = &[
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("HealthStatus", "HEALTH STATUS"),
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Labels", "LABELS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Mounts", "MOUNTS"),
    ("Names", "NAMES"),
    ("Networks", "NETWORKS"),
    ("Platform", "PLATFORM"),
    ("Ports", "PORTS"),
    ("RunningFor", "CREATED"),
    ("Size", "SIZE"),
    ("State", "STATE"),
    ("Status", "STATUS"),
];

fn flags() -> Vec<Arg> {
    vec![
        switch("all", "Show all containers (default shows just running)").short('a'),
        list(
            "filter",
            "filter",
            "Filter output based on conditions provided (ancestor, before, exited, expose, health, id, label, name, \
             network, publish, since, status, volume)",
        )
        .short('f'),
        list_format_flag(),
        parsed("last", "int", "Show n last created containers (includes all states)", integer).short('n'),
        switch("latest", "Show the latest created container (includes all states)").short('l'),
        switch("no-trunc", "Don't truncate output"),
        switch("quiet", "Only display container IDs").short('q'),
        switch("size", "Display total file sizes").short('s'),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let filters = Filters::parse(all(matches, "filter"))?;
    let last = if is_on(matches, "latest") { Some(1) } else { value(matches, "last").and_then(last) };
    let no_trunc = is_on(matches, "no-trunc");
    let quiet = is_on(matches, "quiet");
    let format = match one(matches, "format") {
        _ if quiet => "{{.ID}}".to_owned(),
        None | Some("table" | "") if is_on(matches, "size") => TABLE.to_owned() + SIZE,
        None | Some("table" | "") => TABLE.to_owned(),
        Some(format) => format.to_owned(),
    };
    let format = Format::parse(&format)?;
    let details = Details {
        mounts: filters.ask_for_mounts() || format.uses("Mounts") || format.uses("LocalVolumes"),
        exposed: filters.ask_for_exposed(),
        ports: filters.ask_for_published() || format.uses("Ports"),
        // A template that shows it asks for it.
        sizes: !quiet && is_given(matches, "size").unwrap_or_else(|| format.names("Size")),
    };

    // Files of other users are measured.
    let who = if details.sizes { As::Root } else { As::Caller };
    let mut containers = door.engine(who)?.list(details)?;
    containers.sort_by(|a, b| b.created.cmp(&a.created));
    let filters = filters.resolve(&containers)?;
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
fn last(count: i64) -> Option<usize> {
    usize::try_from(count).ok().filter(|&count| count > 0)
}

/// All fields of one container.
pub(crate) fn row(container: &ContainerSummary, no_trunc: bool, now: Timestamp, zone: &TimeZone) -> Row {
    let labels = container.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let mounts = container.mounts.iter().map(|mount| match no_trunc {
        true => mount.name.clone(),
        false => ellipsis(&mount.name, MOUNT_COLUMNS),
    });
    let fields = [
        ("Command", command(&container.command, no_trunc)),
        ("CreatedAt", time::local(&container.created, zone)),
        ("HealthStatus", container.health.clone()),
        ("ID", container.id.chars().take(if no_trunc { usize::MAX } else { SHORT_ID }).collect()),
        ("Image", container.image.clone()),
        ("Labels", labels.collect::<Vec<_>>().join(",")),
        ("LocalVolumes", container.mounts.iter().filter(|mount| mount.is_volume).count().to_string()),
        ("Mounts", mounts.collect::<Vec<_>>().join(",")),
        ("Names", container.name.clone()),
        ("Networks", container.network.clone()),
        ("Platform", container.platform.clone()),
        ("Ports", ports::told(container)),
        ("RunningFor", with_ago(time::since(&container.created, now))),
        ("Size", size(container.sizes)),
        ("State", container.state.name().to_owned()),
        ("Status", status(container, now)),
    ];
    Row {
        fields: fields.into_iter().map(|(name, value)| (name, value.into())).collect(),
        labels: container.labels.clone(),
    }
}

/// `2B (virtual 21.5MB)`
fn size(sizes: Option<(u64, u64)>) -> String {
    match sizes {
        None => human::size(0),
        Some((own, all)) => format!("{} (virtual {})", human::size(own), human::size(all)),
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
        State::Running => format!("Up {}{}", time::since(&container.started, now), health(&container.health)),
        State::Paused => format!("Up {} (Paused)", time::since(&container.started, now)),
        State::Restarting => ended("Restarting", container, now),
        State::Exited => ended("Exited", container, now),
        State::Dead => "Dead".to_owned(),
    }
}

/// ` (healthy)`, ` (health: starting)`
fn health(status: &str) -> String {
    match status {
        "" | "none" => String::new(),
        "starting" => " (health: starting)".to_owned(),
        status => format!(" ({status})"),
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
    use api::Mounted;

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
            labels: [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())].into(),
            network: "host".into(),
            platform: "linux/amd64".into(),
            ..ContainerSummary::default()
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
        let mount = |name: &str, is_volume| Mounted { name: name.into(), is_volume, target: "/x".into() };
        let web = ContainerSummary {
            mounts: vec![mount("data", true), mount("/a/long/path/on/the/host", false)],
            sizes: Some((2, 21_500_002)),
            health: "starting".into(),
            ..container("web", State::Running, &["sh", "-c", "a long enough command"])
        };
        assert_eq!(
            rendered("json", true, std::slice::from_ref(&web)),
            format!(
                "{{\"Command\":\"\\\"sh -c a long enough command\\\"\",\"CreatedAt\":\"2026-08-20 10:00:00 +0000 UTC\",\
                 \"HealthStatus\":\"starting\",\"ID\":\"{}\",\"Image\":\"alpine:3\",\"Labels\":\"a=1,b=2\",\
                 \"LocalVolumes\":\"1\",\"Mounts\":\"data,/a/long/path/on/the/host\",\"Names\":\"web\",\
                 \"Networks\":\"host\",\"Platform\":\"linux/amd64\",\"Ports\":\"\",\"RunningFor\":\"2 hours ago\",\
                 \"Size\":\"2B (virtual 21.5MB)\",\"State\":\"running\",\
                 \"Status\":\"Up 5 minutes (health: starting)\"}}\n",
                web.id
            )
        );
        let format = "{{.Names}} {{.Label \"b\"}} {{.Mounts}}";
        assert_eq!(rendered(format, false, &[web]), "web 2 data,/a/long/path/o…\n");
        assert_eq!(rendered("{{.Size}}", false, &[container("x", State::Dead, &[])]), "0B\n");
    }

    #[test]
    fn what_costs_more_is_asked_for_only_if_it_is_shown() {
        for (format, mounts, size) in [
            (TABLE, false, false),
            ("{{.Mounts}} {{if .X}}{{$.Size}}{{end}}", true, true),
            ("{{json .}}", true, true),
            ("json", true, false),
            ("{{with .ID}}{{.}}{{end}}", false, false),
        ] {
            let format = Format::parse(format).unwrap();
            assert_eq!((format.uses("Mounts"), format.names("Size")), (mounts, size), "{format:?}");
        }
    }
}
