//! Hostel guest programs runtime.
#![no_std]
