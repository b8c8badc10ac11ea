//! Runs `devices::fuzzing::ide`: `cargo +nightly fuzz run ide fuzz/corpus/ide fuzz/seeds/ide`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::ide(data));
