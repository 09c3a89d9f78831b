//! `isolazi system df`: what takes room on the disk.

use super::{images, ps};
use crate::args::{is_on, list_format_flag, one, switch};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::human;
use crate::screen::template::{Format, Row};
use crate::verbs::{Arity, Verb};
use api::DiskUsage;
use clap::{Arg, ArgMatches};
use error::{Error, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

pub(crate) const VERB: Verb = Verb {
    name: "system df",
    long: Some(("system", &["df"])),
    about: "Show disk usage",
    usage: "[OPTIONS]",
    arity: Arity::None,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

const TABLE: &str = r"table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
const HEADINGS: &[(&str, &str)] = &[
    ("Active", "ACTIVE"),
    ("Reclaimable", "RECLAIMABLE"),
    ("Size", "SIZE"),
    ("TotalCount", "TOTAL"),
    ("Type", "TYPE"),
];
const IMAGES: &str = r"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}";
const CONTAINERS: &str =
    r"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}";
const VOLUMES: &str = r"table {{.Name}}\t{{.Links}}\t{{.Size}}";
const VOLUME_HEADINGS: &[(&str, &str)] = &[("Links", "LINKS"), ("Name", "VOLUME NAME"), ("Size", "SIZE")];

fn flags() -> Vec<Arg> {
    vec![list_format_flag(), switch("verbose", "Show detailed information on space usage").short('v')]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    let format = one(matches, "format").filter(|format| !format.is_empty());
    if is_on(matches, "verbose") {
        if format.is_some() {
            return Err(Error::invalid("the verbose and the format options conflict"));
        }
        let usage = door.engine(As::Root)?.disk_usage()?;
        door.console.out(verbose(&usage)?);
        return Ok(exit::SUCCESS);
    }
    let format = Format::parse(match format {
        None | Some("table") => TABLE,
        Some(format) => format,
    })?;
    let usage = door.engine(As::Root)?.disk_usage()?;
    door.console.out(format.render(&summary(&usage), HEADINGS)?);
    Ok(exit::SUCCESS)
}

/// One row a sort of thing.
fn summary(usage: &DiskUsage) -> Vec<Row> {
    let DiskUsage { images, containers, volumes, .. } = usage;
    let count = |number: usize| number.to_string();
    let running = |container: &&api::ContainerUsage| container.summary.state.is_alive();
    let stopped_bytes = containers.iter().filter(|c| !running(c)).map(|c| c.bytes).sum();
    let used = |volume: &&api::VolumeUsage| !volume.summary.users.is_empty();
    let free_bytes = volumes.iter().filter(|volume| !used(volume)).map(|volume| volume.bytes).sum();
    let container_bytes = containers.iter().map(|container| container.bytes).sum();
    let volume_bytes = volumes.iter().map(|volume| volume.bytes).sum();
    // An image with two names is one.
    let ids = |active: bool| {
        let wanted = images.iter().filter(|image| !active || image.containers > 0);
        wanted.map(|image| image.summary.id).collect::<std::collections::BTreeSet<_>>().len()
    };
    let of_images = share(usage.images_reclaimable, usage.images_bytes);
    [
        ("Images", count(ids(false)), count(ids(true)), usage.images_bytes, of_images),
        (
            "Containers",
            count(containers.len()),
            count(containers.iter().filter(running).count()),
            container_bytes,
            share(stopped_bytes, container_bytes),
        ),
        (
            "Local Volumes",
            count(volumes.len()),
            count(volumes.iter().filter(used).count()),
            volume_bytes,
            share(free_bytes, volume_bytes),
        ),
        ("Build Cache", count(0), count(0), 0, human::total(0)),
    ]
    .into_iter()
    .map(|(kind, total, active, bytes, reclaimable)| {
        row([
            ("Active", active),
            ("Reclaimable", reclaimable),
            ("Size", human::total(bytes)),
            ("TotalCount", total),
            ("Type", kind.to_owned()),
        ])
    })
    .collect()
}

/// `1.2GB (50%)`
fn share(part: u64, whole: u64) -> String {
    match (part * 100).checked_div(whole) {
        Some(percent) => format!("{} ({percent}%)", human::total(part)),
        None => human::total(part),
    }
}

fn row<const N: usize>(fields: [(&'static str, String); N]) -> Row {
    Row { fields: fields.into_iter().map(|(name, value)| (name, value.into())).collect(), labels: BTreeMap::new() }
}

/// A table of each.
fn verbose(usage: &DiskUsage) -> Result<String> {
    let now = Timestamp::now();
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let images = usage.images.iter().map(|image| {
        let mut row = images::row(&image.summary, false, now, &zone);
        row.fields.extend([
            ("SharedSize", human::total(image.summary.size - image.unique_bytes).into()),
            ("UniqueSize", human::total(image.unique_bytes).into()),
            ("Containers", image.containers.to_string().into()),
        ]);
        row
    });
    let image_headings = images::HEADINGS.iter().copied();
    let more = [("SharedSize", "SHARED SIZE"), ("UniqueSize", "UNIQUE SIZE"), ("Containers", "CONTAINERS")];
    let image_headings: Vec<_> = image_headings.chain(more).collect();
    let containers = usage.containers.iter().map(|container| {
        let mut row = ps::row(&container.summary, false, now, &zone);
        row.fields.retain(|(name, _)| *name != "Size");
        row.fields.push(("Size", human::total(container.bytes).into()));
        row
    });
    let volumes = usage.volumes.iter().map(|volume| {
        row([
            ("Links", volume.summary.users.len().to_string()),
            ("Name", volume.summary.name.clone()),
            ("Size", human::total(volume.bytes)),
        ])
    });
    let table = |template: &str, rows: Vec<Row>, headings: &[(&'static str, &str)]| {
        Format::parse(template)?.render(&rows, headings)
    };
    Ok(format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\n\
         Build cache usage: 0B\n",
        table(IMAGES, images.collect(), &image_headings)?,
        table(CONTAINERS, containers.collect(), ps::HEADINGS)?,
        table(VOLUMES, volumes.collect(), VOLUME_HEADINGS)?,
    ))
}
