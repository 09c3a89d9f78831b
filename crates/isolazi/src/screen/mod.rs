//! How things look: tables, templates, numbers in words, the progress of a pull.

pub(crate) mod human;
pub(crate) mod processes;
pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod template;
pub(crate) mod time;
