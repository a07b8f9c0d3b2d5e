//! The fuzzer: libFuzzer's own `main`, on the target that `BERTH_FUZZ_TARGET` names.
#![no_main]
#![allow(unsafe_code, reason = "libFuzzer's entry point is an exported C function")]

use std::sync::LazyLock;

use berth_fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("BERTH_FUZZ_TARGET").unwrap_or_default();
    berth_fuzz::target(&name).unwrap_or_else(|| panic!("BERTH_FUZZ_TARGET={name:?} is no target"))
});

fuzz_target!(|input: &[u8]| (TARGET.run)(input));
