//! `isolazi network …`: what containers are connected by.

pub(crate) mod create;
mod filter;
pub(crate) mod inspect;
pub(crate) mod ls;
pub(crate) mod prune;
pub(crate) mod rm;
