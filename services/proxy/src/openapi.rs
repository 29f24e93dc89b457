//! The data plane in the OpenAPI document. Bodies are OpenAI's and pass through, so only what the proxy itself looks at
//! is described; everything else is allowed.

use maas_web::openapi::{API_KEY, document};
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        ContentBuilder, HttpMethod, ObjectBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder,
        path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem},
        request_body::RequestBodyBuilder,
        schema::{AdditionalProperties, ArrayBuilder, Schema, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::request::own_key::{OwnKey, OwnKeyUsage};

/// Which errors an operation may answer, by status.
const INFERENCE_ERRORS: [(&str, &str); 11] = [
    ("400", "The request is not valid, or too long for the model"),
    ("401", "No valid API key"),
    ("403", "The key may not do this"),
    ("404", "The model does not exist for this key"),
    ("413", "The body is too large"),
    ("415", "The body has another media type or encoding"),
    ("429", "A limit of the key or of the model's server"),
    ("500", "A fault on our side"),
    ("502", "The model's server failed"),
    ("503", "Not available right now; Retry-After says when to try again"),
    ("504", "The model's server did not answer in time"),
];
const READ_ERRORS: [(&str, &str); 2] =
    [("401", "No valid API key"), ("503", "Not available right now; Retry-After says when to try again")];

const STORED_ERRORS: [(&str, &str); 7] = [
    ("400", "A parameter is not supported"),
    ("401", "No valid API key"),
    ("403", "The key may not call the model"),
    ("404", "There is no such response of this key's owner"),
    ("502", "The model's server failed"),
    ("503", "Not available right now; Retry-After says when to try again"),
    ("504", "The model's server did not answer in time"),
];

/// One inference operation, as far as the proxy looks at its body.
struct Inference {
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// The member that carries the content; the last one is a file for uploads.
    content: &'static [&'static str],
    is_list: bool,
    streams: bool,
    media_type: &'static str,
    answers: &'static [&'static str],
}

const JSON: &str = "application/json";
const UPLOAD: &str = "multipart/form-data";

const fn json(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    content: &'static [&'static str],
) -> Inference {
    Inference { path, id, summary, content, is_list: false, streams: false, media_type: JSON, answers: &[JSON] }
}

const fn listed(row: Inference) -> Inference {
    Inference { is_list: true, ..row }
}

const fn streamed(row: Inference) -> Inference {
    Inference { streams: true, answers: &[JSON, "text/event-stream"], ..row }
}

const fn upload(path: &'static str, id: &'static str, summary: &'static str) -> Inference {
    Inference { media_type: UPLOAD, answers: &[JSON, "text/plain"], ..json(path, id, summary, &["file"]) }
}

const INFERENCE: [Inference; 15] = [
    listed(streamed(json("/v1/chat/completions", "createChatCompletion", "Answer a conversation", &["messages"]))),
    streamed(json("/v1/completions", "createCompletion", "Continue a text", &["prompt"])),
    streamed(json("/v1/responses", "createResponse", "Answer in OpenAI's Responses form", &["input"])),
    listed(streamed(json("/v1/messages", "createMessage", "Answer in Anthropic's Messages form", &["messages"]))),
    listed(json("/v1/messages/count_tokens", "countMessageTokens", "Count the tokens of a message", &["messages"])),
    json("/v1/embeddings", "createEmbedding", "Turn text into vectors", &["input"]),
    json("/v1/rerank", "createRerank", "Order documents by their relevance", &["query", "documents"]),
    Inference { answers: &["audio/mpeg"], ..json("/v1/audio/speech", "createSpeech", "Speak a text", &["input"]) },
    upload("/v1/audio/transcriptions", "createTranscription", "Write down what is said"),
    upload("/v1/audio/translations", "createTranslation", "Write down in English what is said"),
    streamed(json("/v1/images/generations", "createImage", "Paint a picture", &["prompt"])),
    Inference { content: &["prompt", "image"], ..upload("/v1/images/edits", "createImageEdit", "Change a picture") },
    json("/v1/moderations", "createModeration", "Judge whether a text is harmful", &["input"]),
    json("/tokenize", "tokenizeText", "Cut a text into tokens", &["prompt"]),
    listed(json("/detokenize", "detokenizeTokens", "Put tokens together to a text", &["tokens"])),
];

/// The document of the proxy.
pub fn openapi() -> OpenApi {
    let mut document = document("proxy", |_| {});
    let components = document.components.get_or_insert_default();
    components.schemas.insert("ApiError".to_owned(), error_schema());
    components.schemas.insert(OwnKey::name().into_owned(), OwnKey::schema());
    components.schemas.insert(OwnKeyUsage::name().into_owned(), OwnKeyUsage::schema());
    let mut schemas = Vec::new();
    OwnKey::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components.security_schemes.clear();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key: `sk-maas-…`")).build();
    components.add_security_scheme(API_KEY, SecurityScheme::Http(bearer));
    let header = ApiKey::Header(ApiKeyValue::with_description("x-api-key", "The same key, for other client libraries"));
    components.add_security_scheme("api_key_header", SecurityScheme::ApiKey(header));

    let paths = &mut document.paths.paths;
    for row in &INFERENCE {
        paths.insert(row.path.to_owned(), PathItem::new(HttpMethod::Post, inference(row)));
    }
    add_stored_responses(paths);
    paths.insert("/v1/models".to_owned(), PathItem::new(HttpMethod::Get, list_models()));
    paths.insert("/v1/models/{model}".to_owned(), PathItem::new(HttpMethod::Get, get_model()));
    paths.insert("/v1/key".to_owned(), PathItem::new(HttpMethod::Get, get_own_key()));
    document
}

fn inference(row: &Inference) -> Operation {
    let described = |kind: Type, text: &str| ObjectBuilder::new().schema_type(kind).description(Some(text)).build();
    let mut body = ObjectBuilder::new()
        .property("model", described(Type::String, "A name from GET /v1/models"))
        .required("model")
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    for name in row.content {
        let schema: Schema = match row.is_list {
            true => ArrayBuilder::new().items(RefOr::T(ObjectBuilder::new().build().into())).build().into(),
            false if row.media_type == UPLOAD => described(Type::String, "A file, or text").into(),
            false => ObjectBuilder::new().description(Some("Text, or a list of what the model takes")).build().into(),
        };
        body = body.property(*name, schema);
        // Servers take other members in their place: `prompt` or `messages`, for example.
        if row.is_list {
            body = body.required(*name);
        }
    }
    if row.streams {
        body = body.property("stream", described(Type::Boolean, "Answer as server-sent events"));
    }
    let content = ContentBuilder::new().schema(Some(Schema::from(body.build()))).build();
    let request = RequestBodyBuilder::new().content(row.media_type, content).required(Some(Required::True)).build();
    let answer = row.answers.iter().fold(ResponseBuilder::new(), |answer, media_type| {
        let schema = match *media_type {
            JSON => free_object(),
            "text/event-stream" => described(Type::String, "Frames").into(),
            _ => described(Type::String, "The bytes of the model's server").into(),
        };
        answer.content(*media_type, ContentBuilder::new().schema(Some(schema)).build())
    });
    let answer = answer.description("What the model's server answers, with our names").build();
    with_errors(
        operation(row.id, row.summary, "inference").request_body(Some(request)).response("200", answer),
        &INFERENCE_ERRORS,
    )
}

/// What an upstream keeps of a response.
fn add_stored_responses(paths: &mut utoipa::openapi::path::PathsMap<String, PathItem>) {
    let stored = |id: &str, summary: &str| {
        let parameter = ParameterBuilder::new()
            .name("response_id")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The id of a response that this key's owner has created"))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()));
        let answer = json_answer("What the model's server answers, with our names", free_object());
        with_errors(operation(id, summary, "responses").parameter(parameter).response("200", answer), &STORED_ERRORS)
    };
    let mut whole = PathItem::new(HttpMethod::Get, stored("getResponse", "Show a stored response"));
    whole.delete = Some(stored("deleteResponse", "Remove a stored response"));
    paths.insert("/v1/responses/{response_id}".to_owned(), whole);
    let cancel = PathItem::new(HttpMethod::Post, stored("cancelResponse", "Cancel a response"));
    paths.insert("/v1/responses/{response_id}/cancel".to_owned(), cancel);
    let items = PathItem::new(HttpMethod::Get, stored("listResponseInputItems", "List the input of a response"));
    paths.insert("/v1/responses/{response_id}/input_items".to_owned(), items);
}

fn list_models() -> Operation {
    let answer = json_answer("The models that this key may call, in OpenAI's form", free_object());
    with_errors(
        operation("listCallableModels", "List the models to call", "models").response("200", answer),
        &READ_ERRORS,
    )
}

fn get_model() -> Operation {
    let id = ParameterBuilder::new()
        .name("model")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The model's name; it may contain slashes"))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()));
    let answer = json_answer("The model, in OpenAI's form", free_object());
    let operation = operation("getCallableModel", "Show a model to call", "models").parameter(id);
    let errors =
        [READ_ERRORS[0], ("403", "The key may not call it"), ("404", "There is no such model"), READ_ERRORS[1]];
    with_errors(operation.response("200", answer), &errors)
}

fn get_own_key() -> Operation {
    let answer = json_answer("The key that was sent, and its usage", Ref::from_schema_name(OwnKey::name()));
    with_errors(operation("getOwnKey", "Show the key itself", "keys").response("200", answer), &READ_ERRORS)
}

fn operation(id: &str, summary: &str, tag: &str) -> OperationBuilder {
    let requirement = |name: &str| SecurityRequirement::new::<_, [String; 0], String>(name, []);
    OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
        .tag(tag)
        .securities(Some([requirement(API_KEY), requirement("api_key_header")]))
}

fn with_errors(operation: OperationBuilder, errors: &[(&str, &str)]) -> Operation {
    let described = errors.iter().fold(operation, |operation, (status, description)| {
        operation.response(*status, json_answer(description, Ref::from_schema_name("ApiError")))
    });
    described.build()
}

fn json_answer(description: &str, schema: impl Into<RefOr<Schema>>) -> utoipa::openapi::Response {
    let content = ContentBuilder::new().schema(Some(schema.into())).build();
    ResponseBuilder::new().description(description).content("application/json", content).build()
}

fn free_object() -> Schema {
    let object = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
    Schema::from(object.build())
}

fn error_schema() -> RefOr<Schema> {
    let text = |example: &str| ObjectBuilder::new().schema_type(Type::String).examples([example]).build();
    let nullable = ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::SchemaType::from_iter([Type::String, Type::Null]))
        .build();
    let error = ObjectBuilder::new()
        .property("message", text("The model `gpt-x` does not exist or you cannot use it."))
        .property("type", text("not_found_error"))
        .property("param", nullable)
        .property("code", text("model_not_found"))
        .property("request_id", text("req_019a9c3b5f0e7c42a1d38b6f0c9e4a57"))
        .property("doc_url", text("/docs/errors#model_not_found"))
        .required("message")
        .required("type")
        .required("code");
    RefOr::T(ObjectBuilder::new().property("error", error.build()).required("error").build().into())
}
