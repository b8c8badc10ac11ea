//! Runs `devices::fuzzing::pio`: `cargo +nightly fuzz run pio fuzz/corpus/pio fuzz/seeds/pio`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::pio(data));
