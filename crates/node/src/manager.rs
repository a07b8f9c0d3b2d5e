//! The service manager that started this process: systemd, or whoever else set `NOTIFY_SOCKET`. It is told
//! when the host serves, what it is about, and that it still runs. Without one nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks at what the host is about.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many signs of life fall into the time after which the manager takes the process for dead.
const SIGNS: u32 = 3;

/// The sockets serve.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
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
