use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The packages of `cargo metadata` with these arguments. Fails if the lock file does not fit the manifests, or if a library
/// is not downloaded: the tests use no network.
pub fn packages_of(arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--locked", "--offline", "--format-version", "1"]).args(arguments);
    let output = command.current_dir(root()).output().unwrap();
    assert!(
        output.status.success(),
        "cargo metadata fails. If a library is not downloaded, run `cargo fetch --locked` first.\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The manifests of the workspace's members, as paths from its folder.
pub fn manifests_of_members() -> Vec<String> {
    let root = root().canonicalize().unwrap();
    let packages = packages_of(&["--no-deps"]);
    let manifests = packages.iter().map(|package| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap()).canonicalize().unwrap();
        manifest.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/")
    });
    manifests.collect()
}
