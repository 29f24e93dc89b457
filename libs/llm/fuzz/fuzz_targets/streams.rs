#![no_main]

#[path = "../../tests/fuzz_bodies/mod.rs"]
#[allow(dead_code)]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::APIS.iter().for_each(|api| bodies::stream(*api, data)));
