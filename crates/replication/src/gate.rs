//! Whether what needs room is taken: closed, it refuses with a reason.

use std::sync::Arc;

use berth_allocator::Command;

use crate::sync::RwLock;

/// A gate that is open until it is closed. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<RwLock<Option<String>>>);

impl Gate {
    /// From now on what needs room is refused, for this reason.
    pub fn close(&self, reason: String) {
        *self.0.write().expect("nothing panics while it holds a gate") = Some(reason);
    }

    /// From now on everything is taken.
    pub fn open(&self) {
        *self.0.write().expect("nothing panics while it holds a gate") = None;
    }

    /// Why it is closed.
    pub fn reason(&self) -> Option<String> {
        self.0.read().expect("nothing panics while it holds a gate").clone()
    }

    /// Refuses if one of the commands may not pass.
    pub(crate) fn pass<'a>(
        &self,
        mut commands: impl Iterator<Item = &'a Command>,
    ) -> Result<(), String> {
        match self.reason() {
            Some(reason) if commands.any(Command::gives) => Err(reason),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use berth_allocator::{Reserve, SpaceName, Text};

    use super::*;

    #[test]
    fn what_gives_back_passes_a_closed_gate() {
        let (gate, gives) = (Gate::default(), Command::Batch(vec![reserve()]));
        gate.pass([&gives].into_iter()).unwrap();
        gate.close("no room".to_owned());
        let refused = gate.pass([&Command::DeclareBehind, &gives].into_iter());
        assert_eq!(refused, Err("no room".to_owned()));
        gate.pass([&Command::DeclareBehind].into_iter()).unwrap();
        gate.open();
        gate.pass([&gives].into_iter()).unwrap();
    }

    fn reserve() -> Command {
        let address = "10.0.0.1".parse().unwrap();
        Command::Reserve(Reserve {
            space: SpaceName::new("s").unwrap(),
            first: address,
            last: address,
            note: Text::new("").unwrap(),
            common: false,
        })
    }
}
