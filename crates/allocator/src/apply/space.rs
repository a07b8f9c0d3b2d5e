//! Spaces: made, changed, removed.

use super::Outcome;
use crate::limits::SPACES_MAX;
use crate::names::SpaceName;
use crate::settings::SpaceSettings;
use crate::space::Space;
use crate::{Limit, Rejection, Response, State};

impl State {
    pub(super) fn create_space(&mut self, name: &SpaceName, settings: &SpaceSettings) -> Outcome {
        settings.check().map_err(Rejection::Settings)?;
        if self.spaces.contains_key(name) {
            return Err(Rejection::SpaceExists { name: name.clone() });
        }
        if self.spaces.len() >= SPACES_MAX {
            return Err(Rejection::Limit(Limit::Spaces));
        }
        // One of this name may have been made after the backup.
        let space = Space { behind: self.behind, ..Space::new(name.clone(), settings.clone()) };
        self.spaces.insert(name.clone(), space);
        Ok(Response::Done)
    }

    pub(super) fn update_space(&mut self, name: &SpaceName, settings: &SpaceSettings) -> Outcome {
        settings.check().map_err(Rejection::Settings)?;
        let mut space = self.space_mut(name)?;
        if space.settings.sharing != settings.sharing {
            return Err(Rejection::SharingFixed { name: name.clone() });
        }
        space.settings = settings.clone();
        Ok(Response::Done)
    }

    pub(super) fn delete_space(&mut self, name: &SpaceName) -> Outcome {
        let space = self.space_mut(name)?;
        match space.pool_count() as u64 {
            0 => {
                drop(space);
                self.bytes -= self.spaces.remove(name).map_or(0, |space| space.bytes);
                Ok(Response::Done)
            }
            pools => Err(Rejection::SpaceInUse { name: name.clone(), pools }),
        }
    }
}
