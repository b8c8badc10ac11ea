//! Runs `devices::fuzzing::e1000`: `cargo +nightly fuzz run e1000 fuzz/corpus/e1000 fuzz/seeds/e1000`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::e1000(data));
