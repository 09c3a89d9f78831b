//! `null` in place of what is absent, as programs in Go write it for any field that is a pointer or a list.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a document. One that is not as it should be is read again without its `null`s.
///
/// # Errors
/// Of the first time.
pub fn read<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(text).or_else(|cause| {
        let stripped = without_nulls(text).and_then(|text| serde_json::from_slice(&text).ok());
        stripped.ok_or(cause)
    })
}

fn without_nulls(text: &[u8]) -> Option<Vec<u8>> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|_, value| !value.is_null());
                fields.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_slice(text).ok()?;
    strip(&mut value);
    serde_json::to_vec(&value).ok()
}
