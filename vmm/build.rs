//! stub
fn main() { let out = std::env::var("OUT_DIR").unwrap();
 std::fs::write(format!("{out}/guest.rs"), "static KERNEL: &[u8] = &[]; static PROGRAMS: &[(&str, &[u8])] = &[]; static SUITES: &[(&str, &[u8])] = &[];").unwrap(); }
