//! What fuzz targets reach of this crate: what it keeps across its own restarts.

pub use crate::docker::fuzzing::unheard;
