//! usage-ingest as a process of its own.
#![forbid(unsafe_code)]

maas_host::control_service! {
    name: "usage-ingest",
    library: maas_usage_ingest,
    service: UsageIngest,
    settings: UsageIngestSettings as usage,
    ports: 8084, 8184, 8284,
    prepare: |_, _| {},
    also: {}
}

fn main() -> std::process::ExitCode {
    maas_host::run_control_service::<Service>()
}
