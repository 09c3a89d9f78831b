//! Images: a reference becomes verified content on disk, from a registry or from a caller's own bytes.
//!
//! It does not know how layers are unpacked (it hands their bytes to a [`LayerSink`]), nor terminals (it tells a
//! [`Progress`]), nor the environment (the caller gives credentials, proxies and certificates as values).
//!
//! ```text
//! <images>/oci-layout, index.json      a valid OCI image layout; index.json is derived from the pointers
//! <images>/blobs/sha256/<hex>          content; there ⇔ whole, verified and on the disk
//! <images>/manifests/<registry>/<repository>/<tag>            pointer: one descriptor, the truth about the tag
//! <images>/manifests/<registry>/<repository>/sha256+<hex>     pointer: what was pulled, whatever tags do later
//! <images>/tmp/<hex>.partial           a blob on its way, locked by who fetches it; a later pull resumes it
//! <images>/leases/<pid>-<n>            what a running pull relies on, locked while it runs
//! <images>/lock                        held briefly: to write pointers, to write a lease, to remove
//! ```
//! A manifest is stored only after all that it names, so a manifest in the store means a complete image.

mod base64;
mod blobs;
pub mod credentials;
mod files;
mod import;
mod index_json;
mod lease;
mod pointers;
mod progress;
mod proxies;
mod pull;
mod registry;
mod remove;
mod store;

pub use credentials::Credentials;
pub use progress::{Event, LayerSink, LayerState, Progress, Quiet};
pub use proxies::Proxies;
pub use pull::{PullOptions, Pulled, Retries};
pub use remove::Removed;
pub use store::{Entry, Image, Store};
