//! Volumes and binds of a container that is being made: found or made, leased, filled, and placed.

mod inherited;
mod options;
pub(crate) mod subpath;

use crate::Engine;
use crate::spec::{Content, Placed};
use crate::volumes::{Facts, Leased, Volumes};
use api::{Create, PullEvent, Volume, VolumeSource};
use error::{Error, Result, ResultExt};
use image::Image;
use rustix::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

pub(crate) use inherited::of as inherited;
pub(crate) use options::check as check_options;

/// All in place. Volumes made for this container alone go again unless it comes to be.
pub(crate) struct PlacedVolumes<'a> {
    volumes: &'a Volumes,
    /// For the spec.
    pub placed: Vec<Placed>,
    /// For the record: volumes without a name stand under the one that they got.
    pub mounts: Vec<Volume>,
    /// Names of those.
    pub anonymous: Vec<String>,
    leases: Vec<Leased>,
    kept: bool,
}

impl PlacedVolumes<'_> {
    /// The container is in the list: that keeps its volumes.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for PlacedVolumes<'_> {
    fn drop(&mut self) {
        self.leases.clear();
        if !self.kept {
            for name in &self.anonymous {
                // The first failure is the one to tell; an unused volume is harmless and `volume prune` finds it.
                let _ = self.volumes.remove(name);
            }
        }
    }
}

/// The user's volumes, those of other containers, and an anonymous one for each path that the image wants kept apart.
pub(crate) fn place<'a>(
    engine: &'a Engine,
    request: &Create,
    inherited: Vec<Volume>,
    image: &Image,
    root: &OwnedFd,
    tell: &dyn Fn(PullEvent),
) -> Result<PlacedVolumes<'a>> {
    let volumes = &engine.volumes;
    let mut all = PlacedVolumes {
        volumes,
        placed: Vec::new(),
        mounts: Vec::new(),
        anonymous: Vec::new(),
        leases: Vec::new(),
        kept: false,
    };
    for volume in request.volumes.iter().cloned() {
        all.add(volume, false, root, tell)?;
    }
    for volume in inherited {
        if !covers(request, &all.mounts, &volume.target) {
            all.add(volume, true, root, tell)?;
        }
    }
    let of_image = image.config.config.volumes.iter().flat_map(|volumes| volumes.keys());
    for target in of_image.filter(|target| target.starts_with('/')) {
        if !covers(request, &all.mounts, target) {
            all.add(Volume { target: target.clone(), ..Volume::default() }, false, root, tell)?;
        }
    }
    Ok(all)
}

fn covers(request: &Create, mounts: &[Volume], target: &str) -> bool {
    let same = |other: &str| Path::new(other) == Path::new(target);
    mounts.iter().any(|v| same(&v.target)) || request.tmpfs.iter().any(|t| same(&t.target))
}

impl PlacedVolumes<'_> {
    fn add(&mut self, mut volume: Volume, is_inherited: bool, root: &OwnedFd, tell: &dyn Fn(PullEvent)) -> Result<()> {
        // Before a volume is made that could never be used.
        options::check(&volume.options)?;
        let content = match volume.source.clone() {
            VolumeSource::Bind(path) => Content::Host(bind_source(&path, volume.by_mount, tell)?),
            VolumeSource::Named(name) if is_inherited => {
                let found = self.volumes.existing(&name)?;
                // Its owner went a moment ago and took it along: an empty one in its place would be no help.
                let found = found.ok_or_else(|| Error::not_found(format!("get {name}: no such volume")))?;
                self.open(&volume, found, root)?
            }
            VolumeSource::Named(name) => {
                let facts = || Facts::new(&volume.labels, &volume.options);
                self.open(&volume, self.volumes.named(&name, facts)?, root)?
            }
            VolumeSource::Anonymous => {
                let made = self.volumes.anonymous(Facts::new(&volume.labels, &volume.options))?;
                self.anonymous.push(made.name.clone());
                volume.source = VolumeSource::Named(made.name.clone());
                self.open(&volume, made, root)?
            }
        };
        self.placed.push(Placed {
            content,
            target: volume.target.clone(),
            read_only: volume.read_only,
            propagation: volume.propagation.clone(),
            below: volume.below,
        });
        self.mounts.push(volume);
        Ok(())
    }

    /// What of a volume is mounted, filled if need be. The volume stays leased.
    fn open(&mut self, volume: &Volume, leased: Leased, root: &OwnedFd) -> Result<Content> {
        let content = options::content(&leased)?;
        if matches!(&content, Content::Host(path) if *path == leased.data) && !volume.no_copy {
            self.volumes.fill(root.as_fd(), &volume.target, &leased.data)?;
        }
        self.leases.push(leased);
        match content {
            Content::Host(path) if !volume.subpath.is_empty() => subpath::check(&path, &volume.subpath),
            content => Ok(content),
        }
    }
}

/// A folder that is missing is made, as Docker's `-v` does, but as the user who asks, and it is told: mostly it is a
/// slip of the pen. With `--mount` it must be there.
fn bind_source(path: &Path, must_exist: bool, tell: &dyn Fn(PullEvent)) -> Result<PathBuf> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => {}
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && must_exist => {
            let error = Error::invalid(format!(
                "invalid mount config for type \"bind\": bind source path does not exist: {}",
                path.display()
            ));
            return Err(match neighbour(path) {
                Some(name) => error.hint(format!("there is `{}`", path.with_file_name(name).display())),
                None => error,
            });
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            let near = neighbour(path);
            std::fs::create_dir_all(path).context(|| format!("can't make the missing folder `{}`", path.display()))?;
            let mut text = format!("created missing directory {}", path.display());
            if let Some(name) = near {
                text.push_str(&format!(" (there is also {})", path.with_file_name(name).display()));
            }
            tell(PullEvent::Note(text));
        }
        Err(cause) => return Err(cause).context(|| format!("can't mount `{}`", path.display())),
    }
    Ok(path.to_owned())
}

/// The name beside it that one slip turns into it.
fn neighbour(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let names = std::fs::read_dir(path.parent()?).ok()?.flatten();
    let mut near: Vec<String> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|other| is_one_slip(name, other))
        .collect();
    near.sort();
    near.into_iter().next()
}

/// One letter too many, too few or wrong, or two in the wrong order.
fn is_one_slip(one: &str, other: &str) -> bool {
    let (mut a, mut b): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if a.len() > b.len() {
        std::mem::swap(&mut a, &mut b);
    }
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[same..], &b[same..]);
    match (a, b) {
        ([], []) => false,
        ([first, second, a @ ..], [x, y, b @ ..]) if (first, second) == (y, x) && a == b => true,
        _ if a.len() == b.len() => a[1..] == b[1..],
        _ => a == &b[1..],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_is_one() {
        for (one, other, is) in [
            ("data", "data", false),
            ("dat", "data", true),
            ("data", "dta", true),
            ("daat", "data", true),
            ("dato", "data", true),
            ("xdata", "data", true),
            ("da", "data", false),
            ("adat", "data", false),
            ("", "a", true),
            ("", "ab", false),
        ] {
            assert_eq!(is_one_slip(one, other), is, "{one} {other}");
            assert_eq!(is_one_slip(other, one), is, "{other} {one}");
        }
    }
}
