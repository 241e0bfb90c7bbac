//! What an operator asks and orders, with a daemon and without one: exit codes, words, shapes.
//!
//! Every test runs twice, since a command must not tell whether a daemon answered. The daemon's
//! polls bring nothing new, so all that happens is what the commands do.

mod complete;
mod dead;
pub(crate) mod desk;
mod failure;
mod metrics;
mod other_config;
mod silence;

/// Runs a test without a daemon and with one.
macro_rules! with_and_without_a_daemon {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let run = async |running| {
                    super::$name(crate::commands::desk::Desk::new(running).await).await;
                };
                tokio::join!(run(false), run(true));
            }
        )*
    };
}
pub(crate) use with_and_without_a_daemon;
