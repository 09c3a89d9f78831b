//! Help pages, laid out as Docker's: usage, a sentence, other spellings, options.

use crate::args::described;
use crate::oci;
use crate::usage::{self, Misuse};
use crate::verbs::{self, GROUPS, VERBS, Verb};
use clap::{Arg, Command};
use std::fmt::Write;

/// Columns assumed where there is no terminal.
const DEFAULT_WIDTH: usize = 100;
/// A terminal narrower than this gets lines as if it were so wide.
const MIN_WIDTH: usize = 40;

/// Columns of the terminal that help is shown on.
pub(crate) fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
    size.map_or(DEFAULT_WIDTH, |size| usize::from(size.ws_col).clamp(MIN_WIDTH, DEFAULT_WIDTH))
}

/// The page for what follows `isolazi help`: nothing, a command, a group, or a command in a group.
pub(crate) fn page(words: &[String], width: usize) -> Result<String, Misuse> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => Ok(overview()),
        [name, ..] => {
            if let Some(verb) = verbs::find(name) {
                return Ok(of_verb(verb, width));
            }
            if name == oci::NAME {
                return oci::page_of(words.get(1).copied())
                    .map_err(|error| Misuse { text: crate::console::describe(&error), code: crate::exit::FAILURE });
            }
            if name == "help" {
                return Ok("Usage:  isolazi help [COMMAND]\n\nHelp about a command\n".to_owned());
            }
            if !GROUPS.iter().any(|group| group.name == name) {
                let known = verbs::short_names().chain(GROUPS.iter().map(|g| g.name));
                return Err(usage::unknown_command("isolazi", name, known));
            }
            match words.get(1) {
                None => Ok(of_group(name)),
                Some(word) => match verbs::find_in(name, word) {
                    Some(verb) => Ok(of_verb(verb, width)),
                    None => Err(usage::unknown_command(&format!("isolazi {name}"), word, std::iter::empty())),
                },
            }
        }
    }
}

/// `isolazi --help`.
fn overview() -> String {
    let mut text = String::from(
        "Usage:  isolazi [OPTIONS] COMMAND\n\nRun containers: isolated, from any image, without a daemon\n\nCommands:\n",
    );
    let verbs = VERBS.iter().filter(|verb| verb.has_short_name()).map(|verb| (verb.name, verb.about));
    text.push_str(&two_columns(verbs.chain([("help", "Help about a command")])));
    text.push_str("\nManagement Commands:\n");
    let groups = GROUPS.iter().map(|group| (group.name, group.about));
    text.push_str(&two_columns(groups.chain([(oci::NAME, oci::ABOUT)])));
    text.push_str("\nGlobal Options:\n");
    let mut flags = crate::dispatch::global_flags();
    flags.push(crate::args::switch("version", "Print version information and quit").short('v'));
    let command = described(Command::new("isolazi").disable_help_flag(true).args(flags));
    text.push_str(&options(&command, DEFAULT_WIDTH));
    text.push_str("\nRun 'isolazi COMMAND --help' for more information on a command.\n");
    text
}

/// `isolazi container --help`.
fn of_group(name: &str) -> String {
    let about = GROUPS.iter().find(|group| group.name == name).map_or("", |group| group.about);
    let members = VERBS.iter().filter_map(|verb| match verb.long {
        Some((group, [first, ..])) if group == name => Some((*first, verb.about)),
        _ => None,
    });
    format!(
        "Usage:  isolazi {name} COMMAND\n\n{about}\n\nCommands:\n{}\nRun 'isolazi {name} COMMAND --help' for more information on a command.\n",
        two_columns(members)
    )
}

/// `isolazi run --help`.
pub(crate) fn of_verb(verb: &Verb, width: usize) -> String {
    let mut text = format!("Usage:  {}\n\n{}\n", verb.usage_line(), verb.about);
    let spellings = verb.spellings();
    if spellings.len() > 1 {
        let _ = write!(text, "\nAliases:\n  {}\n", spellings.join(", ")); // a String takes everything
    }
    text.push_str("\nOptions:\n");
    text.push_str(&options(&described(verb.command()), width));
    text
}

fn two_columns<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let rows: Vec<_> = rows.collect();
    let widest = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, about)| format!("  {name:widest$}   {about}\n")).collect()
}

/// One line a flag, sorted by name, descriptions wrapped below themselves.
fn options(command: &Command, width: usize) -> String {
    let mut rows: Vec<(String, String)> = command
        .get_arguments()
        .filter(|flag| !flag.is_hide_set() && flag.get_long().is_some())
        .map(|flag| (left(flag), flag.get_help().map(ToString::to_string).unwrap_or_default()))
        .collect();
    rows.sort_by(|(a, _), (b, _)| a[6..].cmp(&b[6..]));
    let column = rows.iter().map(|(left, _)| left.chars().count()).max().unwrap_or(0) + 3;
    let mut text = String::new();
    for (left, help) in rows {
        let mut line = format!("{left:column$}");
        let mut used = column;
        let mut first = true;
        for word in help.split(' ') {
            if !first && used + 1 + word.chars().count() > width {
                text.push_str(line.trim_end());
                text.push('\n');
                line = " ".repeat(column);
                used = column;
                first = true;
            }
            if !first {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += word.chars().count();
            first = false;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `  -e, --env list`, `      --name string`, with other long names after a comma.
fn left(flag: &Arg) -> String {
    let short = flag.get_short().map_or_else(|| "  ".to_owned(), |short| format!("-{short}"));
    let comma = if flag.get_short().is_some() { "," } else { " " };
    let mut text = format!("  {short}{comma} --{}", flag.get_long().expect("only long flags are listed"));
    for alias in flag.get_visible_aliases().unwrap_or_default() {
        let _ = write!(text, ", --{alias}"); // a String takes everything
    }
    if let Some([name, ..]) = flag.get_value_names()
        && flag.get_action().takes_values()
    {
        let _ = write!(text, " {name}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pages above those of the commands. `UPDATE_GOLDEN=1` writes them anew.
    #[test]
    fn the_overviews_are_as_recorded() {
        let mut pages = vec![("isolazi --help".to_owned(), page(&[], 100).unwrap())];
        for group in GROUPS {
            pages.push((format!("isolazi {} --help", group.name), page(&[group.name.to_owned()], 100).unwrap()));
        }
        let text: String = pages.iter().map(|(title, page)| format!("$ {title}\n{page}\n")).collect();
        testkit::golden("tests/golden/help.txt", &text);
    }

    /// The end-to-end tests record them; no command may be without.
    #[test]
    fn every_command_is_recorded_with_its_page() {
        for verb in VERBS {
            let path = format!("tests/golden/commands/{}.txt", verb.name.replace(' ', "-"));
            let recorded = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let page = of_verb(verb, DEFAULT_WIDTH);
            assert!(recorded.starts_with(&format!("$ isolazi {} --help\n{page}= 0\n", verb.name)), "{path}");
        }
    }

    #[test]
    fn both_spellings_have_the_same_page_and_unknown_ones_none() {
        let page = |words: &[&str]| super::page(&words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>(), 80);
        assert_eq!(page(&["ps"]), page(&["container", "ls"]));
        assert_eq!(page(&["rmi"]), page(&["image", "remove"]));
        assert!(page(&["nope"]).is_err() && page(&["image", "nope"]).is_err());
    }
}
