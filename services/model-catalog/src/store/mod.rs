//! Tables and queries. Everything takes a connection, so that the caller decides what commits together.

mod convert;
mod entity;
pub mod model;
pub mod model_page;
pub mod price;
pub mod source;
pub mod tombstone;
pub mod upstream;
