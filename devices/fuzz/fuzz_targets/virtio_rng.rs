//! Runs `devices::fuzzing::virtio_rng`: `cargo +nightly fuzz run virtio_rng fuzz/corpus/virtio_rng fuzz/seeds/virtio_rng`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::virtio_rng(data));
