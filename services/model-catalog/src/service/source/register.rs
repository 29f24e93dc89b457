//! Bringing the table of sources in line with the configuration, at start.

use std::collections::HashMap;

use maas_store::StoreError;
use maas_types::SourceId;

use super::{Catalog, CatalogError};
use crate::{
    domain::source::{Source, SourceKind, SourceSettings},
    settings::{FILE_SOURCE, ModelCatalogSettings},
    store,
};

impl Catalog {
    /// Writes the configured sources into the table and answers with them. The models of those that are not configured
    /// any more become unavailable.
    pub async fn register_sources(&self, settings: &ModelCatalogSettings) -> Result<Vec<Source>, CatalogError> {
        let rows = self.sources().await?;
        let mut known: HashMap<String, Source> = rows.into_iter().map(|source| (source.name.clone(), source)).collect();
        let mut configured = Vec::new();
        for source in self.configured_sources(settings) {
            let source = match known.remove(&source.name) {
                Some(known) => self.reconfigure(known, source).await?,
                None => self.add_source(source).await?,
            };
            configured.push(source);
        }
        for mut gone in known.into_values().filter(|source| source.configured) {
            self.apply(&gone, Vec::new(), false).await?;
            gone.configured = false;
            store::source::update(self.database.writer(), &gone).await?;
        }
        Ok(configured)
    }

    fn configured_sources(&self, settings: &ModelCatalogSettings) -> Vec<Source> {
        let now = self.clock.now();
        let source = |name: &str, kind, location, settings| Source {
            id: SourceId::new_at(now),
            name: name.to_owned(),
            kind,
            location,
            credential_variable: None,
            instance: String::new(),
            settings,
            configured: true,
            last_run_at: None,
            last_success_at: None,
            last_error: None,
            last_result: None,
            created_at: now,
        };
        let mut sources = Vec::new();
        if let Some(path) = &settings.models_file {
            let file_settings = SourceSettings { price: self.default_price, ..SourceSettings::default() };
            let location = path.display().to_string();
            sources.push(source(FILE_SOURCE, SourceKind::ConfigFile, location, file_settings));
        }
        for list in &settings.upstreams {
            let location = list.url.trim_end_matches('/').to_owned();
            let list_settings = list.source_settings(self.default_price);
            sources.push(Source {
                credential_variable: list.credential_variable.clone(),
                instance: list.instance(),
                ..source(&list.name, SourceKind::OpenaiList, location, list_settings)
            });
        }
        sources
    }

    async fn add_source(&self, source: Source) -> Result<Source, CatalogError> {
        match store::source::insert(self.database.writer(), &source).await {
            Ok(()) => Ok(source),
            // Another replica was faster; it read the same configuration.
            Err(StoreError::Duplicate(_)) => {
                let rows = self.sources().await?;
                let theirs = rows.into_iter().find(|row| row.name == source.name);
                theirs.ok_or(CatalogError::NotFound("source"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the id and the history, takes everything else from the configuration.
    async fn reconfigure(&self, known: Source, configured: Source) -> Result<Source, CatalogError> {
        let source = Source {
            id: known.id,
            created_at: known.created_at,
            last_run_at: known.last_run_at,
            last_success_at: known.last_success_at,
            last_error: known.last_error,
            last_result: known.last_result,
            ..configured
        };
        store::source::update(self.database.writer(), &source).await?;
        Ok(source)
    }
}
