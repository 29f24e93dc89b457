//! The vocabulary every other crate shares: typed ids, time, money, prices, token counts, pages.
//!
//! Nothing here does I/O or knows a framework (schemas are described for OpenAPI, that is all).
//! To add an entity, add one line to the list in [`id`].
#![forbid(unsafe_code)]

pub mod cidr;
pub mod csv;
pub mod id;
pub mod input;
pub mod money;
pub mod page;
pub mod path;
pub mod pricing;
pub mod request;
pub mod role;
pub mod time;
pub mod tokens;
pub mod utc_day;

pub use cidr::{Cidr, CidrError};
pub use id::*;
pub use money::{Currency, Money, Nanos};
pub use page::{Cursor, CursorError, PageLimit};
pub use path::OWN_PATH_SEGMENTS;
pub use pricing::{PriceOverflow, PriceRates};
pub use request::{Operation, Outcome};
pub use role::{Role, TeamRole};
pub use time::{Clock, FixedClock, SystemClock, Timestamp};
pub use tokens::{TokenCounts, UsageQuality};
pub use utc_day::{UtcDay, UtcDayError};
