//! The claims on a prefix's addresses, by offset. Blocks of neighbours are shared between copies of
//! the table until one of them writes, so that a snapshot copies nothing up front.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::claim::Claim;

/// Offsets in a block: as many as `Block::held` has bits.
const BLOCK: u128 = u32::BITS as u128;

/// Claims by offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClaimTable {
    /// By offset / `BLOCK`; none is empty.
    blocks: BTreeMap<u128, Arc<Block>>,
    len: u64,
}

/// The claims on neighbouring offsets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Block {
    /// A bit for each offset that is claimed.
    held: u32,
    /// The claims of these, in order.
    claims: Vec<Claim>,
}

/// Number of the block, and the bit in it.
fn split(offset: u128) -> (u128, u32) {
    let at = u32::try_from(offset % BLOCK).expect("a remainder is small");
    (offset / BLOCK, 1 << at)
}

impl Block {
    /// Where the claim of a bit stands, or would.
    fn place(&self, bit: u32) -> usize {
        (self.held & (bit - 1)).count_ones() as usize
    }

    fn find(&self, bit: u32) -> Option<usize> {
        (self.held & bit != 0).then(|| self.place(bit))
    }
}

impl ClaimTable {
    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The claim at `offset`.
    pub(crate) fn get(&self, offset: u128) -> Option<&Claim> {
        let (block, bit) = split(offset);
        let block = self.blocks.get(&block)?;
        block.claims.get(block.find(bit)?)
    }

    /// The claim at `offset`, to be changed.
    pub(crate) fn get_mut(&mut self, offset: u128) -> Option<&mut Claim> {
        let (block, bit) = split(offset);
        let block = self.blocks.get_mut(&block)?;
        let at = block.find(bit)?;
        Arc::make_mut(block).claims.get_mut(at)
    }

    /// Puts a claim at `offset`; the one that was there comes back.
    pub(crate) fn insert(&mut self, offset: u128, claim: Claim) -> Option<Claim> {
        let (block, bit) = split(offset);
        let block = Arc::make_mut(self.blocks.entry(block).or_default());
        let at = block.place(bit);
        if block.held & bit != 0 {
            return block.claims.get_mut(at).map(|there| core::mem::replace(there, claim));
        }
        block.held |= bit;
        block.claims.insert(at, claim);
        self.len += 1;
        None
    }

    /// Takes the claim at `offset` out.
    pub(crate) fn remove(&mut self, offset: u128) -> Option<Claim> {
        let (key, bit) = split(offset);
        let Entry::Occupied(mut entry) = self.blocks.entry(key) else { return None };
        let at = entry.get().find(bit)?;
        self.len -= 1;
        if entry.get().held == bit {
            return Arc::unwrap_or_clone(entry.remove()).claims.pop();
        }
        let block = Arc::make_mut(entry.get_mut());
        block.held &= !bit;
        Some(block.claims.remove(at))
    }

    /// All claims, in order of their offsets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u128, &Claim)> {
        self.within(0..=u128::MAX)
    }

    /// The claims in a range of offsets, in order.
    pub(crate) fn within(
        &self,
        offsets: RangeInclusive<u128>,
    ) -> impl Iterator<Item = (u128, &Claim)> {
        let blocks = split(*offsets.start()).0..=split(*offsets.end()).0;
        self.blocks
            .range(blocks)
            .flat_map(|(key, block)| {
                let held = (0..BLOCK).filter(|at| block.held >> at & 1 == 1);
                held.map(move |at| key * BLOCK + at).zip(&block.claims)
            })
            .filter(move |(offset, _)| offsets.contains(offset))
    }
}
