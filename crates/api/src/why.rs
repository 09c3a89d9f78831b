//! Why a container is as it is.

use serde::{Deserialize, Serialize};

/// The answer, for people; a template calls its fields by these names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Why {
    /// 64 hexadecimal digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name.
    pub name: String,
    /// Docker's word for its state.
    pub state: String,
    /// Of one that has ended.
    pub exit_code: Option<u8>,
    /// In one sentence.
    pub cause: String,
    /// What is known besides.
    pub evidence: Vec<String>,
    /// The last lines that it said.
    pub last_words: Vec<String>,
    /// What can be done.
    pub hints: Vec<String>,
}
