//! `index.json`: what skopeo, crane and umoci read of an OCI layout, derived from the pointers after each change.

use crate::files;
use crate::store::{Store, is_covered};
use error::Result;
use oci::image::media_type;
use oci::{Descriptor, Index};

/// The annotation that names an entry of a layout (image-spec, annotations.md).
const REF_NAME: &str = "org.opencontainers.image.ref.name";

impl Store {
    /// The caller holds the store's lock.
    pub(crate) fn write_index_json(&self) -> Result<()> {
        let pointers = self.pointers()?;
        let manifests = pointers.iter().filter(|pointer| !is_covered(pointer, &pointers)).map(|pointer| {
            let mut descriptor: Descriptor = pointer.descriptor.clone();
            let name = (REF_NAME.to_owned(), pointer.reference.to_string());
            descriptor.annotations.get_or_insert_default().extend([name]);
            descriptor
        });
        let index = Index {
            schema_version: 2,
            media_type: media_type::INDEX.to_owned(),
            manifests: manifests.collect(),
            extra: serde_json::Map::new(),
        };
        let bytes = serde_json::to_vec(&index).expect("an index is plain JSON");
        files::replace_derived(&self.tmp_dir(), &self.root.join("index.json"), &bytes)
    }
}
