//! The sources of `docs/sources.md`, each against the answer that its service gives.

use super::*;

const GUIDE: &str = include_str!("../../../../docs/sources.md");

/// The source of this name in the guide, at `origin` in place of its own host.
fn example(name: &str, host: &str, origin: &str) -> Json {
    let named = format!("name = \"{name}\"");
    let mut blocks = GUIDE.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let text = blocks.find(|block| block.contains(&named)).unwrap();
    assert!(text.contains(host), "{name} is at another host");
    let config: toml::Table = text.replace(host, origin).parse().unwrap();
    let mut options = config["source"][0].as_table().unwrap().clone();
    for shared in ["name", "kind"] {
        options.remove(shared).unwrap();
    }
    for value in options["auth"].as_table_mut().unwrap().iter_mut().map(|(_, value)| value) {
        if value.is_table() {
            *value = "example-secret".into();
        }
    }
    built(options)
}

/// Each task as `id | time | type | code | message | server | labels`, and what was asked for first.
async fn tasks(
    name: &str,
    host: &str,
    recorded: &'static str,
    paged: bool,
) -> (Vec<String>, Asked) {
    let server = Server::start(move |number, _| {
        let mut whole: Answer = serde_json::from_str(recorded).unwrap();
        if paged && number != 0 {
            for list in whole.as_object_mut().unwrap().values_mut().filter(|list| list.is_array()) {
                *list = json!([]);
            }
        }
        ok(&whole)
    })
    .await;
    let mut sift = sift();
    let walk = example(name, host, &server.origin).walk(&mut sift).await.unwrap();
    assert_eq!(Completeness::of(&walk, sift.distinct()), Completeness::Complete);
    let word = |word: Option<String>| word.unwrap_or("-".into());
    let mut shown: Vec<String> = sift
        .finish()
        .unknown
        .into_iter()
        .map(|found| {
            let (task, text) = (found.task.clone(), found.task.text);
            let at = task.failed_at.map_or("-".to_owned(), |at| at.to_string());
            let server = format!("{} {}", word(text.server_id), word(text.server_name));
            let labels = text.labels.iter().map(|(name, value)| format!("{name}={value}"));
            [
                task.id,
                at,
                text.operate_type,
                word(text.error_code),
                word(text.error_message),
                server,
                labels.collect::<Vec<_>>().join(" "),
            ]
            .join(" | ")
        })
        .collect();
    shown.sort();
    (shown, server.asked().remove(0))
}

#[tokio::test]
async fn dds_scheduled_jobs() {
    let recorded = include_str!("../../../../tests/vectors/lists/dds-scheduled-jobs.json");
    let host = "https://dds.{region}.myhuaweicloud.com";
    let (tasks, asked) = tasks("dds-scheduled", host, recorded, true).await;
    assert_eq!(
        tasks,
        [
            "3711e2ad-5787-49bc-a47f-3f0b066af9f5 | 2026-11-22T17:12:44Z | RESIZE_FLAVOR | - | - | \
             53f872d07e834dea8e6f6ca06b7c65a4in02 orders-replica | status=normal",
            "8b1c6ff1-4b83-4b9b-9bd0-0b7a1d1e2a10 | 2026-11-21T17:03:05Z | RESIZE_FLAVOR | - | - | \
             9136fd2a9fcd405ea4674276ce36dae8in02 sessions | status=abnormal",
        ]
    );
    let path = "/v3/0123456789abcdef0123456789abcdef/scheduled-jobs";
    assert_eq!(asked.target(), format!("{path}?job_status=Failed&limit=100&offset=0"));
    assert!(asked.header("authorization").unwrap().starts_with("SDK-HMAC-SHA256 Access="));
}

#[tokio::test]
async fn airflow_runs() {
    let recorded = include_str!("../../../../tests/vectors/lists/airflow-dag-runs.json");
    let (tasks, asked) = tasks("airflow", "https://airflow.example.com", recorded, true).await;
    assert_eq!(
        tasks,
        [
            "billing_daily/scheduled__2026-11-22T00:00:00+00:00 | 2026-11-23T00:14:09.482Z | \
             billing_daily | - | - | - - | dag=billing_daily run_type=scheduled",
            "reload/manual__2026-11-22T08:30:11.201345+00:00 | 2026-11-22T08:31:40Z | reload | - | \
             asked for by the warehouse team | - - | dag=reload run_type=manual",
        ]
    );
    let query = "end_date_gte=2026-11-16T10%3A00%3A00Z&limit=100&offset=0&state=failed";
    assert_eq!(asked.target(), format!("/api/v1/dags/~/dagRuns?{query}"));
    assert_eq!(asked.header("authorization"), Some("Basic dGFza2JlbGw6ZXhhbXBsZS1zZWNyZXQ="));
}

#[tokio::test]
async fn github_runs() {
    let recorded = include_str!("../../../../tests/vectors/lists/github-workflow-runs.json");
    let (tasks, asked) = tasks("ci", "https://api.github.com", recorded, false).await;
    assert_eq!(
        tasks,
        [
            "30433001 | 2026-11-22T10:00:00Z | Deploy | failure | Deploy | \
             octo-org/octo-repo release/7 | actor=octocat event=workflow_dispatch",
            "30433642 | 2026-11-22T19:55:02Z | Build | failure | Update README.md | \
             octo-org/octo-repo main | actor=octocat event=push",
        ]
    );
    let query = "created=%3E%3D2026-11-16T10%3A00%3A00Z&per_page=100&status=failure";
    assert_eq!(asked.target(), format!("/repos/octo-org/octo-repo/actions/runs?{query}"));
    assert_eq!(asked.header("accept"), Some("application/vnd.github+json"));
    assert_eq!(asked.header("authorization"), Some("Bearer example-secret"));
}
