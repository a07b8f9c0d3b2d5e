//! What fuzz targets reach of this crate: bodies, and whole connections, of whoever calls a plugin.

use crate::constants::{RELEASE_ADDRESS, RELEASE_POOL, REQUEST_ADDRESS, REQUEST_POOL};
use crate::wire::{self, Fields};
use crate::{parse_interface, parse_prefix};

pub use crate::server::fuzzing::connection;
use crate::server::fuzzing::parse;

/// Reads the bytes behind the first one as the body of a request, or of a plugin's answer. What was
/// read must be the same after it was written and read again.
pub fn bodies(bytes: &[u8]) {
    let Some((which, body)) = bytes.split_first() else { return };
    match which % 5 {
        0 => {
            parse(REQUEST_POOL, body);
            if let Ok(request) = wire::pool_request(body) {
                let again = wire::of_pool_request(&request).to_string();
                assert_eq!(wire::pool_request(again.as_bytes()).as_ref(), Ok(&request));
            }
        }
        1 => {
            parse(REQUEST_ADDRESS, body);
            if let Ok(request) = wire::address_request(body) {
                let again = wire::of_address_request(&request).to_string();
                assert_eq!(wire::address_request(again.as_bytes()).as_ref(), Ok(&request));
            }
        }
        2 => parse(RELEASE_POOL, body),
        3 => parse(RELEASE_ADDRESS, body),
        _ => answer(body),
    }
}

/// What a plugin's answer is read for.
fn answer(body: &[u8]) {
    let Ok(fields) = Fields::of_answer(body) else { return };
    let _ = (fields.list("Implements"), fields.bool("RequiresMACAddress"), fields.strings("Data"));
    let _ = fields.string("Pool").map(parse_prefix);
    let _ = fields.string("Address").map(parse_interface);
}
