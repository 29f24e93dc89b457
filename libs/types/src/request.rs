//! What kind of request it was and how it ended: one enum each, with the text used in events, metrics and answers.

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }
    };
}

text_enum! {
    /// The inference operation, by what the client called.
    Operation {
        Chat = "chat",
        Completion = "completion",
        Embeddings = "embeddings",
        Responses = "responses",
        Messages = "messages",
        CountTokens = "count_tokens",
        Rerank = "rerank",
        Speech = "speech",
        Transcription = "transcription",
        Translation = "translation",
        ImageGeneration = "image_generation",
        ImageEdit = "image_edit",
        Moderation = "moderation",
        Tokenize = "tokenize",
        Detokenize = "detokenize",
    }
}

text_enum! {
    /// How a data-plane request ended. The one list for metrics and usage events.
    Outcome {
        Success = "success",
        ClientError = "client_error",
        AuthDenied = "auth_denied",
        RateLimited = "rate_limited",
        QuotaExceeded = "quota_exceeded",
        UpstreamError = "upstream_error",
        UpstreamTimeout = "upstream_timeout",
        InternalError = "internal_error",
        ClientCancelled = "client_cancelled",
        /// The proxy died while the request was open; settled at its next start.
        Interrupted = "interrupted",
        /// Our own 503: overload, draining, state or metering not available.
        Unavailable = "unavailable",
    }
}
