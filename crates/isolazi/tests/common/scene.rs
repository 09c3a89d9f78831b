//! Commands and what came back, recorded: the same for root and for an ordinary user.

use super::{Busybox, payload_of};
use std::fmt::Write as _;
use testkit::{Output, golden};

/// An installation with a container in each state: `made` was never started, `ended` has ended with code 3, `runs` runs.
/// There are some more, so that AMBIGUOUS is the beginning of several ids.
pub struct Scene {
    pub busybox: Busybox,
    /// What differs from run to run, and the word for it in what is recorded.
    values: Vec<(String, String)>,
}

impl Scene {
    /// Root's and an ordinary user's.
    pub fn both() -> [Self; 2] {
        Busybox::both().map(Self::of)
    }

    /// Root's alone, for what an ordinary user cannot do on this kind of machine.
    pub fn of_root() -> Self {
        Self::of(Busybox::new())
    }

    fn of(busybox: Busybox) -> Self {
        let image = busybox.image.clone();
        let mut scene = Self { busybox, values: Vec::new() };
        let ended = scene.create(&["--name", "ended"], &["sh", "-c", "exit 3"]);
        let runs = scene.create(&["--name", "runs"], &["sleep", "1000"]);
        let mut first_digits = vec![ended[..1].to_owned(), runs[..1].to_owned()];
        // By the seventeenth id at last, two begin alike.
        let ambiguous = loop {
            let digit = scene.create(&[], &["true"])[..1].to_owned();
            if first_digits.contains(&digit) {
                break digit;
            }
            first_digits.push(digit);
        };
        let made = scene.create(&["--name", "made"], &["true"]);
        let isolazi = &scene.busybox.isolazi;
        isolazi.run(&["start", "-a", "ended"]).fails(3, "");
        isolazi.run(&["start", "runs"]).ok();
        payload_of(isolazi, "runs");
        let root = isolazi.root().display().to_string();
        for (value, word) in [(made, "ID_OF_MADE"), (ended, "ID_OF_ENDED"), (runs, "ID_OF_RUNS"), (root, "ROOT")] {
            scene.call(value, word);
        }
        scene.call(format!("provided prefix: {ambiguous}\n"), "provided prefix: AMBIGUOUS\n");
        scene.call(ambiguous, "AMBIGUOUS");
        scene.call(image, "IMAGE");
        scene
    }

    fn create(&self, flags: &[&str], command: &[&str]) -> String {
        let words = [&["create", "--network", "none"], flags, &[&self.busybox.image], command].concat();
        self.busybox.isolazi.run(&words).ok().trim_end().to_owned()
    }

    /// Says by what word a value is meant in command lines, and shown in what comes back.
    pub fn call(&mut self, value: String, word: &str) {
        self.values.push((value, word.to_owned()));
    }

    /// Compares the help page of a command, a flag that it has not, and these lines, each without the command itself,
    /// with `tests/golden/commands/COMMAND.txt`, as [`Scene::shows`] does.
    #[track_caller]
    pub fn records(self, command: &str, lines: &[&str]) {
        let lines: Vec<String> =
            ["--help", "--nope"].iter().chain(lines).map(|line| format!("{command} {line}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        self.shows(&format!("commands/{}.txt", command.replace(' ', "-")), &lines);
    }

    /// Runs these lines one after another and compares what comes back with a file below `tests/golden`. Words in a line
    /// are parted by spaces; `''` is an empty one. Then everything is removed.
    #[track_caller]
    pub fn shows(self, file: &str, lines: &[&str]) {
        let mut text = String::new();
        for line in lines {
            self.record(&mut text, line);
        }
        golden(format!("tests/golden/{file}"), &text);
        let isolazi = &self.busybox.isolazi;
        for id in isolazi.run(&["ps", "-aq"]).ok().lines() {
            isolazi.run(&["rm", "-f", "-v", id]).ok();
        }
        isolazi.run(&["volume", "prune", "-af"]).ok();
        self.busybox.holds_nothing();
    }

    fn record(&self, text: &mut String, line: &str) {
        let words: Vec<String> = line
            .split_whitespace()
            .map(|word| if word == "''" { String::new() } else { self.values_for(word) })
            .collect();
        let Output { code, stdout, stderr } = self.busybox.isolazi.run(&words);
        let end = if stdout.is_empty() || stdout.ends_with('\n') { "" } else { "⏎\n" };
        let told: String = stderr.lines().map(|line| format!("! {line}\n")).collect();
        let shown = self.words_for(&format!("{stdout}{end}{told}"));
        writeln!(text, "$ isolazi {}\n{shown}= {code}\n", line.trim_end()).unwrap();
    }

    fn values_for(&self, word: &str) -> String {
        self.values.iter().fold(word.to_owned(), |text, (value, word)| text.replace(word, value))
    }

    fn words_for(&self, text: &str) -> String {
        // One digit is everywhere.
        let long = self.values.iter().filter(|(value, _)| value.len() > 1);
        long.fold(text.to_owned(), |text, (value, word)| text.replace(value, word))
    }
}
