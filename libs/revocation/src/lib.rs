//! Revocation that is confirmed: what is revoked in one database is refused by every proxy, and who revokes learns of
//! how many.
//!
//! Owns the protocol. The owner's side ([`owner`], feature `owner`): a counter of revocations in the owner's database,
//! the answer to who asks what came after a counter, and the [`owner::Fleet`] of proxies with what each has taken over.
//! The proxy's side ([`follower`]): a state machine without I/O that says what to ask, what is taken over without a gap,
//! and whether what it knows is confirmed recently enough to be believed. It never decides what a revocation means, and
//! knows no key and no user: subjects are ids, values are bytes.
//!
//! To revoke: call [`owner::record`] last in the transaction, and [`owner::Fleet::wait_for`] after its commit. One more
//! owner: a name in [`OwnerName`], its tables by [`owner::create_tables`], and its values by [`owner::RevokedValues`].
#![forbid(unsafe_code)]

pub mod follower;
mod wire;

#[cfg(feature = "owner")]
pub mod owner;

pub use wire::{Mark, OwnerName, RevocationQuery};
