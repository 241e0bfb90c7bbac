//! Metrics: what is given, what is documented, and the rules that are made for them.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use taskbell::admin::metrics::table::{METRICS, markdown};

use super::Watched;

const BEGIN: &str =
    "<!-- metrics: a test compares this table with the code, BLESS=1 rewrites it -->\n";
const END: &str = "<!-- end -->";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_metric_is_documented() {
    let path = root().join("docs/metrics.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (shown, behind) = rest.split_once(END).unwrap();
    if taskbell::options::env("BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{}{END}{behind}", markdown())).unwrap();
    } else {
        assert_eq!(shown, markdown(), "BLESS=1 rewrites it");
    }
}

#[tokio::test]
async fn what_is_given_is_what_is_documented_and_passes_promtool() {
    let watched = Watched::new().await;
    let failed = watched.desk.stage.fail("web-8");
    let told =
        |stage: &crate::stage::Stage| stage.told().iter().any(|(_, ids)| ids.contains(&failed));
    watched.desk.stage.see("the new failure at the chat", told).await;
    let response = watched.get("/metrics").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(seen.insert(rest.split(' ').next().unwrap().to_owned()), "twice: {line}");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let whole = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let name = whole.filter(|name| known.contains(name)).unwrap_or(name);
            let metric = METRICS.iter().find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("{line} is not documented"));
            let bucket = line.contains("_bucket{");
            for (label, values) in
                metric.labels.iter().filter(|(label, _)| bucket || *label != "le")
            {
                assert!(line.contains(&format!("{label}=\"")), "{line} lacks {label}");
                let closed = values.contains(", ");
                let value = line.split(&format!("{label}=\"")).nth(1).unwrap();
                let value = value.split('"').next().unwrap();
                let words: Vec<&str> = values.split(", ").map(str::trim).collect();
                assert!(!closed || words.contains(&value), "{line}: {label} may be {values}");
            }
        }
    }
    let expected: BTreeSet<String> = known.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(seen, expected);
    assert!(text.contains("taskbell_source_blind{source=\"cloud\"} 0"), "{text}");
    let file = watched.desk.stage.store().with_extension("prom");
    fs::write(&file, text).unwrap();
    let input = fs::File::open(&file).unwrap();
    let Ok(output) = Command::new("promtool").args(["check", "metrics"]).stdin(input).output()
    else {
        println!("promtool is not installed: it did not judge the metrics");
        return;
    };
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_alerts_fire_when_they_should() {
    let folder = root().join("packaging/prometheus");
    let Ok(output) = Command::new("promtool")
        .args(["test", "rules", "taskbell.test.yml"])
        .current_dir(&folder)
        .output()
    else {
        println!("promtool is not installed: the alerts were not tried");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn alerts_and_dashboard_use_only_metrics_that_there_are() {
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    for file in ["prometheus/taskbell.rules.yml", "grafana/taskbell.json"] {
        let text = fs::read_to_string(root().join("packaging").join(file)).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        let mut used = 0;
        for word in words.filter(|word| word.starts_with("taskbell_")) {
            let whole = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
            assert!(
                known.contains(word) || whole.is_some_and(|name| known.contains(name)),
                "{word}"
            );
            used += 1;
        }
        assert!(5 < used, "{file}");
        if file.ends_with("json") {
            let board: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(board["panels"].as_array().unwrap().len() >= 6);
        }
    }
}
