//! kill -9: what the journal's files hold is all that the next process has.

use maas_events::usage::Quality;

use crate::world::{Setup, World, copy_folder};

#[tokio::test]
async fn open_requests_are_settled_by_the_next_process_under_their_ids() {
    let first = World::with(Setup { without_ingest: true, ..Setup::default() }).await;
    // Two settled and not shipped, two open.
    assert_eq!(first.chat("chat", "").id("settled").send().await.status, 200);
    let mut streaming = first.stream("chat", "fault-stall").id("streaming").open().await;
    streaming.until("rivers").await;
    let _waiting = first.chat("chat", "delay-60000").id("waiting").open().await;
    let mut done = first.stream("chat", "").id("done").open().await;
    first.upstream_counts(|counters| counters.input_tokens == 20).await;
    // Whoever has seen the end was booked before.
    done.until("[DONE]").await;

    // The files as a kill would leave them.
    let remains = tempfile::tempdir().unwrap();
    copy_folder(&first.journal_dir, remains.path());
    let second = World::with(Setup { journal: Some(remains.path().to_owned()), ..Setup::default() }).await;
    for id in ["streaming", "waiting"] {
        let event = second.event(id).await;
        assert_eq!((event.outcome.as_str(), event.quality()), ("interrupted", Quality::None), "{id}");
        assert_eq!((event.model.as_str(), event.key_id.clone()), ("chat", first.key_state.id.clone()));
    }
    for id in ["settled", "done"] {
        let event = second.event(id).await;
        assert_eq!((event.outcome.as_str(), event.quality()), ("success", Quality::Exact), "{id}");
    }
    let sources = second.books.sources();
    let source_of = |id: &str| {
        let holds = |source: &crate::ingest::Source| source.events.values().any(|event| event.request_id == id);
        sources.iter().find(|(_, source)| holds(source)).unwrap().0.clone()
    };
    assert_ne!(
        source_of("settled"),
        source_of("waiting"),
        "settlements keep their source, interruptions get a new one"
    );
    assert_eq!(source_of("waiting"), source_of("streaming"));
    assert_eq!(second.finish().await.len(), 4);
}

#[tokio::test]
async fn a_second_process_cannot_have_the_same_journal() {
    let first = World::start().await;
    let settings = maas_proxy::ProxySettings {
        journal_dir: first.journal_dir.clone(),
        pepper: maas_runtime::config::Secret::new(crate::fixtures::PEPPER),
        ..Default::default()
    };
    let process = maas_runtime::process::Process::new().unwrap();
    let second = maas_proxy::Proxy::start(settings, std::sync::Arc::new(first.bus.clone()), &process).await;
    assert!(second.is_err());
}
