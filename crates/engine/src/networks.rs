//! Networks: what they are, and who has which address.
//!
//! ```text
//! <data>/networks/                    locked by who changes anything below it, or a bridge, for a handful of calls
//! <data>/networks/<name>/network.json Definition: written when it was made, never changed
//!                       /addresses/   a file for each address that is taken; in it stands the container's id
//!                       /names/       other names of containers (networks/zone.rs)
//! <data>/networks/.new-* .gone-*      half made and half removed ones: rubbish
//! <data>/containers/<id>/network.json what a container has while it runs (networks/connected.rs); written before any of it
//! ```
//! The bridge and its table are kernel objects (crate `network`), made for the first container of a network and removed with its
//! last one. An address whose container has no `network.json` that says so is nobody's.

mod addresses;
mod asked;
mod connected;
mod requests;
mod zone;

pub(crate) use asked::{settle, with_exposed};
pub(crate) use connected::{Connected, Connection, OnNetwork, disconnect};

use crate::names::random_hex;
use crate::record;
use api::DEFAULT_NETWORK;
use error::{Error, Kind, Result, ResultExt};
use network::{Bridge, Cidr, Subnet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const DEFINITION: &str = "network.json";
const ADDRESSES: &str = "addresses";

/// What a file name can have, in bytes (`NAME_MAX`).
const MAX_NAME_BYTES: usize = 255;

const NEW: &str = ".new-";
const GONE: &str = ".gone-";

/// The bytes of the largest packet, unless somebody says otherwise: Ethernet's.
const DEFAULT_MTU: u32 = 1500;

/// Names that mean something else than a network of ours.
const RESERVED: [&str; 4] = ["host", "none", "container", "default"];

/// All networks.
#[derive(Debug, Clone)]
pub(crate) struct Networks {
    dir: PathBuf,
}

/// `network.json` of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// [`record::VERSION`].
    pub version: u32,
    /// 64 hexadecimal digits.
    pub id: String,
    /// Unique among the networks.
    pub name: String,
    /// RFC 3339.
    pub created: String,
    /// Its addresses, at most one subnet of each family.
    pub subnets: Vec<Subnet>,
    /// Nothing leads out of it.
    pub internal: bool,
    /// Free notes.
    pub labels: BTreeMap<String, String>,
    /// As they were given.
    pub options: BTreeMap<String, String>,
}

impl Definition {
    /// What it is to the kernel.
    pub(crate) fn bridge(&self) -> Bridge {
        let mtu = ["com.docker.network.driver.mtu", "mtu"].iter().find_map(|key| self.options.get(*key));
        Bridge {
            name: self.device(),
            subnets: self.subnets.clone(),
            internal: self.internal,
            mtu: mtu.and_then(|mtu| mtu.parse().ok()).unwrap_or(DEFAULT_MTU),
        }
    }

    /// The name of its bridge: 15 bytes, as long as one can be.
    pub(crate) fn device(&self) -> String {
        format!("isolazi-{}", self.id.get(..7).unwrap_or_default())
    }
}

/// While it lives nobody else changes networks, addresses or bridges.
pub(crate) struct Locked<'a> {
    networks: &'a Networks,
    _folder: File,
}

impl Networks {
    /// Of that data folder. Nothing is made before the first network is used.
    pub(crate) fn new(data: &Path) -> Self {
        Self { dir: data.join("networks") }
    }

    pub(crate) fn lock(&self) -> Result<Locked<'_>> {
        let words = || format!("can't lock `{}`", self.dir.display());
        record::make_private_dirs(&self.dir).context(words)?;
        let folder = File::open(&self.dir).context(words)?;
        folder.lock().context(words)?;
        Ok(Locked { networks: self, _folder: folder })
    }

    /// The network of that name, or whose id begins so.
    pub(crate) fn find(&self, wanted: &str) -> Result<Option<Definition>> {
        if is_name(wanted)
            && let Some(found) = self.read(wanted)?
        {
            return Ok(Some(found));
        }
        if wanted.is_empty() {
            return Ok(None);
        }
        let mut all = self.list()?.into_iter().filter(|network| network.id.starts_with(wanted));
        match (all.next(), all.next()) {
            (Some(_), Some(_)) => Err(Error::new(Kind::Conflict, format!("network {wanted} is ambiguous"))),
            (found, _) => Ok(found),
        }
    }

    fn read(&self, name: &str) -> Result<Option<Definition>> {
        record::read(&self.dir.join(name).join(DEFINITION))
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Result<Vec<Definition>> {
        let words = || format!("can't list `{}`", self.dir.display());
        let entries = match fs::read_dir(&self.dir) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.context(words)?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry.context(words)?.file_name();
            if let Some(name) = name.to_str().filter(|name| is_name(name)) {
                // It may be removed meanwhile.
                all.extend(self.read(name)?);
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Where the containers are.
    fn containers(&self) -> PathBuf {
        self.dir.with_file_name("containers")
    }

    /// The ids of containers that have an address on a network.
    pub(crate) fn members(&self, name: &str) -> Result<Vec<String>> {
        addresses::owners(&self.dir.join(name).join(ADDRESSES))
    }
}

impl Locked<'_> {
    /// The network of that name; the default one is made when it is missing.
    pub(crate) fn get(&self, wanted: &str) -> Result<Definition> {
        match self.networks.find(wanted)? {
            Some(found) => Ok(found),
            None if wanted == DEFAULT_NETWORK => {
                let subnet = subnet_of(network::choose(&self.taken()?, None)?)?;
                self.make(&Definition {
                    version: record::VERSION,
                    id: random_hex()?,
                    name: DEFAULT_NETWORK.to_owned(),
                    created: record::now(),
                    subnets: vec![subnet],
                    internal: false,
                    labels: BTreeMap::new(),
                    options: BTreeMap::new(),
                })
            }
            None => Err(Error::not_found(format!("network {wanted} not found"))),
        }
    }

    /// The addresses of all networks.
    fn taken(&self) -> Result<Vec<Cidr>> {
        let all = self.networks.list()?.into_iter().flat_map(|network| network.subnets);
        Ok(all.map(|subnet| subnet.subnet).collect())
    }

    fn make(&self, network: &Definition) -> Result<Definition> {
        let words = || format!("can't make network `{}`", network.name);
        self.sweep().context(words)?;
        let aside = self.networks.dir.join(format!("{NEW}{}", network.id));
        fs::create_dir_all(aside.join(ADDRESSES)).context(words)?;
        record::write_new(&aside.join(DEFINITION), network)?;
        fs::rename(&aside, self.networks.dir.join(&network.name)).context(words)?;
        Ok(network.clone())
    }

    /// What others left half made or half removed: whoever is at work holds the lock.
    fn sweep(&self) -> std::io::Result<()> {
        for entry in fs::read_dir(&self.networks.dir)? {
            let entry = entry?;
            if [NEW, GONE].iter().any(|rubbish| entry.file_name().as_encoded_bytes().starts_with(rubbish.as_bytes())) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes a network that nobody is on.
    fn remove(&self, network: &Definition) -> Result<()> {
        let words = || format!("can't remove network `{}`", network.name);
        network::remove(&network.device())?;
        let gone = self.networks.dir.join(format!("{GONE}{}", network.id));
        fs::rename(self.networks.dir.join(&network.name), &gone).context(words)?;
        fs::remove_dir_all(&gone).context(words)
    }

    fn folder(&self, network: &str) -> PathBuf {
        self.networks.dir.join(network)
    }

    fn addresses(&self, network: &str) -> PathBuf {
        self.folder(network).join(ADDRESSES)
    }
}

/// The first address leads to all others.
fn subnet_of(subnet: Cidr) -> Result<Subnet> {
    let gateway = subnet.nth(1).ok_or_else(|| Error::invalid(format!("subnet {subnet} has no room for a gateway")))?;
    Ok(Subnet { subnet, gateway, range: None })
}

/// Docker's rule; what begins with a point is no network, and what is no file name neither.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= MAX_NAME_BYTES
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}
