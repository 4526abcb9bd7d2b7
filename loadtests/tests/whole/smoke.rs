use std::process::Command;

use serde_json::Value;

use crate::product;

#[test]
fn a_scenario_runs_reads_its_promises_back_and_writes_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_loadtests"))
        .args(["activate-one", "--clients", "16", "--duration", "1", "--warm-up", "0"])
        .arg("--server")
        .arg(product())
        .arg("--work-dir")
        .arg(folder.path().join("work"))
        .arg("--report")
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("holds   exactly one device was answered 201 (1)"), "{said}");
    assert!(!said.contains("BROKEN"), "{said}");
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("activate-one.json")).unwrap()).unwrap();
    assert!(report["answers"].as_u64().unwrap() > 16, "{report}");
    let page = std::fs::read_to_string(folder.path().join("activate-one.html")).unwrap();
    assert!(page.contains("<polyline") && !page.contains("http://") && !page.contains("<script"));
    assert_eq!(std::fs::read_dir(folder.path().join("work")).unwrap().count(), 0, "nothing is left behind");
}
