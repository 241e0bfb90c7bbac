//! Delivering: a burst, a slow receiver, and how long one failure takes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use taskbell::{
    app,
    clock::{Clock as _, SystemClock},
    config::Config,
    receiver::WebhookReceiver,
    sim::{Scenario, SimTask, Simulator},
    worker::daemon::Daemon,
};
use tokio_util::sync::CancellationToken;

use crate::{
    bare, median, ms,
    peers::{Cloud, PROJECT, Place, Receiver},
};

async fn tell(count: usize, delay: Duration, runs: usize) -> (Duration, Duration) {
    let cloud = Cloud::start(&format!("[[project]]\ngenerate = {{ count = {count} }}\n"));
    let receiver = Receiver::start(delay).await;
    let place = Place::new(&cloud.url, receiver.address, &[PROJECT.to_owned()], "notify");
    let (mut ours, mut bares) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        place.forget();
        let before = receiver.count.load(Ordering::SeqCst);
        ours.push(place.once().await.0);
        let told = receiver.count.load(Ordering::SeqCst) - before;
        assert_eq!(told, u64::try_from(count).unwrap(), "each is told");
        bares.push(bare::post(&format!("http://{}/", receiver.address), count).await);
    }
    (median(ours), median(bares))
}

/// New failures, one notice each, durable.
pub(crate) async fn burst() {
    for count in [1_000, 10_000] {
        let (ours, bare) = tell(count, Duration::ZERO, 5).await;
        let rate = f64::from(u32::try_from(count).unwrap()) / ours.as_secs_f64();
        println!(
            "deliver, {count} new failures: {} ({rate:.0} a second, process and poll included); \
             bare posts {}",
            ms(ours),
            ms(bare)
        );
    }
}

/// A receiver that takes 20 ms.
pub(crate) async fn slow_receiver() {
    let (ours, bare) = tell(6_400, Duration::from_millis(20), 3).await;
    let floor = Duration::from_millis(20) * 100;
    println!(
        "deliver, 6400 to a receiver that takes 20 ms: {}; bare {}; 64 at a time take {}",
        ms(ours),
        ms(bare),
        ms(floor)
    );
}

/// From the listing that shows a task to its webhook.
pub(crate) async fn latency() {
    let any = "127.0.0.1:0".parse().unwrap();
    let clock = Arc::new(SystemClock);
    let cloud = Simulator::start(Scenario::default(), any, clock.clone()).await.unwrap();
    let hook = WebhookReceiver::start(any, vec![], clock.clone()).await.unwrap();
    let place = Place::new(&cloud.url(), hook.address(), &[PROJECT.to_owned()], "silent");
    let config = Config::load(Some(&place.config())).unwrap();
    let store = app::open_store(&config, "the bench", true).await.unwrap();
    let mut worker = app::worker(&config, store, &taskbell::source::Standings::default()).unwrap();
    Arc::make_mut(&mut worker.sources)[0].interval = Duration::from_millis(100);
    let mut arrivals = hook.subscribe();
    let stop = CancellationToken::new();
    let daemon = Daemon::new(worker).run(stop.clone());
    let sampling = async {
        let mut times = Vec::new();
        tokio::time::sleep(Duration::from_millis(500)).await;
        for _ in 0..200 {
            cloud.add_task(PROJECT, &SimTask::default()).unwrap();
            let added = clock.now();
            arrivals.recv().await.unwrap();
            let arrived = clock.now();
            let shown = |at: jiff::Timestamp| added <= at;
            let listed = cloud.requests().into_iter().find(|record| shown(record.at)).unwrap().at;
            times.push(Duration::try_from(arrived.duration_since(listed)).unwrap());
        }
        stop.cancel();
        times
    };
    let (result, mut times) = tokio::join!(daemon, sampling);
    result.unwrap();
    times.sort_unstable();
    let at = |percent: usize| ms(times[times.len() * percent / 100]);
    println!("daemon, from the listing to the webhook: p50 {}, p99 {}", at(50), at(99));
}
