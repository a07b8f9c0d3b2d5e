//! How far `berth bench` is, on a terminal.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::interval;

use crate::bench::{Phase, Plan, Progress};

const EVERY: Duration = Duration::from_millis(100);
const TEMPLATE: &str = "{prefix:12} {wide_bar} {msg}";

/// A bar that follows a run until it is dropped.
pub(super) struct Bar {
    bar: ProgressBar,
    follower: JoinHandle<()>,
}

impl Bar {
    /// Follows a run in which so many addresses are held from the beginning. Where the standard error is
    /// no terminal nothing is shown.
    pub(super) fn follow(progress: &Arc<Progress>, plan: Plan, filled: u64) -> Self {
        let style = ProgressStyle::with_template(TEMPLATE);
        let bar = ProgressBar::new(1).with_style(style.expect("the template is one"));
        let (progress, shown) = (Arc::clone(progress), bar.clone());
        let follower = tokio::spawn(async move {
            let mut ticks = interval(EVERY);
            let (mut phase, mut ticked) = (None, 0);
            loop {
                ticks.tick().await;
                let now = progress.phase();
                if phase.replace(now) != Some(now) {
                    ticked = 0;
                }
                ticked += 1;
                show(&shown, &progress, (now, EVERY * ticked), (plan, filled));
            }
        });
        Self { bar, follower }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.follower.abort();
        self.bar.finish_and_clear();
    }
}

fn show(
    bar: &ProgressBar,
    progress: &Progress,
    (phase, since): (Phase, Duration),
    (plan, filled): (Plan, u64),
) {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let (at, of) = match phase {
        Phase::Filling => (progress.done(), filled),
        Phase::WarmingUp => (millis(since), millis(plan.warm_up)),
        Phase::Measuring => (millis(since), millis(plan.duration)),
        Phase::Preparing | Phase::CleaningUp => (0, 0),
    };
    bar.set_prefix(phase.says());
    bar.set_length(of.max(1));
    bar.set_position(at.min(of));
    let errors = match progress.errors() {
        0 => String::new(),
        errors => format!(", {errors} errors"),
    };
    bar.set_message(format!("{} addresses, {} s{errors}", progress.done(), since.as_secs()));
}
