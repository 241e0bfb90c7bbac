//! Events as they happen, and after a break.

use std::time::Duration;

use reqwest::Response;

use super::Watched;

/// Reads until the text of the stream has `part`.
async fn read_until(stream: &mut Response, part: &str) -> String {
    let mut text = String::new();
    let reading = async {
        while !text.contains(part) {
            let chunk = stream.chunk().await.unwrap().expect("goes on");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(30), reading).await;
    assert!(read.is_ok(), "{part} is not in {text}");
    text
}

async fn connect(watched: &Watched, last: Option<&str>) -> Response {
    let mut request = watched.get("/api/v1/events");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response
}

#[tokio::test]
async fn what_happens_is_told_once_and_again_to_those_who_come_back() {
    let watched = Watched::new().await;
    let mut stream = connect(&watched, None).await;
    read_until(&mut stream, "retry:").await;
    watched.desk.stage.fail("web-7");
    let text = read_until(&mut stream, "event: deliveries.settled").await;
    let polled = text.find("\"new\":1").expect("the poll that recorded it");
    let opened = text.find("event: deliveries.opened").unwrap();
    assert!(polled < opened && opened < text.find("event: deliveries.settled").unwrap(), "{text}");
    let before = text.split_at(opened).0.rfind("id: ").unwrap();
    let id = text.split_at(before).1.lines().next().unwrap().strip_prefix("id: ").unwrap();
    // The id before the event is that of the event itself, so what follows is what it missed.
    let number: u64 = id.split_once('-').unwrap().1.parse().unwrap();
    let earlier = format!("{}-{}", id.split_once('-').unwrap().0, number - 1);
    let mut again = connect(&watched, Some(&earlier)).await;
    let replayed = read_until(&mut again, "event: deliveries.settled").await;
    assert!(replayed.contains("event: deliveries.opened"), "{replayed}");
    assert!(!replayed.contains("event: missed"), "{replayed}");

    let mut stranger = connect(&watched, Some("1-1")).await;
    read_until(&mut stranger, "event: missed").await;
}
