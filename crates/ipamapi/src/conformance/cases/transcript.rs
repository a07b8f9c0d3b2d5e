//! Whole days of an engine and of a Swarm, as they were seen on the wire.

use std::net::IpAddr;

use crate::ErrorKind::{AddressOutOfRange, UnknownPool};
use crate::conformance::engine::{Engine, parse, serial};
use crate::conformance::lab::Lab;
use crate::conformance::verdict::{Verdict, ensure, expect};
use crate::constants::{GATEWAY, MAC_ADDRESS, REQUEST_ADDRESS_TYPE};
use crate::{AllocatedPool, Family, Options};

pub(crate) async fn case_39_an_engines_day(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let local = engine.local.as_str();

    // docker network create, then two containers that come and go.
    let plain = engine.automatic(local, Family::V4).await?;
    let gateway = engine.gateway(&plain, None).await?;
    for mac in ["02:42:34:a2:2f:23", "02:42:34:a2:2f:24"] {
        let options = Options::new().with(MAC_ADDRESS, mac);
        let container = engine.given(&plain, None, options).await?;
        engine.release(&plain, container).await?;
    }

    // A gateway outside the subnet: the engine gives the pool back, and nothing is left.
    let wrong = engine.sub_pool(local, "10.9.0.0/16", "10.9.5.0/24").await?;
    let options = Options::new().with(REQUEST_ADDRESS_TYPE, GATEWAY);
    let answer = engine.ask_address(&wrong.id, Some(parse("10.8.0.77")), options).await;
    let found = answer.map_err(|error| error.kind());
    expect("the gateway 10.8.0.77", found, Err(AddressOutOfRange))?;
    engine.release_pool(&wrong.id).await?;

    // --subnet --ip-range --gateway --aux-address --ip
    let ranged = engine.sub_pool(local, "10.9.0.0/16", "10.9.5.0/24").await?;
    engine.gateway(&ranged, Some(parse("10.9.0.254"))).await?;
    engine.exact(&ranged, "10.9.5.9").await?;
    let container = engine.address(&ranged).await?;
    let range = "10.9.5.0/24".parse::<ipnet::IpNet>().expect("it is a prefix");
    ensure(range.contains(&container), || format!("{container} is not of the range {range}"))?;
    engine.exact(&ranged, "10.9.0.50").await?;

    // All of it goes; the pool's gateway and auxiliary address with the pool.
    for address in [container, parse("10.9.0.50")] {
        engine.release(&ranged, address).await?;
    }
    engine.release_pool(&ranged.id).await?;
    engine.release(&plain, gateway).await?;
    engine.release_pool(&plain.id).await?;
    for pool in [&plain, &ranged] {
        let again = engine.try_release_pool(&pool.id).await.map_err(|error| error.kind());
        expect("a second ReleasePool", again, Err(UnknownPool))?;
    }
    engine.holds_nothing().await
}

/// A service of two tasks: its addresses in the manager's network.
struct Service {
    network: AllocatedPool,
    gateway: IpAddr,
    /// Load balancer, virtual address, two tasks.
    addresses: Vec<IpAddr>,
}

impl Service {
    async fn start(manager: &Engine) -> Verdict<Self> {
        let network = manager.automatic(&manager.global, Family::V4).await?;
        let options = serial().with(REQUEST_ADDRESS_TYPE, GATEWAY);
        let gateway = manager.given(&network, None, options).await?;
        let mut addresses = Vec::new();
        for _ in 0..4 {
            addresses.push(manager.serial(&network).await?);
        }
        Ok(Self { network, gateway, addresses })
    }

    async fn replay(&self, manager: &Engine) -> Verdict<AllocatedPool> {
        let network = manager.pool(&manager.global, &self.network.pool.to_string()).await?;
        manager.gateway(&network, Some(self.gateway)).await?;
        for address in &self.addresses {
            manager.given(&network, Some(*address), serial()).await?;
        }
        Ok(network)
    }

    /// The same subnet once more, in the local space of the host.
    async fn on_host(&self, host: &Engine) -> Verdict<AllocatedPool> {
        let network = host.pool(&host.local, &self.network.pool.to_string()).await?;
        host.gateway(&network, Some(self.gateway)).await?;
        Ok(network)
    }
}

pub(crate) async fn case_40_a_swarms_day(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let service = Service::start(&engine).await?;
    let on_host = service.on_host(&engine).await?;
    let tasks = || service.addresses.iter().enumerate().filter(|(number, _)| *number != 1);
    for (_, address) in tasks() {
        engine.exact(&on_host, &address.to_string()).await?;
    }

    // kill -9: the manager replays what it allocated, the host asks for its subnet again. Nobody
    // released anything.
    let engine = engine.killed().await?;
    let network = service.replay(&engine).await?;
    let on_host = service.on_host(&engine).await?;

    // docker service rm, docker network rm.
    for address in &service.addresses {
        engine.release(&network, *address).await?;
    }
    for (_, address) in tasks() {
        engine.release(&on_host, *address).await?;
    }
    engine.release(&on_host, service.gateway).await?;
    engine.release_pool(&on_host.id).await?;
    engine.release(&network, service.gateway).await?;
    engine.release_pool(&network.id).await?;
    engine.holds_nothing().await
}
