//! Runs for ever and never asks the kernel for anything: what preemption is for.
#![no_std]
#![no_main]

use user::start::Args;

user::program!(main);

fn main(_args: Args) -> i32 {
    loop {
        core::hint::spin_loop();
    }
}
