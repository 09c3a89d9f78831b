//! Users: what `user[:group]` means by an image's own `/etc/passwd` and `/etc/group` (passwd(5), group(5)).
//!
//! The rules are those of Docker's user look-up, with one difference: a line whose ids are no numbers is ignored here,
//! where Docker takes them for 0 and so would make somebody root.

use error::{Error, Result, ResultExt};
use std::io::Read;
use std::os::fd::BorrowedFd;

/// The most that an `/etc/passwd` or `/etc/group` may have, in bytes; a big company's has some 100 KiB.
pub(crate) const MAX_USER_FILE_BYTES: u64 = 1 << 20;

/// The largest id that Docker takes. The kernel has 32 bits, but many programs read ids as signed numbers.
const MAX_ID: u32 = i32::MAX as u32;

/// Whom the payload runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResolvedUser {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// All groups, `gid` first: a process whose own group is not in its list escapes rules against that group
    /// (CVE-2022-36109).
    pub additional_gids: Vec<u32>,
    /// Home folder, for `HOME`.
    pub home: String,
}

struct PasswdLine<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct GroupLine<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// A user or group as typed. A number is always an id, even where somebody's name looks so.
enum Wanted<'a> {
    Id(u32),
    Name(&'a str),
}

/// Finds the user; an empty `user` is id 0. A file that the image lacks is an empty one.
pub(crate) fn resolve(user: &str, passwd: &str, group: &str) -> Result<ResolvedUser> {
    let (user, wanted_group) = user.split_once(':').unwrap_or((user, ""));
    let wanted_user = Wanted::parse(user)?.unwrap_or(Wanted::Id(0));
    let wanted_group = Wanted::parse(wanted_group)?;

    let found = passwd_lines(passwd).find(|line| wanted_user.is(line.name, line.uid));
    let (uid, mut gid, home) = match (&found, wanted_user) {
        (Some(line), _) => (line.uid, line.gid, line.home),
        (None, Wanted::Id(uid)) => (uid, 0, ""),
        (None, Wanted::Name(name)) => {
            return Err(Error::not_found(format!("unable to find user {name}: no matching entries in passwd file")));
        }
    };
    let mut groups = Vec::new();
    match (wanted_group, &found) {
        (Some(wanted), _) => gid = group_id(&wanted, group)?,
        (None, Some(line)) if !line.name.is_empty() => {
            let is_member = |g: &GroupLine| g.members.split(',').any(|member| member == line.name);
            groups.extend(group_lines(group).filter(is_member).map(|line| line.gid));
        }
        (None, _) => {}
    }
    let mut additional_gids = vec![gid];
    for gid in groups {
        if !additional_gids.contains(&gid) {
            additional_gids.push(gid);
        }
    }
    let home = if home.is_empty() { "/" } else { home };
    Ok(ResolvedUser { uid, gid, additional_gids, home: home.to_owned() })
}

/// The id of one more group, by name or number.
pub(crate) fn find_group(typed: &str, group: &str) -> Result<u32> {
    group_id(&Wanted::parse(typed)?.unwrap_or(Wanted::Name("")), group)
}

impl ResolvedUser {
    /// One more group.
    pub(crate) fn join(&mut self, gid: u32) {
        if !self.additional_gids.contains(&gid) {
            self.additional_gids.push(gid);
        }
    }
}

fn group_id(wanted: &Wanted<'_>, group: &str) -> Result<u32> {
    match (group_lines(group).find(|line| wanted.is(line.name, line.gid)), wanted) {
        (Some(line), _) => Ok(line.gid),
        (None, Wanted::Id(gid)) => Ok(*gid),
        (None, Wanted::Name(name)) => {
            Err(Error::not_found(format!("unable to find group {name}: no matching entries in group file")))
        }
    }
}

impl<'a> Wanted<'a> {
    /// `None` when nothing was typed.
    fn parse(typed: &'a str) -> Result<Option<Self>> {
        if typed.is_empty() {
            return Ok(None);
        }
        let digits = typed.strip_prefix(['+', '-']).unwrap_or(typed);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Some(Self::Name(typed)));
        }
        match typed.parse::<i64>().ok().and_then(|id| u32::try_from(id).ok()).filter(|id| *id <= MAX_ID) {
            Some(id) => Ok(Some(Self::Id(id))),
            None => Err(Error::invalid(format!("uids and gids must be in range 0-{MAX_ID}"))
                .context(format!("invalid user or group `{typed}`"))),
        }
    }

    fn is(&self, name: &str, id: u32) -> bool {
        match self {
            Self::Id(wanted) => *wanted == id,
            Self::Name(wanted) => *wanted == name,
        }
    }
}

/// `name:password:uid:gid:gecos:home:shell`; the last three may be missing.
fn passwd_lines(text: &str) -> impl Iterator<Item = PasswdLine<'_>> {
    lines(text).filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (id(fields.nth(1)?)?, id(fields.next()?)?);
        Some(PasswdLine { name, uid, gid, home: fields.nth(1).unwrap_or("") })
    })
}

/// `name:password:gid:member,member`; the last may be missing.
fn group_lines(text: &str) -> impl Iterator<Item = GroupLine<'_>> {
    lines(text).filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some(GroupLine { name, gid: id(fields.nth(1)?)?, members: fields.next().unwrap_or("") })
    })
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// All ids that the kernel has, but for the one that means "none" (`chown(2)`, −1).
fn id(field: &str) -> Option<u32> {
    field.parse().ok().filter(|id| *id != u32::MAX)
}

/// The text of a file as the image's own root sees it: no link leads out of `root`, and neither a pipe nor a device is
/// ever opened. `None` if there is no such file. Bytes that are no UTF-8 are replaced.
pub(crate) fn read_in_root(root: BorrowedFd<'_>, path: &str, limit: u64) -> Result<Option<String>> {
    let words = || format!("can't read `{path}` of the image");
    let Some(file) = sys::inside::open_regular(root, path).context(words)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).context(words)?;
    if bytes.len() as u64 > limit {
        return Err(Error::invalid(format!("more than {limit} bytes")).context(words()));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use error::Kind;
    use rustix::fs::{CWD, FileType, Mode, OFlags, open};
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    const PASSWD: &str = "\
# a comment
root:x:0:0:root:/root:/bin/sh

broken
alsobroken:x:many:0:::
  spaced:x:7:7:::
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
web:x:33:34:Web:/var/www:/bin/false
short:x:50:51
1000:x:2000:2001:a name that looks like a number:/home/n:
twice:x:60:60::/first:
twice:x:61:61::/second:
huge:x:4294967294:4294967294::/huge:
none:x:4294967295:0::/none:
negative:x:-1:0:::
";
    const GROUP: &str = "\
root:x:0:root
bad:x:gid:web
adm:x:4:web,root
www:x:34:web
extra:x:99:web,other
solo:x:98
#hidden:x:97:web
";

    #[test]
    fn users_and_groups_are_found_as_docker_finds_them() {
        type Expected = (u32, u32, &'static [u32], &'static str);
        let cases: &[(&str, Expected)] = &[
            ("", (0, 0, &[0, 4], "/root")),
            ("root", (0, 0, &[0, 4], "/root")),
            ("0", (0, 0, &[0, 4], "/root")),
            ("+0", (0, 0, &[0, 4], "/root")),
            ("web", (33, 34, &[34, 4, 99], "/var/www")),
            ("33", (33, 34, &[34, 4, 99], "/var/www")),
            ("web:", (33, 34, &[34, 4, 99], "/var/www")),
            ("web:adm", (33, 4, &[4], "/var/www")),
            ("web:4", (33, 4, &[4], "/var/www")),
            ("web:12345", (33, 12345, &[12345], "/var/www")),
            (":solo", (0, 98, &[98], "/root")),
            ("777", (777, 0, &[0], "/")),
            ("777:888", (777, 888, &[888], "/")),
            ("777:adm", (777, 4, &[4], "/")),
            ("1000", (1000, 0, &[0], "/")),
            ("2000", (2000, 2001, &[2001], "/home/n")),
            ("short", (50, 51, &[51], "/")),
            ("spaced", (7, 7, &[7], "/")),
            ("twice", (60, 60, &[60], "/first")),
            ("huge", (4_294_967_294, 4_294_967_294, &[4_294_967_294], "/huge")),
            ("2147483647", (2_147_483_647, 0, &[0], "/")),
        ];
        for (typed, (uid, gid, additional_gids, home)) in cases {
            let expected = ResolvedUser {
                uid: *uid,
                gid: *gid,
                additional_gids: additional_gids.to_vec(),
                home: (*home).to_owned(),
            };
            assert_eq!(resolve(typed, PASSWD, GROUP).unwrap(), expected, "{typed}");
        }
    }

    #[test]
    fn who_is_not_there_is_told() {
        let no_user = |name| format!("unable to find user {name}: no matching entries in passwd file");
        let no_group = |name| format!("unable to find group {name}: no matching entries in group file");
        for (typed, text) in [
            ("nobody", no_user("nobody")),
            ("broken", no_user("broken")),
            ("alsobroken", no_user("alsobroken")),
            ("negative", no_user("negative")),
            ("none", no_user("none")),
            ("#", no_user("#")),
            ("12a", no_user("12a")),
            ("-", no_user("-")),
            ("web:nogroup", no_group("nogroup")),
            ("web:bad", no_group("bad")),
            ("web:hidden", no_group("hidden")),
            ("web:adm:x", no_group("adm:x")),
        ] {
            let error = resolve(typed, PASSWD, GROUP).unwrap_err();
            assert_eq!((error.kind, error.to_string()), (Kind::NotFound, text));
        }
        for typed in ["-1", "2147483648", "4294967296", "99999999999999999999", "0:-1", "web:2147483648"] {
            let error = resolve(typed, PASSWD, GROUP).unwrap_err();
            assert_eq!(error.messages[1], "uids and gids must be in range 0-2147483647", "{typed}");
        }
    }

    #[test]
    fn an_image_without_user_files_still_has_numbers() {
        let root = ResolvedUser { uid: 0, gid: 0, additional_gids: vec![0], home: "/".to_owned() };
        assert_eq!(resolve("", "", "").unwrap(), root);
        assert_eq!(resolve("5:6", "", "").unwrap(), ResolvedUser { uid: 5, gid: 6, additional_gids: vec![6], ..root });
        assert!(resolve("root", "", "").is_err());
    }

    #[test]
    fn files_are_read_inside_the_root_only() {
        let folder = crate::scratch::Folder::new();
        let root_dir = folder.join("root");
        std::fs::create_dir_all(root_dir.join("etc/folder")).unwrap();
        std::fs::write(folder.join("secret"), "outside").unwrap();
        std::fs::write(root_dir.join("real"), b"inside \xff").unwrap();
        std::fs::write(root_dir.join("big"), vec![b'x'; 11]).unwrap();
        symlink("/real", root_dir.join("etc/absolute")).unwrap();
        symlink("../../../secret", root_dir.join("etc/escape")).unwrap();
        symlink("../../../../real", root_dir.join("etc/climbs")).unwrap();
        symlink("loop", root_dir.join("etc/loop")).unwrap();
        let (fifo, mode) = (root_dir.join("etc/fifo"), Mode::RUSR | Mode::WUSR);
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
        let root = open(&root_dir, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let read = |path| read_in_root(root.as_fd(), path, 10);
        assert_eq!(read("/real").unwrap().as_deref(), Some("inside \u{fffd}"));
        assert_eq!(read("/etc/absolute").unwrap().as_deref(), Some("inside \u{fffd}"));
        assert_eq!(read("/etc/climbs").unwrap().as_deref(), Some("inside \u{fffd}"));
        assert_eq!(read("/etc/escape").unwrap(), None, "the link means a file of the image, which is not there");
        assert_eq!(read("/etc/passwd").unwrap(), None);
        assert_eq!(read("/real/x").unwrap(), None);
        for (path, why) in [
            ("/etc/fifo", "not a regular file"),
            ("/etc/folder", "not a regular file"),
            ("/big", "more than 10 bytes"),
            ("/etc/loop", "too many levels of symbolic links"),
        ] {
            assert_eq!(read(path).unwrap_err().to_string(), format!("can't read `{path}` of the image: {why}"));
        }
    }
}
