//! Makes a service that asks auth about callers ask again once auth has said that somebody changed, so that an ended
//! session or a role that was taken away counts here at once. If the news is lost, it counts within the five seconds
//! that an answer is believed.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use maas_bus::SharedBus;
use maas_events::{state::CallersChanged, topic::CALLERS_CHANGED_SUBJECT, validate::required_uuid};
use maas_types::UserId;
use maas_web::remote_caller::RemoteCallerResolver;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Runs until the soft stop.
pub async fn hear(resolver: Arc<RemoteCallerResolver>, bus: SharedBus, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        () = listen(&resolver, &bus) => Ok(()),
    }
}

async fn listen(resolver: &RemoteCallerResolver, bus: &SharedBus) {
    loop {
        match bus.listen(CALLERS_CHANGED_SUBJECT).await {
            Ok(mut news) => {
                while let Some(payload) = news.recv().await {
                    resolver.forget(&changed(payload));
                }
            }
            Err(error) => tracing::debug!(error = %error, "changes of callers cannot be heard"),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Nobody, if it is not what auth sends.
fn changed(payload: Bytes) -> HashSet<UserId> {
    let Ok(CallersChanged { user_ids }) = CallersChanged::decode(payload) else {
        tracing::warn!("changes of callers arrived in a form that is not known");
        return HashSet::new();
    };
    let ids = user_ids.iter().filter_map(|id| required_uuid("user_ids", id).ok());
    ids.map(UserId::from_uuid).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use actix_web::{App, HttpResponse, HttpServer, web};
    use maas_bus::InProcessBus;
    use maas_http::{AddressGuard, ControlOptions, control_client};
    use maas_testkit::eventually;
    use maas_types::{Role, SessionId, Timestamp};
    use maas_web::{
        Caller, CallerResolver as _, Credential, Via,
        remote_caller::{RESOLVE_PATH, ResolveCallerAnswer},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn ada(role: Role) -> Caller {
        let now = Timestamp::from_unix_ms(1);
        Caller {
            user_id: UserId::from_uuid(uuid::Uuid::from_bytes([7; 16])),
            user_name: "ada".to_owned(),
            role,
            via: Via::Session(SessionId::new_at(now)),
            must_change_password: false,
            teams: Vec::new(),
        }
    }

    fn news_of(byte: u8) -> Bytes {
        CallersChanged { user_ids: vec![Bytes::copy_from_slice(&[byte; 16])] }.encode_to_vec().into()
    }

    /// An auth that has been asked `asked` times: ada is admin the first time, and a user from then on.
    fn auth(asked: Arc<AtomicU64>) -> (String, actix_web::dev::Server) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = HttpServer::new(move || {
            let asked = asked.clone();
            let answer = move || {
                let role = if asked.fetch_add(1, Ordering::SeqCst) == 0 { Role::Admin } else { Role::User };
                std::future::ready(HttpResponse::Ok().json(ResolveCallerAnswer { caller: Some(ada(role)) }))
            };
            App::new().route(RESOLVE_PATH, web::post().to(answer))
        });
        (url, server.workers(1).listen(listener).unwrap().run())
    }

    #[actix_web::test]
    async fn auth_is_asked_again_once_it_says_that_somebody_changed() {
        let asked = Arc::new(AtomicU64::new(0));
        let (url, server) = auth(asked.clone());
        let running = server.handle();
        tokio::spawn(server);
        let options = ControlOptions { guard: AddressGuard::with_loopback(), ..ControlOptions::default() };
        let resolver = RemoteCallerResolver::new(control_client(&options).unwrap(), &url, "token".into());
        let (resolver, bus) = (Arc::new(resolver), Arc::new(InProcessBus::new()) as SharedBus);
        let stop = CancellationToken::new();
        let hearing = tokio::spawn(hear(resolver.clone(), bus.clone(), stop.clone()));
        let session = Credential::Session("secret".into());
        let role = async || resolver.resolve(&session).await.unwrap().unwrap().role;

        assert_eq!((role().await, role().await), (Role::Admin, Role::Admin));
        bus.broadcast(CALLERS_CHANGED_SUBJECT, news_of(8)).await.unwrap();
        bus.broadcast(CALLERS_CHANGED_SUBJECT, Bytes::from_static(b"\xff")).await.unwrap();
        assert_eq!((role().await, asked.load(Ordering::SeqCst)), (Role::Admin, 1));
        eventually(PATIENCE, || async {
            bus.broadcast(CALLERS_CHANGED_SUBJECT, news_of(7)).await.unwrap();
            (role().await == Role::User).then_some(())
        })
        .await;
        stop.cancel();
        hearing.await.unwrap().unwrap();
        running.stop(false).await;
    }
}
