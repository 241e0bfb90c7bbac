use super::*;

/// Made by the official client, with fake keys.
const VECTORS: &str = include_str!("../../../tests/vectors/smn-signing.jsonl");

#[test]
fn requests_are_signed_as_the_official_client_signs_them() {
    let mut rows = 0;
    for line in VECTORS.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap();
        let headers: Vec<(&str, &str)> = row["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let request = sign::Request {
            method: text("method"),
            path: text("path"),
            query: &[],
            headers: &headers,
            body: text("body").as_bytes(),
        };
        let date = row["headers"]["X-Sdk-Date"].as_str().unwrap();
        let now = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).unwrap();
        let now = jiff::tz::TimeZone::UTC.to_timestamp(now).unwrap();
        let secret = Secret::new(text("sk").to_owned());
        let signed = sign::sign(&request, text("ak"), &secret, now);
        assert_eq!(signed.canonical_request, text("canonical_request"));
        assert_eq!(signed.authorization, text("authorization"));
        rows += 1;
    }
    assert_eq!(rows, 20);
}

#[test]
fn the_address_is_the_one_that_the_official_client_uses() {
    let options = |more: &str| {
        let table = format!(
            "project_id = '9c2006'\ntopic_urn = 'urn:smn:ap-southeast-3:9c2006:alerts-0_x'\n\
             access_key = 'a'\nsecret_key = 's'\n{more}"
        );
        options::parse::<Options>(table.parse().unwrap()).unwrap()
    };
    let path =
        "/v2/9c2006/notifications/topics/urn%3Asmn%3Aap-southeast-3%3A9c2006%3Aalerts-0_x/publish";
    for (more, host) in [
        ("region = 'ap-southeast-3'", "smn.ap-southeast-3.myhuaweicloud.com"),
        ("endpoint = 'http://127.0.0.1:81/'", "127.0.0.1:81"),
        ("endpoint = 'https://smn.example.com:443'", "smn.example.com"),
    ] {
        let (_, url) = url(&options(more)).unwrap();
        assert_eq!((super::host(&url).as_str(), url.path()), (host, path), "{more}");
    }
    let error = url(&options("")).unwrap_err();
    assert_eq!(error.to_string(), "region: is required, or endpoint");
}
