//! A panic in a task ends the task alone, which nobody may notice: so each one is caught here.

use std::cell::RefCell;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// The panics of a thread that simulates; nothing on others.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// From now on this thread's panics are noted.
pub(crate) fn note() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |info| {
            let noted = PANICS.with_borrow_mut(|panics| {
                panics.as_mut().map(|panics| panics.push(format!("panic: {info}")))
            });
            if noted.is_none() {
                others(info);
            }
        }));
    });
    PANICS.set(Some(Vec::new()));
}

/// This thread's panics since the last time this was asked.
pub(crate) fn take() -> Vec<String> {
    PANICS.with_borrow_mut(|panics| panics.as_mut().map(std::mem::take)).unwrap_or_default()
}

/// From now on this thread's panics are printed again.
pub(crate) fn forget() {
    PANICS.set(None);
}
