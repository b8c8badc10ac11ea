//! What depends on the processor. Everything outside names `crate::arch::…` and never
//! `x86_64`; assembly and privileged instructions live below here alone.

mod x86_64;

pub use self::x86_64::*;
