//! key-management as a process of its own.
#![forbid(unsafe_code)]

maas_host::control_service! {
    name: "key-management",
    library: maas_key_management,
    service: KeyManagement,
    settings: KeyManagementSettings as keys,
    ports: 8082, 8182, 8282,
    prepare: |_, _| {},
    also: {
        fn configure_internal(&self, services: &mut actix_web::web::ServiceConfig) {
            self.0.configure_internal(services);
        }
    }
}

fn main() -> std::process::ExitCode {
    maas_host::run_control_service::<Service>()
}
