//! Runs `devices::fuzzing::ne2000`: `cargo +nightly fuzz run ne2000 fuzz/corpus/ne2000 fuzz/seeds/ne2000`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::ne2000(data));
