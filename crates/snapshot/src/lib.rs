//! Blobs become root file systems: one folder per layer, named by diff ID, stacked by overlayfs. And the way back: what
//! a container changed ([`changes`]), trees that become archives ([`Packer`]), archives that become files ([`receive()`]).
//!
//! Knows no registries and no containers. Layers are unpacked independently of each other, in parallel if the caller
//! likes; what a layer leaves open about its parents' folders is settled when layers are stacked ([`Store::chain`]).
//!
//! ```text
//! snapshots/<diff-id-hex>/        a committed layer: exists ⇔ complete and verified
//!     fs/                         its files, whiteouts and opaque marks as overlayfs wants them
//!     implied                     folders without an entry of their own, each ended by a zero byte
//!     layer.json                  sizes and counts
//! snapshots/tmp-<…>/              being unpacked while its flock is held, else rubbish
//! snapshots/trash-<…>/            being removed
//! snapshots/chains/<chain-id>/    a stack of layers that has been looked at: exists ⇔ settled
//!     chain.json                  its diff IDs and what was found
//!     empty/                      an empty folder
//!     fs/                         only if needed: the implied folders with the metadata of lower layers
//! ```
#![cfg(target_os = "linux")]

mod archive;
mod attributes;
mod building;
mod chain;
mod changes;
mod entry;
mod flavour;
mod inflate;
mod limits;
mod merge;
mod name;
mod pack;
mod pax;
mod place;
mod receive;
mod root;
mod store;
mod tree;
mod unpack;

pub use attributes::Skipped;
pub use chain::Chain;
pub use changes::{Change, changes, stubs};
pub use flavour::Flavour;
pub use limits::Limits;
pub use pack::{Packed, Packer};
pub use receive::{Ground, Owners, Received, receive};
pub use root::{Upper, mount, view};
pub use store::Store;
pub use unpack::Unpacked;
