//! What a connection to a monitor is for: the first thing that a client says, in JSON.
//!
//! ```text
//! {"version":1,"wish":{"stop":{"signal":null,"timeout_s":null,"grace":"auto"}}}
//! ```
//! A monitor may be older than the client: fields that it does not know it ignores, a wish that it does not know it
//! refuses in words.

use serde::{Deserialize, Serialize};

/// The version of these words.
pub const WISH_VERSION: u32 = 1;

/// How long a payload may take after its stop signal, in seconds, unless somebody says otherwise.
pub const STOP_TIMEOUT_S: i64 = 10;

/// A wish as it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wished {
    /// [`WISH_VERSION`].
    pub version: u32,
    /// What is wanted.
    pub wish: Wish,
}

/// What a client wants of a monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Take part in the payload's standard streams.
    Attach(Attach),
    /// End the payload, and do not start it again. The answer is its exit code.
    Stop(Stop),
    /// End the payload and start it again.
    Restart(Stop),
    /// Send the payload a signal, by number.
    Signal(u8),
    /// Tell the exit code when the container has ended for good.
    Wait,
    /// Freeze all of its processes.
    Pause,
    /// Let them go on.
    Resume,
    /// One more process in the container.
    Exec(Box<Exec>),
    /// Freeze all of its processes for as long as this connection lasts.
    Hold,
    /// The payload's `/` as a descriptor, which comes with the answer.
    Root,
}

/// Which streams a client takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Feeds standard input.
    pub stdin: bool,
    /// Hears standard output, or all of a terminal.
    pub stdout: bool,
    /// Hears standard error.
    pub stderr: bool,
}

impl Attach {
    /// Everything.
    pub const ALL: Self = Self { stdin: true, stdout: true, stderr: true };
}

/// How a payload is asked to end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stop {
    /// Number of the signal; the container's own otherwise.
    pub signal: Option<u8>,
    /// Seconds until it is killed, for ever if negative; the container's own otherwise.
    pub timeout_s: Option<i64>,
    /// Is waiting worth while?
    pub grace: Grace,
}

/// Whether a payload gets its time although the kernel drops the stop signal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grace {
    /// Only one that can notice the signal.
    #[default]
    Auto,
    /// Each.
    Always,
}

/// One more process in a container that runs. `None` and empty mean "as the payload".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// `KEY=value`, later ones win; a name without `=` is taken out.
    pub env: Vec<String>,
    /// `user[:group]`, names or numbers.
    pub user: Option<String>,
    /// Absolute path inside.
    pub workdir: Option<String>,
    /// Give it a terminal.
    pub tty: bool,
    /// Rows and columns of that terminal.
    pub console_size: Option<(u16, u16)>,
    /// Feed its standard input.
    pub stdin: bool,
    /// Nobody listens to it.
    pub detach: bool,
    /// All capabilities, and no filter of system calls.
    pub privileged: bool,
}

impl Wish {
    /// As it is sent.
    pub fn to_json(&self) -> Vec<u8> {
        let wished = Wished { version: WISH_VERSION, wish: self.clone() };
        serde_json::to_vec(&wished).expect("plain strings and numbers")
    }

    /// What [`to_json`](Self::to_json) made.
    ///
    /// # Errors
    /// `Unsupported` for what this version does not know.
    pub fn from_json(text: &[u8]) -> error::Result<Self> {
        serde_json::from_slice::<Wished>(text).map(|wished| wished.wish).map_err(|cause| {
            error::Error::new(error::Kind::Unsupported, format!("the container's monitor can't do this: {cause}"))
                .hint("another version of isolazi started it: restart the container")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_understood_with_fields_that_are_new_or_missing() {
        for wish in [
            Wish::Attach(Attach::ALL),
            Wish::Stop(Stop { signal: Some(2), timeout_s: Some(-1), grace: Grace::Always }),
            Wish::Signal(9),
            Wish::Wait,
            Wish::Hold,
            Wish::Root,
            Wish::Exec(Box::new(Exec { command: vec!["true".into()], ..Exec::default() })),
        ] {
            assert_eq!(Wish::from_json(&wish.to_json()).unwrap(), wish);
        }
        let older = br#"{"version":1,"wish":{"exec":{"command":["a"]}}}"#;
        assert!(matches!(Wish::from_json(older), Ok(Wish::Exec(exec)) if exec.command == ["a"]));
        let newer = br#"{"version":2,"more":1,"wish":{"stop":{"signal":3,"politely":true}}}"#;
        assert_eq!(Wish::from_json(newer).unwrap(), Wish::Stop(Stop { signal: Some(3), ..Stop::default() }));
        let unknown = Wish::from_json(br#"{"version":9,"wish":{"dance":{}}}"#).unwrap_err();
        assert_eq!(unknown.kind, error::Kind::Unsupported);
    }
}
