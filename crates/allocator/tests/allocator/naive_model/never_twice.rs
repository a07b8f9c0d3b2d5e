//! P1 at the level of answers: between the answer that gave an address and the one that ended the
//! claim, nobody else is answered with it. Knows nothing of the rules.

use std::collections::BTreeMap;
use std::net::IpAddr;

use berth_allocator::{Command, Ending, Grant, PoolId, Prefix, Response, SpaceName, WantedPool};

use super::model::share_an_address;

/// A claim that was answered, and whose end was not.
struct Given {
    client: String,
    pool: (Prefix, Option<Prefix>),
    claim: u64,
}

/// All that is given by the answers so far.
#[derive(Default)]
pub(super) struct NeverTwice {
    given: BTreeMap<(SpaceName, IpAddr), Vec<Given>>,
    /// Who holds a pool, by its claim.
    holders: BTreeMap<u64, String>,
    /// Spaces where a host claims for itself.
    pub(super) shared: Vec<SpaceName>,
    pub(super) local: Vec<SpaceName>,
}

impl NeverTwice {
    pub(super) fn heard(
        &mut self,
        client: &str,
        command: &Command,
        response: &Response,
    ) -> Result<(), String> {
        match (command, response) {
            (Command::RequestAddress(request), Response::Address(grant)) => {
                let space = request.pool.space.clone();
                let shared = self.shared.contains(&space);
                let holders = self.given.entry((space, grant.address)).or_default();
                match grant.how {
                    Grant::New if !holders.is_empty() => {
                        return Err(format!("{} was given twice", grant.address));
                    }
                    Grant::Adopted => {
                        let before = holders.len();
                        holders.retain(|given| shared && given.client != client);
                        if holders.len() + 1 != before {
                            return Err(format!("{} was not {client}'s to adopt", grant.address));
                        }
                    }
                    Grant::Joined if !shared => {
                        return Err(format!("{} is common to nobody", grant.address));
                    }
                    _ => {}
                }
                let pool = (request.pool.prefix, request.pool.sub_pool);
                let claim = grant.claim.get();
                holders.push(Given { client: client.into(), pool, claim });
            }
            (Command::ReleaseAddress(release), Response::Released(Ending::Ended)) => {
                self.end(&release.pool.space, release.address, release.claim.get());
            }
            (Command::FreeSuspect(free), Response::Released(Ending::Ended)) => match free.address {
                Some(address) => self.end(&free.pool.space, address, free.claim.get()),
                None => self.end_pool(&free.pool, free.claim.get()),
            },
            (Command::ReleasePool(release), Response::Released(Ending::Ended)) => {
                self.end_pool(&release.pool, release.claim.get());
            }
            (Command::RequestPool(request), Response::Pool(grant)) => {
                self.holders.insert(grant.claim.get(), client.into());
                let exact = matches!(request.wanted, WantedPool::Exact { sub_pool: None, .. });
                if grant.how == Grant::New && exact && self.local.contains(&request.space) {
                    self.give_way(&grant.pool);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, space: &SpaceName, address: IpAddr, claim: u64) {
        let given = self.given.entry((space.clone(), address)).or_default();
        given.retain(|given| given.claim != claim);
    }

    fn end_pool(&mut self, id: &PoolId, claim: u64) {
        let holder = self.holders.get(&claim).expect("its claim was answered");
        let shared = self.shared.contains(&id.space);
        for ((space, _), given) in &mut self.given {
            given.retain(|g| {
                *space != id.space
                    || g.pool != (id.prefix, id.sub_pool)
                    || (shared && g.client != *holder)
            });
        }
    }

    /// An engine that starts anew replays what it keeps before it asks for anything else (rule 8).
    fn give_way(&mut self, id: &PoolId) {
        for ((space, _), given) in &mut self.given {
            given.retain(|g| *space != id.space || !share_an_address(g.pool.0, id.prefix));
        }
    }
}
