//! Fuzzes `body`; `src/lib.rs` says what it holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aplomb_fuzz::body(data));
