//! Names, checked where they come in, so that no other code has to.

use alloc::collections::BTreeMap;
use alloc::string::String;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::limits::{LABELS_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX};

/// A text that is no name, or no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a {what} must not be empty")]
    Empty {
        /// Which kind of name.
        what: &'static str,
    },
    /// Longer than [`NAME_BYTES_MAX`] or [`TEXT_BYTES_MAX`].
    #[error("a {what} may have {max} bytes at most, this one has {length}")]
    TooLong {
        /// Which kind of name.
        what: &'static str,
        /// Bytes it has.
        length: usize,
        /// Bytes it may have.
        max: usize,
    },
    /// A character, or a place for one, that names do not have.
    #[error(
        "{name:?} is not a {what}: use letters, digits, '.', '_', '-' and '@', \
         and begin with a letter or digit"
    )]
    Character {
        /// Which kind of name.
        what: &'static str,
        /// The text.
        name: String,
    },
    /// A control character in a label or note.
    #[error("a {what} must not hold control characters")]
    Control {
        /// Which kind of text.
        what: &'static str,
    },
    /// More than [`LABELS_MAX`].
    #[error("{count} labels are too many, {max} may be set", max = LABELS_MAX)]
    TooManyLabels {
        /// How many.
        count: usize,
    },
}

fn check_name(what: &'static str, name: &str) -> Result<(), NameError> {
    match name.len() {
        0 => return Err(NameError::Empty { what }),
        1..=NAME_BYTES_MAX => {}
        length => return Err(NameError::TooLong { what, length, max: NAME_BYTES_MAX }),
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
    if name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain) {
        Ok(())
    } else {
        Err(NameError::Character { what, name: name.into() })
    }
}

fn check_text(what: &'static str, text: &str) -> Result<(), NameError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(NameError::TooLong { what, length: text.len(), max: TEXT_BYTES_MAX });
    }
    if text.chars().any(char::is_control) { Err(NameError::Control { what }) } else { Ok(()) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "SmolStr")]
        pub struct $name(SmolStr);

        impl $name {
            /// Checks the text.
            pub fn new(text: impl Into<SmolStr>) -> Result<Self, NameError> {
                let text = text.into();
                $check($what, &text)?;
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<SmolStr> for $name {
            type Error = NameError;

            fn try_from(text: SmolStr) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl core::str::FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// The name of an address space, such as `LocalDefault` or `GlobalDefault@blue`.
    SpaceName, "space name", check_name
}
name! {
    /// The name of a host or of an API user.
    ClientName, "client name", check_name
}
name! {
    /// A name for an automatic pool, so that several hosts get the same one.
    PoolName, "pool name", check_name
}
name! {
    /// Free text of a person or an engine: a note, an endpoint's name, a MAC address, a key by which
    /// an address is found again. No control characters, so that it cannot forge a log line.
    Text, "text", check_text
}

/// Labels, in order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Text, Text>")]
pub struct Labels(BTreeMap<Text, Text>);

impl Labels {
    /// Checks their number.
    pub fn new(labels: BTreeMap<Text, Text>) -> Result<Self, NameError> {
        if labels.len() > LABELS_MAX {
            return Err(NameError::TooManyLabels { count: labels.len() });
        }
        Ok(Self(labels))
    }

    /// Key and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.0.iter()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<Text, Text>> for Labels {
    type Error = NameError;

    fn try_from(labels: BTreeMap<Text, Text>) -> Result<Self, NameError> {
        Self::new(labels)
    }
}
