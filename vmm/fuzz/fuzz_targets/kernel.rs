//! Runs `vmm::fuzzing::kernel`: `cargo +nightly fuzz run kernel fuzz/corpus/kernel fuzz/seeds/kernel`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vmm::fuzzing::kernel(data));
