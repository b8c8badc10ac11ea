//! Runs `vmm::fuzzing::initrd`: `cargo +nightly fuzz run initrd fuzz/corpus/initrd fuzz/seeds/initrd`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vmm::fuzzing::initrd(data));
