//! Runs `devices::fuzzing::alarm`: `cargo +nightly fuzz run alarm fuzz/corpus/alarm fuzz/seeds/alarm`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::alarm(data));
