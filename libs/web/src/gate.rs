//! Who may not ask learns nothing of how to ask: input is judged only after the permission is.
//!
//! actix polls the extractors of a handler side by side. `Require` leaves a gate with the request when it is created,
//! and opens it once the permission is there; extractors that stand behind it in the handler's arguments wait for it.
//! If the permission is refused the gate never opens, and the refusal is what the handler ends with.

use actix_web::{HttpMessage as _, HttpRequest};
use tokio_util::sync::CancellationToken;

/// Left by an extractor that decides who may ask.
#[derive(Clone)]
pub struct Gate(CancellationToken);

impl Gate {
    /// Leaves a closed gate with the request.
    pub fn close(request: &HttpRequest) -> Self {
        let gate = Self(CancellationToken::new());
        request.extensions_mut().insert(gate.clone());
        gate
    }

    /// The gate that an earlier extractor left, if there is one.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Input may be judged now.
    pub fn open(&self) {
        self.0.cancel();
    }

    pub(crate) async fn passed(gate: Option<Self>) {
        if let Some(Self(opened)) = gate {
            opened.cancelled().await;
        }
    }
}
