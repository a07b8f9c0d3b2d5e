//! What went wrong, by its text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Refused;

/// Texts that are told apart; what comes later is counted together.
const TEXTS_MAX: usize = 16;
/// Bytes of a text that are kept.
const TEXT_BYTES_MAX: usize = 300;
const OTHERS: &str = "others";

/// Errors by their texts.
#[derive(Debug, Clone, Default)]
pub struct ErrorTexts(BTreeMap<String, u64>);

/// How often something went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// What was said.
    pub text: String,
    /// How often.
    pub count: u64,
}

impl ErrorTexts {
    /// Counts an error.
    pub fn add(&mut self, refused: &Refused) {
        let mut text = refused.to_string();
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        self.count(text, 1);
    }

    /// Adds those of another client.
    pub fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(text, count)| self.count(text, count));
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// All of them, the most frequent first.
    pub fn counts(&self) -> Vec<ErrorCount> {
        let all =
            self.0.iter().map(|(text, count)| ErrorCount { text: text.clone(), count: *count });
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|error| std::cmp::Reverse(error.count));
        all
    }

    fn count(&mut self, text: String, count: u64) {
        let room = self.0.len() < TEXTS_MAX || self.0.contains_key(&text);
        let text = if room { text } else { OTHERS.to_owned() };
        *self.0.entry(text).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_texts_there_are_all_errors_are_counted() {
        let mut errors = ErrorTexts::default();
        for number in 0..100 {
            errors.add(&Refused::because(format!("no {number}")));
            errors.add(&Refused::because("é".repeat(TEXT_BYTES_MAX)));
        }
        let mut all = errors.clone();
        all.merge(errors);
        assert_eq!(all.total(), 400);
        assert_eq!(all.counts()[0].count, 200);
        assert_eq!(all.counts().len(), TEXTS_MAX + 1);
    }
}
