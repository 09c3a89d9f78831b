//! Names in a real folder: kept, given back, stale, raced for.

use super::*;

fn names_in(folder: &Path) -> Names {
    Names::new(folder)
}

fn exists(names: &Names, id: &str) {
    fs::create_dir_all(names.containers.join(id)).unwrap();
}

#[test]
fn a_kept_name_belongs_to_its_container() {
    let folder = crate::scratch::Folder::new();
    let names = names_in(&folder);
    let id = new_id().unwrap();
    let reserved = names.reserve(Some("web"), &id).unwrap();
    exists(&names, &id);
    assert_eq!(reserved.keep(), "web");
    assert_eq!(names.lookup("web").unwrap(), Some(id.clone()));
    assert_eq!(names.lookup("/web").unwrap(), Some(id.clone()));
    let refused = names.reserve(Some("web"), &new_id().unwrap()).unwrap_err();
    let text = format!(
        "Conflict. The container name \"/web\" is already in use by container \"{id}\". You have to remove (or \
         rename) that container to be able to reuse that name."
    );
    assert_eq!((refused.kind, refused.to_string()), (Kind::Conflict, text));
    names.release("web", &new_id().unwrap()).unwrap();
    assert_eq!(names.lookup("web").unwrap(), Some(id.clone()), "another's release changes nothing");
    names.release("web", &id).unwrap();
    assert_eq!(names.lookup("web").unwrap(), None);
}

#[test]
fn a_dropped_reservation_gives_the_name_back() {
    let folder = crate::scratch::Folder::new();
    let names = names_in(&folder);
    drop(names.reserve(Some("web"), &new_id().unwrap()).unwrap());
    assert_eq!(names.lookup("web").unwrap(), None);
    names.reserve(Some("web"), &new_id().unwrap()).unwrap();
}

#[test]
fn a_name_is_stale_only_when_nobody_makes_its_container() {
    let folder = crate::scratch::Folder::new();
    let names = names_in(&folder);
    let (first, second) = (new_id().unwrap(), new_id().unwrap());
    let reserved = names.reserve(Some("web"), &first).unwrap();
    assert_eq!(names.reserve(Some("web"), &second).unwrap_err().kind, Kind::Conflict, "it is being made");
    // As after a kill: the file stays, the lock goes, no container came.
    reserved.keep();
    let taken = names.reserve(Some("web"), &second).unwrap();
    assert_eq!(names.lookup("web").unwrap(), Some(second));
    drop(taken);
    fs::write(folder.join("names/half"), "").unwrap();
    assert_eq!(names.lookup("half").unwrap(), None);
    names.reserve(Some("half"), &first).unwrap();
}

#[test]
fn a_sweep_takes_only_stale_names() {
    let folder = crate::scratch::Folder::new();
    let names = names_in(&folder);
    names.sweep(&HashSet::new()).unwrap();
    let id = new_id().unwrap();
    exists(&names, &id);
    names.reserve(Some("kept"), &id).unwrap().keep();
    names.reserve(Some("stale"), &new_id().unwrap()).unwrap().keep();
    let reserved = names.reserve(Some("reserved"), &new_id().unwrap()).unwrap();
    names.sweep(&HashSet::new()).unwrap();
    let mut left: Vec<_> = fs::read_dir(&names.dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["kept", "reserved"]);
    drop(reserved);
}

#[test]
fn one_of_many_at_once_gets_the_name() {
    let folder = crate::scratch::Folder::new();
    let names = names_in(&folder);
    let won: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let id = new_id().unwrap();
                    let reserved = names.reserve(Some("web"), &id).ok()?;
                    exists(&names, &id);
                    reserved.keep();
                    Some(id)
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(won.len(), 1);
    assert_eq!(names.lookup("web").unwrap().as_ref(), won.first());
}

#[test]
fn made_up_names_are_valid_and_differ() {
    let folder = crate::scratch::Folder::new();
    let names = names_in(&folder);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..300 {
        let id = new_id().unwrap();
        let reserved = names.reserve(None, &id).unwrap();
        assert_eq!(check(reserved.name()).unwrap(), reserved.name());
        exists(&names, &id);
        assert!(seen.insert(reserved.keep()));
    }
}

#[test]
fn names_are_as_docker_allows_them() {
    let long = "a".repeat(MAX_NAME_BYTES);
    for good in ["web", "/web", "0_.-", "Ab", long.as_str()] {
        assert!(check(good).is_ok(), "{good}");
    }
    for bad in ["", "/", "a", "_a", ".a", "-a", "a b", "a/b", "//web", "wéb", "a\n", "../x"] {
        let text = format!("Invalid container name ({bad}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
        assert_eq!(check(bad).unwrap_err().messages, [text]);
    }
    assert!(check(&"a".repeat(MAX_NAME_BYTES + 1)).is_err());
}

#[test]
fn ids_are_64_digits_and_a_host_name_never_only_a_number() {
    let (one, other) = (new_id().unwrap(), new_id().unwrap());
    assert!(is_id(&one) && is_id(&other) && one != other);
    assert!((0..2000).all(|_| new_id().unwrap()[..12].parse::<u64>().is_err()));
}
