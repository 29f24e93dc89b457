//! The process: five services, one bus, one listener.
//!
//! Order of the start: ports, databases, ledger and people (who consume), keys and models (who publish), then the data
//! plane; requests are accepted once it knows the state. Order of the stop: the data plane first, so that its last
//! usage is booked by the services behind it; then those.

use std::{sync::Arc, time::Duration};

use actix_web::{App, middleware::from_fn, web};
use anyhow::Context as _;
use maas_auth::Auth;
use maas_bus::{InProcessBus, SharedBus};
use maas_host::{database_error, serve_operations, start_error};
use maas_key_management::KeyManagement;
use maas_model_catalog::ModelCatalog;
use maas_proxy::{Proxy, TokenKeySource};
use maas_runtime::{exit::StartError, lifecycle::Lifecycle, process::Process};
use maas_store::{ConnectOptions, Database, DatabaseUrl, outbox::Outbox};
use maas_types::UserId;
use maas_usage_ingest::UsageIngest;
use maas_web::{
    SharedCallerResolver, WebSettings,
    edge::{ClientPatience, DataPlaneOptions, serve_data_plane},
    explorer,
    middleware::control_plane,
    operations::HttpMetrics,
    refusals::{RefusalBook, RefusalBooks},
    server,
};
use secrecy::SecretString;
use utoipa::openapi::OpenApi;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    command_line::StandaloneArguments,
    configuration::{self, Configuration},
    data_folder::DataFolder,
    quick_start::QuickStart,
    upstreams,
};

/// How long the bootstrap token is valid.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3_600);
/// How long the services behind the data plane may take to end.
const CONTROL_DRAIN: Duration = Duration::from_secs(10);
/// How long the start waits for state to reach the data plane. It goes on without: a model server may be away.
const STATE_WITHIN: Duration = Duration::from_secs(5);
const FIRST_KEY: &str = "first key";

/// The services of this process; clones share them.
#[derive(Clone)]
struct Services {
    auth: Auth,
    keys: KeyManagement,
    catalog: ModelCatalog,
    usage: UsageIngest,
    proxy: Proxy,
}

pub async fn run(arguments: StandaloneArguments) -> Result<(), StartError> {
    maas_runtime::tls::install_crypto_provider();
    let folder = DataFolder::open(&arguments.data_dir)?;
    let mut configuration = configuration::load(&arguments, &folder)?;
    maas_runtime::telemetry::init(&configuration.telemetry).map_err(anyhow::Error::from)?;
    // Ports first: whoever starts a second copy learns it before anything is touched.
    let public = server::bind(configuration.http.address(), "MAAS__HTTP__PORT (or --port)")?;
    let operations = server::bind(configuration.operations.address(), "MAAS__OPERATIONS__PORT (or --ops-port)")?;

    // Kept to the end of the process: dropping it stops it.
    let simulated = if configuration.catalog.upstreams.is_empty() && configuration.catalog.models_file.is_none() {
        let (server, listed) = upstreams::simulated().context("the simulated model server")?;
        configuration.catalog.upstreams.push(listed);
        Some(server)
    } else {
        None
    };

    let edge = Process::new().map_err(anyhow::Error::from)?;
    let core = Process { lifecycle: Lifecycle::new(), ..edge.clone() };
    edge.lifecycle.on_signal().map_err(anyhow::Error::from)?;
    let services = start_services(&configuration, &folder, &core, &edge).await?;
    let gauges = services.proxy.clone();
    serve_operations(&edge, operations, move || gauges.refresh_metrics()).map_err(anyhow::Error::from)?;

    let mut quick_start = set_up(&services, &configuration).await?;
    quick_start.simulated = simulated.is_some();
    serve(&services, &configuration, (&core, &edge), public)?;
    if let Some(file) = &arguments.bootstrap_file {
        quick_start.write(file)?;
    }
    quick_start.print().context("the quick start cannot be printed")?;
    drop(quick_start);

    wait(&edge.lifecycle, &core.lifecycle, services.proxy.drain_timeout()).await
}

async fn start_services(
    configuration: &Configuration,
    folder: &DataFolder,
    core: &Process,
    edge: &Process,
) -> Result<Services, StartError> {
    let bus: SharedBus = Arc::new(InProcessBus::new());
    let usage_database = database(folder, maas_usage_ingest::SCHEMA).await?;
    maas_usage_ingest::migrate(&usage_database).await.map_err(|error| database_error(&error))?;
    let auth_database = database(folder, maas_auth::SCHEMA).await?;
    maas_auth::migrate(&auth_database).await.map_err(|error| database_error(&error))?;
    let key_database = database(folder, maas_key_management::SCHEMA).await?;
    maas_key_management::migrate(&key_database).await.map_err(|error| database_error(&error))?;
    let catalog_database = database(folder, maas_model_catalog::SCHEMA).await?;
    maas_model_catalog::migrate(&catalog_database).await.map_err(|error| database_error(&error))?;

    let usage = UsageIngest::start(configuration.usage.clone(), usage_database, bus.clone(), core);
    let usage = usage.await.map_err(start_error)?;
    let auth = Auth::start(configuration.auth.clone(), auth_database, bus.clone(), core);
    let auth = auth.await.map_err(start_error)?;
    let keys = KeyManagement::start(configuration.keys.clone(), key_database, bus.clone(), core);
    let keys = keys.await.map_err(start_error)?;
    let catalog = ModelCatalog::start(configuration.catalog.clone(), catalog_database, bus.clone(), core);
    let catalog = catalog.await.map_err(start_error)?;
    let token_keys = Some(token_keys(&auth));
    let proxy = Proxy::start_beside_auth(configuration.proxy.clone(), token_keys, bus, edge).await?;
    Ok(Services { auth, keys, catalog, usage, proxy })
}

/// The data plane verifies access tokens with what auth says here and now, without a network in between.
fn token_keys(auth: &Auth) -> TokenKeySource {
    let auth = auth.clone();
    Arc::new(move || {
        let keys = auth.token_keys();
        Box::pin(async move { Ok(keys) })
    })
}

async fn database(folder: &DataFolder, schema: &'static str) -> Result<Database, StartError> {
    let url = DatabaseUrl::Sqlite(folder.database(schema));
    let options = ConnectOptions { url, schema, max_connections: 1 };
    Database::connect(&options).await.map_err(|error| database_error(&error))
}

/// The first admin, the first key, the models; waits until the data plane knows them.
async fn set_up(services: &Services, configuration: &Configuration) -> Result<QuickStart, StartError> {
    let admin = services.auth.ensure_first_admin().await.map_err(anyhow::Error::from)?;
    let token = services.auth.issue_control_token(admin.user_id, TOKEN_LIFETIME).await.map_err(anyhow::Error::from)?;
    let api_key = services.keys.create_first_key(admin.user_id, FIRST_KEY).await.map_err(anyhow::Error::from)?;
    for report in services.catalog.sync_all().await {
        tracing::info!(source.report = ?report, "model source read");
    }
    wait_for_state(&services.proxy, admin.user_id).await;
    Ok(QuickStart {
        url: configuration.http.public_url(),
        ops_url: format!("http://{}", configuration.operations.address()),
        admin_user: admin.user_name,
        admin_password: admin.one_time_password,
        admin_token: token,
        api_key: api_key.map(|key| SecretString::from(key.expose().to_owned())),
        model: services.proxy.chat_model(),
        simulated: false,
    })
}

async fn wait_for_state(proxy: &Proxy, admin: UserId) {
    let known = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while !(proxy.knows_user(admin) && proxy.chat_model().is_some()) {
            look.tick().await;
        }
    };
    if tokio::time::timeout(STATE_WITHIN, known).await.is_err() {
        tracing::warn!("no model can be called yet: see the sources in GET /api/v1/sources");
    }
}

fn serve(
    services: &Services,
    configuration: &Configuration,
    (core, edge): (&Process, &Process),
    listener: std::net::TcpListener,
) -> Result<(), StartError> {
    let settings = web::Data::new(WebSettings {
        public_origin: configuration.http.public_url(),
        allowed_origins: configuration.http.cors.allowed_origins.clone(),
        trusted_proxies: configuration.http.trusted_proxies.clone(),
    });
    let resolver: web::Data<SharedCallerResolver> = web::Data::new(services.auth.resolver());
    let metrics = web::Data::new(HttpMetrics::register(&edge.metrics).map_err(anyhow::Error::from)?);
    let documents = [
        ("auth", maas_auth::openapi()),
        ("key-management", maas_key_management::openapi()),
        ("model-catalog", maas_model_catalog::openapi()),
        ("usage-ingest", maas_usage_ingest::openapi()),
        ("proxy", maas_proxy::openapi()),
    ];
    let refusals = web::Data::new(refusal_books(services, core, &documents));
    let mut texts = Vec::with_capacity(documents.len());
    for (service, document) in documents {
        texts.push((service, maas_web::openapi::to_text(&document).map_err(anyhow::Error::from)?));
    }

    let drain = services.proxy.drain_timeout();
    let composed = services.clone();
    let application = move || {
        App::new()
            .wrap(from_fn(control_plane))
            .app_data(settings.clone())
            .app_data(resolver.clone())
            .app_data(metrics.clone())
            .app_data(refusals.clone())
            .configure(|resources| {
                let mut described = ServiceConfig::new(resources);
                composed.auth.configure(&mut described);
                composed.keys.configure(&mut described);
                composed.catalog.configure(&mut described);
                composed.usage.configure(&mut described);
                for (service, text) in &texts {
                    explorer::serve_document(resources, service, text.clone());
                }
                explorer::configure(resources);
            })
            .default_service(composed.proxy.data_plane())
    };
    let options = DataPlaneOptions {
        workers: configuration.http.workers,
        drain,
        patience: ClientPatience::default(),
        render_refusal: maas_proxy::refuse_at_edge,
    };
    serve_data_plane(&edge.lifecycle, "http", listener, options, application).map_err(anyhow::Error::from)?;
    Ok(())
}

/// A book for each service that has an outbox. They end with the services, after the last request.
fn refusal_books(services: &Services, core: &Process, documents: &[(&'static str, OpenApi)]) -> RefusalBooks {
    let outboxes = [services.auth.outbox(), services.keys.outbox(), services.catalog.outbox(), services.usage.outbox()];
    let book = |(service, outbox): (&'static str, Outbox)| {
        RefusalBook::start(service, core, move |deliveries, now| {
            let outbox = outbox.clone();
            async move { outbox.tell(deliveries, now).await }
        })
    };
    // The data plane comes last and has no outbox: what it refuses is no matter of the control plane.
    let names = documents.iter().map(|(service, _)| *service);
    let books: Vec<RefusalBook> = names.zip(outboxes).map(book).collect();
    RefusalBooks::by_routes(documents.iter().map(|(_, document)| document).zip(books))
}

/// Waits for the end: a signal, or a failure on either side.
async fn wait(edge: &Lifecycle, core: &Lifecycle, drain: Duration) -> Result<(), StartError> {
    let stop_both = async {
        core.stop_announced().cancelled().await;
        edge.stop();
        std::future::pending::<()>().await;
    };
    let edge_ended = tokio::select! {
        ended = edge.stopped(drain) => ended,
        () = stop_both => Ok(()),
    };
    core.stop();
    let core_ended = core.stopped(CONTROL_DRAIN).await;
    edge_ended?;
    core_ended?;
    Ok(())
}
