//! The service manager that started this process: systemd, or whoever else set `NOTIFY_SOCKET`. It is told
//! when the host serves, what it is about, and that it still runs. Without one nothing is sent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks at what the host is about.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many signs of life fall into the time after which the manager takes the process for dead.
const SIGNS: u32 = 3;

/// Whether the manager was told that the sockets serve.
static SERVES: AtomicBool = AtomicBool::new(false);

/// The sockets serve.
pub(crate) fn ready() {
    SERVES.store(true, Ordering::Relaxed);
    tell(&[NotifyState::Ready]);
}

/// The configuration is read anew.
pub(crate) fn reloading() {
    // Without it newer managers do not take the word.
    if let (true, Ok(now)) = (SERVES.load(Ordering::Relaxed), NotifyState::monotonic_usec_now()) {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// The configuration was read anew. Before the sockets serve that is nobody's concern.
pub(crate) fn reloaded() {
    if SERVES.load(Ordering::Relaxed) {
        tell(&[NotifyState::Ready]);
    }
}

/// The process ends in good order.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Tells what the host is about whenever that has changed, and gives signs of life where the manager
/// waits for them.
pub(crate) async fn keep_told(about: impl Fn() -> String) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let waits = sd_notify::watchdog_enabled();
    let every = waits.map_or(LOOK_EVERY, |time| (time / SIGNS).min(LOOK_EVERY));
    let mut looks = interval(every.max(Duration::from_millis(1)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = String::new();
    loop {
        looks.tick().await;
        if waits.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
        let now = about();
        if now != told {
            tell(&[NotifyState::Status(&now)]);
            told = now;
        }
    }
}

fn tell(news: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(news) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
