//! Everything about one object, in the shape of Docker's API, which scripts and templates know by heart: names, order
//! of the fields, and what is `null`, `[]` or absent.

use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// As a newtype's name: this null could have been a list.
pub const NULL_LIST: &str = "null list";
/// As a newtype's name: this null could have been a map.
pub const NULL_MAP: &str = "null map";

/// A list that is `null` when it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NullList<T>(pub Vec<T>);

/// A map that is `null` when it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NullMap<T>(pub BTreeMap<String, T>);

impl<T> Default for NullList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for NullMap<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Serialize> Serialize for NullList<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            serializer.serialize_newtype_struct(NULL_LIST, &())
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<T: Serialize> Serialize for NullMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            serializer.serialize_newtype_struct(NULL_MAP, &())
        } else {
            self.0.serialize(serializer)
        }
    }
}
