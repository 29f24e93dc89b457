//! The part of a `main` that is the same for every control-plane service but for its names.

/// Declares `Config` (common sections, `database`, and the service's own section) and `Service`, the [`ControlService`]
/// around the service's type. `prepare` hands over what the service's settings need of the common sections. What only
/// some services have goes into `also`, as items of that implementation.
///
/// [`ControlService`]: crate::ControlService
#[macro_export]
macro_rules! control_service {
    (
        name: $name:literal,
        library: $library:ident,
        service: $service:ident,
        settings: $settings:ident as $section:ident,
        ports: $public:literal, $internal:literal, $operations:literal,
        prepare: $prepare:expr,
        also: { $($also:tt)* }
    ) => {
        #[derive(Debug, ::serde::Serialize, ::serde::Deserialize)]
        struct Config {
            #[serde(flatten)]
            host: $crate::HostConfig,
            database: ::maas_runtime::config::sections::DatabaseSection,
            $section: $library::$settings,
        }

        impl Default for Config {
            fn default() -> Self {
                Self {
                    host: $crate::HostConfig::with_ports($public, $internal, $operations),
                    database: Default::default(),
                    $section: Default::default(),
                }
            }
        }

        impl ::maas_runtime::config::Validate for Config {
            fn validate(&self, faults: &mut ::maas_runtime::config::Faults) {
                self.host.validate(faults);
                faults.section("database", &self.database);
                faults.section(stringify!($section), &self.$section);
            }
        }

        impl $crate::ControlConfig for Config {
            fn host(&self) -> &$crate::HostConfig {
                &self.host
            }

            fn database(&self) -> &::maas_runtime::config::sections::DatabaseSection {
                &self.database
            }
        }

        #[derive(Clone)]
        struct Service($library::$service);

        impl $crate::ControlService for Service {
            type Config = Config;
            const NAME: &'static str = $name;
            const SCHEMA: &'static str = $library::SCHEMA;

            fn openapi() -> ::utoipa::openapi::OpenApi {
                $library::openapi()
            }

            async fn migrate(database: &::maas_store::Database) -> Result<(), ::maas_store::StoreError> {
                $library::migrate(database).await
            }

            async fn check_schema(database: &::maas_store::Database) -> Result<(), ::maas_store::StoreError> {
                $library::check_schema(database).await
            }

            async fn start(
                config: &Config,
                database: ::maas_store::Database,
                bus: ::maas_bus::SharedBus,
                process: &::maas_runtime::process::Process,
            ) -> Result<Self, ::maas_runtime::exit::StartError> {
                let mut settings = config.$section.clone();
                let prepare: fn(&mut $library::$settings, &$crate::HostConfig) = $prepare;
                prepare(&mut settings, &config.host);
                let started = $library::$service::start(settings, database, bus, process).await;
                started.map(Self).map_err($crate::start_error)
            }

            fn configure(&self, services: &mut ::utoipa_actix_web::service_config::ServiceConfig<'_>) {
                self.0.configure(services);
            }

            fn outbox(&self) -> ::maas_store::outbox::Outbox {
                self.0.outbox()
            }

            $($also)*
        }
    };
}
