//! Runs `devices::fuzzing::virtio_console`: `cargo +nightly fuzz run virtio_console fuzz/corpus/virtio_console fuzz/seeds/virtio_console`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| devices::fuzzing::virtio_console(data));
