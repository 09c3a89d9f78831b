//! `isolazi stats`: what containers use, once or again and again.

use crate::args::{is_on, list_format_flag, one, rest, switch};
use crate::console::Stream;
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::human;
use crate::screen::template::{Format, Row};
use crate::verbs::{Arity, Verb};
use api::Usage;
use clap::{Arg, ArgMatches};
use engine::Engine;
use error::{Kind, Result};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(crate) const VERB: Verb = Verb {
    name: "stats",
    long: Some(("container", &["stats"])),
    about: "Display a live stream of container(s) resource usage statistics",
    usage: "[OPTIONS] [CONTAINER...]",
    arity: Arity::Between(0, usize::MAX),
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

/// Between two looks at a container, by which its share of the processors is known.
const FIRST_SPAN: Duration = Duration::from_millis(500);
/// Between two pictures.
const SPAN: Duration = Duration::from_secs(1);
/// Digits of a short id.
const SHORT_ID: usize = 12;
const TABLE: &str =
    r"table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
const HEADINGS: &[(&str, &str)] = &[
    ("BlockIO", "BLOCK I/O"),
    ("CPUPerc", "CPU %"),
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("MemPerc", "MEM %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("Name", "NAME"),
    ("NetIO", "NET I/O"),
    ("PIDs", "PIDS"),
];

fn flags() -> Vec<Arg> {
    vec![
        switch("all", "Show all containers (default shows just running)").short('a'),
        list_format_flag(),
        switch("no-stream", "Disable streaming stats and only pull the first result"),
        switch("no-trunc", "Do not truncate output"),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let format = Format::parse(match one(matches, "format") {
        None | Some("table" | "") => TABLE,
        Some(format) => format,
    })?;
    let no_trunc = is_on(matches, "no-trunc");
    let watched = Watched { engine: door.engine(As::Root)?, names: rest(matches), all: is_on(matches, "all") };
    // What cannot be meant is said before anybody waits.
    format.render(&[], HEADINGS)?;
    let mut before = watched.look()?;
    let moves = rustix::termios::isatty(Stream::Out.fd());
    let mut span = FIRST_SPAN;
    loop {
        // There is nothing to wait for but time.
        std::thread::sleep(span);
        let now = watched.look()?;
        let rows: Vec<Row> = now.iter().map(|(key, look)| row(key, look, before_of(&before, look), no_trunc)).collect();
        let picture = format.render(&rows, HEADINGS)?;
        if is_on(matches, "no-stream") {
            door.console.out(picture);
            return Ok(exit::SUCCESS);
        }
        door.console.out(if moves { drawn_over(&picture) } else { picture });
        door.console.flush();
        if door.console.is_broken() {
            return Ok(exit::SUCCESS);
        }
        (before, span) = (now, SPAN);
    }
}

/// From the top of the screen, over the picture before.
fn drawn_over(picture: &str) -> String {
    let lines: String = picture.lines().map(|line| format!("{line}\x1b[K\n")).collect();
    format!("\x1b[H{lines}\x1b[J")
}

/// Whom we look at.
struct Watched {
    engine: Engine,
    /// As given; none means all of them.
    names: Vec<String>,
    /// Those that do not run, too.
    all: bool,
}

/// What a container uses, and when we looked.
struct Look {
    at: Instant,
    usage: Usage,
}

impl Watched {
    /// At all of them, with the names under which they are watched.
    fn look(&self) -> Result<Vec<(String, Look)>> {
        let look = |name: &str| -> Result<Look> {
            // The first of the two: what is used while we look is not used in no time.
            let at = Instant::now();
            Ok(Look { at, usage: self.engine.usage(name)? })
        };
        if !self.names.is_empty() {
            return self.names.iter().map(|name| Ok((name.clone(), look(name)?))).collect();
        }
        let mut looks = Vec::new();
        for container in self.engine.containers()? {
            if !self.all && !container.state.is_alive() {
                continue;
            }
            match look(&container.id) {
                Ok(look) => looks.push((container.id, look)),
                // It went meanwhile.
                Err(error) if error.kind == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(looks)
    }
}

/// The look before at the same container.
fn before_of<'a>(before: &'a [(String, Look)], now: &Look) -> Option<&'a Look> {
    before.iter().map(|(_, look)| look).find(|look| look.usage.id == now.usage.id)
}

/// All fields of one container; `key` is the name under which it is watched.
fn row(key: &str, now: &Look, before: Option<&Look>, no_trunc: bool) -> Row {
    let usage = &now.usage;
    let pair = |a: u64, b: u64, shown: fn(u64) -> String| format!("{} / {}", shown(a), shown(b));
    let percent = before.map_or(0.0, |before| processor_percent(before, now));
    let fields = [
        ("BlockIO", pair(usage.read, usage.written, human::size)),
        ("CPUPerc", format!("{percent:.2}%")),
        ("Container", key.to_owned()),
        ("ID", usage.id.chars().take(if no_trunc { usize::MAX } else { SHORT_ID }).collect()),
        ("MemPerc", format!("{:.2}%", share(usage.memory, usage.memory_limit) * 100.0)),
        ("MemUsage", pair(usage.memory, usage.memory_limit, human::binary_size)),
        ("Name", usage.name.clone()),
        ("NetIO", pair(usage.received, usage.sent, human::size)),
        ("PIDs", usage.pids.to_string()),
    ];
    Row { fields: fields.into_iter().map(|(name, value)| (name, value.into())).collect(), labels: BTreeMap::new() }
}

/// Of one processor: two that are busy are 200.
fn processor_percent(before: &Look, now: &Look) -> f64 {
    let used = now.usage.cpu_ns.saturating_sub(before.usage.cpu_ns);
    let passed = u64::try_from(now.at.duration_since(before.at).as_nanos()).unwrap_or(u64::MAX);
    share(used, passed) * 100.0
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_dockers() {
        let start = Instant::now();
        let look = |ms, cpu_ms: u64, is_running| Look {
            at: start + Duration::from_millis(ms),
            usage: Usage {
                id: "0123456789abcdef".repeat(4),
                name: "web".into(),
                is_running,
                cpu_ns: cpu_ms * 1_000_000,
                memory: if is_running { 24_536_678 } else { 0 },
                memory_limit: if is_running { 8_218_000_000 } else { 0 },
                received: 1234,
                sent: 0,
                read: 8_829_000,
                written: 4096,
                pids: 3,
            },
        };
        let rows = [
            row("web", &look(500, 750, true), Some(&look(0, 0, true)), false),
            row("x", &look(0, 0, false), None, false),
        ];
        assert_eq!(
            Format::parse(TABLE).unwrap().render(&rows, HEADINGS).unwrap(),
            "\
CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT    MEM %     NET I/O       BLOCK I/O        PIDS
0123456789ab   web       150.00%   23.4MiB / 7.654GiB   0.30%     1.23kB / 0B   8.83MB / 4.1kB   3
0123456789ab   web       0.00%     0B / 0B              0.00%     1.23kB / 0B   8.83MB / 4.1kB   3
"
        );
        assert_eq!(drawn_over("a\nbb\n"), "\x1b[Ha\x1b[K\nbb\x1b[K\n\x1b[J");
    }
}
