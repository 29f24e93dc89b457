//! The paths that are the platform's own, on whichever service they are.

/// First segments of our paths. No instance (`namespace/service`, under which one server's models can be called) may
/// have a namespace of such a name: one of the two would hide the other.
pub const OWN_PATH_SEGMENTS: [&str; 26] = [
    "v1",
    "api",
    "maas-api",
    "docs",
    "health",
    "ping",
    "models",
    "key",
    "chat",
    "completions",
    "embeddings",
    "responses",
    "messages",
    "rerank",
    "audio",
    "images",
    "moderations",
    "tokenize",
    "detokenize",
    "livez",
    "readyz",
    "metrics",
    "internal",
    "oauth",
    "auth",
    ".well-known",
];
