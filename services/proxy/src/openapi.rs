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

    let chat = inference("createChatCompletion", "Answer a conversation", "messages", Type::Array);
    let completion = inference("createCompletion", "Continue a text", "prompt", Type::String);
    let embeddings = inference("createEmbedding", "Turn text into vectors", "input", Type::String);
    let paths = &mut document.paths.paths;
    paths.insert("/v1/chat/completions".to_owned(), PathItem::new(HttpMethod::Post, chat));
    paths.insert("/v1/completions".to_owned(), PathItem::new(HttpMethod::Post, completion));
    paths.insert("/v1/embeddings".to_owned(), PathItem::new(HttpMethod::Post, embeddings));
    paths.insert("/v1/models".to_owned(), PathItem::new(HttpMethod::Get, list_models()));
    paths.insert("/v1/models/{model}".to_owned(), PathItem::new(HttpMethod::Get, get_model()));
    paths.insert("/v1/key".to_owned(), PathItem::new(HttpMethod::Get, get_own_key()));
    document
}

fn inference(id: &str, summary: &str, content: &str, content_type: Type) -> Operation {
    let text = |description: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(description));
    let content_schema: Schema = match content_type {
        Type::Array => ArrayBuilder::new().items(RefOr::T(free_object())).build().into(),
        _ => ObjectBuilder::new().description(Some("Text, or a list of texts or tokens")).build().into(),
    };
    let stream = ObjectBuilder::new().schema_type(Type::Boolean).description(Some("Answer as server-sent events"));
    let body = ObjectBuilder::new()
        .property("model", text("A name from GET /v1/models").build())
        .required("model")
        .property(content, content_schema)
        .required(content)
        .property("stream", stream.build())
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    let json = ContentBuilder::new().schema(Some(Schema::from(body.build()))).build();
    let request = RequestBodyBuilder::new().content("application/json", json).required(Some(Required::True)).build();
    let answer = ResponseBuilder::new()
        .description("The model's answer, or its stream")
        .content("application/json", ContentBuilder::new().schema(Some(free_object())).build())
        .content("text/event-stream", ContentBuilder::new().schema(Some(text("Frames").build())).build())
        .build();
    with_errors(
        operation(id, summary, "inference").request_body(Some(request)).response("200", answer),
        &INFERENCE_ERRORS,
    )
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
