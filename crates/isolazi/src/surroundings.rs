//! What this program reads of its surroundings, once, before anything changes who it is: user, home, paths, proxies.

use api::Paths;
use engine::Options;
use error::{Error, Result};
use std::env;
use std::path::{Path, PathBuf};

/// The folder in a user's home.
const DATA_DIR: &str = ".isolazi";
/// The folder below the system's or the user's runtime folder.
const RUN_DIR: &str = "isolazi";
/// Names of proxy variables; the lower-case form wins, as in curl.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"];

/// Facts about the caller.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// Effective user, as seen before the rootless prologue.
    pub uid: u32,
    /// Home: the passwd entry's for root (so `sudo` litters no user's home), `$HOME` first for everybody else.
    pub home: Option<PathBuf>,
    /// `--root`, else `ISOLAZI_ROOT`.
    pub root: Option<PathBuf>,
    /// `--config`, else `DOCKER_CONFIG`: the folder of Docker's `config.json`.
    pub config: Option<PathBuf>,
}

impl Surroundings {
    /// Reads them.
    pub(crate) fn read(root: Option<PathBuf>, config: Option<PathBuf>) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let root = root.or_else(|| path("ISOLAZI_ROOT"));
        let home = match uid {
            0 => passwd_home(uid),
            _ => path("HOME").filter(|home| home.is_absolute()).or_else(|| passwd_home(uid)),
        };
        Self { uid, home, root, config: config.or_else(|| path("DOCKER_CONFIG")) }
    }

    /// Where everything lives.
    pub(crate) fn paths(&self) -> Result<Paths> {
        let data = match (&self.root, &self.home) {
            (Some(root), _) => std::path::absolute(root)?,
            (None, Some(home)) => home.join(DATA_DIR),
            (None, None) => {
                return Err(Error::not_found(format!("can't find a home directory of user {}", self.uid))
                    .hint("set HOME, or say where to keep data with `--root` or ISOLAZI_ROOT"));
            }
        };
        let run = match self.uid {
            0 => Path::new("/run").join(RUN_DIR),
            // A predictable name in /tmp could be somebody else's; the data folder is ours.
            _ => path("XDG_RUNTIME_DIR").map_or_else(|| data.join("run"), |dir| dir.join(RUN_DIR)),
        };
        Ok(Paths { data, run })
    }

    /// The user's choices about registries.
    pub(crate) fn options(&self) -> Options {
        Options {
            auth_files: self.auth_files(),
            insecure_registries: words("ISOLAZI_INSECURE_REGISTRIES"),
            ca_files: path("SSL_CERT_FILE").into_iter().collect(),
            ca_dirs: env::var_os("SSL_CERT_DIR").iter().flat_map(env::split_paths).collect(),
            proxies: proxies(),
        }
    }

    /// Credential files, the first that has an answer wins.
    fn auth_files(&self) -> Vec<PathBuf> {
        let docker = self.config.clone().or_else(|| self.home.as_ref().map(|home| home.join(".docker")));
        [
            path("REGISTRY_AUTH_FILE"),
            path("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
            docker.map(|dir| dir.join("config.json")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn proxies() -> Vec<(String, String)> {
    PROXIES
        .into_iter()
        .filter_map(|name| {
            let value = env::var(name.to_lowercase()).or_else(|_| env::var(name)).ok()?;
            (!value.is_empty()).then(|| (name.to_owned(), value))
        })
        .collect()
}

/// An environment variable that holds a path; empty is unset.
fn path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// An environment variable that holds words between commas or spaces.
fn words(name: &str) -> Vec<String> {
    let text = env::var(name).unwrap_or_default();
    text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Read by hand: the C library would load name service plug-ins, which a static program cannot (passwd(5)).
fn passwd_home(uid: u32) -> Option<PathBuf> {
    home_in(&std::fs::read_to_string("/etc/passwd").ok()?, uid).map(PathBuf::from)
}

/// The name of that user in passwd(5), if there is one.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    name_in(&std::fs::read_to_string("/etc/passwd").ok()?, uid).map(str::to_owned)
}

/// The name of the first entry with this user id.
fn name_in(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

/// The home directory of the first entry with this user id.
fn home_in(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        let is_theirs = fields.next()?.parse() == Ok(uid);
        is_theirs.then(|| fields.nth(2)).flatten().filter(|home| home.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_come_from_the_first_entry_of_the_user() {
        let passwd = "# comment\n\nroot:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/toor:/bin/sh\nme:x:1000:1000:Me,,,:/home/me:/bin/zsh\nbad:x:7:7::relative:/bin/sh\nshort:x:8\n";
        assert_eq!(home_in(passwd, 0), Some("/root"));
        assert_eq!(home_in(passwd, 1000), Some("/home/me"));
        assert_eq!((home_in(passwd, 7), home_in(passwd, 8), home_in(passwd, 9)), (None, None, None));
        assert_eq!((name_in(passwd, 0), name_in(passwd, 7), name_in(passwd, 9)), (Some("root"), Some("bad"), None));
    }

    #[test]
    fn an_own_root_moves_the_data_and_nothing_else() {
        let surroundings = Surroundings { uid: 0, home: Some("/root".into()), root: None, config: None };
        let expected = Paths { data: "/root/.isolazi".into(), run: "/run/isolazi".into() };
        assert_eq!(surroundings.paths().unwrap(), expected);
        let elsewhere = Surroundings { root: Some("/srv/x".into()), ..surroundings };
        let expected = Paths { data: "/srv/x".into(), run: "/run/isolazi".into() };
        assert_eq!(elsewhere.paths().unwrap(), expected);
        let nobody = Surroundings { uid: 9, home: None, root: None, config: None };
        assert_eq!(nobody.paths().unwrap_err().to_string(), "can't find a home directory of user 9");
    }
}
