//! The progress of a pull: bars that move on a terminal, a line for each change of state elsewhere, in Docker's words.

use crate::console::{Stream, write_all};
use crate::screen::human;
use crate::screen::table::ellipsis;
use api::{LayerStep, PullEvent, Pulled};
use oci::Digest;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bars move at most ten times a second: more is not seen and costs the terminal.
const REDRAW_EVERY: Duration = Duration::from_millis(100);
/// Characters of a full bar (Docker's), of a shrunk one, and of everything else in its line.
const BAR_COLUMNS: usize = 50;
const MIN_BAR_COLUMNS: usize = 10;
const BAR_LINE_REST: usize = 48;
/// Digits of a layer's digest in its line.
const SHORT_DIGITS: usize = 12;

/// What a pull tells, and to whom.
#[derive(Debug)]
pub(crate) struct Progress {
    stream: Stream,
    style: Style,
    state: Mutex<State>,
}

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Warnings only.
    Quiet,
    /// A line for each change.
    Lines,
    /// One moving line a layer, on a terminal with so many rows and columns.
    Bars(u16, u16),
}

#[derive(Debug, Default)]
struct State {
    layers: Vec<(Digest, LayerStep)>,
    /// Lines on the screen that belong to layers.
    drawn: usize,
    last_draw: Option<Instant>,
    /// For `run`: the image's name with its tag, until it was said to be missing.
    missing: Option<String>,
}

impl Progress {
    /// For `pull`: everything on standard output.
    pub(crate) fn of_pull(quiet: bool) -> Self {
        Self::new(Stream::Out, quiet, None)
    }

    /// For `run` and `create`: on standard error, after the note that `image` is missing (if that is why it pulls).
    pub(crate) fn of_run(quiet: bool, image: Option<String>) -> Self {
        Self::new(Stream::Err, quiet, image)
    }

    fn new(stream: Stream, quiet: bool, missing: Option<String>) -> Self {
        Self {
            stream,
            style: if quiet { Style::Quiet } else { style_of(stream) },
            state: Mutex::new(State { missing, ..State::default() }),
        }
    }

    /// One event, from any thread.
    pub(crate) fn tell(&self, event: PullEvent) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_pull = self.stream == Stream::Out;
        let stream = match event {
            // Among bars it must be drawn with them.
            PullEvent::Warning(_) | PullEvent::Note(_) if !matches!(self.style, Style::Bars(..)) => Stream::Err,
            _ => self.stream,
        };
        let text = state.advance(self.style, is_pull, event, Instant::now());
        // A pull goes on when nobody looks.
        let _ = write_all(stream, text.as_bytes());
    }

    /// The last picture, which stays.
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = state.finish(self.style);
        let _ = write_all(self.stream, text.as_bytes()); // as above
    }
}

/// Bars need a terminal that can move its cursor.
fn style_of(stream: Stream) -> Style {
    let is_dumb = || std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    match rustix::termios::tcgetwinsize(stream.fd()) {
        Ok(size) if size.ws_row > 2 && size.ws_col > 20 && !is_dumb() => Style::Bars(size.ws_row, size.ws_col),
        _ => Style::Lines,
    }
}

impl State {
    /// What to write for this event.
    fn advance(&mut self, style: Style, is_pull: bool, event: PullEvent, now: Instant) -> String {
        match event {
            PullEvent::Warning(text) => self.note(style, &format!("Warning: {text}\n")),
            PullEvent::Note(text) => self.note(style, &format!("{text}\n")),
            PullEvent::Layer { digest, step } => self.layer(style, digest, step, now),
            _ if style == Style::Quiet => String::new(),
            PullEvent::Pulling { tag, repository } => {
                let mut text = String::new();
                if let Some(image) = self.missing.take() {
                    let _ = writeln!(text, "Unable to find image '{image}' locally"); // a String takes everything
                }
                let _ = writeln!(text, "{tag}: Pulling from {repository}");
                self.note(style, &text)
            }
            PullEvent::Pulled(_) if is_pull => String::new(), // `pull` has it as its result
            PullEvent::Pulled(pulled) => self.finish(style) + &summary(&pulled),
        }
    }

    fn layer(&mut self, style: Style, digest: Digest, step: LayerStep, now: Instant) -> String {
        let known = self.layers.iter_mut().find(|(known, _)| *known == digest);
        let changed =
            known.as_ref().is_none_or(|(_, old)| std::mem::discriminant(old) != std::mem::discriminant(&step));
        let line = match &step {
            LayerStep::Downloading(..) | LayerStep::Extracting(..) => None,
            step => changed.then(|| format!("{}: {}\n", short(&digest), words(step))),
        };
        match known {
            Some((_, old)) => *old = step,
            None => self.layers.push((digest, step)),
        }
        match style {
            Style::Quiet => String::new(),
            Style::Lines => line.unwrap_or_default(),
            Style::Bars(rows, columns) => {
                let is_due = self.last_draw.is_none_or(|last| now.duration_since(last) >= REDRAW_EVERY);
                if !is_due && !changed {
                    return String::new();
                }
                self.last_draw = Some(now);
                self.redraw(rows, columns)
            }
        }
    }

    /// Text above the bars.
    fn note(&mut self, style: Style, text: &str) -> String {
        match style {
            Style::Bars(rows, columns) if self.drawn > 0 => {
                let erased = self.erase();
                erased + text + &self.redraw(rows, columns)
            }
            _ => text.to_owned(),
        }
    }

    fn finish(&mut self, style: Style) -> String {
        let Style::Bars(_, columns) = style else { return String::new() };
        let erased = self.erase();
        let all = self.layers.iter().map(|(digest, step)| line(digest, step, columns.into()));
        let text = all.fold(erased, |text, line| text + &line + "\n");
        self.layers.clear();
        text
    }

    /// Cursor to the first of our lines, everything below gone.
    fn erase(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r\x1b[J"),
        }
    }

    /// All layers if they fit; otherwise those that move come first, because a cursor cannot go above the screen.
    fn redraw(&mut self, rows: u16, columns: u16) -> String {
        let room = usize::from(rows).saturating_sub(1).max(1);
        let mut text = match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r"),
        };
        let fits = self.layers.len() <= room;
        let is_done = |step: &LayerStep| matches!(step, LayerStep::Complete | LayerStep::Exists);
        let moving = self.layers.iter().filter(|(_, step)| fits || !is_done(step));
        let shown: Vec<_> = moving.take(if fits { room } else { room - 1 }).collect();
        for (digest, step) in &shown {
            text.push_str(&line(digest, step, columns.into()));
            text.push_str("\x1b[K\n");
        }
        let mut drawn = shown.len();
        if !fits {
            let done = self.layers.iter().filter(|(_, step)| is_done(step)).count();
            let _ = writeln!(text, "{done} of {} layers complete\x1b[K", self.layers.len()); // a String takes everything
            drawn += 1;
        }
        text.push_str("\x1b[J");
        self.drawn = drawn;
        text
    }
}

/// The two lines at the end of a pull.
pub(crate) fn summary(pulled: &Pulled) -> String {
    let what = if pulled.newer { "Downloaded newer image for" } else { "Image is up to date for" };
    format!("Digest: {}\nStatus: {what} {}\n", pulled.digest, pulled.familiar)
}

fn short(digest: &Digest) -> String {
    let text = digest.to_string();
    let hex = text.split_once(':').map_or(text.as_str(), |(_, hex)| hex);
    hex.chars().take(SHORT_DIGITS).collect()
}

/// A layer's line, never wider than the screen.
fn line(digest: &Digest, step: &LayerStep, columns: usize) -> String {
    let text = match step {
        LayerStep::Downloading(done, total) | LayerStep::Extracting(done, total) => {
            format!("{}: {} {}", short(digest), words(step), bar(*done, *total, columns))
        }
        step => format!("{}: {}", short(digest), words(step)),
    };
    ellipsis(&text, columns)
}

/// `[====>     ]  1.05MB/3.64MB`
fn bar(done: u64, total: u64, columns: usize) -> String {
    if total == 0 {
        return human::size(done);
    }
    let width = columns.saturating_sub(BAR_LINE_REST).clamp(MIN_BAR_COLUMNS, BAR_COLUMNS);
    let filled = usize::try_from(u128::from(done.min(total)) * width as u128 / u128::from(total)).unwrap_or(width);
    let (filled, empty) = ("=".repeat(filled), " ".repeat(width - filled));
    format!("[{filled}>{empty}] {:>8}/{}", human::size(done), human::size(total))
}

fn words(step: &LayerStep) -> String {
    match step {
        LayerStep::Queued => "Pulling fs layer".to_owned(),
        LayerStep::Waiting => "Waiting".to_owned(),
        LayerStep::Downloading(..) => "Downloading".to_owned(),
        LayerStep::Verifying => "Verifying Checksum".to_owned(),
        LayerStep::Downloaded => "Download complete".to_owned(),
        LayerStep::Extracting(..) => "Extracting".to_owned(),
        LayerStep::Complete => "Pull complete".to_owned(),
        LayerStep::Exists => "Already exists".to_owned(),
        LayerStep::Retrying(1) => "Retrying in 1 second".to_owned(),
        LayerStep::Retrying(seconds) => format!("Retrying in {seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(digit: char) -> Digest {
        format!("sha256:{}", String::from(digit).repeat(64)).parse().unwrap()
    }

    fn events() -> Vec<PullEvent> {
        let layer = |digit, step| PullEvent::Layer { digest: digest(digit), step };
        vec![
            PullEvent::Pulling { tag: "latest".into(), repository: "library/alpine".into() },
            layer('a', LayerStep::Exists),
            layer('b', LayerStep::Queued),
            layer('b', LayerStep::Waiting),
            layer('b', LayerStep::Downloading(0, 3_640_000)),
            layer('b', LayerStep::Retrying(5)),
            layer('b', LayerStep::Downloading(1_050_000, 3_640_000)),
            PullEvent::Warning("slow".into()),
            layer('b', LayerStep::Verifying),
            layer('b', LayerStep::Downloaded),
            layer('b', LayerStep::Extracting(1, 2)),
            layer('b', LayerStep::Complete),
        ]
    }

    fn told(style: Style, is_pull: bool, missing: Option<&str>) -> String {
        let mut state = State { missing: missing.map(str::to_owned), ..State::default() };
        let now = Instant::now();
        let text: String = events().into_iter().map(|event| state.advance(style, is_pull, event, now)).collect();
        text + &state.finish(style)
    }

    #[test]
    fn elsewhere_each_change_is_a_line() {
        let layers = [
            "aaaaaaaaaaaa: Already exists",
            "bbbbbbbbbbbb: Pulling fs layer",
            "bbbbbbbbbbbb: Waiting",
            "bbbbbbbbbbbb: Retrying in 5 seconds",
            "Warning: slow",
            "bbbbbbbbbbbb: Verifying Checksum",
            "bbbbbbbbbbbb: Download complete",
            "bbbbbbbbbbbb: Pull complete\n",
        ]
        .join("\n");
        assert_eq!(told(Style::Lines, true, None), format!("latest: Pulling from library/alpine\n{layers}"));
        assert_eq!(
            told(Style::Lines, false, Some("alpine:latest")),
            format!("Unable to find image 'alpine:latest' locally\nlatest: Pulling from library/alpine\n{layers}")
        );
        assert_eq!(told(Style::Lines, false, None), format!("latest: Pulling from library/alpine\n{layers}"));
        assert_eq!(told(Style::Quiet, false, Some("alpine:latest")), "Warning: slow\n");
    }

    #[test]
    fn bars_end_as_one_line_a_layer() {
        let text = told(Style::Bars(24, 120), true, None);
        let last = text.rsplit("\x1b[J").next().unwrap();
        assert_eq!(last, "aaaaaaaaaaaa: Already exists\nbbbbbbbbbbbb: Pull complete\n");
        assert!(text.contains("\x1b[2A\r"), "{text:?}");
    }

    #[test]
    fn more_layers_than_rows_show_what_moves() {
        let mut state = State::default();
        for digit in "abcdef".chars() {
            state.layer(Style::Bars(4, 80), digest(digit), LayerStep::Queued, Instant::now());
        }
        let text = state.layer(Style::Bars(4, 80), digest('a'), LayerStep::Complete, Instant::now());
        assert_eq!(
            text,
            "\x1b[3A\rbbbbbbbbbbbb: Pulling fs layer\x1b[K\ncccccccccccc: Pulling fs layer\x1b[K\n1 of 6 layers \
             complete\x1b[K\n\x1b[J"
        );
    }

    #[test]
    fn bars_shrink_with_the_screen() {
        assert_eq!(bar(1_050_000, 3_640_000, 200), format!("[{}>{}]   1.05MB/3.64MB", "=".repeat(14), " ".repeat(36)));
        assert_eq!(bar(5, 10, 60), "[======>      ]       5B/10B");
        assert_eq!(bar(12, 10, 0), "[==========>]      12B/10B");
        assert_eq!(bar(5, 0, 80), "5B");
        for columns in [21, 40, 80, 200] {
            assert!(line(&digest('a'), &LayerStep::Downloading(123_456, 999_999), columns).chars().count() <= columns);
        }
    }
}
