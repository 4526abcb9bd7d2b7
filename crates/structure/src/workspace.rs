//! The crates of the workspace, as cargo knows them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::graph::Graph;
use crate::modules::Crate;
use crate::tree::{self, Tree};

/// What is no part of the product: measuring, this crate, and what tests stand on.
const TOOLS: [&str; 3] = ["loadtests", "crates/structure", "crates/testkit"];

/// The workspace's members.
#[derive(Debug)]
pub struct Workspace {
    pub members: Vec<Member>,
}

#[derive(Debug)]
pub struct Member {
    pub name: String,
    /// Its folder; empty for the root.
    pub folder: String,
    /// The members that it depends on, for whatever it builds.
    pub depends_on: BTreeSet<String>,
}

impl Workspace {
    /// Asks cargo. The error says what it answered instead.
    pub fn read() -> Result<Self, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .current_dir(tree::root())
            .output()
            .map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Self::parse(&output.stdout),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn parse(metadata: &[u8]) -> Result<Self, String> {
        let metadata: Value = serde_json::from_slice(metadata).map_err(|error| error.to_string())?;
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let members = list(&metadata["packages"]).into_iter().map(|package| {
            let manifest = tree::from_root(Path::new(&text(&package["manifest_path"])));
            let dependencies = list(&package["dependencies"]).into_iter();
            Member {
                name: text(&package["name"]),
                folder: manifest.trim_end_matches("Cargo.toml").trim_end_matches('/').to_owned(),
                depends_on: dependencies
                    .filter(|dependency| dependency["path"].is_string())
                    .map(|dependency| text(&dependency["name"]))
                    .collect(),
            }
        });
        let members: Vec<Member> = members.collect();
        match members.is_empty() {
            true => Err("cargo names no member of the workspace".to_owned()),
            false => Ok(Self { members }),
        }
    }

    /// Who depends on whom.
    pub fn uses(&self) -> Graph {
        self.members.iter().map(|member| (member.name.clone(), member.depends_on.clone())).collect()
    }

    /// The members that the product is made of.
    pub fn product(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| {
            !TOOLS.contains(&member.folder.as_str()) && !member.folder.starts_with("examples/")
        })
    }
}

impl Member {
    /// Whether it is one of the domains: a crate of its own in `actors`, or what is left together there.
    pub fn is_domain(&self) -> bool {
        self.folder == "actors" || self.folder.starts_with("actors/")
    }

    /// Whether it is a client of an outside service.
    pub fn is_adapter(&self) -> bool {
        self.folder.starts_with("adapters/")
    }

    fn source(&self) -> String {
        match self.folder.as_str() {
            "" => "src".to_owned(),
            folder => format!("{folder}/src"),
        }
    }
}

/// The product's source.
#[derive(Debug)]
pub struct Product {
    pub workspace: Workspace,
    pub crates: Vec<Crate>,
}

impl Product {
    /// Reads the source of all members of the product. The error also names a file that no module declares.
    pub fn read() -> Result<Self, String> {
        let workspace = Workspace::read()?;
        let mut crates = Vec::new();
        for member in workspace.product() {
            let source = member.source();
            let tree = Tree::read(&source, "rs").map_err(|error| format!("{source}: {error}"))?;
            let first = crates.len();
            for root in ["lib.rs", "main.rs"].map(|name| format!("{source}/{name}")) {
                if tree.text(&root).is_some() {
                    crates.push(Crate::read(&tree, &root)?);
                }
            }
            let declared: BTreeSet<&str> =
                crates[first..].iter().flat_map(Crate::files).map(|file| file.path.as_str()).collect();
            if let Some((stray, _)) = tree.files().find(|(path, _)| !declared.contains(path)) {
                return Err(format!("no module declares {stray}"));
            }
        }
        Ok(Self { workspace, crates })
    }
}

#[cfg(test)]
mod tests {
    use super::Workspace;
    use crate::graph::circles;
    use crate::tree;

    #[test]
    fn a_circle_of_two_crates_is_found() {
        let root = tree::root().display().to_string();
        let metadata = format!(
            r#"{{"packages": [
                {{"name": "a", "manifest_path": "{root}/crates/a/Cargo.toml",
                  "dependencies": [{{"name": "b", "kind": null, "path": "{root}/crates/b"}}]}},
                {{"name": "b", "manifest_path": "{root}/crates/b/Cargo.toml",
                  "dependencies": [{{"name": "a", "kind": "dev", "path": "{root}/crates/a"}}, {{"name": "serde"}}]}}]}}"#
        );
        let workspace = Workspace::parse(metadata.as_bytes()).unwrap();
        assert_eq!(workspace.members[0].folder, "crates/a");
        assert_eq!(circles(&workspace.uses()), [["a", "b"]]);
    }

    #[test]
    fn what_is_no_list_of_members_is_an_error() {
        assert!(Workspace::parse(b"{}").is_err());
        assert!(Workspace::parse(b"cargo").is_err());
    }
}
