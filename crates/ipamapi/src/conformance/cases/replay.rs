//! What was held before the engine came back is held after it, and by nobody else.

use crate::ErrorKind::AddressInUse;
use crate::Family;
use crate::conformance::lab::Lab;
use crate::conformance::verdict::{Stop, Verdict};

pub(crate) async fn case_42_a_restarted_engine_asks_again(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let pool = engine.automatic(&engine.local, Family::V4).await?;
    let gateway = engine.gateway(&pool, None).await?;
    let (alive, dead) = (engine.address(&pool).await?, engine.address(&pool).await?);

    let engine = engine.restarted().await?;
    // Explicit now, though it was automatic.
    let again = engine.pool(&engine.local, &pool.pool.to_string()).await?;
    engine.gateway(&again, Some(gateway)).await?;
    for endpoint in [alive, dead] {
        engine.exact(&again, &endpoint.to_string()).await?;
    }
    engine.release(&again, dead).await?;
    for held in [gateway, alive] {
        engine.no_address(&again, Some(&held.to_string()), AddressInUse).await?;
    }
    for address in [alive, gateway] {
        engine.release(&again, address).await?;
    }
    engine.release_pool(&again.id).await?;
    engine.holds_nothing().await
}

pub(crate) async fn case_43_a_late_release_frees_nothing(lab: Lab) -> Verdict {
    let engine = lab.engine().await?;
    let pool = engine.automatic(&engine.global, Family::V4).await?;
    let gateway = engine.gateway(&pool, None).await?;
    let address = engine.serial(&pool).await?;

    let successor = engine.new_leader().await?;
    let again = successor.pool(&successor.global, &pool.pool.to_string()).await?;
    successor.gateway(&again, Some(gateway)).await?;
    successor.exact(&again, &address.to_string()).await?;
    if again.id == pool.id {
        let why = "the driver's pool ids do not tell a deposed manager from its successor";
        return Err(Stop::skipped(why));
    }
    // The deposed manager does not know it yet.
    engine.release(&pool, address).await?;
    successor.no_address(&again, Some(&address.to_string()), AddressInUse).await
}
