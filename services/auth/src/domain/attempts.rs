//! How often signing in may be attempted.

pub use maas_web::attempts::{AttemptKey, AttemptLimiter, TooManyAttempts};
