//! Runs `devices::fuzzing::virtio_blk`: `cargo +nightly fuzz run virtio_blk fuzz/corpus/virtio_blk fuzz/seeds/virtio_blk`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::virtio_blk(data));
