//! The program `criu`: found, asked what it can do here, and spoken with.

use super::log;
use super::wire::{Answer, Features, Kind, Message, field};
use error::{Error, Kind as Failure, Result, ResultExt};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{Access, MemfdFlags, SeekFrom, memfd_create, seek};
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::Pid;
use std::fs::File;
use std::io::{IoSlice, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where distributions and administrators put it.
const FOLDERS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// More than any answer has: its longest part is a text of CRIU's that has 1024 bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// What is kept of what it says on standard error, in bytes.
const MAX_SPOKEN_BYTES: u64 = 64 << 10;

/// A `criu` that works on this machine.
#[derive(Debug, Clone)]
pub struct Criu {
    program: PathBuf,
    version: (u64, u64),
    features: Features,
}

impl Criu {
    /// The one that is installed.
    ///
    /// # Errors
    /// `Unsupported` if there is none, or none that works on this kernel.
    pub fn find() -> Result<Self> {
        let candidates = FOLDERS.iter().map(|folder| Path::new(folder).join("criu"));
        let mut programs = candidates.filter(|path| rustix::fs::access(path, Access::EXEC_OK).is_ok());
        let program = programs.next().ok_or_else(|| {
            Error::new(Failure::Unsupported, "can't find the program `criu`")
                .hint("checkpoint and restore need it: install the package `criu`")
        })?;
        Self::at(&program)
    }

    /// This one.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn at(program: &Path) -> Result<Self> {
        let mut criu = Self { program: program.to_owned(), version: (0, 0), features: Features::default() };
        criu.version = criu.answer(&Message::request(Kind::Version))?.version;
        let mut features = Message::default();
        features.flag(field::FIRST, true);
        features.flag(field::SECOND, true);
        let mut request = Message::request(Kind::FeatureCheck);
        request.message(field::REQUEST_FEATURES, &features);
        let answer = criu.answer(&request)?;
        if !answer.success {
            return Err(criu.does_not_work(&answer));
        }
        criu.features = answer.features;
        Ok(criu)
    }

    /// It looks at the kernel before anything else. What it misses it says best at the command line.
    fn does_not_work(&self, answer: &Answer) -> Error {
        let checked = Command::new(&self.program).arg("check").stdin(Stdio::null()).output();
        let words = checked.ok().and_then(|output| log::first_cause(&String::from_utf8_lossy(&output.stderr)));
        let why = words.or_else(|| log::first_cause(&answer.words)).unwrap_or_else(|| "it does not say why".to_owned());
        let (major, minor) = self.version;
        Error::new(Failure::Unsupported, format!("criu {major}.{minor} does not work on this kernel: {why}"))
            .hint("`criu check` tells more; a kernel may be too new for it, or lack CONFIG_CHECKPOINT_RESTORE")
    }

    /// # Errors
    /// `Unsupported` where memory can't be tracked.
    pub(super) fn must_track_memory(&self, option: &str) -> Result<()> {
        if self.features.memory_tracking {
            return Ok(());
        }
        Err(Error::new(Failure::Unsupported, format!("option `{option}`: criu can't track changes of memory here"))
            .hint("the kernel needs CONFIG_MEM_SOFT_DIRTY"))
    }

    /// # Errors
    /// `Unsupported` where pages can't come later.
    pub(super) fn must_have_lazy_pages(&self) -> Result<()> {
        if self.features.lazy_pages {
            return Ok(());
        }
        Err(Error::new(Failure::Unsupported, "option `--lazy-pages`: criu can't give pages later here")
            .hint("the kernel needs CONFIG_USERFAULTFD with events"))
    }

    /// The answer to a request without notices.
    fn answer(&self, request: &Message) -> Result<Answer> {
        let conversation = Conversation::begin(self, Vec::new())?;
        let answer = conversation.ask(request, &mut |_| Ok(()));
        conversation.end();
        answer
    }
}

/// A running `criu`, which serves one request.
pub(super) struct Conversation {
    socket: OwnedFd,
    child: Child,
    spoken: OwnedFd,
}

/// On the way CRIU tells what it has done, and goes on when we say so.
pub(super) struct Notice {
    pub name: String,
    /// The container's first process, if there is one.
    pub pid: Option<Pid>,
    /// The controlling end of a terminal.
    pub fd: Option<OwnedFd>,
}

/// A descriptor that CRIU gets, or finds with us, by its number.
pub(super) fn number_of(fd: &OwnedFd) -> u64 {
    u64::from(fd.as_raw_fd().unsigned_abs())
}

impl Conversation {
    /// Starts it in this thread's namespaces. `given` are copies that are not closed when a program is executed: nobody
    /// else may start one meanwhile.
    pub(super) fn begin(criu: &Criu, given: Vec<OwnedFd>) -> Result<Self> {
        let words = || format!("can't start `{}`", criu.program.display());
        let begin = || {
            let (socket, theirs) = sys::socket::message_pair()?;
            let theirs = rustix::io::dup(&theirs)?;
            let spoken = memfd_create("criu", MemfdFlags::CLOEXEC)?;
            let errors = Stdio::from(spoken.try_clone()?);
            // Standard input is what a shell job gets for its terminal.
            let mut command = Command::new(&criu.program);
            let child = command.arg("swrk").arg(theirs.as_raw_fd().to_string()).stderr(errors).spawn()?;
            drop((theirs, given));
            std::io::Result::Ok(Self { socket, child, spoken })
        };
        begin().context(words)
    }

    /// Its process.
    pub(super) fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Sends the request, attends to each notice and returns the answer. A notice that cannot be attended to ends it
    /// with that error.
    pub(super) fn ask(&self, request: &Message, attend: &mut dyn FnMut(Notice) -> Result<()>) -> Result<Answer> {
        self.send(request)?;
        let mut buffer = vec![0; MAX_ANSWER_BYTES];
        let mut failure = None;
        loop {
            let received = sys::socket::receive(&self.socket, &mut buffer, RecvFlags::empty());
            let (length, fd) = match received {
                // It ended with something of ours unread.
                Err(rustix::io::Errno::CONNRESET) => (0, None),
                other => other.map_err(std::io::Error::from).context(|| "can't hear from criu")?,
            };
            if length == 0 {
                let answer = Answer { words: "criu ended without an answer".to_owned(), ..Answer::default() };
                return failure.map_or(Ok(answer), Err);
            }
            let answer = Answer::parse(buffer.get(..length).unwrap_or_default());
            if answer.kind != Kind::Notify as u64 {
                return failure.map_or(Ok(answer), Err);
            }
            let pid = answer.pid.and_then(Pid::from_raw);
            let attended = attend(Notice { name: answer.notice, pid, fd });
            let mut reply = Message::request(Kind::Notify);
            reply.number(field::REQUEST_NOTIFY_SUCCESS, u64::from(attended.is_ok()));
            failure = failure.or(attended.err());
            self.send(&reply)?;
        }
    }

    fn send(&self, message: &Message) -> Result<()> {
        match sys::socket::send(&self.socket, &[IoSlice::new(message.encoded())], None, SendFlags::empty()) {
            // It is gone; the receiving tells.
            Ok(()) | Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Ok(()),
            Err(errno) => Err(std::io::Error::from(errno)).context(|| "can't speak to criu"),
        }
    }

    /// Waits until it has ended, and returns what it said on standard error.
    pub(super) fn end(mut self) -> String {
        drop(self.socket);
        // Its exit status says nothing that the answer did not; a pre-dump ends with a failure always.
        let _ = self.child.wait();
        let mut text = Vec::new();
        // What it says is only for better words.
        let _ = seek(self.spoken.as_fd(), SeekFrom::Start(0));
        let _ = File::from(self.spoken).take(MAX_SPOKEN_BYTES).read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}
