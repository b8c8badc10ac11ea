//! Runs `devices::fuzzing::net_header`: `cargo +nightly fuzz run net_header fuzz/corpus/net_header fuzz/seeds/net_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::net_header(data));
