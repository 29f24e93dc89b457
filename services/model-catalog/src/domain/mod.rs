//! Rules and types of the catalogue; knows neither actix nor sea-orm.

pub mod credential;
pub mod dialect;
pub mod fault;
pub mod glob;
pub mod health;
pub mod instance;
pub mod model;
pub mod model_fields;
pub mod models_file;
pub mod price;
pub mod routing;
pub mod source;
pub mod text;
mod texts;
pub mod upstream;
pub mod upstream_fields;
mod upstream_headers;
