//! What the service logs on a thread, at every level.
//!
//! One subscriber for the whole test program: with one per test, a log line that another test's thread comes to first
//! would be found to interest nobody, and stay switched off.

use std::{cell::RefCell, io, sync::Once};

use tracing_subscriber::{Layer as _, filter::dynamic_filter_fn, layer::SubscriberExt as _};

thread_local! {
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Takes down this thread's lines until it is dropped.
pub struct Captured;

impl Captured {
    pub fn begin() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let is_wanted = dynamic_filter_fn(|_, _| LINES.with_borrow(Option::is_some));
            let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Lines).with_filter(is_wanted);
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
        });
        LINES.set(Some(Vec::new()));
        Self
    }

    pub fn text(&self) -> String {
        LINES.with_borrow(|lines| String::from_utf8_lossy(lines.as_deref().unwrap_or_default()).into_owned())
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        LINES.set(None);
    }
}

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.as_mut().map(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
