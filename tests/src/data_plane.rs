//! A client of the data plane that shows every byte: what the official libraries hide is checked here.

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::http::{Answer, client};

#[derive(Clone)]
pub struct DataPlane {
    client: Client,
    base: String,
    key: String,
}

/// A streamed answer read to its end.
#[derive(Debug)]
pub struct StreamedAnswer {
    /// The `data:` frames without the last one.
    pub frames: Vec<Value>,
    /// Whether `data: [DONE]` came last.
    pub done: bool,
    /// The text of all frames together.
    pub text: String,
    /// The whole body.
    pub body: String,
}

/// A stream that is being read.
pub struct ChatStream {
    response: Response,
    pub request_id: String,
}

impl DataPlane {
    /// `base` without `/v1`.
    pub fn new(base: &str, key: &str) -> Self {
        Self { client: client(), base: base.to_owned(), key: key.to_owned() }
    }

    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        if self.key.is_empty() { request } else { request.bearer_auth(&self.key) }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// The error is one of the connection: nobody listens, or not yet.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<Answer> {
        Answer::try_of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// The error is one of the connection: the process is gone.
    pub async fn try_post(&self, path: &str, body: &Value) -> reqwest::Result<Answer> {
        Answer::try_of(self.request(Method::POST, path).json(body)).await
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::of(request).await
    }

    pub async fn chat(&self, model: &str) -> Answer {
        self.post("/v1/chat/completions", &chat_body(model)).await
    }

    /// A chat whose upstream behaves as these modifiers of the simulated upstream say.
    pub async fn chat_with(&self, model: &str, modifiers: &str) -> Answer {
        self.post("/v1/chat/completions", &simulated(chat_body(model), modifiers)).await
    }

    /// The ids in `GET /v1/models`; none while the list is refused.
    pub async fn model_names(&self) -> Vec<String> {
        let list = self.get("/v1/models").await;
        let models = if list.status == 200 { list.json()["data"].as_array().cloned() } else { None };
        let names = models.unwrap_or_default().into_iter().filter_map(|model| model["id"].as_str().map(str::to_owned));
        names.collect()
    }

    /// Streams a chat to its end.
    pub async fn stream(&self, body: &Value) -> StreamedAnswer {
        let stream = self.open_stream("/v1/chat/completions", body).await;
        stream.read_to_end().await
    }

    /// Begins a stream; fails when the answer is no stream.
    pub async fn open_stream(&self, path: &str, body: &Value) -> ChatStream {
        let response = self.request(Method::POST, path).json(body).send().await.expect("an HTTP answer");
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (content_type, request_id) = (header("content-type"), header("x-request-id"));
        if status != 200 || !content_type.starts_with("text/event-stream") {
            panic!("no stream but {status} {content_type}: {}", response.text().await.unwrap_or_default());
        }
        assert_eq!(header("x-accel-buffering"), "no");
        assert_eq!(header("cache-control"), "no-cache");
        ChatStream { response, request_id }
    }
}

impl ChatStream {
    /// Reads until something of the answer's text has come.
    pub async fn read_some(&mut self) -> String {
        let mut body = String::new();
        while !body.contains("\"content\"") && !body.contains("\"text\"") {
            match self.response.chunk().await.expect("the stream goes on") {
                Some(chunk) => body.push_str(&String::from_utf8_lossy(&chunk)),
                None => panic!("the stream ended before its first word: {body}"),
            }
        }
        body
    }

    /// Reads to the end. `None` when the connection broke before.
    pub async fn try_read_to_end(self) -> Option<StreamedAnswer> {
        self.response.text().await.ok().map(StreamedAnswer::of)
    }

    pub async fn read_to_end(self) -> StreamedAnswer {
        self.try_read_to_end().await.expect("the stream ends cleanly")
    }
}

impl StreamedAnswer {
    fn of(body: String) -> Self {
        let mut data: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).collect();
        let done = data.last() == Some(&"[DONE]");
        if done {
            data.pop();
        }
        let frames: Vec<Value> =
            data.into_iter().map(|frame| serde_json::from_str(frame).expect("frames are JSON")).collect();
        let texts = frames.iter().filter_map(|frame| {
            let choice = &frame["choices"][0];
            choice["delta"]["content"].as_str().or(choice["text"].as_str())
        });
        Self { text: texts.collect(), frames, done, body }
    }

    /// The frames that carry usage.
    pub fn usages(&self) -> Vec<&Value> {
        self.frames.iter().filter(|frame| frame["usage"].is_object()).collect()
    }
}

/// Five words of input.
pub fn chat_body(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "say something about the sea"}]})
}

/// The body with modifiers for the simulated upstream, such as `tokens-7` or `error-internal+delay-5`.
pub fn simulated(mut body: Value, modifiers: &str) -> Value {
    body["user"] = json!(format!("sim:{modifiers}"));
    body
}

/// The same request, streamed.
pub fn streamed(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body
}

/// The same request, streamed with its usage.
pub fn streamed_with_usage(body: Value) -> Value {
    let mut body = streamed(body);
    body["stream_options"] = json!({"include_usage": true});
    body
}
