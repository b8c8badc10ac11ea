//! Runs `devices::fuzzing::virtio_pci`: `cargo +nightly fuzz run virtio_pci fuzz/corpus/virtio_pci fuzz/seeds/virtio_pci`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::virtio_pci(data));
