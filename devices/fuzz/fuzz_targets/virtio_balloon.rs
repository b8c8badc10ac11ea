//! Runs `devices::fuzzing::virtio_balloon`: `cargo +nightly fuzz run virtio_balloon fuzz/corpus/virtio_balloon fuzz/seeds/virtio_balloon`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::virtio_balloon(data));
