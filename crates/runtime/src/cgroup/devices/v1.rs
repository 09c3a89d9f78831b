//! Device rules for the v1 controller: it denies all and keeps a list of exceptions.
//!
//! <https://docs.kernel.org/admin-guide/cgroup-v1/devices.html>. (Its other mode, all allowed but a list, is used
//! where a configuration allows all.) An exception for many devices cannot have a hole: such rules are refused, and
//! our own ones give way.

use super::{ALL, Kind, MKNOD, READ, Rule, WRITE, read};
use crate::cgroup::limits::unsupported;
use error::Result;
use oci::runtime::DeviceRule;

/// Tells `write(own, file, value)` what to write, in order; `own` if only our [`defaults`](super::defaults) ask for it.
pub(crate) fn v1(rules: &[DeviceRule], mut write: impl FnMut(bool, &str, &str)) -> Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    let (allowed, exceptions) = lists(&read(rules)?)?;
    let (all, each) = if allowed { ("devices.allow", "devices.deny") } else { ("devices.deny", "devices.allow") };
    write(false, all, "a");
    for rule in exceptions {
        for kind in rule.kind.map_or(vec!['b', 'c'], |kind| vec![if kind == Kind::Block { 'b' } else { 'c' }]) {
            let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
            let access: String = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')]
                .iter()
                .filter(|(bit, _)| rule.access & bit != 0)
                .map(|(_, c)| c)
                .collect();
            write(rule.own, each, &format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor)));
        }
    }
    Ok(())
}

/// Is everything allowed? And the exceptions from that.
fn lists(rules: &[Rule]) -> Result<(bool, Vec<Rule>)> {
    let (mut allowed, mut exceptions) = (false, Vec::<Rule>::new());
    for rule in rules {
        let about_all = rule.kind.is_none() && rule.major.is_none() && rule.minor.is_none();
        if about_all && rule.access == ALL {
            (allowed, exceptions) = (rule.allow, Vec::new());
        } else if rule.allow == allowed {
            for exception in &mut exceptions {
                if rule.covers(exception) {
                    exception.access &= !rule.access;
                } else if rule.meets(exception) && rule.access & exception.access != 0 && !rule.own {
                    let why = "cgroup v1 can't except some devices from a rule for many";
                    return Err(unsupported("devices", why));
                }
            }
            exceptions.retain(|exception| exception.access != 0);
        } else {
            exceptions.push(*rule);
        }
    }
    Ok((allowed, exceptions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn written(rules: Value) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let rules: Vec<DeviceRule> = serde_json::from_value(rules).unwrap();
        v1(&rules, |own, file, value| {
            if !own {
                lines.push(format!("{file} {value}"));
            }
        })?;
        Ok(lines)
    }

    #[test]
    fn the_last_rule_decides_and_the_lists_say_the_same() {
        let deny_all = json!({"allow": false, "access": "rwm"});
        let fuse = |allow: bool, access: &str| json!({"allow": allow, "type": "c", "major": 10, "minor": 229, "access": access});
        assert_eq!(written(json!([])).unwrap(), [] as [String; 0]);
        for (rules, expected) in [
            (json!([deny_all]), vec!["devices.deny a"]),
            (json!([fuse(false, "rwm")]), vec!["devices.deny a"]),
            (json!([fuse(true, "rwm"), deny_all]), vec!["devices.deny a"]),
            (json!([deny_all, fuse(true, "rw")]), vec!["devices.deny a", "devices.allow c 10:229 rw"]),
            (json!([fuse(true, "rw"), fuse(false, "w")]), vec!["devices.deny a", "devices.allow c 10:229 r"]),
            (
                json!([{"allow": true, "type": "b", "major": 8, "minor": -1, "access": "r"}]),
                vec!["devices.deny a", "devices.allow b 8:* r"],
            ),
            (json!([{"allow": true}, fuse(false, "w")]), vec!["devices.allow a", "devices.deny c 10:229 w"]),
        ] {
            assert_eq!(written(rules.clone()).unwrap(), expected, "{rules}");
        }
    }

    #[test]
    fn what_v1_has_no_words_for_is_refused() {
        let rules = json!([
            {"allow": true, "type": "c", "major": 10, "access": "rwm"},
            {"allow": false, "type": "c", "major": 10, "minor": 229, "access": "rwm"},
        ]);
        let error = written(rules).unwrap_err();
        assert_eq!(error.kind, error::Kind::Unsupported);
        assert!(error.to_string().contains("linux.resources.devices"), "{error}");
        for (rule, field) in [
            (json!({"type": "x"}), "devices[0].type"),
            (json!({"access": "rwx"}), "devices[0].access"),
            (json!({"type": "c", "major": -2}), "devices[0].major"),
            (json!({"type": "c", "minor": 4_294_967_295_u32}), "devices[0].minor"),
        ] {
            let mut rule = rule;
            rule["allow"] = json!(true);
            assert!(written(json!([rule])).unwrap_err().to_string().contains(field), "{field}");
        }
    }
}
