//! The flags that describe a container, and how they become an [`api::Create`]. All of it is pure: what must be known
//! of the caller comes in as a [`Caller`].

mod env;
pub(crate) mod flags;
mod health;
mod kernel;
pub(crate) mod limits;
mod logging;
mod mount;
mod names;
mod network;
pub(crate) mod number;
mod request;
pub(crate) mod restart;
mod rights;
mod sharing;
#[cfg(test)]
mod tests;
mod tmpfs;
mod volume;
mod volumes_from;

pub(crate) use request::{Caller, Terminals, Wish, label, named_variables, platform, wish, working_directory};
pub(crate) use volume::no_driver;
