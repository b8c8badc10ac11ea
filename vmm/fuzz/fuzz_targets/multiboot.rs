//! Runs `vmm::fuzzing::multiboot`: `cargo +nightly fuzz run multiboot fuzz/corpus/multiboot fuzz/seeds/multiboot`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vmm::fuzzing::multiboot(data));
