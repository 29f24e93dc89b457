//! The OpenAPI 3.1 document of a service, from its assembled app, and the merged one of the platform.

use actix_web::App;
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder,
        path::{Operation, PathItem},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_actix_web::{AppExt as _, service_config::ServiceConfig};

use crate::{
    openai_error::{self, OpenAiError, OpenAiErrorBody},
    problem::{FieldFault, ProblemBody},
};

/// The scheme names used in documents and attributes.
pub const BEARER: &str = "access_token";
pub const SESSION: &str = "session_cookie";
pub const API_KEY: &str = "api_key";

/// What any operation of the control plane may answer besides its own responses.
const COMMON_PROBLEMS: [(&str, &str); 5] = [
    ("400", "The input has faults; `errors` lists them"),
    ("401", "No valid session or access token"),
    ("403", "The caller's role does not allow this"),
    ("500", "A fault on our side"),
    ("503", "A part that is needed is not reachable; Retry-After says when to try again"),
];
const BODY_PROBLEMS: [(&str, &str); 2] =
    [("413", "The body is larger than 1 MiB"), ("415", "The body is not application/json")];

/// The document of one service. `configure` is what the service's app is built with, so nothing can be missing.
pub fn document(service: &str, configure: impl FnOnce(&mut ServiceConfig)) -> OpenApi {
    let (_, mut document) = App::new().into_utoipa_app().configure(configure).split_for_parts();
    document.info = InfoBuilder::new()
        .title(format!("Models as a Service: {service}"))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(utoipa::openapi::LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    add_components(&mut document);
    for (path, item) in &mut document.paths.paths {
        let refusal = if path.starts_with(openai_error::PREFIX) { compatibility_error } else { problem };
        for operation in operations_mut(item) {
            complete(operation, refusal);
        }
    }
    document
}

/// One document out of several. A schema name that two services use for different things is an error.
pub fn merge(documents: impl IntoIterator<Item = OpenApi>) -> Result<OpenApi, String> {
    let mut merged = OpenApiBuilder::new().build();
    merged.info = InfoBuilder::new()
        .title("Models as a Service")
        .description(Some("The control plane and the OpenAI-compatible data plane of the platform."))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(utoipa::openapi::LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    for document in documents {
        for (path, item) in document.paths.paths {
            if merged.paths.paths.insert(path.clone(), item).is_some() {
                return Err(format!("two services serve {path}"));
            }
        }
        let (Some(from), into) = (document.components, merged.components.get_or_insert_default()) else { continue };
        for (name, schema) in from.schemas {
            let same = into.schemas.get(&name).is_none_or(|existing| *existing == schema);
            if !same {
                return Err(format!("two services have different schemas named {name}"));
            }
            into.schemas.insert(name, schema);
        }
        into.security_schemes.extend(from.security_schemes);
    }
    Ok(merged)
}

fn add_components(document: &mut OpenApi) {
    let components = document.components.get_or_insert_default();
    components.schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    components.schemas.insert(FieldFault::name().into_owned(), FieldFault::schema());
    components.schemas.insert(OpenAiErrorBody::name().into_owned(), OpenAiErrorBody::schema());
    components.schemas.insert(OpenAiError::name().into_owned(), OpenAiError::schema());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
        "maas_session",
        "Called `__Host-maas` where the platform is reached by https. Changes also need the x-csrf-token header.",
    ));
    components.add_security_scheme(SESSION, SecurityScheme::ApiKey(cookie));
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// How an error with this description is answered.
type Refusal = fn(&str) -> utoipa::openapi::Response;

/// Security where the attributes say nothing, and the errors that every operation may answer.
fn complete(operation: &mut Operation, refusal: Refusal) {
    let data_plane = operation.security.as_ref().is_some_and(|security| {
        security.iter().any(|requirement| serde_json::to_string(requirement).is_ok_and(|text| text.contains(API_KEY)))
    });
    if data_plane {
        return;
    }
    if operation.security.is_none() {
        let requirement = |name| SecurityRequirement::new::<_, [String; 0], String>(name, []);
        operation.security = Some(vec![requirement(BEARER), requirement(SESSION)]);
    }
    let is_public =
        operation.security.as_ref().is_some_and(|security| security.contains(&SecurityRequirement::default()));
    let common = COMMON_PROBLEMS.into_iter().filter(|(status, _)| !is_public || !matches!(*status, "401" | "403"));
    let body_problems = operation.request_body.is_some().then_some(BODY_PROBLEMS);
    for (status, description) in common.chain(body_problems.into_iter().flatten()) {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(refusal(description)));
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        // An error that an attribute names without a body has the one body that errors have.
        if (status.starts_with('4') || status.starts_with('5')) && response.content.is_empty() {
            *response = refusal(&response.description);
        }
    }
}

fn problem(description: &str) -> utoipa::openapi::Response {
    error_response(description, "application/problem+json", &ProblemBody::name())
}

/// Under `/maas-api`.
fn compatibility_error(description: &str) -> utoipa::openapi::Response {
    error_response(description, "application/json", &OpenAiErrorBody::name())
}

fn error_response(description: &str, media_type: &str, schema: &str) -> utoipa::openapi::Response {
    let schema = RefOr::Ref(Ref::from_schema_name(schema));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content(media_type, content).build()
}

/// The text that is committed and served: pretty JSON with a final newline.
pub fn to_text(document: &OpenApi) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(text)
}
