//! What others sent, cut for the log.

use std::fmt;

/// Bytes of a caller's words that go into one field of a log line.
const LOGGED_MAX: usize = 512;

/// A value, cut to [`LOGGED_MAX`] bytes, with the length of the whole where it is longer.
pub(crate) fn brief(value: impl fmt::Display) -> String {
    let text = value.to_string();
    if text.len() <= LOGGED_MAX {
        return text;
    }
    let start = &text[..text.floor_char_boundary(LOGGED_MAX)];
    format!("{start}… ({} bytes)", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut_between_characters() {
        let long = "é".repeat(LOGGED_MAX);
        let cut = brief(format!("x{long}"));
        assert_eq!(cut, format!("x{}… (1025 bytes)", "é".repeat(255)));
        assert_eq!(brief(&long[..LOGGED_MAX]), long[..LOGGED_MAX]);
    }
}
