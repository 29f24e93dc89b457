//! model-catalog as a process of its own.
#![forbid(unsafe_code)]

maas_host::control_service! {
    name: "model-catalog",
    library: maas_model_catalog,
    service: ModelCatalog,
    settings: ModelCatalogSettings as catalog,
    ports: 8083, 8183, 8283,
    prepare: |settings, host| settings.public_url = host.http.public_url(),
    also: {
        fn configure_internal(&self, services: &mut actix_web::web::ServiceConfig) {
            self.0.configure_internal(services);
        }
    }
}

fn main() -> std::process::ExitCode {
    maas_host::run_control_service::<Service>()
}
