//! Runs `vmm::fuzzing::stream`: `cargo +nightly fuzz run stream fuzz/corpus/stream fuzz/seeds/stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vmm::fuzzing::stream(data));
