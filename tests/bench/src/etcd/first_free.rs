//! The lowest free address, of etcd. As other IPAMs on etcd do, it keeps blocks of 256 addresses, each a
//! key whose value has a bit for each address, and replaces a block that nobody else has replaced since.
//! A driver keeps what it last knew of a block, so that it looks only where it was wrong.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use berth_node::bench::Refused;
use tokio::sync::mpsc::Receiver;

use super::kv::{Kv, Written};
use crate::batches::{Answer, Asked};

/// 10.0.0.0
const FIRST: u32 = 10 << 24;
/// Addresses of a block, and the bytes of its value.
const BLOCK: u32 = 256;
const BLOCK_BYTES: usize = 32;

type Bits = [u8; BLOCK_BYTES];

/// One host's driver: its callers wait for each other.
pub(crate) struct Driver {
    kv: Kv,
    pool: String,
    batch_max: usize,
    /// The first block that may have a free address.
    first: u32,
    blocks: HashMap<u32, Block>,
}

/// A block, as it was last known.
#[derive(Clone, Copy, Default)]
struct Block {
    revision: i64,
    bits: Bits,
}

impl Driver {
    /// A driver that carries so many requests out in a transaction at most.
    pub(crate) fn new(kv: Kv, pool: String, batch_max: usize) -> Self {
        Self { kv, pool, batch_max, first: 0, blocks: HashMap::new() }
    }

    /// Carries out what is asked, until nobody asks.
    pub(crate) async fn serve(mut self, mut queue: Receiver<Asked>) {
        let mut asked = Vec::new();
        while queue.recv_many(&mut asked, self.batch_max).await > 0 {
            let mut requests = Vec::new();
            for one in asked.drain(..) {
                match one {
                    Asked::Request(answer) => requests.push(answer),
                    Asked::Release(address, answer) => {
                        let _ = answer.send(self.release(address).await);
                    }
                }
            }
            self.give(requests).await;
        }
    }

    async fn give(&mut self, mut waiting: Vec<Answer>) {
        while !waiting.is_empty() {
            let number = self.first;
            let count = waiting.len();
            match self.change(number, |bits| take(bits, count)).await {
                Ok(given) => {
                    if given.len() < count {
                        self.first += 1;
                    }
                    for (bit, answer) in given.iter().zip(waiting.drain(..given.len())) {
                        let address = Ipv4Addr::from_bits(FIRST + number * BLOCK + bit);
                        let _ = answer.send(Ok(address.into()));
                    }
                }
                Err(refused) => {
                    waiting.drain(..).for_each(|answer| drop(answer.send(Err(refused.clone()))));
                }
            }
        }
    }

    async fn release(&mut self, address: IpAddr) -> Result<IpAddr, Refused> {
        let IpAddr::V4(v4) = address else { return Err(Refused::because("not of the pool")) };
        let offset = v4.to_bits().wrapping_sub(FIRST);
        let (number, bit) = (offset / BLOCK, offset % BLOCK);
        self.change(number, |bits| clear(bits, bit)).await?;
        self.first = self.first.min(number);
        Ok(address)
    }

    /// Changes a block; again, where somebody else did.
    async fn change<T>(
        &mut self,
        number: u32,
        change: impl Fn(&mut Bits) -> T,
    ) -> Result<T, Refused> {
        let key = format!("{}{number}", self.pool);
        loop {
            let Block { revision, bits } = self.blocks.get(&number).copied().unwrap_or_default();
            let mut changed = bits;
            let done = change(&mut changed);
            if changed == bits {
                return Ok(done);
            }
            let written = self.kv.write(&key, revision, changed.to_vec(), true).await;
            let known = match written.map_err(Refused::because)? {
                Written::At(revision) => {
                    self.blocks.insert(number, Block { revision, bits: changed });
                    return Ok(done);
                }
                Written::Found(None) => Block::default(),
                Written::Found(Some(found)) => {
                    let bits = found.value.as_slice().try_into().map_err(Refused::because)?;
                    Block { revision: found.mod_revision, bits }
                }
            };
            self.blocks.insert(number, known);
        }
    }
}

/// Takes the lowest free ones of a block, so many at most.
fn take(bits: &mut Bits, count: usize) -> Vec<u32> {
    let mut taken = Vec::new();
    for (byte, at) in bits.iter_mut().zip((0..).step_by(8)) {
        while *byte != u8::MAX && taken.len() < count {
            let bit = byte.trailing_ones();
            *byte |= 1 << bit;
            taken.push(at + bit);
        }
    }
    taken
}

fn clear(bits: &mut Bits, bit: u32) {
    if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| bits.get_mut(at)) {
        *byte &= !(1 << (bit % 8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_addresses_are_taken() {
        let mut bits = [0; BLOCK_BYTES];
        assert_eq!(take(&mut bits, 10), (0..10).collect::<Vec<_>>());
        clear(&mut bits, 3);
        clear(&mut bits, 9);
        assert_eq!(take(&mut bits, 3), [3, 9, 10]);
        assert_eq!(take(&mut bits, 1_000).len(), 245);
        assert_eq!(take(&mut bits, 1), [0_u32; 0]);
    }
}
