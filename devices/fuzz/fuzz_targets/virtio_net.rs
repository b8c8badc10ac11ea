//! Runs `devices::fuzzing::virtio_net`: `cargo +nightly fuzz run virtio_net fuzz/corpus/virtio_net fuzz/seeds/virtio_net`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::virtio_net(data));
