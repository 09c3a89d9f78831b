//! `isolazi rmi`: what it says.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking, in their helpers too")]

mod common;

#[test]
fn what_is_said_is_as_recorded() {
    for scene in common::Scene::both() {
        scene.records("rmi", &["", "nope", "Bad/Name", "sha256:nope", "-f nope", "-f IMAGE:nosuch"]);
    }
}

#[test]
fn an_image_goes_when_no_container_needs_it_or_by_force() {
    for busybox in common::Busybox::both() {
        let (isolazi, image) = (&busybox.isolazi, busybox.image.as_str());
        let container = isolazi.run(&["create", "--name", "user", image]).ok();
        let id = isolazi.run(&["images", "-q", image]).ok();
        isolazi.run(&["rmi", image]).fails(
            1,
            &format!(
                "Error: conflict: unable to remove repository reference \"{image}\" (must force) - container {} is using \
                 its referenced image {}\n",
                &container[..12],
                id.trim_end()
            ),
        );
        let removed = isolazi.run(&["rmi", "-f", image]).ok();
        assert!(removed.starts_with(&format!("Untagged: {image}:latest\n")), "{removed}");
        // Its layers are there for as long as the container is.
        assert_eq!(isolazi.run(&["start", "-a", "user"]).ok(), "");
        isolazi.run(&["rm", "user"]).ok();

        isolazi.run(&["pull", "-q", image]).ok();
        let digest = isolazi.run(&["images", "--format", "{{.Digest}}", image]).ok();
        let removed = isolazi.run(&["image", "remove", id.trim_end(), "nope"]);
        assert_eq!((removed.code, removed.stderr.as_str()), (1, "Error: No such image: nope\n"));
        let lines: Vec<&str> = removed.stdout.lines().collect();
        assert_eq!(lines[0], format!("Untagged: {image}:latest"));
        assert_eq!(lines[1], format!("Untagged: {image}@{}", digest.trim_end()));
        assert!(lines[2..].iter().all(|line| line.starts_with("Deleted: sha256:")) && lines.len() > 2, "{lines:?}");
        assert_eq!(isolazi.run(&["images", "-q"]).ok(), "");
        busybox.holds_nothing();
    }
}
