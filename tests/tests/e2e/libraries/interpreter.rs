//! What runs the scripts, where `scripts/setup-test.sh` has put it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that runs scripts, with the libraries that they use.
pub struct Interpreter {
    pub program: PathBuf,
}

impl Interpreter {
    /// The Python with the packages of `tests/sdk/requirements/<list>.txt`.
    pub fn python(list: &str) -> Self {
        let program = tools_folder().join("python").join(list).join("bin/python");
        assert!(program.is_file(), "{} is not there: `scripts/setup-test.sh` makes it", program.display());
        Self { program }
    }

    /// The same for a list that not every machine can have. `None` where set-up has left word why; the reason is written
    /// past the test runner's capture, so that it is read also when everything passes.
    pub fn python_if_possible(list: &str) -> Option<Self> {
        let Ok(reason) = std::fs::read_to_string(tools_folder().join("python").join(format!("{list}.missing"))) else {
            return Some(Self::python(list));
        };
        let _ = writeln!(std::io::stderr(), "NOT TESTED with {list}: {}", reason.trim_end());
        None
    }

    /// The Node that set-up found, or installed because the system's is too old.
    pub fn node() -> Self {
        let packages = sdk_folder().join("node/node_modules");
        assert!(packages.is_dir(), "{} is not there: `scripts/setup-test.sh` makes it", packages.display());
        let own = tools_folder().join("node/node_modules/.bin/node");
        Self { program: if own.is_file() { own } else { PathBuf::from("node") } }
    }

    /// A script of `tests/sdk`.
    pub fn script(&self, path: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(sdk_folder().join(path));
        // What the Python scripts share. No byte code beside them, and no proxy between them and us.
        command.env("PYTHONPATH", sdk_folder().join("shared"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "*");
        command
    }
}

pub fn sdk_folder() -> PathBuf {
    repository().join("tests/sdk")
}

fn tools_folder() -> PathBuf {
    std::env::var_os("MAAS_TOOLS_DIR").map_or_else(|| repository().join(".tools"), PathBuf::from)
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the repository")
}
