//! Tokens and temporary keys expire, early and in time.

use taskbell::sim::On;

use super::{Cloud, KEYS, PASSWORD, agency, walk};

#[tokio::test]
async fn what_expires_is_renewed_before_it_does() {
    let cloud = Cloud::new("").await;
    // With the seconds that each lives.
    for (auth, life) in
        [(PASSWORD.to_owned(), 86_400), (cloud.metadata(), 3600), (agency(KEYS), 3600)]
    {
        cloud.hand.set(0);
        let source = cloud.source(&auth, "");
        for seconds in [0, life - 601, life - 599, life + 60, 2 * life] {
            cloud.hand.set(seconds);
            assert_eq!(walk(&*source).await.unwrap(), 3, "{auth} after {seconds} s");
        }
    }
    assert_eq!(cloud.answered(401), 0);
}

#[tokio::test]
async fn what_expires_early_is_renewed_once() {
    for kind in ["password", "metadata", "agency"] {
        let cloud = Cloud::new("").await;
        let auth = match kind {
            "password" => PASSWORD.to_owned(),
            "metadata" => cloud.metadata(),
            _ => agency(KEYS),
        };
        let source = cloud.source(&auth, "");
        walk(&*source).await.unwrap();
        let asked = cloud.count(On::Iam) + cloud.count(On::Metadata);
        walk(&*source).await.unwrap();
        assert_eq!(cloud.count(On::Iam) + cloud.count(On::Metadata), asked, "{kind}: not kept");
        cloud.sim.expire_tokens();
        assert_eq!(walk(&*source).await.unwrap(), 3, "{kind}");
        assert_eq!(cloud.answered(401), 1, "{kind}");
    }
}

#[tokio::test]
async fn a_base_that_expired_early_is_renewed_on_the_way_to_the_agency() {
    let cloud = Cloud::new("").await;
    let source = cloud.source(&agency(PASSWORD), "");
    walk(&*source).await.unwrap();
    cloud.sim.expire_tokens();
    assert_eq!(walk(&*source).await.unwrap(), 3);
    // The key of the agency, and the token by which it was had.
    assert_eq!(cloud.answered(401), 2);
}

#[tokio::test]
async fn many_polls_at_the_same_time_log_in_once() {
    let cloud = Cloud::new("latency = '20ms'").await;
    let source = cloud.source(PASSWORD, "");
    let all = tokio::join!(walk(&*source), walk(&*source), walk(&*source), walk(&*source));
    assert_eq!([all.0.unwrap(), all.1.unwrap(), all.2.unwrap(), all.3.unwrap()], [3, 3, 3, 3]);
    // The token says which project it is good for, so nothing else is asked.
    assert_eq!(cloud.count(On::Iam), 1);
    let keys = cloud.source(KEYS, "");
    let all = tokio::join!(walk(&*keys), walk(&*keys), walk(&*keys));
    assert_eq!([all.0.unwrap(), all.1.unwrap(), all.2.unwrap()], [3, 3, 3]);
    assert_eq!(cloud.count(On::Iam), 2);
}
