//! The operations that are answered and counted.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    ListModels,
    ChatCompletions,
    Completions,
    Embeddings,
    CreateResponse,
    ReadResponse,
    DeleteResponse,
    CancelResponse,
    ListInputItems,
    Messages,
    CountTokens,
    Rerank,
    Moderations,
    ImageGenerations,
    ImageEdits,
    Speech,
    Transcriptions,
    Translations,
    Tokenize,
    Detokenize,
}
