//! Files with secrets in them.

use std::{fs, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

/// Writes a file that only its owner can read: whole or not at all, since scripts wait for it to appear. What was at
/// the path before is replaced, its mode included, and a link there is not followed.
pub fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut half_written = path.as_os_str().to_owned();
    half_written.push(format!(".{}", std::process::id()));
    let half_written = Path::new(&half_written);
    match fs::remove_file(half_written) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // New, or not at all: a file that somebody else put there would be theirs to read.
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(half_written)?;
    file.write_all(contents)?;
    fs::rename(half_written, path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_that_others_could_read_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bootstrap.json");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o600));
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("bootstrap.json"), folder.path().join("victim"));
        fs::write(&victim, "untouched").unwrap();
        symlink(&victim, &path).unwrap();
        symlink(&victim, folder.path().join(format!("bootstrap.json.{}", std::process::id()))).unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o600));
    }
}
