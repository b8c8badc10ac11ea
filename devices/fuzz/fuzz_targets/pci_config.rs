//! Runs `devices::fuzzing::pci_config`: `cargo +nightly fuzz run pci_config fuzz/corpus/pci_config fuzz/seeds/pci_config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::pci_config(data));
