//! Which fields of a row a template names, whichever way it takes.

use super::tree::{Branch, Node, Pipe, Term, What};

/// A field of the row itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Used {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub at: usize,
    /// How it is written there.
    pub shown: String,
}

/// The name of the row itself, with all its fields: `{{json .}}`.
pub(super) const ALL: &str = ".";

/// All of them, in order.
pub(super) fn fields(nodes: &[Node]) -> Vec<Used> {
    let mut used = Vec::new();
    in_nodes(nodes, true, &mut used);
    used
}

/// `is_row`: the dot is the row.
fn in_nodes(nodes: &[Node], is_row: bool, used: &mut Vec<Used>) {
    for node in nodes {
        match node {
            Node::Text(_) | Node::Break | Node::Continue => {}
            Node::Action(pipe) => in_pipe(pipe, is_row, used),
            Node::If(branch) => in_branch(branch, is_row, is_row, used),
            Node::With(branch) | Node::Range(branch) => in_branch(branch, is_row, false, used),
        }
    }
}

fn in_branch(branch: &Branch, is_row: bool, is_row_then: bool, used: &mut Vec<Used>) {
    in_pipe(&branch.pipe, is_row, used);
    in_nodes(&branch.then, is_row_then, used);
    in_nodes(&branch.otherwise, is_row, used);
}

fn in_pipe(pipe: &Pipe, is_row: bool, used: &mut Vec<Used>) {
    pipe.commands.iter().flat_map(|command| &command.terms).for_each(|term| in_term(term, is_row, used));
}

fn in_term(term: &Term, is_row: bool, used: &mut Vec<Used>) {
    let name = match &term.what {
        What::Field(names) if is_row => names.first().map(String::as_str),
        What::Variable(variable, names) if variable == "$" => Some(names.first().map_or(ALL, String::as_str)),
        What::Dot if is_row => Some(ALL),
        What::Pipe(pipe) => return in_pipe(pipe, is_row, used),
        What::Chain(inner, _) => return in_term(inner, is_row, used),
        _ => None,
    };
    used.extend(name.map(|name| Used { name: name.to_owned(), at: term.at, shown: term.to_string() }));
}
