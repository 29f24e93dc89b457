//! Reading the books through the API, as their owner would.

use std::time::Duration;

use maas_testkit::eventually;
use serde::Deserialize;
use serde_json::Value;

use crate::api::Api;

const PAGE: usize = 1_000;

/// One row of `GET /api/v1/usage/requests`. All fields must be there.
#[derive(Debug, Clone, Deserialize)]
pub struct UsageRow {
    pub id: String,
    pub time: String,
    pub key_id: Option<String>,
    pub model: String,
    pub upstream: String,
    pub operation: String,
    pub stream: bool,
    pub outcome: String,
    pub status: u16,
    pub quality: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost: Value,
    pub time_to_first_token_ms: Option<u64>,
    pub duration_ms: Option<u64>,
}

/// All rows of a key, newest first, over as many pages as there are.
pub async fn rows_of(api: &Api, key_id: &str) -> Vec<UsageRow> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/usage/requests?limit={PAGE}&key_id={key_id}{cursor}");
        let page = api.get(&path).await.expect(200);
        let data: Vec<UsageRow> = serde_json::from_value(page["data"].clone()).expect("rows as documented");
        rows.extend(data);
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

/// The rows of a key once there are `count` of them; more are a failure at once.
pub async fn wait_for_rows(api: &Api, key_id: &str, count: usize, timeout: Duration) -> Vec<UsageRow> {
    eventually(timeout, || async {
        let rows = rows_of(api, key_id).await;
        assert!(rows.len() <= count, "{} rows instead of {count}: {rows:#?}", rows.len());
        (rows.len() == count).then_some(rows)
    })
    .await
}

/// The summary of the current month, for one key.
pub async fn summary_of(api: &Api, key_id: &str) -> Value {
    api.get(&format!("/api/v1/usage/summary?key_id={key_id}")).await.expect(200)
}
