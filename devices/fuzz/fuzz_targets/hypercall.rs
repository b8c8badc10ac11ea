//! Runs `devices::fuzzing::hypercall`: `cargo +nightly fuzz run hypercall fuzz/corpus/hypercall fuzz/seeds/hypercall`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::hypercall(data));
