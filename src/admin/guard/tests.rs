use axum::http::HeaderName;

use super::*;

const TOKEN: &str = "a-token-of-some-length";

fn guard(token: bool, local: bool) -> Guard {
    let token = token.then(|| Secret::new(TOKEN.to_owned()));
    Guard::new(token, vec!["status.example.com".to_owned()], local, 9464)
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

/// What comes of a request: what the visitor may do, `sign in`, or the status.
fn outcome(guard: &Guard, method: &Method, pairs: &[(&str, &str)]) -> String {
    match guard.admit(method, &headers(pairs), false, now()) {
        Ok(visitor) => format!("{visitor:?}"),
        Err(Turned::SignIn) => "sign in".to_owned(),
        Err(Turned::Away(problem)) => problem.status().as_str().to_owned(),
    }
}

#[test]
fn only_our_own_names_are_answered() {
    let guard = guard(true, true);
    for (host, expected) in [
        ("127.0.0.1:9464", "Looks"),
        ("localhost", "Looks"),
        ("LOCALHOST:9464", "Looks"),
        ("[::1]:9464", "Looks"),
        ("192.0.2.7", "Looks"),
        ("status.example.com:443", "Looks"),
        ("evil.example.com", "421"),
        ("localhost.evil.example.com", "421"),
        ("127.0.0.1.evil.example.com:9464", "421"),
        ("status.example.com.evil.example.com", "421"),
        ("[::1", "421"),
        ("", "421"),
    ] {
        assert_eq!(outcome(&guard, &Method::GET, &[("host", host)]), expected, "{host}");
    }
    assert_eq!(outcome(&guard, &Method::GET, &[]), "421");
    let twice = [("host", "localhost"), ("host", "evil.example.com")];
    let mut both = HeaderMap::new();
    for (_, value) in twice {
        both.append("host", value.parse().unwrap());
    }
    assert!(guard.admit(&Method::GET, &both, false, now()).is_err());
}

#[test]
fn orders_need_the_token_and_so_does_all_that_others_can_reach() {
    let (host, right) = (("host", "localhost"), format!("Bearer {TOKEN}"));
    for (token, local, method, bearer, expected) in [
        (true, true, Method::GET, None, "Looks"),
        (true, true, Method::POST, None, "sign in"),
        (true, true, Method::POST, Some(right.as_str()), "Acts"),
        (true, true, Method::POST, Some("Bearer a-token-of-some-lengt"), "sign in"),
        (true, true, Method::POST, Some("Basic a-token-of-some-length"), "sign in"),
        (true, false, Method::GET, None, "sign in"),
        (true, false, Method::GET, Some(right.as_str()), "Acts"),
        (false, true, Method::GET, None, "Looks"),
        (false, true, Method::DELETE, None, "403"),
        (false, true, Method::POST, Some("Bearer "), "403"),
    ] {
        let bearer = bearer.map(|bearer| ("authorization", bearer));
        let pairs: Vec<_> = [Some(host), bearer].into_iter().flatten().collect();
        let actual = outcome(&guard(token, local), &method, &pairs);
        assert_eq!(actual, expected, "{token} {local} {method} {bearer:?}");
    }
}

#[test]
fn a_session_is_good_for_its_time_and_for_its_token_only() {
    let guard = guard(true, false);
    let session = guard.session(now()).unwrap();
    assert!(!session.contains(TOKEN));
    let look = |session: &str, at: Timestamp| {
        let cookie = format!("other=1; taskbell_9464={session}");
        let headers = headers(&[("host", "localhost"), ("cookie", &cookie)]);
        guard.admit(&Method::GET, &headers, false, at).is_ok()
    };
    assert!(look(&session, now()));
    let last = now().checked_add(SESSION).unwrap();
    assert!(!look(&session, last), "it has ended");
    let (ends, hex) = session.split_once('.').unwrap();
    let later = ends.parse::<i64>().unwrap() + 1;
    for forged in [format!("{later}.{hex}"), format!("{ends}.{}", "0".repeat(64)), ends.into()] {
        assert!(!look(&forged, now()), "{forged}");
    }
    let other = Guard::new(Some(Secret::new("another-token-of-16".into())), vec![], false, 9464);
    assert!(!look(&other.session(now()).unwrap(), now()));
}

#[test]
fn an_order_of_another_site_is_refused_although_the_browser_is_signed_in() {
    let guard = guard(true, true);
    let cookie = format!("taskbell_9464={}", guard.session(now()).unwrap());
    let host = ("host", "127.0.0.1:9464");
    let own = ("origin", "http://127.0.0.1:9464");
    for (more, expected) in [
        (vec![own], "Acts"),
        (vec![own, ("sec-fetch-site", "same-origin")], "Acts"),
        (vec![("origin", "https://127.0.0.1:9464")], "Acts"),
        (vec![("origin", "http://evil.example.com")], "403"),
        (vec![("origin", "http://127.0.0.1:9465")], "403"),
        (vec![("origin", "null")], "403"),
        (vec![own, ("sec-fetch-site", "cross-site")], "403"),
        (vec![own, ("sec-fetch-site", "same-site")], "403"),
        (vec![], "403"),
    ] {
        let pairs = [vec![host, ("cookie", cookie.as_str())], more.clone()].concat();
        assert_eq!(outcome(&guard, &Method::POST, &pairs), expected, "{more:?}");
    }
}
