//! Rules and types of the catalogue; knows neither actix nor sea-orm.

pub mod actor;
pub mod credential;
pub mod fault;
pub mod glob;
pub mod model;
pub mod model_fields;
pub mod models_file;
pub mod price;
pub mod source;
pub mod text;
pub mod upstream;
