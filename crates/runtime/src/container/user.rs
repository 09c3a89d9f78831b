//! The home of a payload's user, for an environment that has no `HOME`.

use rustix::fd::AsFd;

/// An empty one counts as none, and of two the last counts.
pub(super) fn has_home(env: &[String]) -> bool {
    env.iter().rev().find_map(|entry| entry.strip_prefix("HOME=")).is_some_and(|home| !home.is_empty())
}

/// The most of `/etc/passwd` that is looked at, in bytes.
const MAX_PASSWD_BYTES: u64 = 1 << 20;

/// What `/etc/passwd` of the container says, else `/`. A file that cannot be read is as good as none: the container
/// starts without it, too.
pub(super) fn home(root: impl AsFd, uid: u32) -> String {
    let file = sys::inside::open_regular(root, c"etc/passwd").ok().flatten();
    let text = file.and_then(|file| sys::read::all(file, MAX_PASSWD_BYTES).ok()).unwrap_or_default();
    find(&String::from_utf8_lossy(&text), uid).unwrap_or_else(|| "/".to_owned())
}

/// passwd(5): `name:password:uid:gid:comment:home:shell`.
fn find(text: &str, uid: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        let own = fields.next()?.parse::<u32>().ok()? == uid;
        fields.nth(2).filter(|home| own && !home.is_empty()).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_first_line_of_the_user_counts() {
        let text = "root:x:0:0:root:/root:/bin/sh\nbad\nann:x:7:7::/home/ann:\nann2:x:7:7::/x:\nnone:x:8:8:::\n";
        assert_eq!(find(text, 0).as_deref(), Some("/root"));
        assert_eq!(find(text, 7).as_deref(), Some("/home/ann"));
        assert_eq!(find(text, 8), None);
        assert_eq!(find(text, 9), None);
    }
}
