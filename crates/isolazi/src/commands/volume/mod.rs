//! `isolazi volume …`: folders that outlive containers.

pub(crate) mod create;
mod filter;
pub(crate) mod inspect;
pub(crate) mod ls;
pub(crate) mod prune;
pub(crate) mod rm;
