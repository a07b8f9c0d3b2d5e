//! The claim rules, each of which can be taken out: by what hosts do otherwise, or by what they ask
//! in another way, so that the allocator decides as if it did not know the rule.

/// A rule that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// 1: a session that is late is opened only if the front-end knows of all that were opened.
    Condition,
    /// 2: requests carry the epoch under which the pool was given, not the latest.
    Epochs,
    /// 3: a later session adopts the pool.
    PoolAdoption,
    /// 4: a later session adopts an address.
    AddressAdoption,
    /// 5: dynamic requests are given free addresses only.
    Dynamic,
    /// 6: a release ends the claim that stood when the engine asked, and no other.
    ClaimId,
    /// 6: a release resolves to no claim of a later epoch than its pool id's.
    Fence,
    /// 6: a released address is given again only when it was seen to be unused.
    Verified,
    /// 7: evidence frees only what is in doubt.
    Doubtful,
    /// 7: only the session that holds the pool's epoch can observe.
    Observer,
    /// 7: an observation counts only for what was released before it began.
    Began,
    /// 8: a released pool is kept out of service until it was seen to be gone.
    PoolInDoubt,
    /// 8: a release of a pool names the claim that it ends, and is fenced.
    PoolClaim,
    /// 10: what an explicit request made is not undone when nobody hears of it.
    Unheard,
    /// 10: one engine's requests about a pool are executed in order.
    Order,
    /// 7: a host speaks of itself only after its engine has replayed what it keeps.
    Replayed,
    /// 9: no release ends another client's claim.
    Owner,
    /// 11: a client's identity lives with its engine, not with its front-end's data.
    Identity,
    /// 11: what a forgotten host held is in doubt, not free.
    Forgotten,
    /// 12: a restored state gives nothing new from a pool that was not claimed again.
    Behind,
}
