//! The platform with an OGX as its only upstream, and what must be true of it.

use maas_tests::{
    DataPlane, PATIENCE, Standalone, StandaloneOptions, UsageRow, chat_body, simulated, streamed, streamed_with_usage,
    wait_for_rows,
};
use serde_json::Value;

/// What OGX calls its models: the provider's name before the provider's own.
pub const CHAT_MODEL: &str = "sim/sim-chat";
pub const SLASHED_MODEL: &str = "sim/sim/llama-3.1-8b";

pub struct Platform {
    standalone: Standalone,
    client: DataPlane,
    key_id: String,
    instance: String,
}

impl Platform {
    pub async fn before(ogx_url: &str) -> Self {
        let upstreams = vec![format!("{ogx_url}/v1")];
        let options = StandaloneOptions { upstreams, ..StandaloneOptions::default() };
        let standalone = Standalone::start_with(&options).await.unwrap();
        let (key_id, secret) = standalone.api().create_key("ogx").await;
        let client = standalone.data_plane().with_key(&secret);
        let instance = format!("llm/{}", ogx_url.trim_start_matches("http://").replace(['.', ':'], "-"));
        Self { standalone, client, key_id, instance }
    }

    pub async fn lists_ids_with_slashes(&self) {
        for path in ["/v1/models".to_owned(), format!("/{}/v1/models", self.instance)] {
            let list = self.client.get(&path).await.expect(200);
            let names: Vec<&str> = list["data"].as_array().unwrap().iter().filter_map(|it| it["id"].as_str()).collect();
            assert!([CHAT_MODEL, SLASHED_MODEL].iter().all(|name| names.contains(name)), "{path}: {list}");
        }
    }

    /// Three requests. OGX ends its streams without `[DONE]`; our clients get it.
    pub async fn chats_and_streams(&self, model: &str) {
        let body = simulated(chat_body(model), "tokens-7");
        let answer = self.client.post("/v1/chat/completions", &body).await.expect(200);
        assert_is_answer(&answer, model);

        let stream = self.client.stream(&streamed_with_usage(body.clone())).await;
        assert!(stream.done && stream.text.split_whitespace().count() == 7, "{stream:?}");
        assert_eq!(stream.usages().len(), 1, "{stream:?}");
        let plain = self.client.stream(&streamed(body)).await;
        assert!(plain.done && plain.usages().is_empty(), "{plain:?}");
        assert!(plain.frames.iter().all(|frame| frame["model"] == model), "{plain:?}");
    }

    /// One request to the path of this one server.
    pub async fn chats_at_its_own_path(&self) {
        let path = format!("/{}/v1/chat/completions", self.instance);
        let body = simulated(chat_body(CHAT_MODEL), "tokens-7");
        assert_is_answer(&self.client.post(&path, &body).await.expect(200), CHAT_MODEL);
    }

    /// These requests and no others, all of them well and exact.
    pub async fn has_booked(&self, requests: usize, input_tokens: u64, output_tokens: u64) {
        let rows = self.rows(requests).await;
        assert!(rows.iter().all(|row| row.quality == "exact" && row.outcome == "success"), "{rows:#?}");
        let sum = |of: fn(&UsageRow) -> u64| rows.iter().map(of).sum::<u64>();
        assert_eq!((sum(|row| row.input_tokens), sum(|row| row.output_tokens)), (input_tokens, output_tokens));
    }

    /// OGX answers 200 and tells of the fault in a frame. Ours is a whole error, and the books know of it: one request,
    /// after which there are `requests`.
    pub async fn reports_errors_that_come_as_data(&self, requests: usize) {
        let cut = streamed(simulated(chat_body(CHAT_MODEL), "fault-cut+fault-after-3"));
        let stream = self.client.stream(&cut).await;
        let error = &stream.frames.last().expect("frames")["error"];
        for field in ["message", "type", "code", "request_id"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "no {field}: {stream:?}");
        }
        assert_eq!(self.rows(requests).await[0].outcome, "upstream_error");
    }

    /// They are nobody's, here as there.
    pub async fn refuses_ids_without_a_provider(&self) {
        assert_eq!(self.client.chat("sim-chat").await.api_error(404), "model_not_found");
    }

    async fn rows(&self, count: usize) -> Vec<UsageRow> {
        wait_for_rows(&self.standalone.api(), &self.key_id, count, PATIENCE).await
    }
}

fn assert_is_answer(answer: &Value, model: &str) {
    assert_eq!(answer["model"], model);
    assert_eq!(answer["usage"]["completion_tokens"], 7, "{answer}");
}
