//! A TCP proxy between taskbell and who it talks to, which does what networks do.
//!
//! It sees bytes and no protocol: what a client sends up to the first answer is a question, what
//! comes back up to the next question is its answer. So it stands before HTTP and SMTP alike, and
//! before the cloud as well as before a receiver.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Where in an exchange something happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Point {
    /// The client has a connection, and nothing was said.
    Connected,
    /// The client said something that was not passed on.
    Asked,
    /// It was passed on.
    Passed,
    /// The other side answered, and that was not passed on.
    Answered,
    /// The answer was passed on.
    Told,
}

impl Point {
    pub(crate) const ALL: [Self; 5] =
        [Self::Connected, Self::Asked, Self::Passed, Self::Answered, Self::Told];
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// From the client.
    Up,
    /// To the client.
    Down,
}

/// What the network does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Weather {
    /// Nothing.
    #[default]
    Fair,
    /// Each piece waits so long, both ways.
    Slow(Duration),
    /// One byte at a time, both ways.
    Drip,
    /// The connection is reset at this point.
    Reset(Point),
    /// Half of a piece goes through, then the connection ends.
    Half(Way),
    /// A piece goes through twice.
    Twice(Way),
    /// From this point on nothing goes through, and the connection stays.
    Silent(Point),
}

/// The process to be killed when a point is passed for the `left`th time.
#[derive(Clone, Copy, Debug)]
struct Killing {
    point: Point,
    left: u32,
    pid: Option<Pid>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    weather: Mutex<Weather>,
    killing: Mutex<Option<Killing>>,
}

/// See the module. Closes every connection when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { upstream, weather: Mutex::default(), killing: Mutex::default() });
        let mine = Arc::clone(&shared);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                open.spawn(carry(stream, Arc::clone(&shared)));
            }
        });
        Self { address, shared: mine, _tasks: tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// So from the next piece on.
    pub(crate) fn set(&self, weather: Weather) {
        *self.shared.weather.lock().unwrap() = weather;
    }

    /// Kills the process of [`Proxy::victim`] when `point` is passed for the `nth` time.
    pub(crate) fn kill_at(&self, point: Point, nth: u32) {
        *self.shared.killing.lock().unwrap() = Some(Killing { point, left: nth, pid: None });
    }

    pub(crate) fn victim(&self, pid: Pid) {
        if let Some(killing) = &mut *self.shared.killing.lock().unwrap() {
            killing.pid = Some(pid);
        }
    }

    /// Kills nobody any more.
    pub(crate) fn spare(&self) {
        *self.shared.killing.lock().unwrap() = None;
    }
}

/// Why a connection ends.
enum End {
    Closed,
    Reset,
}

impl Shared {
    /// Something passes `point`.
    async fn pass(&self, point: Point) -> Result<(), End> {
        let victim = {
            let mut killing = self.killing.lock().unwrap();
            match &mut *killing {
                Some(one) if one.point == point && 0 < one.left => {
                    one.left -= 1;
                    (one.left == 0).then_some(())
                }
                _ => None,
            }
        };
        if victim.is_some() {
            // It may have connected before the test knew its number.
            loop {
                let Some(killing) = *self.killing.lock().unwrap() else { return Err(End::Closed) };
                if let Some(pid) = killing.pid {
                    // It may have ended by itself.
                    let _gone = kill_process(pid, Signal::KILL);
                    return Err(End::Closed);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let weather = *self.weather.lock().unwrap();
        match weather {
            Weather::Reset(at) if at == point => Err(End::Reset),
            Weather::Silent(at) if at == point => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn write(&self, to: &mut TcpStream, piece: &[u8], way: Way) -> Result<(), End> {
        let weather = *self.weather.lock().unwrap();
        let closed = |_| End::Closed;
        match weather {
            Weather::Slow(wait) => {
                tokio::time::sleep(wait).await;
                to.write_all(piece).await.map_err(closed)
            }
            Weather::Drip => {
                for byte in piece {
                    to.write_all(std::slice::from_ref(byte)).await.map_err(closed)?;
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            Weather::Half(at) if at == way => {
                to.write_all(&piece[..piece.len() / 2]).await.map_err(closed)?;
                Err(End::Closed)
            }
            Weather::Twice(at) if at == way => {
                to.write_all(piece).await.map_err(closed)?;
                to.write_all(piece).await.map_err(closed)
            }
            _ => to.write_all(piece).await.map_err(closed),
        }
    }
}

async fn carry(mut client: TcpStream, shared: Arc<Shared>) {
    if let Err(End::Reset) = converse(&mut client, &shared).await {
        // Closing with this set sends a reset instead of a farewell.
        drop(client.set_zero_linger());
    }
}

async fn converse(client: &mut TcpStream, shared: &Shared) -> Result<(), End> {
    shared.pass(Point::Connected).await?;
    let mut server = TcpStream::connect(shared.upstream).await.map_err(|_| End::Reset)?;
    client.set_nodelay(true).map_err(|_| End::Closed)?;
    server.set_nodelay(true).map_err(|_| End::Closed)?;
    let (mut asked, mut told) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let (way, count) = tokio::select! {
            count = client.read(&mut asked) => (Way::Up, count),
            count = server.read(&mut told) => (Way::Down, count),
        };
        let count = count.map_err(|_| End::Closed)?;
        if count == 0 {
            return Ok(());
        }
        let (before, after, piece, to) = match way {
            Way::Up => (Point::Asked, Point::Passed, &asked[..count], &mut server),
            Way::Down => (Point::Answered, Point::Told, &told[..count], &mut *client),
        };
        shared.pass(before).await?;
        shared.write(to, piece, way).await?;
        shared.pass(after).await?;
    }
}
