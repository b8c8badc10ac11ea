//! hostel
fn main() {}
