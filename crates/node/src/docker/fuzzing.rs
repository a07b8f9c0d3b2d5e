//! The file of what no engine has heard, with anything in it.

use std::fs;

use berth_codec::testing::record;

use super::boot;
use super::journal::Boot;
use super::unheard::{Event, Unheard};

/// Loads a file of these events, each body behind its length in two bytes: of this boot, and with right
/// checksums. An odd first byte leaves the rest of the file as it is. What was loaded must be the
/// same when it is loaded again.
pub fn unheard(bytes: &[u8]) {
    let Some((which, mut bodies)) = bytes.split_first() else { return };
    let mut file = Vec::new();
    let mut add = |record: &[u8]| {
        let length = u32::try_from(record.len()).expect("an event's body is short");
        file.extend(length.to_le_bytes());
        file.extend(record);
    };
    add(&berth_codec::encode(&Boot(boot())).expect("a boot's name is short"));
    if which % 2 == 1 {
        file.extend(bodies);
    } else {
        while let Some((length, rest)) = bodies.split_first_chunk::<2>() {
            let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
            let (body, rest) = rest.split_at(length);
            bodies = rest;
            add(&record::<Event>(body));
        }
    }
    let dir = tempfile::tempdir().expect("the system gives a directory");
    let path = dir.path().join("unheard");
    fs::write(&path, file).expect("the directory takes a file");
    match Unheard::load(path.clone()) {
        Ok(loaded) => {
            let open = loaded.open();
            drop(loaded);
            let again = Unheard::load(path).expect("what was loaded and written can be loaded");
            assert_eq!(again.open(), open);
        }
        Err(error) => assert!(error.to_string().contains("unheard"), "{error}"),
    }
}
