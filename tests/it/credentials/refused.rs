//! What is wrong with an identity is said, and what locks it is not done.

use taskbell::sim::{Fault, On};

use super::{Cloud, KEYS, PASSWORD, agency, futures_of, projects, refusal, walk};

const OTHER: &str = "fedcba9876543210fedcba9876543210";

#[tokio::test]
async fn a_wrong_password_is_not_tried_at_every_poll() {
    let cloud = Cloud::new("").await;
    let wrong = PASSWORD.replace("simulator-password", "s3cret");
    let source = cloud.source(&wrong, "");
    let first = refusal(&*source).await;
    let expected = format!(
        "auth: the identity service {} answered 401: The username or password is wrong.",
        cloud.sim.url()
    );
    assert!(first.starts_with(&expected), "{first}");
    for seconds in [1, 30, 59] {
        cloud.hand.set(seconds);
        let again = refusal(&*source).await;
        assert!(again.contains("not asked again before"), "{again}");
    }
    assert_eq!(cloud.count(On::Iam), 1);
    cloud.hand.set(60);
    refusal(&*source).await;
    assert_eq!(cloud.count(On::Iam), 2);
}

#[tokio::test]
async fn a_wrong_signature_does_not_lock_the_key_for_others() {
    let cloud = Cloud::new("").await;
    let wrong = KEYS.replace("-not-a-real-one", "-s3cret");
    let source = cloud.source(&wrong, "project_id = '0123456789abcdef0123456789abcdef'");
    for minute in 0..10 {
        cloud.hand.set(minute * 60);
        let shown = refusal(&*source).await;
        assert!(shown.starts_with("auth: the cloud answered 401 APIGW.0301"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    assert_eq!(cloud.count(On::List), 3);
    // Whoever has the right secret still gets in.
    assert_eq!(walk(&*cloud.source(KEYS, "")).await.unwrap(), 3);
}

#[tokio::test]
async fn a_wrong_key_of_many_sources_is_shown_as_seldom_as_that_of_one() {
    let cloud = Cloud::new("[[project]]\ncount = 20").await;
    let wrong = KEYS.replace("-not-a-real-one", "-s3cret");
    let sources = cloud.sources(&[("kps", &projects(20), &wrong)]);
    let polls = sources.iter().map(|source| refusal(&**source));
    let shown = futures_of(polls).await;
    assert!(shown.iter().all(|one| one.starts_with("auth: ")), "{shown:?}");
    assert_eq!(cloud.count(On::List), 3, "the cloud locks at five");
    let waits = shown.iter().filter(|one| one.contains("not asked again before")).count();
    assert_eq!(waits, 17, "{shown:?}");
}

#[tokio::test]
async fn a_key_that_works_again_is_found_out() {
    let cloud = Cloud::new("").await;
    let source = cloud.source(KEYS, "");
    cloud.sim.set_fault(Fault { status: Some(401), ..Fault::default() });
    for minute in 0..5 {
        cloud.hand.set(minute * 60);
        refusal(&*source).await;
    }
    assert_eq!(cloud.count(On::List), 3);
    cloud.sim.clear_faults();
    cloud.hand.set(12 * 60);
    assert_eq!(walk(&*source).await.unwrap(), 3);
}

#[tokio::test]
async fn a_project_that_cannot_be_looked_up_is_said_with_what_there_is() {
    let one = "[[project]]\n";
    let two = format!("{one}[[project]]\nid = '{OTHER}'\n");
    let none = format!("[[project]]\nid = '{OTHER}'\nregion = 'cn-east-3'\n");
    for (scenario, expected) in [
        (
            two,
            format!(
                "request: the identity service {{}} knows 2 projects of region cn-north-4, such as \
             0123456789abcdef0123456789abcdef, {OTHER}; write project_id"
            ),
        ),
        (
            none,
            "not_in_region: the identity service {} knows no project of region cn-north-4 that \
                this identity may see; write project_id"
                .to_owned(),
        ),
    ] {
        let cloud = Cloud::new(&scenario).await;
        let source = cloud.source(KEYS, "");
        let expected = expected.replace("{}", &cloud.sim.url());
        assert_eq!(refusal(&*source).await, expected);
        let found = source.examine().await;
        let last = found.last().unwrap();
        assert!(last.is_bad() && last.step == "project", "{found:?}");
    }
}

#[tokio::test]
async fn a_host_without_an_agency_says_so() {
    let without = "[metadata]\nagency = false";
    for version in ["", "\nversion = 'v1'"] {
        let cloud = Cloud::new(&format!("{without}{version}")).await;
        let shown = refusal(&*cloud.source(&cloud.metadata(), "")).await;
        assert!(shown.starts_with("auth: this ECS has no agency; bind one to it"), "{shown}");
    }
    let cloud = Cloud::new("").await;
    let nowhere = "kind = 'metadata', endpoint = 'http://127.0.0.1:9'";
    let shown = refusal(&*cloud.source(nowhere, "")).await;
    let expected = "network: no answer from the metadata service http://127.0.0.1:9; is this an \
                    ECS?";
    assert!(shown.starts_with(expected), "{shown}");
}

#[tokio::test]
async fn an_agency_that_does_not_trust_us_is_a_matter_of_permission() {
    let cloud = Cloud::new("").await;
    let auth = agency(KEYS).replace("simulator-agency", "other");
    let shown = refusal(&*cloud.source(&auth, "")).await;
    assert!(shown.starts_with("permission: the identity service"), "{shown}");
}

#[tokio::test]
async fn nonsense_from_the_identity_service_shows_no_secret() {
    let cloud = Cloud::new("").await;
    for (auth, on) in
        [(PASSWORD.to_owned(), On::Iam), (agency(KEYS), On::Iam), (cloud.metadata(), On::Metadata)]
    {
        cloud.sim.set_fault(Fault { on, html: Some(200), ..Fault::default() });
        let shown = refusal(&*cloud.source(&auth, "")).await;
        assert!(shown.starts_with("schema: the "), "{auth}: {shown}");
        assert!(!shown.contains("simulator-"), "{shown}");
        cloud.sim.clear_faults();
    }
}
