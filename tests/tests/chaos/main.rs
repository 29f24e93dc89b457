//! The chaos suite: real processes, Postgres and NATS under traffic, hit by blows that one seed decides; then everything is
//! healed, and the books must say what the clients and the upstream, who counted on their own, say.
//!
//! Guarantee of a history that passes: each request that reached the upstream, and each that got an answer after its
//! admission, is exactly one event with the upstream's own counts; the sums equal the events; no source has a gap; nothing
//! is in quarantine but what was forged on purpose. Clocks may be wrong meanwhile.
//!
//! `make test` runs one short history and the stories, `make chaos` long ones; `MAAS_CHAOS_SEED`, `MAAS_CHAOS_ROUNDS`,
//! `MAAS_CHAOS_SECONDS` and `MAAS_CHAOS_OUTAGE_SECONDS` bound them, see docs/testing.md. The seed decides each blow, its
//! victim, order and duration, and what each client asks for; how the operating system interleaves them it cannot decide.
//!
//! One more blow: a variant in `plan.rs` with its cards in the deck, and its beginning and end in `arena.rs`. One more
//! story: a module here and its name in `scripts/chaos.sh`.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests stop where something is wrong, and print what they have measured"
)]

mod arena;
mod books;
mod clocks;
mod disk;
mod forgotten;
mod gaps;
mod history;
mod outage;
mod plan;
mod postgres;
mod quarantine;
mod restored;
mod rollback;
mod seed;
mod storm;
mod sums;
mod traffic;
mod wishes;
