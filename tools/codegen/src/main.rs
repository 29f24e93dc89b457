//! Writes the Rust types of `proto/` into `libs/events/src/generated/`. Pure Rust: no protoc, no build script.
//!
//! `cargo run -p maas-codegen` rewrites them; `cargo run -p maas-codegen -- --check` fails when they are stale.
#![forbid(unsafe_code)]

use std::{env, fs, path::Path};

use anyhow::{Context as _, bail};

const FILES: [&str; 4] = [
    "maas/usage/v1/usage.proto",
    "maas/state/v1/state.proto",
    "maas/audit/v1/audit.proto",
    "maas/revocation/v1/revocation.proto",
];

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("libs/events/src/generated");
    let check = env::args().nth(1).is_some_and(|argument| argument == "--check");

    let scratch = env::temp_dir().join(format!("maas-codegen-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let written = generate(&root.join("proto"), &scratch).and_then(|()| compare_or_copy(&scratch, &target, check));
    fs::remove_dir_all(&scratch)?;
    written
}

fn generate(proto: &Path, out: &Path) -> anyhow::Result<()> {
    let descriptors = protox::compile(FILES.map(|file| proto.join(file)), [proto]).context("proto does not compile")?;
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .out_dir(out)
        .compile_fds(descriptors)
        .context("cannot generate the Rust types")
}

fn compare_or_copy(from: &Path, to: &Path, check: bool) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let source = entry?.path();
        let Some(name) = source.file_name() else { continue };
        let destination = to.join(name);
        let fresh = fs::read_to_string(&source)?;
        if check && fs::read_to_string(&destination).ok().as_deref() != Some(fresh.as_str()) {
            bail!("{} is stale: run `make generate`", destination.display());
        }
        if !check {
            fs::write(&destination, fresh)?;
        }
    }
    Ok(())
}
