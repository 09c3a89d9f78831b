//! Requests and answers about the files of containers.

use std::path::PathBuf;

/// Copy files out of a container or into one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Name, id or unambiguous prefix of an id.
    pub container: String,
    /// A path in the container as typed.
    pub path: Vec<u8>,
    /// The other side as typed; its end (`/.`, `/`) has a meaning.
    pub local: Local,
    /// Keep owners, and whatever rights files have.
    pub archive: bool,
    /// A source that is a link stands for what it names.
    pub follow_link: bool,
}

/// The side of a copy that is no container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// A tar archive on a standard stream.
    Stream,
    /// A path as typed, and the working directory in which it was typed.
    Path {
        /// The path.
        typed: PathBuf,
        /// Absolute.
        directory: PathBuf,
    },
}

/// What a copy did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Bytes of regular files.
    pub bytes: u64,
    /// What could not be copied.
    pub left_out: LeftOut,
}

/// What a copy or an archive lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Sockets: archives have no word for them.
    pub sockets: u64,
    /// Device nodes.
    pub devices: u64,
    /// Extended attributes that the file system does not take.
    pub xattrs: u64,
}

/// What happened to a file of a container since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Added,
    /// It is another, or something in it is.
    Changed,
    /// It is gone.
    Deleted,
}

/// Make an image of a container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Commit {
    /// Name, id or unambiguous prefix of an id.
    pub container: String,
    /// The image's name as typed; without one it has only its id.
    pub name: Option<String>,
    /// Who made it.
    pub author: String,
    /// Why.
    pub message: String,
    /// Changes of what the image says to its containers, in order.
    pub changes: Vec<ConfigChange>,
    /// Freeze the container meanwhile, if it runs.
    pub pause: bool,
}

/// One instruction of a Dockerfile that makes no layer.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigChange {
    /// `CMD`: a command, or a line for a shell.
    Cmd(CommandLine),
    /// `ENTRYPOINT`: the same.
    Entrypoint(CommandLine),
    /// `ENV`: a variable and its value.
    Env(String, String),
    /// `EXPOSE`: a port and its protocol, `80/tcp`.
    Expose(String),
    /// `HEALTHCHECK`: as Docker keeps it.
    Healthcheck(serde_json::Value),
    /// `LABEL`.
    Label(String, String),
    /// `ONBUILD`: an instruction.
    Onbuild(String),
    /// `STOPSIGNAL`.
    StopSignal(String),
    /// `USER`.
    User(String),
    /// `VOLUME`: a path.
    Volume(String),
    /// `WORKDIR`: a path, relative to the one before if it has no slash at its beginning.
    Workdir(String),
}

/// A command in one of a Dockerfile's two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// Program and arguments.
    Words(Vec<String>),
    /// A line for the image's shell.
    Shell(String),
}

/// An image that was made of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Its id.
    pub id: oci::Digest,
    /// What its layer lacks.
    pub left_out: LeftOut,
    /// Why the container could not be frozen meanwhile, in words.
    pub not_paused: Option<String>,
}
