//! What routes, payloads and answers know of a failure beside its list: the project that was
//! looked up, and the labels of its row.

use serde_json::{Value, json};

use crate::stage::{PROJECT, Stage};

/// Two routes for what matches, and one for the rest, each to another path of the receiver.
fn routes(stage: &Stage, matcher: &str) {
    stage.edit(
        "[[route]]\n            to = [\"chat\", \"mail\"]",
        &format!(
            "[[sink]]\nname = \"mine\"\nkind = \"webhook\"\nurl = \"http://{}/mine\"\n\
             [[route]]\nmatch = ['{matcher}']\nto = [\"mine\"]\ngroup = {{ wait = \"0s\" }}\n\
             [[route]]\nto = [\"chat\"]",
            stage.chat.address()
        ),
    );
}

/// What went where: the path and the payload's `data`.
fn arrived(stage: &Stage) -> Vec<(String, Value)> {
    let told = stage.told().into_iter();
    told.map(|(arrival, _)| {
        let body: Value = serde_json::from_slice(&arrival.body).unwrap();
        (arrival.target, body["data"].clone())
    })
    .collect()
}

async fn answer(stage: &Stage, args: &[&str]) -> Value {
    let output = stage.run(&[&["-o", "json"], args].concat()).await;
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{args:?}: {output:?}"))
}

/// Where `route test` sends a failure of the source, and what it says beside that.
async fn tested(stage: &Stage) -> (String, String) {
    let output = stage.run(&["route", "test", "source=cloud"]).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_project_that_was_looked_up_is_matched_and_shown() {
    let stage = Stage::new("wait = \"0s\"").await;
    let url = stage.cloud.url();
    stage.edit(
        &format!("project_id = \"{PROJECT}\""),
        &format!("region = \"cn-north-4\"\niam_endpoint = \"{url}\""),
    );
    routes(&stage, &format!("project = {PROJECT}"));
    // Nobody knows it yet, and that is said.
    let (to, said) = tested(&stage).await;
    assert_eq!(to, "chat\n", "{said}");
    assert!(said.contains("give project=ID to test by it"), "{said}");
    assert!(!stage.store().exists(), "a question makes no store");
    stage.finish().await;
    let id = stage.fail("web-01");
    let plan = answer(&stage, &["plan"]).await;
    assert_eq!(plan["notices"][0]["sink"], "mine", "{plan}");
    stage.finish().await;
    let told = arrived(&stage);
    let [(path, data)] = told.as_slice() else { panic!("one notice: {told:?}") };
    assert_eq!((path.as_str(), &data["source"]["project_id"]), ("/mine", &json!(PROJECT)));
    let shown = answer(&stage, &["failure", "show", &id]).await;
    assert_eq!(shown["project_id"], PROJECT);
    assert_eq!(shown["region"], "cn-north-4");
    assert_eq!(answer(&stage, &["source", "list"]).await[0]["project_id"], PROJECT);
    assert_eq!(tested(&stage).await, ("mine\n".to_owned(), String::new()));
    // The daemon remembers it before its first poll, which fails, and answers for it.
    stage.cloud.set_fault(toml::from_str("on = 'any'\nstatus = 503").unwrap());
    let _daemon = stage.daemon();
    stage.see("a socket", |stage| stage.store().join("control.sock").exists()).await;
    assert_eq!(tested(&stage).await.0, "mine\n");
    assert_eq!(answer(&stage, &["source", "list"]).await[0]["project_id"], PROJECT);
}

#[tokio::test]
async fn labels_of_a_row_are_matched_shown_and_kept() {
    let stage = Stage::new("wait = \"0s\"").await;
    let url = stage.cloud.url();
    stage.edit("kind = \"kps\"", "kind = \"json\"");
    stage.edit(
        &format!("endpoint = \"{url}\""),
        &format!(
            "url = \"{url}/v3/{{project_id}}/failed-tasks\"\nrows = \"/tasks\"\ntotal = \"/total\"\n\
             time = \"ms\"\npaging = {{ kind = \"offset\" }}\nlabels = {{ team = \"platform\", host = \"none\" }}\n\
             row = {{ task_id = \"/task_id\", failed_at = \"/task_time\", \
             labels = {{ host = \"/server_name\", zone = \"/zone\" }} }}"
        ),
    );
    routes(&stage, "labels.host = web-01");
    // A label that no row has is no mistake of a template.
    let template = stage.store().with_file_name("body.j2");
    std::fs::write(
        &template,
        "{\"hosts\": [{% for one in failures %}{{ one.labels.host }}, {{ one.labels.zone }}, {% endfor %}0]}",
    )
    .unwrap();
    stage.edit("/mine\"", &format!("/mine\"\nbody = \"{}\"", template.display()));
    stage.finish().await;
    let ids = [stage.fail("web-01"), stage.fail("web-02")];
    stage.finish().await;
    let own = stage.chat.received().into_iter().find(|arrival| arrival.target == "/mine").unwrap();
    assert_eq!(String::from_utf8(own.body).unwrap(), "{\"hosts\": [\"web-01\", null, 0]}");
    let told = arrived(&stage);
    let [(path, data)] = told.as_slice() else { panic!("one more: {told:?}") };
    assert_eq!(path, "/hook");
    assert_eq!(data["failures"][0]["task_id"], ids[1]);
    assert_eq!(data["failures"][0]["labels"], json!({ "host": "web-02" }));
    let shown = answer(&stage, &["failure", "show", &ids[0]]).await;
    assert_eq!(shown["labels"], json!({ "host": "web-01" }));
    // Of a row that has no such label, that of the source counts.
    let (to, _) = tested(&stage).await;
    assert_eq!(to, "chat\n");
}
