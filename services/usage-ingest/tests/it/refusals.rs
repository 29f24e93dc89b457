//! What is refused here reaches the audit book.

use std::sync::Arc;

use actix_web::{App, middleware::from_fn, test, web};
use maas_web::{
    SharedCallerResolver, WebSettings,
    middleware::control_plane,
    refusals::{RefusalBook, RefusalBooks},
};
use utoipa_actix_web::AppExt as _;

use crate::{
    api::Roles,
    world::{Engine, World},
};

#[actix_web::test]
async fn a_refused_replay_is_told_to_the_audit_book() {
    let (world, service) = World::started(Engine::Sqlite).await;
    let outbox = service.outbox();
    let book = RefusalBook::start("usage-ingest", &world.process, move |deliveries, now| {
        let outbox = outbox.clone();
        async move { outbox.tell(deliveries, now).await }
    });
    let resolver: SharedCallerResolver = Arc::new(Roles);
    let app = App::new()
        .wrap(from_fn(control_plane))
        .app_data(web::Data::new(resolver))
        .app_data(web::Data::new(WebSettings {
            public_origin: "http://localhost".to_owned(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        }))
        .app_data(web::Data::new(RefusalBooks::of(book)))
        .into_utoipa_app()
        .configure(|services| service.configure(services))
        .into_app();
    let app = test::init_service(app).await;
    let request = test::TestRequest::post().uri("/api/v1/usage/quarantine/replay");
    let request = request.insert_header(("authorization", "Bearer user")).to_request();
    assert_eq!(test::call_service(&app, request).await.status(), 403);

    let record = world.audit_record().await;
    assert_eq!((record.action.as_str(), record.outcome.as_str()), ("call.refuse", "denied"));
    assert_eq!((record.service.as_str(), record.actor_name.as_str()), ("usage-ingest", "Ada"));
    assert_eq!(record.resource_id, "POST /api/v1/usage/quarantine/replay");
}
