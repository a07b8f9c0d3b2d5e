//! Which address each key had last, so that it can have it again.

use alloc::collections::BTreeMap;

use crate::limits::KEYS_PER_PREFIX_MAX;
use crate::names::Text;
use crate::size;

/// Keys and the offsets they had last. An offset is remembered for one key, the latest, so that
/// keys which never come again do not pile up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyTable {
    offsets: BTreeMap<Text, u128>,
    keys: BTreeMap<u128, Text>,
    bytes: u64,
}

impl KeyTable {
    /// The offset that the key had last.
    pub(crate) fn get(&self, key: &Text) -> Option<u128> {
        self.offsets.get(key).copied()
    }

    /// True if the table can remember the offset for the key without growing beyond its limit.
    pub(crate) fn has_room(&self, key: &Text, offset: u128) -> bool {
        self.offsets.len() < KEYS_PER_PREFIX_MAX
            || self.offsets.contains_key(key)
            || self.keys.contains_key(&offset)
    }

    /// Remembers the offset for the key, instead of what both had before.
    pub(crate) fn insert(&mut self, key: &Text, offset: u128) {
        match self.offsets.insert(key.clone(), offset) {
            Some(before) => drop(self.keys.remove(&before)),
            None => self.bytes += size::key(key),
        }
        if let Some(before) = self.keys.insert(offset, key.clone())
            && before != *key
        {
            self.offsets.remove(&before);
            self.bytes -= size::key(&before);
        }
    }

    /// What it takes in a snapshot, at most.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keys and offsets, in order of the keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Text, u128)> {
        self.offsets.iter().map(|(key, offset)| (key, *offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_offset_and_an_offset_one_key() {
        let key = |name: &str| Text::new(name).unwrap();
        let mut table = KeyTable::default();
        table.insert(&key("web"), 5);
        table.insert(&key("db"), 5);
        assert_eq!((table.get(&key("web")), table.get(&key("db"))), (None, Some(5)));
        table.insert(&key("db"), 6);
        table.insert(&key("db"), 6);
        table.insert(&key("web"), 5);
        assert_eq!((table.get(&key("web")), table.get(&key("db"))), (Some(5), Some(6)));
    }
}
