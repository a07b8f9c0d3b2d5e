//! A set of numbers kept as its maximal ranges.

use alloc::collections::BTreeMap;
use core::ops::Bound;

/// A set of `u128`, as disjoint ranges that never touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RangeSet {
    /// First to last number of each range.
    ranges: BTreeMap<u128, u128>,
}

impl RangeSet {
    /// The range that holds `number`.
    pub(crate) fn around(&self, number: u128) -> Option<(u128, u128)> {
        let (&first, &last) = self.ranges.range(..=number).next_back()?;
        (number <= last).then_some((first, last))
    }

    /// The first range that shares a number with `first..=last`.
    pub(crate) fn touching(&self, first: u128, last: u128) -> Option<(u128, u128)> {
        self.around(first)
            .or_else(|| self.ranges.range(first..=last).next().map(|(&first, &last)| (first, last)))
    }

    /// Adds `first..=last`.
    pub(crate) fn insert(&mut self, mut first: u128, mut last: u128) {
        if let Some((&before, end)) = self.ranges.range_mut(..=first).next_back()
            && first <= end.saturating_add(1)
        {
            if last <= *end {
                return;
            }
            first = before;
        }
        let behind = (Bound::Excluded(first), Bound::Included(last.saturating_add(1)));
        while let Some((&start, &end)) = self.ranges.range(behind).next_back() {
            last = last.max(end);
            self.ranges.remove(&start);
        }
        self.ranges.insert(first, last);
    }

    /// Takes `first..=last` out.
    pub(crate) fn remove(&mut self, first: u128, last: u128) {
        while let Some((start, end)) = self.touching(first, last) {
            if start < first {
                self.ranges.insert(start, first - 1);
            } else {
                self.ranges.remove(&start);
            }
            if last < end {
                self.ranges.insert(last + 1, end);
                return;
            }
        }
    }

    /// How many numbers of `first..=last` are in the set; the largest number where they are 2^128.
    pub(crate) fn count(&self, first: u128, last: u128) -> u128 {
        let mut count = 0_u128;
        let mut from = first;
        while from <= last
            && let Some((start, end)) = self.touching(from, last)
        {
            let (start, end) = (start.max(from), end.min(last));
            count = count.saturating_add((end - start).saturating_add(1));
            match end.checked_add(1) {
                Some(next) => from = next,
                None => break,
            }
        }
        count
    }

    /// First and last number of each range, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u128, u128)> {
        self.ranges.iter().map(|(first, last)| (*first, *last))
    }

    /// How many ranges there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.ranges.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    #[test]
    fn touching_ranges_become_one_up_to_the_last_number() {
        let mut set = RangeSet::default();
        set.insert(u128::MAX, u128::MAX);
        set.insert(3, 5);
        set.insert(0, 2);
        set.insert(u128::MAX - 1, u128::MAX - 1);
        assert_eq!(set.len(), 2);
        assert_eq!(set.around(4), Some((0, 5)));
        set.insert(0, u128::MAX);
        assert_eq!(set.count(0, u128::MAX), u128::MAX);
        assert_eq!(set.count(1, u128::MAX), u128::MAX);
        set.remove(0, u128::MAX);
        assert_eq!(set, RangeSet::default());
    }

    proptest! {
        #[test]
        fn behaves_like_a_set_of_numbers(
            steps in prop::collection::vec((any::<bool>(), 0_u128..60, 0_u128..12), 0..60),
        ) {
            let (mut ranges, mut naive) = (RangeSet::default(), BTreeSet::new());
            for (insert, first, more) in steps {
                let last = first + more;
                if insert {
                    ranges.insert(first, last);
                    naive.extend(first..=last);
                } else {
                    ranges.remove(first, last);
                    naive.retain(|number| !(first..=last).contains(number));
                }
                for number in 0..75 {
                    prop_assert_eq!(ranges.around(number).is_some(), naive.contains(&number));
                    let touches = naive.range(number..=number + 3).next().is_some();
                    let inside = naive.range(number..=number + 9).count() as u128;
                    prop_assert_eq!(ranges.count(number, number + 9), inside);
                    prop_assert_eq!(ranges.touching(number, number + 3).is_some(), touches);
                }
                let borders = naive.iter().filter(|n| !naive.contains(&(**n + 1))).count();
                prop_assert_eq!(ranges.len(), borders, "ranges are maximal");
            }
        }
    }
}
