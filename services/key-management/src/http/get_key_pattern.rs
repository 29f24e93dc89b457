use actix_web::{get, web};
use maas_keys::{KEY_LENGTH, PREFIX, SCANNER_PATTERN};
use serde::Serialize;
use utoipa::ToSchema;

/// How a secret of this platform is recognised.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyPattern {
    /// Matches every secret of a key, and little else.
    #[schema(example = "sk-maas-[0-9A-Za-z]{16}_[0-9A-Za-z]{49}")]
    pattern: &'static str,
    #[schema(example = "sk-maas-")]
    prefix: &'static str,
    /// In characters.
    #[schema(example = 74)]
    length: usize,
    /// How a match is told from a text that only looks like one.
    #[schema(example = "the last 6 characters are the CRC-32 (IEEE) of all before them, in base 62")]
    checksum: &'static str,
    /// Where a secret that was found can be ended by whoever holds it.
    #[schema(example = "/api/v1/keys/report-leak")]
    report_to: &'static str,
}

/// Shows the pattern of API keys, for secret scanners. Needs no sign-in.
#[utoipa::path(
    operation_id = "getKeyPattern",
    tag = "keys",
    security(()),
    responses((status = 200, description = "The pattern", body = KeyPattern))
)]
#[get("/api/v1/keys/pattern")]
pub async fn get_key_pattern() -> web::Json<KeyPattern> {
    web::Json(KeyPattern {
        pattern: SCANNER_PATTERN,
        prefix: PREFIX,
        length: KEY_LENGTH,
        checksum: "the last 6 characters are the CRC-32 (IEEE) of all before them, as a number of base 62 with the \
            digits 0-9, A-Z, a-z and leading zeros",
        report_to: "/api/v1/keys/report-leak",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_scanners_shows_the_same_pattern() {
        let page = include_str!("../../../../docs/keys.md");
        assert!(page.contains(&format!("\n{SCANNER_PATTERN}\n")));
    }
}
