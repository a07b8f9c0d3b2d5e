//! Tokens: who is let in.

use serde::{Deserialize, Serialize};

/// A token that may be used. What is secret in it is known to its bearers alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its number.
    pub id: u64,
    /// What it allows: `server`, `read`, `allocate:SPACE` or `admin`.
    pub role: String,
    /// What it is for.
    pub note: String,
    /// When it was made.
    pub made: String,
    /// From when on it is void.
    pub expires: Option<String>,
    /// How many hosts may still use it, where that is counted.
    pub uses_left: Option<u32>,
    /// The host that used it last.
    pub used_by: Option<String>,
}

/// A token to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewToken {
    /// What it allows: `read`, `allocate:SPACE` or `admin`; not said where hosts join with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// For how long it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<u64>,
    /// How many hosts may join with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
}

/// A token that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeToken {
    /// Its number.
    pub id: u64,
    /// The token itself, on one line. It is told once.
    pub token: String,
}
