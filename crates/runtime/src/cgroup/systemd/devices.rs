//! Device rules in systemd's words: a list of what is allowed.
//!
//! Our own program holds besides (a device may be opened if all attached programs allow it), so systemd's list may be
//! wider than the rules, but never narrower. Rules that no list can say are left to the program alone.

use super::super::devices;
use super::properties::{Property, Value};
use oci::runtime::DeviceRule;

/// `DevicePolicy` and `DeviceAllow` for these rules; nothing without rules.
pub(super) fn properties(rules: &[DeviceRule]) -> Vec<Property> {
    if rules.is_empty() {
        return Vec::new();
    }
    let (policy, list) = match allowed(rules) {
        Some(list) => ("strict", list),
        None => ("auto", Vec::new()),
    };
    // A list is added to the one that is there; an empty one empties it.
    let mut properties = vec![
        Property::new("DevicePolicy", Value::Text(policy.to_owned())),
        Property::new("DeviceAllow", Value::Pairs(Vec::new())),
    ];
    if !list.is_empty() {
        properties.push(Property::new("DeviceAllow", Value::Pairs(list)));
    }
    properties
}

/// (device, letters); `None` if that can't be said, or if nothing is forbidden. v1's controller keeps a list of the same
/// kind, so that its words are translated here.
fn allowed(rules: &[DeviceRule]) -> Option<Vec<(String, String)>> {
    let mut list = Vec::new();
    let mut sayable = true;
    let read = devices::v1(rules, |_, file, value| match (file, value) {
        ("devices.deny", "a") => {}
        ("devices.allow", value) if value != "a" => match entry(value) {
            Some(entry) => list.push(entry),
            None => sayable = false,
        },
        _ => sayable = false,
    });
    (read.is_ok() && sayable).then_some(list)
}

/// `c 10:* rw` → `char-10`, `rw`
fn entry(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let (kind, numbers, letters) = (words.next()?, words.next()?, words.next()?);
    let device = match (kind, numbers.split_once(':')?) {
        ("c", (major, "*")) => format!("char-{major}"),
        ("b", (major, "*")) => format!("block-{major}"),
        (_, ("*", _)) => return None,
        ("c", _) => format!("/dev/char/{numbers}"),
        ("b", _) => format!("/dev/block/{numbers}"),
        _ => return None,
    };
    Some((device, letters.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> DeviceRule {
        let mut words = text.split(' ');
        let mut word = || words.next().unwrap().to_owned();
        let allow = word() == "allow";
        let kind = word();
        let number = |word: String| word.parse().ok();
        DeviceRule { allow, kind, major: number(word()), minor: number(word()), access: word() }
    }

    /// The list without the devices that every container has.
    fn list(rules: &[&str]) -> Option<Vec<String>> {
        let rules: Vec<_> = rules.iter().map(|text| rule(text)).collect();
        let usual = allowed(&[rule("deny a * * rwm")]).unwrap();
        let list = allowed(&rules)?;
        Some(list.iter().filter(|entry| !usual.contains(entry)).map(|(a, b)| format!("{a} {b}")).collect())
    }

    #[test]
    fn allowed_devices_become_a_list() {
        let deny = "deny a * * rwm";
        assert_eq!(list(&[deny, "allow c 10 229 r"]).unwrap(), ["/dev/char/10:229 r"]);
        assert_eq!(list(&[deny, "allow b 8 * rw", "allow c * * r"]).unwrap(), ["block-8 rw", "char-* r"]);
        assert_eq!(list(&[deny, "allow a 7 0 w"]).unwrap(), ["block-* w", "char-* w"], "`a` is about all devices");
    }

    #[test]
    fn the_usual_devices_and_nodes_are_always_allowed() {
        let usual = allowed(&[rule("deny a * * rwm")]).unwrap();
        for (device, letters) in [("char-*", "m"), ("block-*", "m"), ("/dev/char/1:3", "rwm"), ("char-136", "rwm")] {
            assert!(usual.contains(&(device.to_owned(), letters.to_owned())), "{device} in {usual:?}");
        }
    }

    #[test]
    fn what_a_list_cannot_say_is_left_to_the_program() {
        for rules in [
            &["allow a * * rwm"][..],
            &["allow a * * rwm", "deny c 10 229 rwm"],
            &["deny a * * rwm", "allow c 10 * rw", "deny c 10 229 w"],
            &["deny a * * rwm", "allow c * 3 rw"],
        ] {
            assert_eq!(list(rules), None, "{rules:?}");
            let rules: Vec<_> = rules.iter().map(|text| rule(text)).collect();
            let names: Vec<_> = properties(&rules).into_iter().map(|property| property.value).collect();
            assert_eq!(names, [Value::Text("auto".to_owned()), Value::Pairs(Vec::new())]);
        }
        assert_eq!(properties(&[]), []);
    }
}
