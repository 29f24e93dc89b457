//! The models file.

use maas_types::input::InputFault;
use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
};

use maas_http::check_url;

use super::{Catalog, SourceFault};
use crate::domain::{
    models_file::{self, FileFormat},
    price::PriceInput,
    source::{OfferedModel, OfferedPrice, Source},
    upstream::parse_base_url,
};

impl Catalog {
    pub(super) async fn read_file(&self, source: &Source) -> Result<Vec<OfferedModel>, SourceFault> {
        let path = Path::new(&source.location);
        let format = FileFormat::of_path(path).ok_or(SourceFault::Format)?;
        let text = tokio::fs::read_to_string(path).await?;
        let mut offered =
            models_file::parse(&text, format, self.currency, self.clock.now()).map_err(SourceFault::Faults)?;
        self.check_addresses(&offered)?;
        if let Some(price) = source.settings.price {
            for model in offered.iter_mut().filter(|model| matches!(model.price, OfferedPrice::None)) {
                model.price = OfferedPrice::Default(PriceInput::of_tokens(price.input, price.output));
            }
        }
        Ok(offered)
    }

    fn check_addresses(&self, offered: &[OfferedModel]) -> Result<(), SourceFault> {
        let mut faults = Vec::new();
        for (model_index, model) in offered.iter().enumerate() {
            for (index, upstream) in model.upstreams.iter().enumerate() {
                let url = upstream.base_url.as_deref().and_then(|url| parse_base_url(url).ok());
                if let Some(Err(blocked)) = url.map(|url| check_url(&self.guard, &url)) {
                    let pointer = format!("/models/{model_index}/upstreams/{index}/base_url");
                    faults.push(InputFault::new(pointer, "blocked_address", blocked.to_string()));
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(SourceFault::Faults(faults)) }
    }
}

/// The hash of the file's content, to notice a change; `None` when there is nothing to read.
pub async fn content_hash(path: &str) -> Option<u64> {
    let content = tokio::fs::read(path).await.ok()?;
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    Some(hasher.finish())
}
