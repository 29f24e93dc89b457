//! Finding server programs, also where a plain user's PATH does not look.

use std::path::PathBuf;

use anyhow::anyhow;

/// The first `name` in PATH, then in `more_folders`. The error names the Debian package that brings it.
pub(crate) fn find_program(name: &str, more_folders: &[PathBuf], debian_package: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(more_folders.iter().cloned())
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| anyhow!("{name} is not installed: apt-get install {debian_package}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        let error = find_program("no-such-server", &[], "no-such-package").unwrap_err();
        assert!(error.to_string().contains("apt-get install no-such-package"));
    }
}
