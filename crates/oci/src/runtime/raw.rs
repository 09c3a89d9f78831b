//! A part of a JSON document that stays text: passed on byte for byte, and compared as bytes.

use error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Valid JSON, unparsed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// Takes text that must be one JSON value.
    pub fn from_text(text: impl Into<String>) -> Result<Self> {
        RawValue::from_string(text.into()).map(Self).map_err(|cause| Error::invalid(format!("not JSON: {cause}")))
    }

    /// Writes a value down.
    pub fn of(value: &impl Serialize) -> Result<Self> {
        serde_json::value::to_raw_value(value).map(Self).map_err(|cause| Error::new(Kind::Internal, cause.to_string()))
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}
