//! Runs `vmm::fuzzing::bzimage`: `cargo +nightly fuzz run bzimage fuzz/corpus/bzimage fuzz/seeds/bzimage`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vmm::fuzzing::bzimage(data));
