//! Laboratory: the program that does nothing, for what it costs to start one.
#![no_std]
#![no_main]

use user::start::Args;

user::program!(main);

fn main(_: Args) -> i32 {
    0
}
