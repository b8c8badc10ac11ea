//! Runs `vmm::fuzzing::symbols`: `cargo +nightly fuzz run symbols fuzz/corpus/symbols fuzz/seeds/symbols`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vmm::fuzzing::symbols(data));
