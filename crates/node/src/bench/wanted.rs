//! Which pools clients ask, through which sockets, and how full these are.

use std::path::PathBuf;

use ipamapi::ipnet::{IpNet, IpSubnets};

use super::{CLIENTS_MAX, HELD_MAX, Plan};

/// Sockets of a run.
pub const SOCKETS_MAX: usize = 64;
/// Clients of one socket: it serves no more connections at a time.
pub const CLIENTS_PER_SOCKET_MAX: usize = 256;
/// Pools of a run.
pub const POOLS_MAX: usize = 4_096;
/// Bits that a pool leaves to its addresses: it has eight at least.
const POOL_BITS_MIN: u8 = 3;
/// Addresses of a pool that are nobody's, at most: network and broadcast.
const EDGES: u64 = 2;
const PERCENT_MAX: u8 = 100;

/// Which pools clients ask, and how full these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Plugin sockets, over which clients are spread.
    pub sockets: Vec<PathBuf>,
    /// The space of the pools; without it the host's own.
    pub space: Option<String>,
    /// What pools are cut from.
    pub prefix: IpNet,
    /// How many pools.
    pub pools: usize,
    /// How many clients.
    pub clients: usize,
    /// How full each pool is made before the run, in percent.
    pub fill: u8,
}

/// What cannot be had.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WantedError {
    /// No client, or too many.
    #[error("--clients can be 1 to {CLIENTS_MAX}")]
    Clients,
    /// More than a socket serves.
    #[error(
        "a plugin socket serves {CLIENTS_PER_SOCKET_MAX} connections at a time: for {clients} clients name \
         {} sockets or more (--socket, repeated)",
        clients.div_ceil(CLIENTS_PER_SOCKET_MAX)
    )]
    Sockets {
        /// How many clients are wanted.
        clients: usize,
    },
    /// Too many sockets, or one of them twice.
    #[error("--socket can be repeated {SOCKETS_MAX} times, each time with another path")]
    SocketList,
    /// No pool, or too many.
    #[error("--pools can be 1 to {POOLS_MAX}")]
    Pools,
    /// The prefix is too small.
    #[error(
        "{prefix} is too small for {pools} pools of eight addresses: give a shorter --pool-prefix, or fewer --pools"
    )]
    Prefix {
        /// What pools were to be cut from.
        prefix: IpNet,
        /// How many.
        pools: usize,
    },
    /// More than everything.
    #[error("--fill is a percentage, 0 to {PERCENT_MAX}")]
    Fill,
    /// More than can be remembered.
    #[error(
        "--fill {fill} would be more than {HELD_MAX} addresses: lower it, or give a longer --pool-prefix"
    )]
    TooMany {
        /// The percentage.
        fill: u8,
    },
    /// The pools cannot hold what clients hold.
    #[error(
        "{needed} addresses are needed for what clients hold and what is filled before, and the pools have \
         {room}: lower --clients, --hold or --fill, or give a shorter --pool-prefix"
    )]
    NoRoom {
        /// Addresses held at a time.
        needed: u64,
        /// Addresses that there are.
        room: u64,
    },
}

impl Wanted {
    /// Refuses what cannot be had.
    pub fn check(&self, plan: &Plan) -> Result<(), WantedError> {
        let Self { sockets, clients, pools, fill, prefix, .. } = self;
        if !(1..=CLIENTS_MAX).contains(clients) {
            return Err(WantedError::Clients);
        }
        let mut once = sockets.clone();
        once.sort();
        once.dedup();
        if !(1..=SOCKETS_MAX).contains(&sockets.len()) || once.len() < sockets.len() {
            return Err(WantedError::SocketList);
        }
        if clients.div_ceil(sockets.len()) > CLIENTS_PER_SOCKET_MAX {
            return Err(WantedError::Sockets { clients: *clients });
        }
        if !(1..=POOLS_MAX).contains(pools) {
            return Err(WantedError::Pools);
        }
        if *fill > PERCENT_MAX {
            return Err(WantedError::Fill);
        }
        if self.prefixes().is_none() {
            return Err(WantedError::Prefix { prefix: *prefix, pools: *pools });
        }
        self.check_room(plan)
    }

    fn check_room(&self, plan: &Plan) -> Result<(), WantedError> {
        let pools = self.pools as u64;
        let filled = self.filled_per_pool().saturating_mul(pools);
        if filled > HELD_MAX {
            return Err(WantedError::TooMany { fill: self.fill });
        }
        // One more than it holds: the oldest is given back after the next was had.
        let each = plan.hold.map_or(1, |hold| hold + 1);
        let by_clients = each.saturating_mul(self.clients as u64);
        let (needed, room) = (filled + by_clients, self.room_per_pool().saturating_mul(pools));
        if needed > room { Err(WantedError::NoRoom { needed, room }) } else { Ok(()) }
    }

    /// The pools' prefixes, if there are so many.
    pub fn prefixes(&self) -> Option<Vec<IpNet>> {
        let length = self.pool_length()?;
        let subnets: IpSubnets = self.prefix.subnets(length).ok()?;
        Some(subnets.take(self.pools).collect())
    }

    /// The length of a pool's prefix.
    fn pool_length(&self) -> Option<u8> {
        let bits = u8::try_from(self.pools.next_power_of_two().trailing_zeros()).ok()?;
        let length = self.prefix.prefix_len().checked_add(bits)?;
        (length + POOL_BITS_MIN <= self.prefix.max_prefix_len()).then_some(length)
    }

    /// Addresses that a pool can give, of the first 2^63.
    fn room_per_pool(&self) -> u64 {
        let length = self.pool_length().unwrap_or(self.prefix.max_prefix_len());
        let bits = u32::from(self.prefix.max_prefix_len() - length).min(63);
        (1_u64 << bits).saturating_sub(EDGES)
    }

    /// Addresses that are held in each pool from the beginning.
    pub fn filled_per_pool(&self) -> u64 {
        let filled = u128::from(self.room_per_pool()) * u128::from(self.fill) / 100;
        u64::try_from(filled).unwrap_or(u64::MAX)
    }

    /// The pools that a client asks in turn, by their numbers.
    pub fn pools_of(&self, client: usize) -> Vec<usize> {
        if client >= self.pools {
            return vec![client % self.pools];
        }
        (client..self.pools).step_by(self.clients).collect()
    }

    /// How many addresses each client asks for so that all pools are filled.
    pub fn quotas(&self) -> Vec<u64> {
        let mut askers = vec![0_u64; self.pools];
        let of: Vec<Vec<usize>> = (0..self.clients).map(|client| self.pools_of(client)).collect();
        of.iter().flatten().for_each(|pool| askers[*pool] += 1);
        let mut left = vec![self.filled_per_pool(); self.pools];
        let mut quotas = Vec::new();
        for pools in of {
            let mut quota = 0;
            for pool in pools {
                let share = left[pool].div_ceil(askers[pool]);
                left[pool] -= share;
                askers[pool] -= 1;
                quota += share;
            }
            quotas.push(quota);
        }
        quotas
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn wanted(pools: usize, clients: usize, fill: u8) -> Wanted {
        let (sockets, prefix) = (vec!["plugin.sock".into()], "10.0.0.0/16".parse().unwrap());
        Wanted { sockets, space: None, prefix, pools, clients, fill }
    }

    const PLAN: Plan =
        Plan { warm_up: Duration::ZERO, duration: Duration::from_secs(1), hold: Some(64) };

    #[test]
    fn pools_are_equal_parts_of_the_prefix() {
        let prefixes = wanted(3, 1, 0).prefixes().unwrap();
        let texts: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.0.0.0/18", "10.0.64.0/18", "10.0.128.0/18"]);
        assert_eq!(wanted(1, 1, 0).prefixes().unwrap(), ["10.0.0.0/16".parse().unwrap()]);
    }

    #[test]
    fn every_pool_is_asked_and_filled_to_its_part() {
        for (pools, clients) in [(1, 1), (1, 7), (7, 1), (5, 3), (3, 5), (16, 16)] {
            let wanted = wanted(pools, clients, 37);
            let mut asked = vec![false; pools];
            for client in 0..clients {
                wanted.pools_of(client).into_iter().for_each(|pool| asked[pool] = true);
            }
            assert!(asked.iter().all(|asked| *asked), "{pools} {clients}");
            let filled: u64 = wanted.quotas().iter().sum();
            assert_eq!(filled, wanted.filled_per_pool() * pools as u64, "{pools} {clients}");
        }
        assert_eq!(wanted(1, 4, 50).quotas(), [8_192, 8_192, 8_192, 8_191]);
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        assert_eq!(wanted(1, 1, 0).check(&PLAN), Ok(()));
        assert_eq!(
            wanted(4, 256, 90).check(&PLAN),
            Err(WantedError::NoRoom { needed: 4 * 14_743 + 256 * 65, room: 65_528 })
        );
        assert_eq!(wanted(1, 0, 0).check(&PLAN), Err(WantedError::Clients));
        assert_eq!(wanted(1, 257, 0).check(&PLAN), Err(WantedError::Sockets { clients: 257 }));
        assert_eq!(wanted(0, 1, 0).check(&PLAN), Err(WantedError::Pools));
        assert_eq!(wanted(1, 1, 101).check(&PLAN), Err(WantedError::Fill));
        let mut small = wanted(4, 1, 0);
        small.prefix = "10.0.0.0/28".parse().unwrap();
        let refused = WantedError::Prefix { prefix: small.prefix, pools: 4 };
        assert_eq!(small.check(&PLAN), Err(refused));
        let mut huge = wanted(1, 1, 1);
        huge.prefix = "fd00::/48".parse().unwrap();
        assert_eq!(huge.check(&PLAN), Err(WantedError::TooMany { fill: 1 }));
        huge.fill = 0;
        assert_eq!(huge.check(&PLAN), Ok(()));
        let mut twice = wanted(1, 1, 0);
        twice.sockets.push("plugin.sock".into());
        assert_eq!(twice.check(&PLAN), Err(WantedError::SocketList));
    }
}
