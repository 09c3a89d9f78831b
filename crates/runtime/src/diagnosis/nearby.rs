//! Which of the names that are there may be the one that was meant.

use std::ffi::{OsStr, OsString};

/// How many are told.
const MOST: usize = 3;
/// Longer names are not compared: the work is the product of both lengths.
const MOST_LETTERS: usize = 64;
/// Any of them does for most scripts.
const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "ksh"];

/// The likeliest first.
pub(super) fn like<'a>(wanted: &OsStr, names: impl IntoIterator<Item = &'a OsString>) -> Vec<&'a OsStr> {
    let Some(wanted) = wanted.to_str() else { return Vec::new() };
    let unlikeness = |name: &'a OsString| name.to_str().and_then(|text| Some((unlikeness(wanted, text)?, name)));
    let mut found: Vec<(usize, &OsString)> = names.into_iter().filter_map(unlikeness).collect();
    found.sort();
    found.dedup();
    found.into_iter().take(MOST).map(|(_, name)| name.as_os_str()).collect()
}

/// `None`: it was not meant.
fn unlikeness(wanted: &str, name: &str) -> Option<usize> {
    if wanted == name || wanted.len() > MOST_LETTERS || name.len() > MOST_LETTERS {
        return None;
    }
    if wanted.eq_ignore_ascii_case(name) {
        return Some(0);
    }
    if SHELLS.contains(&wanted) {
        return SHELLS.iter().position(|shell| *shell == name).map(|place| 1 + place);
    }
    // `run` and `run.sh`, `python` and `python3.11`.
    let (short, long) = if wanted.len() < name.len() { (wanted, name) } else { (name, wanted) };
    let rest = long.strip_prefix(short);
    if short.len() > 1 && rest.is_some_and(|rest| rest.starts_with(|c: char| c == '.' || c.is_ascii_digit())) {
        return Some(10 + long.len() - short.len());
    }
    let most = match wanted.chars().count() {
        0..=2 => 0,
        3..=7 => 1,
        _ => 2,
    };
    let distance = distance(wanted, name);
    (distance <= most).then_some(100 * distance)
}

/// How many letters must be added, removed, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let (mut before, mut row): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    let mut last = None;
    for (i, letter) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let mut least = (row[j] + usize::from(letter != *other)).min(row[j + 1] + 1).min(next[j] + 1);
            if j > 0 && last == Some(*other) && letter == b[j - 1] {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        (before, row, last) = (row, next, Some(letter));
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(wanted: &str, names: &[&str]) -> Vec<String> {
        let names: Vec<OsString> = names.iter().map(OsString::from).collect();
        like(OsStr::new(wanted), &names).into_iter().map(|name| name.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_likeliest_names_come_first() {
        for (wanted, names, expected) in [
            ("python", &["python3.11", "python3", "pytest", "perl"][..], &["python3", "python3.11"][..]),
            ("bash", &["sh", "busybox", "dash", "base64"], &["sh", "dash"]),
            ("run", &["run.sh", "Run", "ran", "prune"], &["Run", "run.sh", "ran"]),
            ("start.sh", &["start", "stat.sh", "strat.sh"], &["start", "stat.sh", "strat.sh"]),
            ("sl", &["ls", "sh"], &[]),
            ("nope", &["node", "open", "rope", "n"], &["node", "rope"]),
            ("serve", &["serve"], &[]),
        ] {
            assert_eq!(found(wanted, names), expected, "{wanted}");
        }
    }

    #[test]
    fn letters_are_counted() {
        for (a, b, expected) in
            [("", "", 0), ("", "ab", 2), ("abc", "acb", 1), ("kitten", "sitting", 3), ("ab", "ba", 1)]
        {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }
}
