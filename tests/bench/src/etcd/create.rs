//! An address is a key, created if it is not there. Each client has addresses that it alone creates, so
//! that it never looks, and never meets another: the best that can be had of etcd. It is no IPAM: nobody
//! finds a free address in it.

use std::net::{IpAddr, Ipv4Addr};

use berth_node::bench::{Refused, Target};

use super::kv::{Kv, Written};

/// 10.0.0.0
const FIRST: u32 = 10 << 24;

/// A client with every so many-th address.
pub(crate) struct Creating {
    kv: Kv,
    pool: String,
    next: u32,
    step: u32,
    owner: Vec<u8>,
}

impl Creating {
    /// The client of this number, of so many.
    pub(crate) fn new(kv: Kv, pool: String, number: usize, of: usize) -> Self {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let step = u32::try_from(of).unwrap_or(u32::MAX);
        let owner = format!("client {number}").into_bytes();
        Self { kv, pool, next: FIRST + number, step, owner }
    }

    fn key(&self, address: IpAddr) -> String {
        format!("{}{address}", self.pool)
    }
}

impl Target for Creating {
    async fn request(&mut self) -> Result<IpAddr, Refused> {
        let address = IpAddr::from(Ipv4Addr::from_bits(self.next));
        self.next += self.step;
        let written = self.kv.write(&self.key(address), 0, self.owner.clone(), false).await;
        match written.map_err(Refused::because)? {
            Written::At(_) => Ok(address),
            Written::Found(_) => Err(Refused::because("the key is there already")),
        }
    }

    async fn release(&mut self, address: IpAddr) -> Result<(), Refused> {
        self.kv.remove(&self.key(address)).await.map_err(Refused::because)
    }
}
