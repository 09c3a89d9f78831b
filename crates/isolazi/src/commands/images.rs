//! `isolazi images`: images in a list.

use crate::args::{all, is_on, list, list_format_flag, one, rest, switch};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::template::{Format, Row};
use crate::screen::{human, time};
use crate::verbs::{Arity, Verb};
use api::ImageSummary;
use clap::{Arg, ArgMatches};
use error::Result;
use filter::Filters;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

mod filter;

pub(crate) const VERB: Verb = Verb {
    name: "images",
    long: Some(("image", &["ls", "list"])),
    about: "List images",
    usage: "[OPTIONS] [REPOSITORY[:TAG]]",
    arity: Arity::AtMostOne,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

/// Digits of a short id.
const SHORT_ID: usize = 12;
/// What stands for a name that is missing.
const NONE: &str = "<none>";
const TABLE: &str = r"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
const TABLE_WITH_DIGESTS: &str = r"table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
/// Fields and their headings.
pub(crate) const HEADINGS: &[(&str, &str)] = &[
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("Platform", "PLATFORM"),
    ("Repository", "REPOSITORY"),
    ("Size", "SIZE"),
    ("Tag", "TAG"),
];

fn flags() -> Vec<Arg> {
    vec![
        // Every image is shown: there are no intermediate ones.
        switch("all", "Show all images (default hides intermediate images)").short('a'),
        switch("digests", "Show digests"),
        list(
            "filter",
            "filter",
            "Filter output based on conditions provided (before, dangling, label, reference, since, until)",
        )
        .short('f'),
        list_format_flag(),
        switch("no-trunc", "Don't truncate output"),
        switch("quiet", "Only show image IDs").short('q'),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let (now, zone) = (Timestamp::now(), TimeZone::try_system().unwrap_or(TimeZone::UTC));
    let mut filters = Filters::parse(all(matches, "filter"), now, &zone)?;
    filters.names = rest(matches);
    let no_trunc = is_on(matches, "no-trunc");
    let format = match one(matches, "format") {
        _ if is_on(matches, "quiet") => "{{.ID}}",
        None | Some("table" | "") if is_on(matches, "digests") => TABLE_WITH_DIGESTS,
        None | Some("table" | "") => TABLE,
        Some(format) => format,
    };
    let format = Format::parse(format)?;

    let mut images = door.engine(As::Caller)?.images()?;
    images.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| name(a).cmp(&name(b))));
    let filters = filters.resolve(&images)?;
    images.retain(|image| filters.accept(image));
    let rows: Vec<Row> = images.iter().map(|image| row(image, no_trunc, now, &zone)).collect();
    door.console.out(format.render(&rows, HEADINGS)?);
    Ok(exit::SUCCESS)
}

fn name(image: &ImageSummary) -> (&str, &str) {
    (&image.repository, &image.tag)
}

/// All fields of one image.
pub(crate) fn row(image: &ImageSummary, no_trunc: bool, now: Timestamp, zone: &TimeZone) -> Row {
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let id = image.id.to_string();
    let short = id.split_once(':').map_or(id.as_str(), |(_, hex)| hex).chars().take(SHORT_ID).collect();
    let since = time::since(&image.created, now);
    let fields = [
        ("CreatedAt", or(&time::local(&image.created, zone), "N/A")),
        ("CreatedSince", if since.is_empty() { "N/A".to_owned() } else { since + " ago" }),
        ("Digest", image.digest.to_string()),
        ("ID", if no_trunc { id } else { short }),
        ("Platform", image.platform.clone()),
        ("Repository", or(&image.repository, NONE)),
        ("Size", human::size(image.size)),
        ("Tag", or(&image.tag, NONE)),
    ];
    Row { fields: fields.into_iter().map(|(name, value)| (name, value.into())).collect(), labels: BTreeMap::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(format: &str, no_trunc: bool) -> String {
        let image = |repository: &str, tag: &str, created: &str, size| ImageSummary {
            repository: repository.into(),
            tag: tag.into(),
            digest: format!("sha256:{}", "cd".repeat(32)).parse().unwrap(),
            id: format!("sha256:{}", "0123456789abcdef".repeat(4)).parse().unwrap(),
            created: created.into(),
            size,
            platform: "linux/amd64".into(),
            labels: BTreeMap::new(),
        };
        let images =
            [image("alpine", "latest", "2026-08-01T12:00:00Z", 8_829_000), image("localhost:5000/x", "", "", 0)];
        let now = "2026-08-20T12:00:00Z".parse().unwrap();
        let rows: Vec<Row> = images.iter().map(|image| row(image, no_trunc, now, &TimeZone::UTC)).collect();
        Format::parse(format).unwrap().render(&rows, HEADINGS).unwrap()
    }

    #[test]
    fn the_table_is_dockers() {
        assert_eq!(
            rendered(TABLE, false),
            "\
REPOSITORY         TAG       IMAGE ID       CREATED       SIZE
alpine             latest    0123456789ab   2 weeks ago   8.83MB
localhost:5000/x   <none>    0123456789ab   N/A           0B
"
        );
        let digest = format!("sha256:{}", "cd".repeat(32));
        let id = format!("sha256:{}", "0123456789abcdef".repeat(4));
        assert_eq!(
            rendered(TABLE_WITH_DIGESTS, true).lines().nth(1).unwrap(),
            format!("alpine             latest    {digest}   {id}   2 weeks ago   8.83MB")
        );
        assert_eq!(rendered("{{.Repository}}:{{.Tag}}", false), "alpine:latest\nlocalhost:5000/x:<none>\n");
    }
}
