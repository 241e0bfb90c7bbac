//! A network that delays, drips, resets, halves, repeats and swallows, on both sides.
//!
//! Whatever it does, each run ends in time with a documented exit code, and in fair weather all is
//! told: each failure once to each sink, or again with the same id and the same bytes.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    proxy::{Point, Proxy, Way, Weather},
    stage::Stage,
};

/// Every weather, and whether the other side certainly did not get through.
fn weathers() -> Vec<(Weather, bool)> {
    vec![
        (Weather::Slow(Duration::from_millis(15)), false),
        (Weather::Drip, false),
        (Weather::Reset(Point::Connected), true),
        (Weather::Reset(Point::Asked), true),
        (Weather::Reset(Point::Passed), true),
        (Weather::Reset(Point::Answered), true),
        (Weather::Reset(Point::Told), false),
        (Weather::Half(Way::Up), true),
        (Weather::Half(Way::Down), true),
        (Weather::Twice(Way::Up), false),
        (Weather::Twice(Way::Down), false),
        (Weather::Silent(Point::Connected), true),
        (Weather::Silent(Point::Asked), true),
        (Weather::Silent(Point::Passed), true),
        (Weather::Silent(Point::Answered), true),
    ]
}

async fn stage() -> (Stage, Proxy, Proxy, Proxy) {
    let stage = Stage::new("max_items = 1, wait = \"0s\"").await;
    let cloud = Proxy::start(stage.cloud.address()).await;
    let http = Proxy::start(stage.chat.address()).await;
    let smtp = Proxy::start(stage.mail.address()).await;
    stage.edit(&stage.cloud.url(), &format!("http://{}", cloud.address()));
    stage.edit("timeout = \"4s\"", "timeout = \"1s\"");
    let chat = format!("url = \"http://{}/hook\"", stage.chat.address());
    stage.edit(&chat, &format!("url = \"http://{}/hook\"\ntimeout = \"1s\"", http.address()));
    let mail = format!("smtp = \"smtp://{}\"", stage.mail.address());
    stage.edit(&mail, &format!("smtp = \"smtp://{}\"\ntimeout = \"1s\"", smtp.address()));
    let first = stage.run(&["once"]).await;
    assert_eq!(first.status.code(), Some(0), "{first:?}");
    (stage, cloud, http, smtp)
}

/// Each was told to both sinks, and what came twice was the same.
fn check(stage: &Stage, listed: &[(String, String)], why: &str) {
    let (told, mails) = (stage.told(), stage.mail.received());
    for (id, server) in listed {
        let chat: BTreeSet<_> = told
            .iter()
            .filter(|(_, ids)| ids.contains(id))
            .map(|(arrival, _)| (arrival.id.clone(), arrival.body.clone()))
            .collect();
        assert_eq!(chat.len(), 1, "{why}: {id} to the chat");
        let mail: BTreeSet<_> = mails
            .iter()
            .filter(|mail| mail.header("subject").is_some_and(|text| text.contains(server)))
            .map(|mail| (mail.header("message-id").unwrap().to_owned(), mail.raw.clone()))
            .collect();
        assert_eq!(mail.len(), 1, "{why}: {id} by mail");
    }
}

#[tokio::test]
async fn any_weather_before_the_cloud_ends_as_documented() {
    let (stage, cloud, _http, _smtp) = stage().await;
    let mut listed = Vec::new();
    for (nth, (weather, cut)) in weathers().into_iter().enumerate() {
        let why = format!("{weather:?} before the cloud");
        let server = format!("cloud-{nth}.");
        listed.push((stage.fail(&server), server));
        cloud.set(weather);
        let output = stage.run(&["once"]).await;
        let code = output.status.code();
        let expected: &[Option<i32>] = if cut { &[Some(69)] } else { &[Some(0), Some(69)] };
        assert!(expected.contains(&code), "{why}: {output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!text.contains("panicked"), "{why}: {text}");
        assert!(code == Some(0) || text.contains("poll incomplete"), "{why}: {text}");
        cloud.set(Weather::Fair);
        stage.finish().await;
        check(&stage, &listed, &why);
    }
}

#[tokio::test]
async fn any_weather_before_a_receiver_ends_as_documented() {
    for wire in ["HTTP", "SMTP"] {
        let (stage, _cloud, http, smtp) = stage().await;
        let proxy = if wire == "HTTP" { http } else { smtp };
        let mut listed = Vec::new();
        for (nth, (weather, cut)) in weathers().into_iter().enumerate() {
            let why = format!("{weather:?} before {wire}");
            let server = format!("{wire}-{nth}.");
            listed.push((stage.fail(&server), server));
            proxy.set(weather);
            let output = stage.run(&["once"]).await;
            let code = output.status.code();
            let expected: &[Option<i32>] = if cut { &[Some(75)] } else { &[Some(0), Some(75)] };
            assert!(expected.contains(&code), "{why}: {output:?}");
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!text.contains("panicked"), "{why}: {text}");
            proxy.set(Weather::Fair);
            stage.finish().await;
            check(&stage, &listed, &why);
        }
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_trouble_of_the_network_and_loses_nothing() {
    let (stage, cloud, http, _smtp) = stage().await;
    let server = "dns-1.".to_owned();
    let listed = [(stage.fail(&server), server)];
    let (good, bad) = (format!("http://{}/hook", http.address()), "http://nobody.invalid:1/hook");
    stage.edit(&good, bad);
    let output = stage.run(&["once"]).await;
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    stage.edit(bad, &good);
    let (good, bad) = (format!("http://{}", cloud.address()), "http://nobody.invalid:1");
    stage.edit(&good, &format!("{bad}\"\ninsecure = true #\""));
    let output = stage.run(&["once"]).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{output:?}");
    assert!(text.contains("class=network") || text.contains("class=timeout"), "{text}");
    stage.edit(&format!("{bad}\"\ninsecure = true #\""), &good);
    stage.finish().await;
    check(&stage, &listed, "DNS");
}

#[tokio::test]
async fn a_process_without_descriptors_says_so_and_loses_nothing() {
    let (stage, _cloud, _http, _smtp) = stage().await;
    let mut listed = Vec::new();
    // No more than ten: a larger backlog would come as one mail, under another subject.
    for limit in [8, 10, 12, 13, 14, 15, 16, 18, 20, 24] {
        let server = format!("files-{limit}.");
        listed.push((stage.fail(&server), server));
        let inner = stage.command(&["once"]);
        let mut command = std::process::Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {limit}; exec \"$@\"")).arg("sh");
        command.arg(inner.get_program()).args(inner.get_args());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let documented = [1, 69, 74, 75, 78, 0];
        let code = output.status.code();
        assert!(code.is_some_and(|code| documented.contains(&code)), "{limit}: {output:?}");
        assert!(!text.contains("panicked"), "{limit}: {text}");
        assert!(code == Some(0) || code == Some(75) || !text.is_empty(), "{limit}: says nothing");
    }
    stage.finish().await;
    check(&stage, &listed, "no descriptors");
}
