//! A set of offsets in a prefix, bit by bit where it holds some and not all of a block of neighbours,
//! and above that the blocks that it holds all of, in the same way. So the lowest offset that is *not*
//! in the set is found, put in and taken out in a look-up or two, however many there are and however
//! scattered what is free may be.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use core::fmt::Debug;
use core::ops::RangeInclusive;

use crate::range_set::RangeSet;

/// A set of offsets: blocks of 512, blocks of 512 of these, and runs of those.
pub(crate) type OffsetSet = Layer<Layer<RangeSet>>;

/// Bits of a word.
const WORD: usize = 64;
/// Words of a block.
const WORDS: usize = 8;
/// Numbers in a block.
const BLOCK: u128 = (WORD * WORDS) as u128;

/// A set of numbers, in which whole blocks of them are one number each.
pub(crate) trait Numbers: Debug + Clone + PartialEq + Eq + Default {
    /// True if `number` is in the set.
    fn contains(&self, number: u128) -> bool;
    /// The lowest number from `first` on that is not in the set.
    fn gap(&self, first: u128) -> Option<u128>;
    /// Puts `first..=last` in, or takes them out.
    fn change(&mut self, first: u128, last: u128, to: bool);
    /// How many numbers of `first..=last` are in the set; the largest number where they are 2^128.
    fn count(&self, first: u128, last: u128) -> u128;
    /// The same set as its maximal ranges.
    fn to_ranges(&self) -> RangeSet;
}

impl Numbers for RangeSet {
    fn contains(&self, number: u128) -> bool {
        self.around(number).is_some()
    }

    fn gap(&self, first: u128) -> Option<u128> {
        self.around(first).map_or(Some(first), |(_, end)| end.checked_add(1))
    }

    fn change(&mut self, first: u128, last: u128, to: bool) {
        if to { self.insert(first, last) } else { self.remove(first, last) }
    }

    fn count(&self, first: u128, last: u128) -> u128 {
        self.count(first, last)
    }

    fn to_ranges(&self) -> RangeSet {
        self.clone()
    }
}

/// A set of numbers, kept as blocks of bits below a set of those blocks that are wholly in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer<Above> {
    /// Numbers of the blocks that are wholly in the set.
    full: Above,
    /// By number the blocks that are partly in it, and such as were: what was taken last is often
    /// given back. None is empty.
    blocks: BTreeMap<u128, Block>,
}

impl<Above: Numbers> Layer<Above> {
    /// Adds `first..=last`.
    pub(crate) fn insert(&mut self, first: u128, last: u128) {
        self.change(first, last, true);
    }

    /// Takes `first..=last` out.
    pub(crate) fn remove(&mut self, first: u128, last: u128) {
        self.change(first, last, false);
    }

    fn count_in(&self, block: u128, places: RangeInclusive<usize>) -> u128 {
        match self.blocks.get(&block) {
            Some(bits) => bits.count(places),
            None if self.full.contains(block) => Block::FULL.count(places),
            None => 0,
        }
    }

    fn change_in(&mut self, block: u128, places: RangeInclusive<usize>, to: bool) {
        let (before, now) = match self.blocks.entry(block) {
            Entry::Occupied(mut there) => {
                let before = *there.get();
                there.get_mut().change(places, to);
                let now = *there.get();
                if now == Block::EMPTY {
                    there.remove();
                }
                (before, now)
            }
            Entry::Vacant(vacant) => {
                let before = if self.full.contains(block) { Block::FULL } else { Block::EMPTY };
                let mut now = before;
                now.change(places, to);
                if now != before && now != Block::EMPTY {
                    vacant.insert(now);
                }
                (before, now)
            }
        };
        if (before == Block::FULL) != (now == Block::FULL) {
            self.full.change(block, block, now == Block::FULL);
        }
    }

    fn partial(&self) -> impl Iterator<Item = (&u128, &Block)> {
        self.blocks.iter().filter(|(_, bits)| **bits != Block::FULL)
    }
}

impl<Above: Numbers> Numbers for Layer<Above> {
    fn contains(&self, number: u128) -> bool {
        let (block, place) = split(number);
        match self.blocks.get(&block) {
            Some(bits) => bits.contains(place),
            None => self.full.contains(block),
        }
    }

    fn gap(&self, first: u128) -> Option<u128> {
        let (block, place) = split(first);
        match self.blocks.get(&block) {
            Some(bits) => {
                if let Some(free) = bits.gap(place) {
                    return Some(block * BLOCK + free as u128);
                }
            }
            None if !self.full.contains(block) => return Some(first),
            None => {}
        }
        let block = self.full.gap(block + 1)?;
        let first = block.checked_mul(BLOCK)?;
        let free = self.blocks.get(&block).map_or(Some(0), |bits| bits.gap(0))?;
        Some(first + free as u128)
    }

    fn change(&mut self, first: u128, last: u128, to: bool) {
        let ((from, low), (end, high)) = (split(first), split(last));
        if from == end {
            self.change_in(from, low..=high, to);
            return;
        }
        self.change_in(from, low..=LAST, to);
        self.change_in(end, 0..=high, to);
        if end - from > 1 {
            self.blocks.extract_if(from + 1..end, |_, _| true).for_each(drop);
            self.full.change(from + 1, end - 1, to);
        }
    }

    fn count(&self, first: u128, last: u128) -> u128 {
        let ((from, low), (end, high)) = (split(first), split(last));
        if from == end {
            return self.count_in(from, low..=high);
        }
        let edges = self.count_in(from, low..=LAST) + self.count_in(end, 0..=high);
        if end - from == 1 {
            return edges;
        }
        let partial = self.blocks.range(from + 1..end).filter(|(_, bits)| **bits != Block::FULL);
        let partial: u128 = partial.map(|(_, bits)| bits.count(0..=LAST)).sum();
        let full = self.full.count(from + 1, end - 1).saturating_mul(BLOCK);
        full.saturating_add(partial).saturating_add(edges)
    }

    fn to_ranges(&self) -> RangeSet {
        let mut ranges = RangeSet::default();
        for (start, end) in self.full.to_ranges().iter() {
            ranges.insert(start * BLOCK, end * BLOCK + (BLOCK - 1));
        }
        for (block, bits) in self.partial() {
            for place in bits.iter() {
                let number = block * BLOCK + place as u128;
                ranges.insert(number, number);
            }
        }
        ranges
    }
}

impl<Above: Numbers> PartialEq for Layer<Above> {
    fn eq(&self, other: &Self) -> bool {
        self.full == other.full && self.partial().eq(other.partial())
    }
}

impl<Above: Numbers> Eq for Layer<Above> {}

/// The place of the last bit in a block.
const LAST: usize = WORD * WORDS - 1;

/// Number of the block, and the place in it.
fn split(offset: u128) -> (u128, usize) {
    let at = usize::try_from(offset % BLOCK).expect("a remainder is small");
    (offset / BLOCK, at)
}

/// One bit an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block([u64; WORDS]);

impl Block {
    const EMPTY: Self = Self([0; WORDS]);
    const FULL: Self = Self([u64::MAX; WORDS]);

    fn contains(&self, at: usize) -> bool {
        self.0.get(at / WORD).is_some_and(|word| word >> (at % WORD) & 1 == 1)
    }

    /// The lowest place from `at` on whose bit is not set.
    fn gap(&self, at: usize) -> Option<usize> {
        let skipped = (1_u64 << (at % WORD)) - 1;
        let words = self.0.iter().enumerate().skip(at / WORD);
        let free = words.map(|(number, word)| {
            let skipped = if number == at / WORD { skipped } else { 0 };
            (number, !(word | skipped))
        });
        free.filter(|(_, free)| *free != 0)
            .map(|(number, free)| number * WORD + free.trailing_zeros() as usize)
            .next()
    }

    fn change(&mut self, places: RangeInclusive<usize>, to: bool) {
        for (number, word) in self.0.iter_mut().enumerate() {
            let mask = mask(number, &places);
            if to {
                *word |= mask;
            } else {
                *word &= !mask;
            }
        }
    }

    fn count(&self, places: RangeInclusive<usize>) -> u128 {
        let words = self.0.iter().enumerate();
        words.map(|(number, word)| u128::from((word & mask(number, &places)).count_ones())).sum()
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        (0..=LAST).filter(|at| self.contains(*at))
    }
}

/// The bits of a word that lie in these places of its block.
fn mask(number: usize, places: &RangeInclusive<usize>) -> u64 {
    let (first, last) = (number * WORD, number * WORD + WORD - 1);
    let (from, to) = (first.max(*places.start()), last.min(*places.end()));
    if from > to { 0 } else { (u64::MAX >> (WORD - 1 - (to - from))) << (from - first) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    #[test]
    fn all_numbers_fit() {
        let mut set = OffsetSet::default();
        set.insert(0, u128::MAX);
        assert!(set.blocks.len() <= 2, "whole blocks are runs");
        assert_eq!((set.gap(0), set.count(0, u128::MAX)), (None, u128::MAX));
        set.remove(u128::MAX, u128::MAX);
        set.remove(BLOCK, BLOCK);
        assert_eq!((set.gap(0), set.gap(BLOCK + 1)), (Some(BLOCK), Some(u128::MAX)));
        let mut all = OffsetSet::default();
        all.insert(0, u128::MAX);
        set.insert(BLOCK, BLOCK);
        set.insert(u128::MAX, u128::MAX);
        assert_eq!(set, all);
        set.remove(0, u128::MAX);
        assert_eq!(set, OffsetSet::default());
    }

    proptest! {
        #[test]
        fn behaves_like_a_set_of_numbers(
            whole in any::<bool>(),
            // Around the borders of three blocks, and of two blocks of blocks.
            steps in prop::collection::vec((any::<bool>(), 0_u128..1_600, 0_u128..700), 0..20),
            from in 0_u128..1_700,
            more in 0_u128..700,
        ) {
            let base = BLOCK * BLOCK - 700;
            let (mut set, mut naive) = (OffsetSet::default(), BTreeSet::new());
            if whole {
                set.insert(0, base + 3_000);
                naive.extend(base..=base + 3_000);
            }
            for (insert, first, more) in steps {
                // Mostly few, sometimes whole blocks.
                let (first, last) = (base + first, base + first + if more % 3 == 0 { more } else { more % 4 });
                if insert {
                    set.insert(first, last);
                    naive.extend(first..=last);
                } else {
                    set.remove(first, last);
                    naive.retain(|number| !(first..=last).contains(number));
                }
                prop_assert!(set.blocks.values().all(|bits| *bits != Block::EMPTY));
            }
            let (from, to) = (base + from, base + from + more);
            for number in from..=to {
                prop_assert_eq!(set.contains(number), naive.contains(&number));
            }
            let beyond = base + 5_000;
            prop_assert_eq!(set.gap(from), (from..beyond).find(|n| !naive.contains(n)));
            prop_assert_eq!(set.count(from, to), naive.range(from..=to).count() as u128);
            let mut again = OffsetSet::default();
            if whole {
                again.insert(0, base - 1);
            }
            for number in naive {
                again.insert(number, number);
            }
            prop_assert_eq!(set, again);
        }
    }
}
