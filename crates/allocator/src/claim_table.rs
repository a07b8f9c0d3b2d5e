//! The claims on a prefix's addresses, by offset. Blocks of neighbours are shared between copies of
//! the table until one of them writes, so that a snapshot copies nothing up front.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::claim::Claim;

/// Offsets in a block.
const BLOCK: u128 = 64;

/// Claims by offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClaimTable {
    /// By offset / `BLOCK`; none is empty.
    blocks: BTreeMap<u128, Arc<Block>>,
    len: u64,
}

/// Claims of one block by the low bits of their offset, in order.
type Block = Vec<(u8, Claim)>;

fn split(offset: u128) -> (u128, u8) {
    let low = u8::try_from(offset % BLOCK).expect("a remainder of 64 fits a byte");
    (offset / BLOCK, low)
}

impl ClaimTable {
    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The claim at `offset`.
    pub(crate) fn get(&self, offset: u128) -> Option<&Claim> {
        let (block, low) = split(offset);
        let block = self.blocks.get(&block)?;
        let at = block.binary_search_by_key(&low, |(low, _)| *low).ok()?;
        block.get(at).map(|(_, claim)| claim)
    }

    /// The claim at `offset`, to be changed.
    pub(crate) fn get_mut(&mut self, offset: u128) -> Option<&mut Claim> {
        let (block, low) = split(offset);
        let block = self.blocks.get_mut(&block)?;
        let at = block.binary_search_by_key(&low, |(low, _)| *low).ok()?;
        Arc::make_mut(block).get_mut(at).map(|(_, claim)| claim)
    }

    /// Puts a claim at `offset`; the one that was there comes back.
    pub(crate) fn insert(&mut self, offset: u128, claim: Claim) -> Option<Claim> {
        let (block, low) = split(offset);
        let block = Arc::make_mut(self.blocks.entry(block).or_default());
        match block.binary_search_by_key(&low, |(low, _)| *low) {
            Ok(at) => block.get_mut(at).map(|(_, there)| core::mem::replace(there, claim)),
            Err(at) => {
                block.insert(at, (low, claim));
                self.len += 1;
                None
            }
        }
    }

    /// Takes the claim at `offset` out.
    pub(crate) fn remove(&mut self, offset: u128) -> Option<Claim> {
        let (key, low) = split(offset);
        let block = self.blocks.get_mut(&key)?;
        let at = block.binary_search_by_key(&low, |(low, _)| *low).ok()?;
        let block = Arc::make_mut(block);
        let (_, claim) = block.remove(at);
        if block.is_empty() {
            self.blocks.remove(&key);
        }
        self.len -= 1;
        Some(claim)
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
                block.iter().map(move |(low, claim)| (key * BLOCK + u128::from(*low), claim))
            })
            .filter(move |(offset, _)| offsets.contains(offset))
    }
}
