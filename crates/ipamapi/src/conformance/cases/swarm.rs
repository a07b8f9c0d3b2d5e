//! What a Swarm manager asks for, and its successor asks for again.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::ErrorKind::AddressOutOfRange;
use crate::conformance::engine::{Engine, parse};
use crate::conformance::lab::Lab;
use crate::conformance::verdict::{Verdict, ensure, expect};
use crate::constants::{GATEWAY, REQUEST_ADDRESS_TYPE, SERIAL};
use crate::{AllocatedPool, Family, Options, PoolRequest};

/// A network as a manager keeps it: what it would replay.
struct Network {
    pool: AllocatedPool,
    gateway: IpAddr,
}

impl Network {
    async fn allocate(engine: &Engine) -> Verdict<Self> {
        let pool = engine.automatic(&engine.global, Family::V4).await?;
        let gateway = engine.gateway(&pool, None).await?;
        Ok(Self { pool, gateway })
    }

    /// Asks for the same once more.
    async fn replay(&self, engine: &Engine) -> Verdict<Self> {
        let pool = engine.pool(&engine.global, &self.pool.pool.to_string()).await?;
        let gateway = engine.gateway(&pool, Some(self.gateway)).await?;
        Ok(Self { pool, gateway })
    }

    async fn release(&self, engine: &Engine) -> Verdict {
        engine.release(&self.pool, self.gateway).await?;
        engine.release_pool(&self.pool.id).await
    }
}

pub(crate) async fn case_33_a_new_leader_finds_the_same_network(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let network = Network::allocate(&engine).await?;
    let successor = engine.new_leader().await?;
    let again = network.replay(&successor).await?;
    again.release(&successor).await?;
    successor.holds_nothing().await
}

pub(crate) async fn case_34_a_gateway_outside_its_subnet(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    for _ in 0..2 {
        let pool = engine.pool(&engine.global, "192.168.1.0/24").await?;
        let options = Options::new().with(REQUEST_ADDRESS_TYPE, GATEWAY);
        let answer = engine.ask_address(&pool.id, Some(parse("192.168.2.1")), options).await;
        let found = answer.map_err(|error| error.kind());
        expect("the gateway 192.168.2.1", found, Err(AddressOutOfRange))?;
        engine.release_pool(&pool.id).await?;
    }
    engine.holds_nothing().await
}

pub(crate) async fn case_35_a_network_comes_back(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    for _ in 0..3 {
        let pool = engine.pool(&engine.global, "192.168.1.0/24").await?;
        let gateway = engine.gateway(&pool, Some(parse("192.168.1.1"))).await?;
        Network { pool, gateway }.release(&engine).await?;
    }
    engine.holds_nothing().await
}

pub(crate) async fn case_36_two_subnets_and_leftover_options(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let first = Network::allocate(&engine).await?;
    // Swarm writes its keys into the map that the next pool request is sent with.
    let leftover =
        Options::new().with(REQUEST_ADDRESS_TYPE, GATEWAY).with(SERIAL, "true").with("k", "v");
    let request = PoolRequest::parse(&engine.global, "", "", false).expect("it is a right request");
    let second = engine.ask_pool(request.with_options(leftover)).await;
    let second = second.map_err(|error| {
        crate::conformance::Stop::failed(format!("the second subnet was refused: {error}"))
    })?;
    let gateway = engine.gateway(&second, None).await?;
    ensure(gateway != first.gateway, || format!("{gateway} is the gateway of both subnets"))
}

pub(crate) async fn case_37_a_new_leader_replays_a_task(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let network = Network::allocate(&engine).await?;
    let (vip, task) = (engine.serial(&network.pool).await?, engine.serial(&network.pool).await?);

    let successor = engine.new_leader().await?;
    let again = network.replay(&successor).await?;
    for address in [task, vip] {
        successor.exact(&again.pool, &address.to_string()).await?;
    }
    successor.release(&again.pool, task).await?;
    successor.exact(&again.pool, &task.to_string()).await?;
    Ok(())
}

pub(crate) async fn case_38_a_replay_is_not_overtaken(lab: Lab) -> Verdict {
    const SERVICES: usize = 4;
    let engine = lab.engine().await?;
    let network = Network::allocate(&engine).await?;
    let mut held = BTreeSet::from([network.gateway]);
    for _ in 0..2 * SERVICES {
        held.insert(engine.serial(&network.pool).await?);
    }

    let successor = engine.new_leader().await?;
    // A network that has no subnet yet comes first, and must not get this one's.
    let other = Network::allocate(&successor).await?;
    ensure(other.pool.pool != network.pool.pool, || {
        format!("{} was given to another network", other.pool.pool)
    })?;
    let again = network.replay(&successor).await?;
    // New tasks come before old addresses were replayed, and must get none of them.
    for _ in 0..SERVICES {
        let task = successor.serial(&again.pool).await?;
        ensure(held.insert(task), || format!("{task} was given to a new task"))?;
        held.remove(&task);
    }
    held.remove(&network.gateway);
    for address in held {
        successor.exact(&again.pool, &address.to_string()).await?;
    }
    Ok(())
}
