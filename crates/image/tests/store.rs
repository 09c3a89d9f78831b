//! The store on its own: images made here, names, IDs, removal, and what damage does.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

use common::{Scratch, reference};
use error::{Error, Kind};
use image::Image;
use oci::image::media_type;
use oci::{Digest, ImageConfig};
use std::fs;

/// An image whose layers hold these texts.
fn put(scratch: &Scratch, name: &str, layers: &[&str]) -> Image {
    let mut descriptors = Vec::new();
    for layer in layers {
        descriptors.push(scratch.store.put_blob(media_type::LAYER, &mut layer.as_bytes()).unwrap());
    }
    let diff_ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer.as_bytes()).to_string()).collect();
    let config: ImageConfig = serde_json::from_value(serde_json::json!({
        "architecture": oci::Platform::of_this_machine().architecture, "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }))
    .unwrap();
    scratch.store.put_image(&reference(name), &config, descriptors).unwrap()
}

fn remove(scratch: &Scratch, text: &str, force: bool) -> error::Result<(Vec<String>, Vec<Digest>, Vec<Digest>)> {
    let mut released = Vec::new();
    let mut release = |diff_id: &Digest| {
        released.push(*diff_id);
        Ok(())
    };
    let removed = scratch.store.remove(text, force, &mut release)?;
    Ok((removed.untagged, removed.deleted, released))
}

#[test]
fn an_empty_store_is_read_without_being_made() {
    let scratch = Scratch::new();
    assert_eq!(scratch.store.find(&reference("alpine"), None), Ok(None));
    assert_eq!(scratch.store.lookup("abcdef", None), Ok(None));
    assert_eq!(scratch.store.list(), Ok(Vec::new()));
    assert_eq!(remove(&scratch, "alpine", false).unwrap_err().to_string(), "No such image: alpine");
    assert_eq!(fs::read_dir(&scratch.dir).unwrap().count(), 0);
}

#[test]
fn a_made_image_lies_as_the_layout_is_drawn() {
    let scratch = Scratch::new();
    let image = put(&scratch, "localhost:5000/team/app:1", &["a"]);
    let mut expected: Vec<String> = [image.manifest.layers[0].digest, image.id, image.manifest_digest]
        .iter()
        .map(|digest| format!("blobs/sha256/{}", digest.hex()))
        .collect();
    expected.sort();
    expected.extend([
        "index.json".to_owned(),
        "manifests/localhost+5000/team+app/1".to_owned(),
        format!("manifests/localhost+5000/team+app/sha256+{}", image.manifest_digest.hex()),
        "oci-layout".to_owned(),
    ]);
    assert_eq!(scratch.files(), expected);
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(scratch.dir.join("images/index.json")).unwrap()).unwrap();
    assert_eq!(
        index["manifests"],
        serde_json::json!([{
            "mediaType": media_type::MANIFEST,
            "digest": image.manifest_digest.to_string(),
            "size": image.descriptor.size,
            "annotations": {"org.opencontainers.image.ref.name": "localhost:5000/team/app:1"},
        }])
    );
}

#[test]
fn images_are_found_by_name_digest_and_id() {
    let scratch = Scratch::new();
    let (one, two) = (put(&scratch, "app:1", &["a"]), put(&scratch, "app:2", &["b"]));
    let by_digest = format!("app@{}", one.manifest_digest);
    for text in ["app:1", "docker.io/library/app:1", &by_digest, &one.id.hex()[..8], &one.id.to_string()] {
        let found = scratch.store.lookup(text, None).unwrap().unwrap();
        assert_eq!(found.id, one.id, "{text}");
    }
    assert_eq!(scratch.store.lookup("app:3", None), Ok(None));
    assert_eq!(scratch.store.find_by_id_prefix("nohex"), Ok(None));
    assert_ne!(one.id, two.id);
    let error = scratch.store.find_by_id_prefix("sha256:").map(|found| found.is_some());
    assert_eq!(error, Ok(false));
}

#[test]
fn a_moved_tag_leaves_its_old_image_without_a_tag() {
    let scratch = Scratch::new();
    let old = put(&scratch, "app:1", &["a"]);
    let new = put(&scratch, "app:1", &["b"]);
    let lines: Vec<_> = scratch
        .store
        .list()
        .unwrap()
        .into_iter()
        .map(|entry| (entry.reference.tag().map(str::to_owned), entry.image.id))
        .collect();
    assert!(lines.contains(&(Some("1".to_owned()), new.id)) && lines.contains(&(None, old.id)) && lines.len() == 2);
}

#[test]
fn the_last_name_takes_the_image_with_it_but_not_what_others_share() {
    let scratch = Scratch::new();
    let one = put(&scratch, "app:1", &["shared", "own"]);
    put(&scratch, "other:1", &["shared"]);
    put(&scratch, "app:alias", &["shared", "own"]);
    assert_eq!(remove(&scratch, "app:1", false), Ok((vec!["app:1".to_owned()], vec![], vec![])));
    let (untagged, deleted, released) = remove(&scratch, "app:alias", false).unwrap();
    let own = Digest::of(b"own");
    assert_eq!(untagged, ["app:alias".to_owned(), format!("app@{}", one.manifest_digest)]);
    assert_eq!((deleted, released), (vec![one.id, own], vec![own]));
    assert_eq!(scratch.store.list().unwrap().len(), 1);
    remove(&scratch, "other:1", false).unwrap();
    assert_eq!(scratch.files(), ["index.json", "oci-layout"]);
}

#[test]
fn an_id_with_several_tags_needs_force() {
    let scratch = Scratch::new();
    let image = put(&scratch, "a:1", &["x"]);
    put(&scratch, "b:1", &["x"]);
    let error = remove(&scratch, &image.id.short(), false).unwrap_err();
    assert_eq!(
        (error.kind, error.to_string()),
        (
            Kind::Conflict,
            format!(
                "unable to delete {} (must be forced) - image is referenced in multiple repositories",
                image.id.short()
            )
        )
    );
    let (untagged, deleted, _) = remove(&scratch, &image.id.short(), true).unwrap();
    assert_eq!((untagged.len(), deleted[0]), (4, image.id));
    assert_eq!(scratch.files(), ["index.json", "oci-layout"]);
}

#[test]
fn a_damaged_image_is_as_good_as_absent_and_can_be_removed() {
    let scratch = Scratch::new();
    let image = put(&scratch, "app:1", &["x"]);
    fs::write(scratch.store.blob_path(&image.id), "{}").unwrap();
    assert_eq!(scratch.store.find(&reference("app:1"), None), Ok(None));
    assert_eq!(scratch.store.list(), Ok(Vec::new()));
    assert_eq!(remove(&scratch, "app:1", false).unwrap().0.len(), 2);

    put(&scratch, "app:1", &["x"]);
    fs::write(scratch.dir.join("images/manifests/docker.io/library+app/1"), "").unwrap();
    assert_eq!(scratch.store.find(&reference("app:1"), None), Ok(None));

    let image = put(&scratch, "app:1", &["x"]);
    fs::write(scratch.store.blob_path(&image.manifest.layers[0].digest), "longer").unwrap();
    let error = scratch.store.open_blob(&image.manifest.layers[0]).unwrap_err();
    assert!(error.to_string().ends_with("is damaged: 6 bytes, not 1"), "{error}");
}

#[test]
fn a_sweep_takes_only_what_nothing_names() {
    let scratch = Scratch::new();
    put(&scratch, "app:1", &["kept"]);
    let before = scratch.files();
    scratch.store.put_blob(media_type::LAYER, &mut &b"orphan"[..]).unwrap();
    fs::write(scratch.dir.join("images/tmp").join(format!("{}.partial", "0".repeat(64))), "half").unwrap();
    assert_eq!(scratch.store.sweep(), Ok(10));
    assert_eq!(scratch.files(), before);
}

#[test]
fn a_layer_that_can_not_be_read_leaves_nothing() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("broken"))
        }
    }
    let scratch = Scratch::new();
    let error = scratch.store.put_blob(media_type::LAYER, &mut Broken).unwrap_err();
    assert_eq!(error.to_string(), "can't read the layer: broken");
    assert_eq!(scratch.files(), ["oci-layout"]);
}

#[test]
fn a_release_that_fails_is_told() {
    let scratch = Scratch::new();
    put(&scratch, "app:1", &["x"]);
    let error = scratch.store.remove("app:1", false, &mut |_| Err(Error::invalid("in use"))).unwrap_err();
    assert_eq!(error.to_string(), "in use");
    assert_eq!(scratch.store.list(), Ok(Vec::new()));
}
