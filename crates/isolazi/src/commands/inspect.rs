//! `isolazi inspect`, `container inspect`, `image inspect`: everything about one object, as Docker's JSON or by a
//! template.

use crate::args::{is_on, one, rest, switch, text};
use crate::door::{As, Door};
use crate::exit::{self, Of};
use crate::screen::template::{self, Template};
use crate::verbs::{Arity, Verb};
use clap::{Arg, ArgMatches};
use engine::Engine;
use error::{Error, Result};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

pub(crate) const VERB: Verb = Verb {
    name: "inspect",
    long: None,
    about: "Return low-level information on isolazi objects",
    usage: "[OPTIONS] NAME|ID [NAME|ID...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags,
    run,
};

pub(crate) const OF_CONTAINER: Verb = Verb {
    name: "container inspect",
    long: Some(("container", &["inspect"])),
    about: "Display detailed information on one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags: container_flags,
    run: |door, matches| run_on(door, matches, Some("container")),
};

pub(crate) const OF_IMAGE: Verb = Verb {
    name: "image inspect",
    long: Some(("image", &["inspect"])),
    about: "Display detailed information on one or more images",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    arity: Arity::AtLeastOne,
    stops_at_first: false,
    of: Of::Other,
    flags: || vec![format_flag()],
    run: |door, matches| run_on(door, matches, Some("image")),
};

/// What can be looked at, in the order in which a name without a type is tried.
const TYPES: [&str; 4] = ["container", "image", "network", "volume"];

/// `-f`, of everything that shows documents.
pub(crate) fn format_flag() -> Arg {
    text("format", "string", "Format output using a custom template: 'json' or TEMPLATE").short('f')
}

fn container_flags() -> Vec<Arg> {
    vec![format_flag(), switch("size", "Display total file sizes").short('s')]
}

fn flags() -> Vec<Arg> {
    vec![
        format_flag(),
        switch("size", "Display total file sizes if the type is container").short('s'),
        text("type", "string", "Only inspect objects of the given type (container, image, network, volume)"),
    ]
}

fn run(door: &mut Door, matches: &ArgMatches) -> Result<u8> {
    match one(matches, "type") {
        Some(unknown) if !TYPES.contains(&unknown) => {
            let known = TYPES.map(|name| format!("{name:?}")).join(", ");
            Err(Error::invalid(format!("unknown type: {unknown:?}: must be one of {known}")))
        }
        wanted => run_on(door, matches, wanted),
    }
}

/// An object of one of the types.
#[derive(Serialize)]
#[serde(untagged)]
enum Object {
    Container(Box<api::inspect::Container>),
    Image(Box<api::inspect::Image>),
    Network(Box<api::inspect::NetworkDetails>),
    Volume(api::VolumeDetails),
}

/// `of`: only objects of this type.
fn run_on(door: &mut Door, matches: &ArgMatches, of: Option<&str>) -> Result<u8> {
    let size = !matches!(of, Some("image" | "network" | "volume")) && is_on(matches, "size");
    // Files of other users are measured.
    let engine = door.engine(if size { As::Root } else { As::Caller })?;
    show(door, rest(matches), one(matches, "format"), |name| match of {
        Some(of) => match find(&engine, of, name, size)? {
            Some(object) => Ok(Some(object)),
            None if of == "volume" => Err(Error::not_found(format!("get {name}: no such volume"))),
            None if of == "network" => Err(Error::not_found(format!("network {name} not found"))),
            None => Err(Error::not_found(format!("No such {of}: {name}"))),
        },
        None => {
            for of in TYPES {
                if let Some(object) = find(&engine, of, name, size)? {
                    return Ok(Some(object));
                }
            }
            Ok(None)
        }
    })
}

fn find(engine: &Engine, of: &str, name: &str, size: bool) -> Result<Option<Object>> {
    Ok(match of {
        "container" => engine.inspect_container(name, size)?.map(|found| Object::Container(Box::new(found))),
        "image" => engine.inspect_image(name)?.map(|found| Object::Image(Box::new(found))),
        "network" => engine.inspect_network(name)?.map(|found| Object::Network(Box::new(found))),
        _ => engine.inspect_volume(name)?.map(Object::Volume),
    })
}

/// Shows what `find` finds under each name: as a list, or each through a template. Goes on after a failure.
pub(crate) fn show<T: Serialize>(
    door: &mut Door,
    names: Vec<String>,
    format: Option<&str>,
    mut find: impl FnMut(&str) -> Result<Option<T>>,
) -> Result<u8> {
    let format = format.filter(|format| !format.is_empty());
    let template = match format.filter(|format| *format != "json").map(Template::parse).transpose() {
        Ok(template) => template,
        Err(error) => {
            door.console.complain(&error);
            return Ok(exit::BAD_TEMPLATE);
        }
    };
    let mut found = Vec::new();
    let mut lines = String::new();
    let mut failures = String::new();
    for name in names {
        let object = match find(&name) {
            Ok(Some(object)) => object,
            Ok(None) => {
                failures.push_str(&format!("error: no such object: {}\n", Error::invalid(name.as_str())));
                continue;
            }
            Err(error) => {
                failures.push_str(&crate::console::describe(&error));
                continue;
            }
        };
        match &template {
            None => found.push(object),
            Some(template) => match template.fill(&template::of(&object)) {
                Ok(line) => lines.push_str(&(line + "\n")),
                Err(error) => failures.push_str(&crate::console::describe(&error)),
            },
        }
    }
    let shown = match (&template, format) {
        // An empty line is what Docker's users get.
        (Some(_), _) if lines.is_empty() => "\n".to_owned(),
        (Some(_), _) => lines,
        (None, None) => indented(&found)?,
        (None, Some(_)) => serde_json::to_string(&found).map_err(std::io::Error::from)? + "\n",
    };
    door.console.out(shown);
    if failures.is_empty() {
        return Ok(exit::SUCCESS);
    }
    door.console.tell(failures);
    Ok(exit::FAILURE)
}

/// A list with four blanks a level.
fn indented(list: &impl Serialize) -> Result<String> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    "));
    list.serialize(&mut serializer).map_err(std::io::Error::from)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned() + "\n")
}
